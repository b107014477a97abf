"""Likelihoods of a binary label given a linear predictor: loss, derivatives and mean, elementwise.

A `Likelihood` says how probable y = 1 is at the linear predictor z. It is four elementwise
functions of tensors of the same shape and dtype (float32 or float64):

    nll(z, y)        -(y log p + (1 - y) log(1 - p)), the loss, with p = P(y = 1 | z)
    slope(z, y)      its first derivative in z
    curvature(z, y)  its second derivative in z
    mean(z)          p

The label may be soft, anything from 0 to 1. What the formulas here have in common:

* They run in float64 and are rounded once at the end (`in_float64`), so float32 results are
  within two ulp of exact, those of the logit within one. Float64 results are within 16 ulp.
* The probability of the label that z speaks against is never taken as one minus the other, and
  the loss never as the logarithm of a number near 1, so neither vanishes nor saturates.
* Where `tf.where` picks one of two formulas, each gets arguments at which it is finite: a NaN in
  the branch not taken would still reach every derivative through it.

To add a likelihood, write a class with `nll`, the rest where autodiff is not accurate enough, and
a line in `LIKELIHOODS`. Or keep it in a file of your own, and name it to `load`.
"""

import functools
import importlib.util
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.errors import in_one_line
from lowlevel.special_functions import (
    SQRT_TWO_PI,
    exp_minus_exp,
    exponential_excess,
    log_one_plus,
    normal_density,
    normal_hazard,
)

# Products of a tiny probability and a large number are taken exp(16) times larger, then scaled
# back: the probability alone may underflow where the product does not.
_LOG_SCALE = 16.0


def check_labels(z: tf.Tensor, y: tf.Tensor) -> None:
    """Raises ValueError unless `y` has the shape of `z`, and lies between 0 and 1.

    TensorFlow would broadcast labels [n] against logits [n, 1] to [n, n] without a word. Each is
    checked as far as it is known: in a graph, shapes may be, and labels are not.
    """
    if not z.shape.is_compatible_with(y.shape):
        raise ValueError(f"Expected `y` of the same shape as `z`, got {y.shape} and {z.shape}.")
    labels = tf.get_static_value(y)
    if labels is not None:
        outside = labels[~((labels >= 0) & (labels <= 1))]
        if outside.size:
            raise ValueError(f"Expected `y` from 0 to 1, got {outside[0]}.")


def in_float64(formula: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Has a method of (z, y) or (z) evaluated in float64 and rounded to the dtype of z, once.

    The method also checks its labels, then.
    """

    @functools.wraps(formula)
    def rounded_once(self: "Likelihood", z: tf.Tensor, *labels: tf.Tensor) -> tf.Tensor:
        for y in labels:
            check_labels(z, y)
        wide = [tf.cast(argument, tf.float64) for argument in (z, *labels)]
        return tf.cast(formula(self, *wide), z.dtype)

    return rounded_once


class Likelihood:
    """A binary label's distribution given the linear predictor z; see the top of this file.

    A subclass writes `nll`. What else it does not write is derived: `slope` from `nll` and
    `curvature` from `slope` by automatic differentiation, `mean` as exp(-nll(z, 1)).

    All arguments and results are tensors of one shape, any, and one dtype, float32 or float64.
    Labels lie between 0 and 1. `data.Table` sees to it, and `check_labels` where their values are
    known; of labels that go straight to Keras's `fit`, nothing is.
    """

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Negative log-likelihood, -(y log p + (1 - y) log(1 - p))."""
        raise NotImplementedError(f"{type(self).__name__} must define `nll(self, z, y)`.")

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """First derivative of `nll` in z."""
        return derivative_in_z(self.nll, z, y)

    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Second derivative of `nll` in z."""
        return derivative_in_z(self.slope, z, y)

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        """Probability that y = 1."""
        return tf.exp(-self.nll(z, tf.ones_like(z)))

    def exact_mean(self, z: Any, mp: Any) -> Any:
        """Probability that y = 1 in numbers of any precision, or None where that is not given.

        It is what a check holds the formulas against. It plays no part in training.

        Args:
            z: A number of mpmath's.
            mp: mpmath's context, with its functions and its precision.
        """
        return None


class Logit(Likelihood):
    """Logistic regression: p = 1 / (1 + exp(-z)).

    With t = |z| and e = exp(-t), the label that z speaks for has probability 1 / (1 + e) and the
    other e / (1 + e), and neither is found as one minus the other.
    """

    def exact_mean(self, z: Any, mp: Any) -> Any:
        """The definition."""
        return 1 / (1 + mp.exp(-z))

    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """log(1 + e), and t more for the label that z speaks against."""
        t = _magnitude(z)
        return _weight_against(z, y) * t + log_one_plus(tf.exp(-t))

    @in_float64
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """P(y = 1 | z) - y."""
        one, zero = self._probabilities(z)
        return (1.0 - y) * one - y * zero

    @in_float64
    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """The product p (1 - p), whatever the label."""
        one, zero = self._probabilities(z)
        return one * zero

    @in_float64
    def mean(self, z: tf.Tensor) -> tf.Tensor:
        """The logistic function."""
        one, _ = self._probabilities(z)
        return one

    def _probabilities(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """P(y = 1 | z) and P(y = 0 | z)."""
        e = tf.exp(-_magnitude(z))
        likely = 1.0 / (1.0 + e)
        unlikely = e * likely
        return tf.where(z < 0.0, unlikely, likely), tf.where(z < 0.0, likely, unlikely)


class Probit(Likelihood):
    """Probit regression: p = Phi(z), the standard normal distribution function.

    With t = |z|, phi the normal density at t and h = phi / Phi(-t) the hazard (`normal_hazard`),
    the label that z speaks against has probability Phi(-t) = phi / h. The label that z speaks for
    has probability Phi(t) = 1 - Phi(-t), which is at least 1/2.
    """

    def exact_mean(self, z: Any, mp: Any) -> Any:
        """The definition."""
        return mp.ncdf(z)

    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Against z, -log(phi / h), which is quadratic; for it, log(1 + Phi(-t) / Phi(t))."""
        t = _magnitude(z)
        hazard, _ = normal_hazard(t)
        unlikely = self._density(t) / hazard
        against = 0.5 * t * t + tf.math.log(SQRT_TWO_PI * hazard)
        return _blend(_weight_against(z, y), against, log_one_plus(unlikely / (1.0 - unlikely)))

    @in_float64
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """With the sign of z: against z, h; for it, -phi / Phi(t)."""
        t = _magnitude(z)
        hazard, _ = normal_hazard(t)
        density = self._density(t)
        in_t = _blend(_weight_against(z, y), hazard, -density / (1.0 - density / hazard))
        return tf.where(z < 0.0, -in_t, in_t)

    @in_float64
    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Against z, the derivative of h; for it, r (t + r) with r = phi / Phi(t)."""
        t = _magnitude(z)
        hazard, hazard_slope = normal_hazard(t)
        density = self._density(t)
        likely = 1.0 - density / hazard
        factor = (tf.minimum(t, self._FAR) + density / likely) / likely
        # Not scaled back once for both: Grappler would do it before the product, too early.
        agreeing = self._density(t, _LOG_SCALE) * factor * math.exp(-_LOG_SCALE)
        return _blend(_weight_against(z, y), hazard_slope, agreeing)

    @in_float64
    def mean(self, z: tf.Tensor) -> tf.Tensor:
        """Phi(z)."""
        t = _magnitude(z)
        hazard, _ = normal_hazard(t)
        unlikely = self._density(t) / hazard
        return tf.where(z < 0.0, unlikely, 1.0 - unlikely)

    _FAR = 40.0  # The density underflows before, and so does t^2 times the density.

    def _density(self, t: tf.Tensor, log_scale: float = 0.0) -> tf.Tensor:
        return normal_density(tf.minimum(t, self._FAR), log_scale)


class ComplementaryLogLog(Likelihood):
    """Complementary log-log regression: p = 1 - exp(-w) with w = exp(z).

    The label 0 has the loss w, whose derivatives are w as well. For the label 1, q = exp(-w) and
    the fraction f = p / w matter. Below z = 0, 1 - f is summed as a series
    (`exponential_excess`), above it f = (1 - q) / w.
    """

    def exact_mean(self, z: Any, mp: Any) -> Any:
        """The definition."""
        return -mp.expm1(-mp.exp(z))

    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Label 0: w. Label 1: -log(p) = -z - log(f) below zero, log(1 + q / p) above."""
        survival_above = self._survival_above(z)
        fraction, _ = self._fraction(z, survival_above)
        unlikely = survival_above * math.exp(-_LOG_SCALE)
        odds = unlikely / (1.0 - unlikely)
        one = tf.where(z < 0.0, -z - tf.math.log(fraction), log_one_plus(odds))
        return _blend(y, one, tf.exp(z))

    @in_float64
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Label 0: w. Label 1: -q / f = -w / (exp(w) - 1)."""
        survival_above = self._survival_above(z)
        fraction, _ = self._fraction(z, survival_above)
        one = -self._survival(z, survival_above) / fraction * math.exp(-_LOG_SCALE)
        return _blend(y, one, tf.exp(z))

    @in_float64
    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Label 0: w. Label 1: q (1 - f) / f^2."""
        survival_above = self._survival_above(z)
        fraction, rest = self._fraction(z, survival_above)
        scaled = self._survival(z, survival_above)
        # Factor by factor: given scaled * (rest / fraction^2), Grappler scales back too early.
        one = scaled * rest / fraction / fraction * math.exp(-_LOG_SCALE)
        return _blend(y, one, tf.exp(z))

    @in_float64
    def mean(self, z: tf.Tensor) -> tf.Tensor:
        """The probability p = w f."""
        fraction, _ = self._fraction(z, self._survival_above(z))
        return tf.exp(tf.minimum(z, self._FAR)) * fraction

    _FAR = 7.0  # q underflows before, and so does q w^2.

    def _survival_above(self, z: tf.Tensor) -> tf.Tensor:
        """The probability q, times exp(_LOG_SCALE), where z >= 0; that at 0 elsewhere."""
        return exp_minus_exp(tf.clip_by_value(z, 0.0, self._FAR), _LOG_SCALE)

    def _survival(self, z: tf.Tensor, survival_above: tf.Tensor) -> tf.Tensor:
        """The probability q, times exp(_LOG_SCALE), on both sides of zero."""
        survival_below = tf.exp(-tf.exp(tf.minimum(z, 0.0))) * math.exp(_LOG_SCALE)
        return tf.where(z < 0.0, survival_below, survival_above)

    def _fraction(self, z: tf.Tensor, survival_above: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The fraction f, and 1 - f."""
        w = tf.exp(tf.minimum(z, self._FAR))
        rest_below = exponential_excess(tf.minimum(w, 1.0))
        fraction_above = (1.0 - survival_above * math.exp(-_LOG_SCALE)) / tf.maximum(w, 1.0)
        fraction = tf.where(z < 0.0, 1.0 - rest_below, fraction_above)
        return fraction, tf.where(z < 0.0, rest_below, 1.0 - fraction_above)


LIKELIHOODS: dict[str, Likelihood] = {
    "logit": Logit(),
    "probit": Probit(),
    "cloglog": ComplementaryLogLog(),
}


def differentiable_nll(likelihood: Likelihood, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`likelihood.nll(z, y)`, with `slope` and `curvature` for its derivatives in z.

    TensorFlow's own derivative of an exact `nll` need not be exact. This one's is, to the second
    order, reverse or forward, eager, in a graph or under XLA. It has no derivative in y.

    Args:
        likelihood: Whose loss it is.
        z: Linear predictor, float32 or float64, of any shape.
        y: Labels from 0 to 1, of the shape and dtype of `z`.

    Returns:
        The loss of each label, of the shape and dtype of `z`.

    Raises:
        ValueError: `z` and `y` have different shapes, or a label is known to be outside 0 to 1.
    """
    derivative = functools.partial(differentiable_slope, likelihood)
    return _with_derivative(likelihood.nll, derivative, z, y)


def differentiable_slope(likelihood: Likelihood, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`likelihood.slope(z, y)`, with `curvature` for its derivative in z; see `differentiable_nll`.

    Beyond that, derivatives are those TensorFlow finds for `curvature`.
    """
    return _with_derivative(likelihood.slope, likelihood.curvature, z, y)


def load(spec: str) -> Likelihood:
    """The likelihood that a command line names.

    Args:
        spec: A key of `LIKELIHOODS`, or "FILE.py:NAME" for the instance called NAME in a Python
            file. The file is run, so it must be one you trust; once, until it changes. Nothing is
            written next to it.

    Raises:
        ValueError: There is no such likelihood, or file, or name in it, the file fails to run, or
            a formula does not give numbers of the shape and dtype of its arguments, finite ones
            in the case of `nll`, cannot be compiled, or has weights of its own.
    """
    if spec in LIKELIHOODS:
        return LIKELIHOODS[spec]
    file, colon, _ = spec.rpartition(":")
    if not colon or not file.endswith(".py"):
        known = ", ".join(LIKELIHOODS)
        raise ValueError(f"Unknown likelihood {spec!r}: give one of {known}, or FILE.py:NAME.")
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"Expected a Python file with a likelihood, found no file {path}.")
    return _load_file(spec, path.resolve(), path.stat().st_mtime_ns)


@functools.cache
def _load_file(spec: str, path: Path, modified: int) -> Likelihood:
    """The likelihood that a file defines, by its path and when it was last modified."""
    module = _run_file(path)
    name = spec.rpartition(":")[2]
    if not hasattr(module, name):
        raise ValueError(f"Likelihood {spec!r}: {path.name} defines no {name!r}.")
    likelihood = getattr(module, name)
    if not isinstance(likelihood, Likelihood):
        kind = "a class, not an instance" if isinstance(likelihood, type) else "no Likelihood"
        raise ValueError(f"Likelihood {spec!r}: {name} is {kind}, define {name} = YourClass().")
    _probe(spec, likelihood)
    return likelihood


def _magnitude(z: tf.Tensor) -> tf.Tensor:
    """|z|, with derivative 1 at 0 as the formulas for z >= 0 need; that of `tf.abs` is 0 there."""
    return tf.where(z < 0.0, -z, z)


def _weight_against(z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The weight of the label that z speaks against: y below zero, otherwise 1 - y."""
    return tf.where(z < 0.0, y, 1.0 - y)


def _blend(weight: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """The sum weight * first + (1 - weight) * second; a weight of 0 rules out even infinity."""
    multiply = tf.math.multiply_no_nan
    return multiply(first, weight) + multiply(second, 1.0 - weight)


def derivative_in_z(
    function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], z: tf.Tensor, y: tf.Tensor
) -> tf.Tensor:
    """The derivative in z of an elementwise function of z and y, by automatic differentiation."""
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = function(z, y)
    return tape.gradient(value, z, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _with_derivative(
    function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    derivative: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    z: tf.Tensor,
    y: tf.Tensor,
) -> tf.Tensor:
    """function(z, y), with derivative(z, y) for its derivative in z and none in y."""
    check_labels(z, y)

    @tf.custom_gradient
    def value(z: tf.Tensor, y: tf.Tensor, /) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
            return upstream * derivative(z, y), None

        return function(z, y), gradient

    return value(z, y)


def _run_file(path: Path) -> ModuleType:
    """The module that a Python file defines, with no __pycache__ left behind."""
    # Known by its whole path, so that it hides no other module. A dataclass in it looks it up.
    plan = importlib.util.spec_from_file_location(str(path), path)
    module = sys.modules[plan.name] = importlib.util.module_from_spec(plan)
    writes_nothing, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        plan.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[plan.name]
        raise ValueError(f"Cannot run {path}: {in_one_line(error)}") from error
    finally:
        sys.dont_write_bytecode = writes_nothing
    return module


def _probe(spec: str, likelihood: Likelihood) -> None:
    """Raises ValueError unless all four give values of the right kind, and `nll` finite ones.

    NaN in a derivative is for the check to show, and to say what to do about it.
    """
    for dtype in (tf.float32, tf.float64):
        z = tf.tile(tf.linspace(tf.constant(-3.0, dtype), 3.0, 7), [2])
        y = tf.repeat(tf.constant([0.0, 1.0], dtype), 7)
        for quantity in ("nll", "slope", "curvature", "mean"):
            arguments = (z,) if quantity == "mean" else (z, y)
            function = getattr(likelihood, quantity)
            try:
                with tf.GradientTape() as tape:
                    values = tf.convert_to_tensor(function(*arguments))
                # As training has it: compiled, and without autograph.
                tf.function(function, autograph=False).get_concrete_function(*arguments)
            except Exception as error:
                cause = in_one_line(error)
                raise ValueError(f"Likelihood {spec!r}: {quantity} fails: {cause}") from error
            if tape.watched_variables():
                raise ValueError(
                    f"Likelihood {spec!r}: {quantity} has a variable to be trained, expected a "
                    "function of z and y alone: make it a constant, or a layer's weight."
                )
            if values.shape != z.shape or values.dtype != dtype:
                raise ValueError(
                    f"Likelihood {spec!r}: {quantity} of {dtype.name} {z.shape} gives "
                    f"{values.dtype.name} {values.shape}, expected the same dtype and shape."
                )
            wrong = ~np.isfinite(values)
            if quantity == "nll" and wrong.any():
                at = int(wrong.argmax())
                raise ValueError(
                    f"Likelihood {spec!r}: {quantity} is {values[at]:g} at z = {z[at]:g}, "
                    f"y = {y[at]:g}, expected a finite number."
                )


def row_shares(y: tf.Tensor, sample_weight: tf.Tensor | None) -> tf.Tensor:
    """What each row counts in the mean over a batch: a scalar, or `[n]` where they are weighted.

    Args:
        y: Labels, `[n]`.
        sample_weight: None, or `[n]`; the weighted sum is divided by n, as in Keras.

    Raises:
        ValueError: The weights are not `[n]`.
    """
    rows = tf.cast(tf.size(y), y.dtype)
    if sample_weight is None:
        return 1 / rows
    if not y.shape.is_compatible_with(sample_weight.shape):
        raise ValueError(
            f"Expected `sample_weight` of the same shape as `y`, got {sample_weight.shape} and "
            f"{y.shape}."
        )
    return tf.cast(sample_weight, y.dtype) / rows
