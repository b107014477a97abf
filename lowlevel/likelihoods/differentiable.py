"""A likelihood's loss and slope as differentiable functions, with its own formulas for rules."""

import functools
from collections.abc import Callable

import tensorflow as tf

from lowlevel.likelihoods.base import Likelihood, check_labels


def differentiable_nll(likelihood: Likelihood, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`likelihood.nll(z, y)`, with `slope` and `curvature` for its derivatives in z.

    TensorFlow's own derivative of an exact `nll` need not be exact. This one's is, to the second
    order, reverse or forward, eager, in a graph or under XLA. It has no derivative in y.

    Args:
        likelihood: whose loss it is.
        z: linear predictor, float32 or float64, of any shape.
        y: labels in the likelihood's range, of the shape and dtype of `z`.

    Returns:
        The loss of each label, of the shape and dtype of `y`.

    Raises:
        ValueError: the shapes differ, or a label is known to be outside the range.
    """
    derivative = functools.partial(differentiable_slope, likelihood)
    return _with_derivative(likelihood, likelihood.nll, derivative, z, y)


def differentiable_slope(likelihood: Likelihood, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`likelihood.slope(z, y)`, with `curvature` for its derivative in z; see `differentiable_nll`.

    Beyond that, derivatives are those TensorFlow finds for `curvature`; for several predictors,
    whose second derivatives are matrices, those it finds for `slope`.
    """
    if likelihood.predictors > 1:
        return likelihood.slope(
            z, check_labels(z, y, likelihood.label_range, likelihood.predictors)
        )
    return _with_derivative(likelihood, likelihood.slope, likelihood.curvature, z, y)


def weighted_nll(likelihood: Likelihood, z: tf.Tensor, y: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Returns the sum over the rows of share * nll, a scalar; a share of 0 rules out even infinity.

    Args:
        likelihood: whose loss it is.
        z: linear predictor, `[n]`, or `[n, predictors]` for several.
        y: labels, `[n]`.
        share: what each row counts, a scalar or `[n]`.

    Raises:
        ValueError: the shapes differ, or a label is known to be outside the range.
    """
    y = check_labels(z, y, likelihood.label_range, likelihood.predictors)
    # [n, 1] would be broadcast to [n, n] without a word.
    if share.shape.rank != 0 and not share.shape.is_compatible_with(y.shape):
        raise ValueError(
            f"Expected `share` to be a scalar or of the shape of `y`, got {share.shape} and "
            f"{y.shape}."
        )
    return tf.reduce_sum(tf.math.multiply_no_nan(likelihood.nll(z, y), share))


def weighted_slope(
    likelihood: Likelihood, z: tf.Tensor, y: tf.Tensor, share: tf.Tensor
) -> tf.Tensor:
    """Returns the derivative of `weighted_nll` in z, share * slope, `[n, predictors]`."""
    slope = differentiable_slope(likelihood, z, y)
    slope = tf.reshape(slope, [-1, likelihood.predictors])
    return tf.math.multiply_no_nan(slope, tf.reshape(share, [-1, 1]))


def _with_derivative(
    likelihood: Likelihood,
    function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    derivative: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    z: tf.Tensor,
    y: tf.Tensor,
) -> tf.Tensor:
    """function(z, y), with derivative(z, y) for its derivative in z and none in y."""
    y = check_labels(z, y, likelihood.label_range, likelihood.predictors)

    @tf.custom_gradient
    def value(z: tf.Tensor, y: tf.Tensor, /) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
            if likelihood.predictors > 1:
                upstream = tf.expand_dims(upstream, -1)
            return upstream * derivative(z, y), None

        return function(z, y), gradient

    return value(z, y)
