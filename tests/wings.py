"""Both modes' models and runs on a small table, for tests that hold for either."""

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lowlevel import experiment
from lowlevel.config import TRAINING_MODES, Config
from lowlevel.data import Table
from lowlevel.experiment import modes
from lowlevel.likelihoods import Likelihood
from lowlevel.likelihoods.loading import load
from lowlevel.progress import Observer, State

MODES = TRAINING_MODES
both_modes = pytest.mark.parametrize("mode", MODES)

# How TensorFlow may be asked to execute a function.
EXECUTIONS: dict[str, Callable[[Callable], Callable]] = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}


class Poisson(Likelihood):
    """A count, whose mean has the logarithm z; less the term that does not depend on z."""

    label_range = (0, np.inf)
    metrics = ()

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """The mean, less the label times its logarithm."""
        return tf.exp(z) - y * z

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        """Its definition."""
        return tf.exp(z)

    def base_rate_nll(self, labels: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """None is known."""


def sampled(*choices: Iterable[Any]) -> list[Any]:
    """Returns every combination of a mode and one of each choice; half of them in full runs only.

    In others each combination of the choices comes in one mode or the other by turns, so that any
    two values of a row still meet.
    """
    rows = itertools.product(*map(enumerate, (MODES, *choices)))
    return [
        pytest.param(
            *(value for _, value in row),
            marks=[pytest.mark.full] if sum(index for index, _ in row) % 2 else [],
        )
        for row in rows
    ]


def small_table(rows: int = 40, dtype: str = "float64", weighted: bool = False) -> Table:
    """A table of three columns whose labels depend on them."""
    random = np.random.default_rng(0)
    features = random.normal(size=(rows, 3))
    labels = (features.sum(axis=1) + random.normal(size=rows) > 0).astype(dtype)
    weights = random.uniform(0.5, 2, rows).astype(dtype) if weighted else None
    return Table(features.astype(dtype), labels, weights)


def arguments(table: Table) -> list[tf.Tensor]:
    """What a model's loss takes of a whole table: features, labels and, if weighted, shares."""
    x, y, *weight = map(tf.constant, table.columns)
    return [x, y, *(column / table.rows for column in weight)]


def make(mode: str, table: Table, **settings: Any) -> Any:
    """An untrained model of a mode."""
    return start(mode, table, **settings).model


def start(mode: str, table: Table, **settings: Any) -> State:
    """The state of a mode before the first epoch."""
    config = Config(**settings)
    return modes.load(mode).start(config, load(config.likelihood), table)


def train(
    mode: str, table: Table, observers: Sequence[Observer] = (), **settings: Any
) -> experiment.Run:
    """A run of a mode."""
    return experiment.train(mode, Config(**settings), table, observers)


@functools.cache
def trained(
    mode: str, rows: int = 40, dtype: str = "float64", weighted: bool = False, **settings: Any
) -> experiment.Run:
    """A run of a mode on a small table, made once for all tests, which are only to look at it."""
    return train(mode, small_table(rows, dtype, weighted), **settings)


def named(mode: str, model: Any) -> dict[str, np.ndarray]:
    """Every array of a model by name."""
    return modes.load(mode).named_weights(model)


def variable(weight: Any) -> tf.Variable:
    """TensorFlow's variable in a weight of either mode: Keras's wrap one."""
    return weight if isinstance(weight, tf.Variable) else weight.value


def trainable(model: Any) -> list[tf.Variable]:
    """The variables that a model trains."""
    return [variable(weight) for weight in model.trainable_variables]


def variables(model: Any) -> list[tf.Variable]:
    """Kernel and bias of each layer, first layer first."""
    layers = [*(model.nn_block.layers if model.nn_block else ()), model.logistic]
    return [variable(weight) for layer in layers for weight in (layer.kernel, layer.bias)]


def gradient(model: Any, *columns: tf.Tensor) -> list[tf.Tensor]:
    """The loss's gradient in each of `variables`, by the custom rule."""
    with tf.GradientTape() as tape:
        loss = model.loss_fn(*columns)
    return tape.gradient(loss, variables(model))


def numpy_z(
    weights: Mapping[str, np.ndarray], features: np.ndarray, activation: Callable = np.tanh
) -> np.ndarray:
    """The linear predictor of a network with one hidden layer, by NumPy, `[rows]`."""
    hidden = activation(features @ weights["dense_0/kernel"] + weights["dense_0/bias"])
    return (hidden @ weights["logistic/kernel"] + weights["logistic/bias"])[:, 0]


def numpy_nll(
    weights: Mapping[str, np.ndarray], table: Table, activation: Callable = np.tanh
) -> float:
    """The mean NLL of such a network with a logit, by NumPy: log(1 + exp(z)) - y z."""
    z = numpy_z(weights, table.features, activation)
    nll = np.logaddexp(0, z) - table.labels * z
    return float(np.mean(nll if table.sample_weight is None else table.sample_weight * nll))


def assert_same_bits(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> None:
    """Fails unless both hold the same arrays, to the last bit, under the same names."""
    assert first.keys() == second.keys()
    for name, values in first.items():
        # As whole numbers, since -0.0 equals 0.0, and NaN is another matter still.
        one, other = (array.view(f"u{array.itemsize}") for array in (values, second[name]))
        np.testing.assert_array_equal(one, other, err_msg=name, strict=True)


def central_differences(variable: tf.Variable, loss: Callable[[], float]) -> np.ndarray:
    """The derivative of a loss in each element of a variable, which is put back.

    The error is that of the third derivative, times 1e-12, and of the loss's rounding over 1e-6.
    """
    step, start = 1e-6, variable.numpy()
    found = np.empty_like(start)
    for index in np.ndindex(*start.shape):
        losses = []
        for sign in (1, -1):
            moved = start.copy()
            moved[index] += sign * step
            variable.assign(moved)
            losses.append(loss())
        variable.assign(start)
        found[index] = (losses[0] - losses[1]) / (2 * step)
    return found
