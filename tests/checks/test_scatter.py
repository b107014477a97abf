"""Scatter: rounding shows among neighbours; slopes, kinks and special cases do not."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from lowlevel.checks.scatter import scatter
from lowlevel.checks.subject import Subject
from tests.checks.planted import ruled

X = np.array([0.3, 1.0, 2.5])


def measured(function: Callable) -> tuple[np.ndarray, np.ndarray]:
    """The scatter of a function's value and of its gradient, at X."""
    value, gradient = scatter(Subject(function, [X]).prepare(), [np.ones(3)])
    return value, gradient


def test_a_gradient_that_is_but_rounding_shows() -> None:
    # exp(x) / exp(x) is 1 but for the last bit.
    _, gradient = measured(lambda x: tf.math.log(tf.exp(x)) - x)
    assert 1e-16 < gradient.max() < 1e-15


def test_what_neighbours_cannot_resolve_shows() -> None:
    value, gradient = measured(lambda x: tf.sin(1e16 * x))
    assert (value > 0.1).all()
    assert (gradient > 1e15).all()


@pytest.mark.parametrize(
    "function",
    [
        tf.exp,
        lambda x: tf.nn.relu(x - X),
        ruled(lambda x: x**2, lambda u, x: u * tf.where(x == X, 7.0, 2 * x)),
    ],
    ids=["a smooth function", "a kink here", "a case of its own here"],
)
def test_nothing_shows_but_rounding(function: Callable) -> None:
    value, gradient = measured(function)
    assert (value <= 1e-14).all()
    assert (gradient <= 1e-14).all()
