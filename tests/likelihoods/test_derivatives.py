"""Derivatives: the formulas are each other's, and tapes find them, to any order."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from lowlevel.likelihoods import (
    LIKELIHOODS,
    Likelihood,
    differentiable_nll,
    differentiable_slope,
)
from tests.likelihoods.cases import (
    EXECUTIONS,
    MEMBERS,
    Normal,
    every_binary_likelihood,
    every_execution,
    every_likelihood,
    every_same_execution,
    every_same_execution_of_one_predictor,
    every_single_likelihood,
    logits_and_labels,
)
from tests.reference import QUANTITIES

Formula = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
STEP = 1e-5


class OnlyLoss(Likelihood):
    """Logistic regression by someone who gives no more than they have to."""

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.nn.softplus(z) - y * z


def by_differences(function: Formula, z: tf.Tensor, y: tf.Tensor, predictor: int = 0) -> tf.Tensor:
    """The derivative in one predictor by central differences."""
    step = STEP * tf.one_hot(predictor, z.shape[1], dtype=z.dtype) if z.shape.rank > 1 else STEP
    return (function(z + step, y) - function(z - step, y)) / (2 * STEP)


@every_likelihood
def test_the_slope_is_the_derivative_of_the_loss(name: str) -> None:
    likelihood = MEMBERS[name]
    z, y = logits_and_labels(likelihood, tf.float64, np.linspace(-5.0, 2.0, 101))
    slopes = tf.reshape(likelihood.slope(z, y), [len(z), likelihood.predictors])
    for predictor, slope in enumerate(tf.unstack(slopes, axis=1)):
        expected = by_differences(likelihood.nll, z, y, predictor)
        np.testing.assert_allclose(slope, expected, rtol=1e-7, atol=1e-8)


@every_single_likelihood
def test_the_curvature_is_the_derivative_of_the_slope(name: str) -> None:
    likelihood = MEMBERS[name]
    z, y = logits_and_labels(likelihood, tf.float64, np.linspace(-5.0, 2.0, 101))
    expected = by_differences(likelihood.slope, z, y)
    np.testing.assert_allclose(likelihood.curvature(z, y), expected, rtol=1e-7, atol=1e-8)


@every_binary_likelihood
def test_the_two_labels_have_probabilities_that_sum_to_one(name: str) -> None:
    z = tf.linspace(tf.constant(-9.0, tf.float64), 9.0, 101)
    one = tf.exp(-MEMBERS[name].nll(z, tf.ones_like(z)))
    zero = tf.exp(-MEMBERS[name].nll(z, tf.zeros_like(z)))
    np.testing.assert_allclose(one + zero, 1.0, rtol=1e-14)
    np.testing.assert_allclose(MEMBERS[name].mean(z), one, rtol=1e-13)


@every_same_execution
def test_tapes_find_slope_and_curvature(name: str, execution: str) -> None:
    likelihood = MEMBERS[name]

    def derivatives(z: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as outer:
            outer.watch(z)
            with tf.GradientTape() as inner:
                inner.watch(z)
                loss = differentiable_nll(likelihood, z, y)
            first = inner.gradient(loss, z)
        # The second derivatives of several predictors are matrices.
        second = [outer.gradient(first, z)] if likelihood.predictors == 1 else []
        return [loss, first, *second]

    z, y = logits_and_labels(likelihood)
    expected = [likelihood.nll(z, y), likelihood.slope(z, y)]
    if likelihood.predictors == 1:
        expected.append(likelihood.curvature(z, y))
    for found, direct in zip(EXECUTIONS[execution](derivatives)(z, y), expected, strict=True):
        np.testing.assert_array_max_ulp(found.numpy(), direct.numpy(), 1)


@every_execution
@every_single_likelihood
def test_third_derivatives_are_those_of_the_curvature(name: str, execution: str) -> None:
    likelihood = MEMBERS[name]
    z, y = logits_and_labels(likelihood, tf.float64)

    def third(z: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(z)
            with tf.GradientTape() as middle:
                middle.watch(z)
                with tf.GradientTape() as inner:
                    inner.watch(z)
                    loss = differentiable_nll(likelihood, z, y)
                first = inner.gradient(loss, z)
            second = middle.gradient(first, z)
        return outer.gradient(second, z)

    expected = by_differences(likelihood.curvature, z, y)
    np.testing.assert_allclose(EXECUTIONS[execution](third)(z), expected, rtol=1e-6, atol=1e-7)


@every_same_execution_of_one_predictor
def test_forward_mode_finds_slope_and_curvature(name: str, execution: str) -> None:
    likelihood = MEMBERS[name]

    def directional(z: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.autodiff.ForwardAccumulator(z, 2.0 * tf.ones_like(z)) as accumulator:
            with tf.GradientTape() as tape:
                tape.watch(z)
                loss = differentiable_nll(likelihood, z, y)
            first = tape.gradient(loss, z)
        return accumulator.jvp(loss), accumulator.jvp(first)

    z, y = logits_and_labels(likelihood)
    along, across = EXECUTIONS[execution](directional)(z, y)
    np.testing.assert_array_max_ulp(along.numpy(), 2.0 * likelihood.slope(z, y).numpy(), 1)
    np.testing.assert_array_max_ulp(across.numpy(), 2.0 * likelihood.curvature(z, y).numpy(), 1)


@every_same_execution_of_one_predictor
def test_the_slope_differentiates_to_the_curvature(name: str, execution: str) -> None:
    likelihood = MEMBERS[name]

    def derivative(z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(z)
            slope = differentiable_slope(likelihood, z, y)
        return tape.gradient(slope, z)

    z, y = logits_and_labels(likelihood)
    found = EXECUTIONS[execution](derivative)(z, y).numpy()
    np.testing.assert_array_max_ulp(found, likelihood.curvature(z, y).numpy(), 1)


@every_same_execution_of_one_predictor
def test_the_upstream_gradient_is_multiplied_in(name: str, execution: str) -> None:
    likelihood = MEMBERS[name]
    z, y = logits_and_labels(likelihood)
    weights = tf.linspace(-1.0, 2.0, len(y))

    def derivatives(z: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as outer:
            outer.watch(z)
            with tf.GradientTape() as inner:
                inner.watch(z)
                total = tf.reduce_sum(weights * differentiable_nll(likelihood, z, y))
            first = inner.gradient(total, z)
        return first, outer.gradient(first, z, output_gradients=weights)

    first, second = EXECUTIONS[execution](derivatives)(z, y)
    np.testing.assert_allclose(first, weights * likelihood.slope(z, y), rtol=1e-6)
    np.testing.assert_allclose(second, weights**2 * likelihood.curvature(z, y), rtol=1e-6)


@every_execution
def test_several_predictors_each_have_their_derivative(execution: str) -> None:
    weights = tf.constant([2.0, -1.0, 0.5], tf.float64)
    direction = tf.constant([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]], tf.float64)

    def derivatives(z: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as outer:
            outer.watch(z)
            with tf.GradientTape() as inner:
                inner.watch(z)
                total = tf.reduce_sum(weights * differentiable_nll(Normal(), z, y))
            first = inner.gradient(total, z)
        return first, outer.gradient(first, z, output_gradients=direction)

    z = tf.constant([[0.0, 0.3], [1.0, -1.0], [-2.0, 0.0]], tf.float64)
    y = tf.constant([1.0, 0.5, 1.0], tf.float64)
    first, second = EXECUTIONS[execution](derivatives)(z, y)
    np.testing.assert_allclose(first, weights[:, None] * Normal().slope(z, y), rtol=1e-14)
    # By hand: with r = y - mean and v = exp(-2 s), the matrix v [[1, 2 r], [2 r, 2 r^2]].
    r, v = y - z[:, 0], weights * tf.exp(-2.0 * z[:, 1])
    along_mean, along_scale = direction[:, 0], direction[:, 1]
    np.testing.assert_allclose(second[:, 0], v * (along_mean + 2 * r * along_scale), rtol=1e-14)
    scale_row = v * (2 * r * along_mean + 2 * r**2 * along_scale)
    np.testing.assert_allclose(second[:, 1], scale_row, rtol=1e-14)


@pytest.mark.parametrize("differentiable", [differentiable_nll, differentiable_slope])
def test_labels_have_no_gradient(differentiable: Callable) -> None:
    z, y = logits_and_labels(LIKELIHOODS["logit"])
    with tf.GradientTape() as tape:
        tape.watch(y)
        value = differentiable(LIKELIHOODS["logit"], z, y)
    assert tape.gradient(value, y) is None


@every_execution
def test_what_a_likelihood_does_not_define_is_derived(execution: str) -> None:
    z = tf.linspace(-6.0, 6.0, 13)
    y = tf.cast(tf.range(13) % 2, tf.float32)
    for quantity in QUANTITIES:
        arguments = (z,) if quantity == "mean" else (z, y)
        derived = EXECUTIONS[execution](getattr(OnlyLoss(), quantity))(*arguments)
        expected = getattr(LIKELIHOODS["logit"], quantity)(*arguments)
        np.testing.assert_allclose(derived, expected, rtol=1e-4, atol=1e-6)


def test_a_loss_with_no_slope_has_slope_zero() -> None:
    class Coin(Likelihood):
        def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
            return tf.ones_like(z) * float(np.log(2))

    z, y = logits_and_labels(Coin())
    assert not np.any(Coin().slope(z, y))
    assert not np.any(Coin().curvature(z, y))


def test_a_likelihood_without_a_loss_says_so() -> None:
    with pytest.raises(NotImplementedError, match="must define `nll"):
        Likelihood().nll(*logits_and_labels(Likelihood()))
