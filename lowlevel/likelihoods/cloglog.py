"""Complementary log-log regression."""

import math
from typing import Any

import tensorflow as tf

from lowlevel.likelihoods.base import LOG_SCALE, Likelihood, blend, in_float64
from lowlevel.likelihoods.special_functions import (
    exp_minus_exp,
    exponential_excess,
    log_one_plus,
)


class ComplementaryLogLog(Likelihood):
    """Complementary log-log regression: p = 1 - exp(-w) with w = exp(z).

    The label 0 has the loss w, whose derivatives are w as well. For the label 1, q = exp(-w) and
    the fraction f = p / w matter. Below z = 0, 1 - f is summed as a series
    (`exponential_excess`), above it f = (1 - q) / w.
    """

    def exact_probabilities(self, z: Any, mp: Any) -> tuple[Any, Any]:
        """The definition."""
        return -mp.expm1(-mp.exp(z)), mp.exp(-mp.exp(z))

    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Label 0: w. Label 1: -log(p) = -z - log(f) below zero, log(1 + q / p) above."""
        survival_above = self._survival_above(z)
        fraction, _ = self._fraction(z, survival_above)
        unlikely = survival_above * math.exp(-LOG_SCALE)
        odds = unlikely / (1.0 - unlikely)
        one = tf.where(z < 0.0, -z - tf.math.log(fraction), log_one_plus(odds))
        return blend(y, one, tf.exp(z))

    @in_float64
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Label 0: w. Label 1: -q / f = -w / (exp(w) - 1)."""
        survival_above = self._survival_above(z)
        fraction, _ = self._fraction(z, survival_above)
        one = -self._survival(z, survival_above) / fraction * math.exp(-LOG_SCALE)
        return blend(y, one, tf.exp(z))

    @in_float64
    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Label 0: w. Label 1: q (1 - f) / f^2."""
        survival_above = self._survival_above(z)
        fraction, rest = self._fraction(z, survival_above)
        scaled = self._survival(z, survival_above)
        # Factor by factor: given scaled * (rest / fraction^2), Grappler scales back too early.
        one = scaled * rest / fraction / fraction * math.exp(-LOG_SCALE)
        return blend(y, one, tf.exp(z))

    @in_float64
    def mean(self, z: tf.Tensor) -> tf.Tensor:
        """The probability p = w f."""
        fraction, _ = self._fraction(z, self._survival_above(z))
        return tf.exp(tf.minimum(z, self._FAR)) * fraction

    _FAR = 7.0  # q underflows before, and so does q w^2.

    def _survival_above(self, z: tf.Tensor) -> tf.Tensor:
        """The probability q, times exp(LOG_SCALE), where z >= 0; that at 0 elsewhere."""
        return exp_minus_exp(tf.clip_by_value(z, 0.0, self._FAR), LOG_SCALE)

    def _survival(self, z: tf.Tensor, survival_above: tf.Tensor) -> tf.Tensor:
        """The probability q, times exp(LOG_SCALE), on both sides of zero."""
        survival_below = tf.exp(-tf.exp(tf.minimum(z, 0.0))) * math.exp(LOG_SCALE)
        return tf.where(z < 0.0, survival_below, survival_above)

    def _fraction(self, z: tf.Tensor, survival_above: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The fraction f, and 1 - f."""
        w = tf.exp(tf.minimum(z, self._FAR))
        rest_below = exponential_excess(tf.minimum(w, 1.0))
        fraction_above = (1.0 - survival_above * math.exp(-LOG_SCALE)) / tf.maximum(w, 1.0)
        fraction = tf.where(z < 0.0, 1.0 - rest_below, fraction_above)
        return fraction, tf.where(z < 0.0, rest_below, 1.0 - fraction_above)
