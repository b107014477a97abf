"""Logistic regression."""

from typing import Any

import tensorflow as tf

from lowlevel.likelihoods.base import Likelihood, in_float64, magnitude, weight_against
from lowlevel.likelihoods.special_functions import log_one_plus


class Logit(Likelihood):
    """Logistic regression: p = 1 / (1 + exp(-z)).

    With t = |z| and e = exp(-t), the more likely label has probability 1 / (1 + e) and the
    other e / (1 + e), and neither is found as one minus the other.
    """

    def exact_probabilities(self, z: Any, mp: Any) -> tuple[Any, Any]:
        """The definition."""
        return 1 / (1 + mp.exp(-z)), 1 / (1 + mp.exp(z))

    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """log(1 + e), and t more for the less likely label."""
        t = magnitude(z)
        return weight_against(z, y) * t + log_one_plus(tf.exp(-t))

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
        e = tf.exp(-magnitude(z))
        likely = 1.0 / (1.0 + e)
        unlikely = e * likely
        return tf.where(z < 0.0, unlikely, likely), tf.where(z < 0.0, likely, unlikely)
