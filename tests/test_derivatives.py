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

COMPILED: dict[str, Callable] = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}
TABLE = wings.small_table(rows=20, weighted=True)
COLUMNS = [tf.constant(column) for column in TABLE.columns]

every_mode = pytest.mark.parametrize("mode", wings.MODES)
every_likelihood = pytest.mark.parametrize("likelihood", LIKELIHOODS)
every_way = pytest.mark.parametrize("way", COMPILED)


def make(mode: str, likelihood: str) -> tuple[Any, list[tf.Variable]]:
    """A model with a curved hidden layer, and its variables."""
    model = wings.make(mode, TABLE, likelihood=likelihood, hidden_units=(2,), activation="tanh")
    return model, wings.trainable(model)


def gradient(model: Any, variables: list[tf.Variable]) -> list[tf.Tensor]:
    """The gradient of the loss."""
    with tf.GradientTape() as tape:
        loss = model.loss_fn(*COLUMNS)
    return tape.gradient(loss, variables)


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


@every_mode
@every_likelihood
@every_way
def test_forward_mode_gives_the_change_along_a_direction(
    mode: str, likelihood: str, way: str
) -> None:
    model, variables = make(mode, likelihood)

    def change() -> tf.Tensor:
        with tf.autodiff.ForwardAccumulator(variables, directions(variables)) as accumulator:
            loss = model.loss_fn(*COLUMNS)
        return accumulator.jvp(loss)

    losses = along(lambda: model.loss_fn(*COLUMNS).numpy(), variables, 1e-3)
    # The step's fourth power, and the rounding of the losses over the step.
    assert float(COMPILED[way](change)()) == pytest.approx(by_differences(losses, 1e-3), abs=1e-10)


@every_mode
@every_likelihood
@every_way
def test_nested_tapes_give_the_hessian(mode: str, likelihood: str, way: str) -> None:
    model, variables = make(mode, likelihood)

    def hessian_times_direction() -> list[tf.Tensor]:
        with tf.GradientTape() as outer:
            first = gradient(model, variables)
            products = [
                tf.reduce_sum(g * d) for g, d in zip(first, directions(variables), strict=True)
            ]
            total = tf.add_n(products)
        return outer.gradient(total, variables)

    changes = along(lambda: [g.numpy() for g in gradient(model, variables)], variables, 1e-3)
    for index, found in enumerate(COMPILED[way](hessian_times_direction)()):
        expected = by_differences([change[index] for change in changes], 1e-3)
        np.testing.assert_allclose(found, expected, atol=1e-10)


@every_mode
@every_way
def test_an_upstream_gradient_is_multiplied_in(mode: str, way: str) -> None:
    model, variables = make(mode, "logit")

    def of_a_function_of_the_loss() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            value = tf.square(model.loss_fn(*COLUMNS))
        return tape.gradient(value, variables)

    loss = float(model.loss_fn(*COLUMNS))
    for found, plain in zip(
        COMPILED[way](of_a_function_of_the_loss)(), gradient(model, variables), strict=True
    ):
        # d l^2 = 2 l dl, up to the order of two products.
        np.testing.assert_allclose(found, 2 * loss * plain, rtol=1e-12)


class WrongSlope(Logit):
    """A rule that no autodiff would come up with."""

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return 7 * tf.ones_like(z)


LOADER = """
import sys, numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
columns = [tf.constant(column) for column in np.load(sys.argv[2]).values()]
with tf.GradientTape() as tape:
    loss = loaded.loss(*columns)
kernel = next(v for v in loaded.trained if v.shape == (3, 1))
np.save(sys.argv[3], tape.gradient(loss, kernel))
assert not [name for name in sys.modules if name.startswith("lowlevel")]
"""


@every_mode
def test_the_custom_gradient_is_the_one_called_after_a_save_and_a_load(
    mode: str, tmp_path: pathlib.Path
) -> None:
    model = wings.make(mode, TABLE, hidden_units=())
    model.logistic.likelihood = WrongSlope()
    export = tf.Module()
    export.trained = wings.trainable(model)
    export.loss = tf.function(
        model.loss_fn, [tf.TensorSpec([None, *column.shape[1:]], tf.float64) for column in COLUMNS]
    )
    tf.saved_model.save(export, str(tmp_path / "saved"))
    np.savez(tmp_path / "columns.npz", *TABLE.columns)
    paths = [str(tmp_path / name) for name in ("saved", "columns.npz", "gradient.npy")]
    subprocess.run([sys.executable, "-c", LOADER, *paths], cwd=tmp_path, check=True)
    expected = (7 * TABLE.sample_weight[:, None] * TABLE.features).mean(axis=0)[:, None]
    np.testing.assert_allclose(np.load(tmp_path / "gradient.npy"), expected, rtol=1e-12)
