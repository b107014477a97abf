"""Labels: never broadcast, and held to their range wherever they are known."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from lowlevel.likelihoods import (
    LIKELIHOODS,
    Likelihood,
    check_labels,
    differentiable_nll,
    differentiable_slope,
    in_float64,
)
from tests.likelihoods.cases import MEMBERS, every_binary_likelihood, every_likelihood

every_differentiable = pytest.mark.parametrize(
    "function", [differentiable_nll, differentiable_slope]
)
compiled_or_not = pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])


@every_differentiable
@every_likelihood
def test_labels_of_another_shape_are_never_broadcast(name: str, function: Callable) -> None:
    predictors = MEMBERS[name].predictors
    z, y = tf.zeros([4, predictors]), tf.zeros([4] if predictors == 1 else [4, 1])
    with pytest.raises(ValueError, match=r"^Expected `y` of the same shape as `z`, got"):
        function(MEMBERS[name], z, y)


def test_a_formula_in_float64_never_broadcasts() -> None:
    for quantity in ("nll", "slope", "curvature"):
        with pytest.raises(ValueError, match=r"got \(4,\) and \(4, 1\)"):
            getattr(LIKELIHOODS["probit"], quantity)(tf.zeros([4, 1]), tf.zeros([4]))


def test_shapes_known_in_part_are_compared_as_far_as_they_are_known() -> None:
    vector, column = tf.TensorSpec([None]), tf.TensorSpec([None, 1])
    trace = tf.function(check_labels).get_concrete_function
    trace(vector, tf.TensorSpec([3]))
    with pytest.raises(ValueError, match="same shape"):
        trace(column, vector)


def loss_of_unknown_shapes(jit_compile: bool) -> Callable:
    """The logit's loss, of logits and labels whose ranks a graph does not know."""
    unknown = [tf.TensorSpec(None), tf.TensorSpec(None)]
    return tf.function(LIKELIHOODS["logit"].nll, unknown, jit_compile=jit_compile)


@compiled_or_not
def test_in_a_graph_of_unknown_ranks_a_column_of_labels_is_taken_as_the_rows(
    jit_compile: bool,
) -> None:
    z, y = tf.constant([-1.0, 0.5, 2.0]), tf.constant([[0.0], [1.0], [0.0]])
    expected = np.logaddexp(0, z) - y[:, 0] * z
    found = loss_of_unknown_shapes(jit_compile)(z, y)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@compiled_or_not
@pytest.mark.parametrize("shape", [[2], [1], [4], [3, 3]], ids=str)
def test_in_a_graph_of_unknown_ranks_another_number_of_labels_fails(
    shape: list[int], jit_compile: bool
) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        loss_of_unknown_shapes(jit_compile)(tf.zeros([3]), tf.zeros(shape))


def out_of_range(likelihood: Likelihood) -> list[float]:
    """NaN, and a label beyond each end of a range that has one."""
    lowest, highest = likelihood.label_range
    return [np.nan, *(label for label in (lowest - 0.5, highest + 0.5) if np.isfinite(label))]


@every_differentiable
@every_likelihood
def test_labels_outside_the_range_are_refused(name: str, function: Callable) -> None:
    likelihood = MEMBERS[name]
    lowest, highest = likelihood.label_range
    within = float(np.clip(0.0, lowest, highest))
    z = tf.zeros([2] if likelihood.predictors == 1 else [2, likelihood.predictors])
    for label in out_of_range(likelihood):
        message = f"^Expected `y` from {lowest:g} to {highest:g}, got {label:g}"
        with pytest.raises(ValueError, match=message):
            function(likelihood, z, tf.constant([within, label]))


@pytest.mark.parametrize("label", [-0.5, 1.5, np.nan])
@every_binary_likelihood
def test_labels_outside_0_to_1_are_refused_by_each_formula(name: str, label: float) -> None:
    z, y = tf.zeros([3]), tf.constant([0.0, 1.0, label])
    for quantity in ("nll", "slope", "curvature"):
        with pytest.raises(ValueError, match=r"^Expected `y` from 0 to 1, got "):
            getattr(MEMBERS[name], quantity)(z, y)
    with pytest.raises(ValueError, match="from 0 to 1"):
        MEMBERS[name].nll(z[2], y[2])


def test_float64_is_rounded_once_to_the_dtype_of_the_logits() -> None:
    class Third(Likelihood):
        @in_float64
        def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
            assert z.dtype == y.dtype == tf.float64
            return z + 1.0 / 3.0

    loss = Third().nll(tf.zeros([1]), tf.zeros([1]))
    assert loss.dtype == tf.float32
    assert loss[0] == np.float32(1.0 / 3.0)
