"""Likelihood: a label's distribution given a linear predictor, as elementwise functions.

A likelihood is four functions of the linear predictor z and the label y, tensors of one shape and
dtype (float32 or float64). For a binary label, with p = P(y = 1 | z):

    nll(z, y)        the loss, -(y log p + (1 - y) log(1 - p))
    slope(z, y)      its first derivative in z
    curvature(z, y)  its second derivative in z
    mean(z)          E[y | z], which is p

What the formulas of the binary members have in common:

* They run in float64 and are rounded once at the end (`in_float64`). For a label of 0 or 1,
  float32 results are within two ulp of exact, those of the logit within one, and float64 results
  within 16 ulp. A soft label's result is a weighted sum of those of 0 and 1, whose terms may
  cancel: it is as exact as that in units of the terms' sizes, added. Numbers below the smallest
  normal one of their dtype, labels too, may be taken for 0.
* The probability of the less likely label is never taken as one minus the other, and the loss
  never as the logarithm of a number near 1, so neither vanishes nor saturates.
* Where `tf.where` picks one of two formulas, each gets arguments at which it is finite: a NaN in
  the branch not taken would still reach every derivative through it.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

# Products of a tiny probability and a large number are taken exp(16) times larger, then scaled
# back: the probability alone may underflow where the product does not.
LOG_SCALE = 16.0


class Likelihood:
    """A label's distribution given the linear predictor z; see the top of this file.

    A subclass writes `nll`. What else it does not write is derived: `slope` from `nll` and
    `curvature` from `slope` by automatic differentiation, `mean` as exp(-nll(z, 1)). As it
    stands, the label is binary, or soft, from 0 to 1. For another label a subclass says what it
    may be, in `label_range`, and writes `mean`, `metrics` and `base_rate_nll` as well.

    Arguments and results are tensors of one shape, any, and one dtype. With several predictors z
    and `slope` have one more axis, of that length, the last.

    Attributes:
        label_range: the lowest and the highest label. Tables are held to it before training, and
          tensors where their values are known; in a graph they are not.
        predictors: how many numbers z holds for a row.
        metrics: what suits it beside the loss, by names of `experiment.metrics.METRICS`.
    """

    label_range: tuple[float, float] = (0.0, 1.0)
    predictors: int = 1
    metrics: tuple[str, ...] = ("accuracy", "roc_auc")

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Negative log-likelihood, -(y log p + (1 - y) log(1 - p))."""
        raise NotImplementedError(f"{type(self).__name__} must define `nll(self, z, y)`.")

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """First derivative of `nll` in z."""
        return derivative_in_z(self.nll, z, y)

    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Second derivative of `nll` in z, where there is one predictor."""
        return derivative_in_z(self.slope, z, y)

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        """The label expected, E[y | z]: the probability that y = 1."""
        return tf.exp(-self.nll(z, tf.ones_like(z)))

    def exact_probabilities(self, z: Any, mp: Any) -> tuple[Any, Any] | None:
        """P(y = 1) and P(y = 0) in numbers of any precision, or None where they are not given.

        Both, so that neither has to be found as one minus the other. They are what a check holds
        the formulas against; they play no part in training.

        Args:
            z: a number of mpmath's.
            mp: mpmath's context, with its functions and its precision.
        """
        return None

    def as_objective(self, library: str) -> Callable[..., Any]:
        """Returns an objective for boosted trees, of "xgboost" or "lightgbm"; see `objectives`."""
        # It is made of a likelihood, and so comes after it.
        from lowlevel.likelihoods.objectives import as_objective

        return as_objective(self, library)

    def base_rate_nll(self, labels: np.ndarray, sample_weight: np.ndarray | None) -> float | None:
        """Mean NLL of the best constant prediction, the labels' mean; None where there is none.

        Args:
            labels: `[rows]`.
            sample_weight: `[rows]`, or None, where every row counts 1; as in training, the
              weighted sum is divided by the number of rows.
        """
        weight = np.ones(len(labels)) if sample_weight is None else sample_weight.astype(float)
        p = np.average(labels, weights=weight)
        entropy = -sum(q * np.log(q) for q in (p, 1 - p) if q > 0)
        return float(np.mean(weight) * entropy)


def check_labels(
    z: tf.Tensor,
    y: tf.Tensor,
    label_range: tuple[float, float] = Likelihood.label_range,
    predictors: int = 1,
) -> tf.Tensor:
    """Returns `y`, held to the shape of `z`, less its last axis where there are more predictors.

    TensorFlow would broadcast labels [n] against logits [n, 1] to [n, n] without a word. What is
    known when a graph is made is checked then. What is not, a rank say, is held in the graph: there
    `y` is reshaped to the shape of `z`, which takes [n, 1] for [n], and fails for anything else.

    Raises:
        ValueError: `y` cannot have that shape, or a label is known to be outside the range.
    """
    expected = z.shape if predictors == 1 else z.shape[:-1]
    if not expected.is_compatible_with(y.shape):
        raise ValueError(f"Expected `y` of the same shape as `z`, got {y.shape} and {z.shape}.")
    labels = tf.get_static_value(y)
    if labels is not None:
        lowest, highest = label_range
        outside = labels[~((labels >= lowest) & (labels <= highest))]
        if outside.size:
            raise ValueError(f"Expected `y` from {lowest:g} to {highest:g}, got {outside.flat[0]}.")
    if expected.is_fully_defined() and y.shape.is_fully_defined():
        return y
    return tf.reshape(y, tf.shape(z) if predictors == 1 else tf.shape(z)[:-1])


def in_float64(formula: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Has a method of (z, y) or (z) evaluated in float64 and rounded to the dtype of z, once.

    The method also checks its labels, then.
    """

    @functools.wraps(formula)
    def rounded_once(self: Likelihood, z: tf.Tensor, *labels: tf.Tensor) -> tf.Tensor:
        checked = [check_labels(z, y, self.label_range, self.predictors) for y in labels]
        wide = [tf.cast(argument, tf.float64) for argument in (z, *checked)]
        return tf.cast(formula(self, *wide), z.dtype)

    return rounded_once


def derivative_in_z(
    function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], z: tf.Tensor, y: tf.Tensor
) -> tf.Tensor:
    """The derivative in z of an elementwise function of z and y, by automatic differentiation."""
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = function(z, y)
    return tape.gradient(value, z, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def magnitude(z: tf.Tensor) -> tf.Tensor:
    """|z|, with derivative 1 at 0 as the formulas for z >= 0 need; that of `tf.abs` is 0 there."""
    return tf.where(z < 0.0, -z, z)


def weight_against(z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The weight of the less likely label, in a symmetric model: y below zero, otherwise 1 - y."""
    return tf.where(z < 0.0, y, 1.0 - y)


def blend(weight: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """The sum weight * first + (1 - weight) * second; a weight of 0 rules out even infinity."""
    multiply = tf.math.multiply_no_nan
    return multiply(first, weight) + multiply(second, 1.0 - weight)
