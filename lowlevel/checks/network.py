"""The gradients that a mode gives the parameters of a small network, against exact ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.checks import executions
from lowlevel.checks.exact import exact_arrays
from lowlevel.checks.labels import labels_of
from lowlevel.checks.rows import WRONG, Row, what_is_wrong
from lowlevel.checks.subject import Subject
from lowlevel.checks.trials import derivatives
from lowlevel.config import ModelSettings
from lowlevel.data import Table
from lowlevel.experiment import modes
from lowlevel.likelihoods import Likelihood

# As far as exact slopes, worked out for float32's z, tell anything.
_TOLERANCE = 1e-5


class Network:
    """Dense(4) -> Logistic of a mode on a small table of random features."""

    def __init__(self, mode: str, likelihood: Likelihood, dtype: str, seed: int) -> None:
        """Builds the network; the same weights and rows every time."""
        random = np.random.default_rng(seed)
        # No two parameters of one shape: it tells them apart.
        features = random.normal(scale=2.0, size=(20, 3)).astype(dtype)
        labels = random.choice(labels_of(likelihood), 20).astype(dtype)
        table = Table(features, labels)
        wing = modes.load(mode)
        self.likelihood = likelihood
        self.model = wing.build(ModelSettings(hidden_units=(4,), seed=seed), likelihood, table)
        self.columns = [tf.constant(column) for column in table.columns]
        with tf.GradientTape() as tape:
            self.model.loss_fn(*self.columns)
        by_shape = {tuple(v.shape): v for v in tape.watched_variables()}
        named = wing.named_weights(self.model)
        self.variables = {name: by_shape[array.shape] for name, array in named.items()}

    def linear_predictor(self) -> tf.Tensor:
        """Returns z of every row, `[n]`."""
        return self.model.logistic.linear_predictor(self.model.latent(self.columns[0]))

    def plain_loss(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Returns the mean loss without a rule of its own."""
        return tf.reduce_mean(self.likelihood.nll(self.linear_predictor(), y))

    def gradients(self, loss: Callable[..., tf.Tensor], jit_compile: bool) -> dict[str, Any]:
        """Returns a loss's gradient in each parameter, compiled as in training; None if lost."""

        def gradient(*columns: tf.Tensor) -> dict[str, tf.Tensor | None]:
            with tf.GradientTape() as tape:
                value = loss(*columns)
            return tape.gradient(value, self.variables)

        found = executions.compiled(gradient, jit_compile)(*self.columns)
        return {name: None if g is None else g.numpy() for name, g in found.items()}

    def exact_gradients(self) -> dict[str, np.ndarray]:
        """Returns the gradients that the exact slopes make by the chain rule."""
        with tf.GradientTape() as tape:
            z = self.linear_predictor()
        slopes = self._exact_slopes(z.numpy(), self.columns[1].numpy())
        found = tape.gradient(z, self.variables, output_gradients=tf.constant(slopes / len(slopes)))
        return {name: g.numpy() for name, g in found.items()}

    def _exact_slopes(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns the slope of every row; the likelihood's own where it offers nothing exact."""
        exact = exact_arrays(self.likelihood, z)
        slopes = np.array([exact["slope", label][row] for row, label in enumerate(y)])
        own = self.likelihood.slope(tf.constant(z), tf.constant(y)).numpy()
        return np.where(np.isnan(slopes), own, slopes)

    def gradients_by_differences(self) -> dict[str, np.ndarray]:
        """Returns the loss's gradient in each parameter by differences of its values."""
        subject = Subject(lambda: self.model.loss_fn(*self.columns), []).prepare()
        targets = {target.start.shape: target for target in subject.targets}
        return {
            name: derivatives(subject, targets[tuple(variable.shape)])
            for name, variable in self.variables.items()
        }


def network_rows(
    mode: str, likelihood: Likelihood, dtype: str, jit_compile: bool, seed: int
) -> list[Row]:
    """Checks the gradient that a mode gives each parameter of a small network."""
    network = Network(mode, likelihood, dtype, seed)
    twin = Network(mode, likelihood, "float64", seed)
    for name, variable in network.variables.items():
        twin.variables[name].assign(tf.cast(variable, tf.float64))
    found = network.gradients(network.model.loss_fn, jit_compile)
    autodiff = network.gradients(network.plain_loss, jit_compile)
    by_differences = twin.gradients_by_differences()
    return [
        gradient_row(
            f"{mode} {name}",
            found[name],
            autodiff[name],
            by_differences[name],
            exact,
        )
        for name, exact in twin.exact_gradients().items()
    ]


def gradient_row(
    subject: str,
    found: np.ndarray | None,
    autodiff: np.ndarray | None,
    by_differences: np.ndarray,
    exact: np.ndarray,
) -> Row:
    """Checks the gradient in one parameter, by the largest error as a share of the largest number.

    Args:
        subject: of the row.
        found: the mode's gradient.
        autodiff: TensorFlow's own gradient of the plain loss.
        by_differences: the gradient by central differences in float64.
        exact: the gradient that exact slopes make.
    """
    if found is None:
        return Row(subject, None, None, None, None, None, "lost: the gradient is None", right=False)
    by_autodiff = None if autodiff is None else _share(found, autodiff)
    off, best = _share(found, by_differences), _share(found, exact)
    worst = max(off, best)
    tolerance = max(_TOLERANCE, np.sqrt(np.finfo(found.dtype).eps))
    verdict = f"imprecise: {worst:.0e} of the largest number"
    if worst <= tolerance:
        verdict = "right"
    elif worst > WRONG:
        verdict = f"wrong: {what_is_wrong(found.ravel(), by_differences.ravel())}"
    right = bool(worst <= tolerance)
    return Row(subject, None, by_autodiff, off, best, None, verdict, right=right)


def _share(found: np.ndarray, expected: np.ndarray) -> float:
    """Returns the largest difference as a share of the largest number; infinite for NaN."""
    difference, largest = np.max(np.abs(found - expected)), np.max(np.abs(expected))
    share = difference / largest if difference else 0.0
    return float(share) if np.isfinite(share) else np.inf
