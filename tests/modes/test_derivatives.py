"""Derivatives of both modes' loss of every order that people use, and after a save and a load."""

import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lowlevel.likelihoods import LIKELIHOODS, Logit
from tests import wings
from tests.wings import both_modes

TABLE = wings.small_table(rows=20, weighted=True)
COLUMNS = wings.arguments(TABLE)

sampled = pytest.mark.parametrize(
    ("mode", "likelihood", "execution"), wings.sampled(LIKELIHOODS, wings.EXECUTIONS)
)


def make(mode: str, likelihood: str) -> tuple[Any, list[tf.Variable]]:
    """A model with a curved hidden layer, and its variables."""
    model = wings.make(mode, TABLE, likelihood=likelihood, hidden_units=(2,), activation="tanh")
    return model, wings.variables(model)


def directions(variables: list[tf.Variable]) -> list[tf.Tensor]:
    """A direction in the space of the weights."""
    random = np.random.default_rng(1)
    return [tf.constant(random.normal(size=variable.shape)) for variable in variables]


def along(function: Callable[[], Any], variables: list[tf.Variable], step: float) -> list[Any]:
    """What a function gives a step and half a step along the direction, forward and back."""
    found = []
    for scale in (step, step / 2, -step / 2, -step):
        for variable, direction in zip(variables, directions(variables), strict=True):
            variable.assign_add(scale * direction)
        found.append(function())
        for variable, direction in zip(variables, directions(variables), strict=True):
            variable.assign_sub(scale * direction)
    return found


def by_differences(values: list[np.ndarray], step: float) -> np.ndarray:
    """The derivative by five-point central differences: an error of step^4."""
    far, near, other, other_far = values
    return (8 * (near - other) - (far - other_far)) / (6 * step)


@sampled
def test_forward_mode_gives_the_change_along_a_direction(
    mode: str, likelihood: str, execution: str
) -> None:
    model, variables = make(mode, likelihood)

    def change() -> tf.Tensor:
        with tf.autodiff.ForwardAccumulator(variables, directions(variables)) as accumulator:
            loss = model.loss_fn(*COLUMNS)
        return accumulator.jvp(loss)

    losses = along(lambda: model.loss_fn(*COLUMNS).numpy(), variables, 1e-3)
    found = float(wings.EXECUTIONS[execution](change)())
    # The step's fourth power, and the rounding of the losses over the step.
    assert found == pytest.approx(by_differences(losses, 1e-3), abs=1e-10)


@sampled
def test_nested_tapes_give_the_hessian(mode: str, likelihood: str, execution: str) -> None:
    model, variables = make(mode, likelihood)

    def hessian_times_direction() -> list[tf.Tensor]:
        with tf.GradientTape() as outer:
            first = wings.gradient(model, *COLUMNS)
            products = [
                tf.reduce_sum(g * d) for g, d in zip(first, directions(variables), strict=True)
            ]
            total = tf.add_n(products)
        return outer.gradient(total, variables)

    changes = along(lambda: [g.numpy() for g in wings.gradient(model, *COLUMNS)], variables, 1e-3)
    for index, found in enumerate(wings.EXECUTIONS[execution](hessian_times_direction)()):
        expected = by_differences([change[index] for change in changes], 1e-3)
        np.testing.assert_allclose(found, expected, atol=1e-10)


@both_modes
@pytest.mark.parametrize("execution", wings.EXECUTIONS)
def test_an_upstream_gradient_is_multiplied_in(mode: str, execution: str) -> None:
    model, variables = make(mode, "logit")

    def of_a_function_of_the_loss() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            value = tf.square(model.loss_fn(*COLUMNS))
        return tape.gradient(value, variables)

    loss = float(model.loss_fn(*COLUMNS))
    gradients = wings.EXECUTIONS[execution](of_a_function_of_the_loss)()
    for found, plain in zip(gradients, wings.gradient(model, *COLUMNS), strict=True):
        # d l^2 = 2 l dl, up to the order of two products.
        np.testing.assert_allclose(found, 2 * loss * plain, rtol=1e-12)


class WrongSlope(Logit):
    """A rule that no autodiff would come up with."""

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Seven."""
        return 7 * tf.ones_like(z)


LOADER = """
import sys, numpy as np, tensorflow as tf
columns = [tf.constant(column) for column in np.load(sys.argv[1]).values()]
for folder in sys.argv[2:]:
    loaded = tf.saved_model.load(folder)
    with tf.GradientTape() as tape:
        loss = loaded.loss(*columns)
    kernel = next(v for v in loaded.trained if v.shape == (3, 1))
    np.save(f"{folder}.npy", tape.gradient(loss, kernel))
assert not [name for name in sys.modules if name.startswith("lowlevel")]
"""


def test_the_custom_gradient_is_the_one_called_after_a_save_and_a_load(
    tmp_path: pathlib.Path,
) -> None:
    """In a process that knows nothing of this project: one for both modes."""
    specification = [tf.TensorSpec([None, *column.shape[1:]], tf.float64) for column in COLUMNS]
    for mode in wings.MODES:
        model = wings.make(mode, TABLE, hidden_units=(), likelihood=WrongSlope())
        export = tf.Module()
        export.trained = wings.trainable(model)
        export.loss = tf.function(model.loss_fn, specification)
        tf.saved_model.save(export, str(tmp_path / mode))
    np.savez(tmp_path / "columns.npz", *COLUMNS)
    command = [sys.executable, "-c", LOADER, "columns.npz", *wings.MODES]
    subprocess.run(command, cwd=tmp_path, check=True)
    expected = (7 * TABLE.sample_weight[:, None] * TABLE.features).mean(axis=0)[:, None]
    for mode in wings.MODES:
        np.testing.assert_allclose(np.load(tmp_path / f"{mode}.npy"), expected, rtol=1e-12)
