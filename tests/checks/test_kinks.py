"""Losses with kinks: no slope is wrong at one that is between its sides, and any is elsewhere."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from lowlevel.checks import check_objective, verdicts
from lowlevel.checks.formulas import formula_rows
from lowlevel.checks.kinks import sides
from lowlevel.checks.rows import Row
from lowlevel.checks.sampled import sampled_rows
from lowlevel.likelihoods import Likelihood


class OfNumbers(Likelihood):
    label_range = (-math.inf, math.inf)

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return z


class Quantile(OfNumbers):
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.maximum(0.9 * (y - z), 0.1 * (z - y))

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.cast(z >= y, z.dtype) - 0.9

    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.zeros_like(z)


class Huber(OfNumbers):
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        distance = tf.abs(z - y)
        return tf.where(distance < 1, distance**2 / 2, distance - 0.5)

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(z - y, -1.0, 1.0)

    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.abs(z - y) < 1, z.dtype)


class Hinge(OfNumbers):
    """Of a label of 1 or -1."""

    label_range = (-1.0, 1.0)

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(1 - y * z)

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.where(y * z < 1, -y, tf.zeros_like(z))

    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.zeros_like(z)


LOSSES = [Quantile, Huber, Hinge]


def rows_of(likelihood: Likelihood, dtype: str) -> list[Row]:
    """All rows of a likelihood's formulas."""
    rows = formula_rows(likelihood, dtype, jit_compile=False)
    return [*rows, *sampled_rows(likelihood, dtype, jit_compile=False, seed=0)]


def of_slope(likelihood: type[Likelihood], change: Callable) -> Likelihood:
    """A likelihood whose slope is changed, by a function of z, y and the right one."""

    def slope(self: Likelihood, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return change(z, y, likelihood.slope(self, z, y))

    return type("Changed", (likelihood,), {"slope": slope})()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_right_loss_with_kinks_is_right(loss: type[Likelihood], dtype: str) -> None:
    assert [row for row in rows_of(loss(), dtype) if not row.right] == []


@pytest.mark.parametrize(
    ("loss", "subject", "words"),
    [
        (Quantile, "slope", "right; undecided at z = 3, at a kink"),
        (Huber, "curvature", "right; undecided at z = 2, at a kink"),
        (Hinge, "slope", "right; undecided at z = 1, at a kink"),
    ],
)
def test_the_kink_is_undecided(loss: type[Likelihood], subject: str, words: str) -> None:
    rows = formula_rows(loss(), "float64", jit_compile=False)
    assert words in [row.verdict for row in rows if row.subject == subject]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_slope_that_is_wrong_beside_the_kink_is_found(loss: type[Likelihood], dtype: str) -> None:
    wrong = of_slope(loss, lambda z, y, right: tf.where(right < 0, 0.9 * right, right))
    subjects = {row.subject for row in rows_of(wrong, dtype) if not row.right}
    assert {"slope", "slope, sampled"} <= subjects


def test_a_slope_at_the_kink_that_is_beyond_both_sides_is_found() -> None:
    wrong = of_slope(Quantile, lambda z, y, right: tf.where(z == y, 5 * tf.ones_like(z), right))
    rows = formula_rows(wrong, "float64", jit_compile=False)
    (verdict,) = {row.verdict for row in rows if (row.subject, row.label) == ("slope", 3.0)}
    assert verdict.startswith("wrong at z = 3")


def test_the_sides_of_a_kink_are_its_slopes() -> None:
    x = np.array([-2.0, 0.0, 1.0, 1 + 1e-9, 1 + 1e-5, 3e6])
    found = sides(lambda x: np.where(x < 1, x, 3 * x - 2), x)
    assert found.kink.tolist() == [False, False, True, True, False, False]
    assert found.allow(np.full(6, 2.0)).tolist() == found.kink.tolist()
    assert not found.allow(np.full(6, 4.0)).any()


def test_a_curvature_with_two_sides_is_a_kink_of_order_2() -> None:
    x = np.array([-1.0, 0.0, 0.5, 1.0])
    found = sides(lambda x: np.where(x < 0.5, x**2, 2 * x**2 - x + 0.25), x, order=2)
    assert found.kink.tolist() == [False, False, True, False]
    assert found.allow(np.array([0, 0, 2.0, 0]))[2]
    assert found.allow(np.array([0, 0, 4.0, 0]))[2]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("function", [np.sin, np.exp, np.square, np.sqrt])
def test_a_smooth_function_has_no_kink(function: Callable, order: int) -> None:
    x = np.array([1e-30, 1e-9, 0.1, 1.0, 30.0, 600.0])
    assert not sides(function, x, order).kink.any()


# Objectives.

Z = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 2.5, 7.0])
LABELS = np.array([-2.0, 0.0, 0.3, 0.5, 3.0, 1.5, 2.0])


def quantile_loss(z: np.ndarray) -> np.ndarray:
    return np.maximum(0.9 * (LABELS - z), 0.1 * (z - LABELS))


def huber_loss(z: np.ndarray) -> np.ndarray:
    distance = np.abs(z - LABELS)
    return np.where(distance < 1, distance**2 / 2, distance - 0.5)


def huber_objective(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.clip(z - LABELS, -1, 1), (np.abs(z - LABELS) < 1).astype(float)


def quantile_gradient(z: np.ndarray) -> np.ndarray:
    return np.where(z >= LABELS, 0.1, -0.9)


def test_an_objective_is_undecided_at_the_kink_of_its_loss() -> None:
    findings = check_objective(
        lambda z: (quantile_gradient(z), np.ones_like(z)), quantile_loss, Z, order=1
    )
    assert [(f.fault, f.where, f.element) for f in findings] == [
        (verdicts.UNDECIDED, "gradient", (0,))
    ]


def test_a_hessian_is_undecided_at_the_kink_of_its_gradient() -> None:
    findings = check_objective(huber_objective, huber_loss, Z)
    assert [(f.fault, f.where) for f in findings] == [(verdicts.UNDECIDED, "Hessian")]


def test_an_objective_is_undecided_at_the_kink_of_one_output() -> None:
    scores = np.array([[0.5, 0.5], [1.0, 3.0], [2.0, -1.0]])

    def gradient(z: np.ndarray) -> np.ndarray:
        first = (z[:, 0] >= z[:, 1]).astype(float)
        return np.stack([first, 1 - first], axis=1)

    findings = check_objective(lambda z: (gradient(z), z), lambda z: z.max(axis=1), scores, order=1)
    assert [(f.fault, f.element) for f in findings] == [(verdicts.UNDECIDED, (0, 0))]


def test_a_gradient_that_is_wrong_beside_the_kink_is_named() -> None:
    findings = check_objective(
        lambda z: (2 * quantile_gradient(z), np.ones_like(z)), quantile_loss, Z, order=1
    )
    assert findings[0].fault == verdicts.FACTOR
    assert "2 times the right one" in findings[0].cause
