"""Probit regression."""

import math
from typing import Any

import tensorflow as tf

from lowlevel.likelihoods.base import (
    LOG_SCALE,
    Likelihood,
    blend,
    in_float64,
    magnitude,
    weight_against,
)
from lowlevel.likelihoods.special_functions import (
    SQRT_TWO_PI,
    log_one_plus,
    normal_density,
    normal_hazard,
)


class Probit(Likelihood):
    """Probit regression: p = Phi(z), the standard normal distribution function.

    With t = |z|, phi the normal density at t and h = phi / Phi(-t) the hazard (`normal_hazard`),
    the less likely label has probability Phi(-t) = phi / h. The more likely label
    has probability Phi(t) = 1 - Phi(-t), which is at least 1/2.
    """

    def exact_probabilities(self, z: Any, mp: Any) -> tuple[Any, Any]:
        """The definition."""
        return mp.ncdf(z), mp.ncdf(-z)

    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Against z, -log(phi / h), which is quadratic; for it, log(1 + Phi(-t) / Phi(t))."""
        t = magnitude(z)
        hazard, _ = normal_hazard(t)
        unlikely = self._density(t) / hazard
        against = 0.5 * t * t + tf.math.log(SQRT_TWO_PI * hazard)
        return blend(weight_against(z, y), against, log_one_plus(unlikely / (1.0 - unlikely)))

    @in_float64
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """With the sign of z: against z, h; for it, -phi / Phi(t)."""
        t = magnitude(z)
        hazard, _ = normal_hazard(t)
        density = self._density(t)
        in_t = blend(weight_against(z, y), hazard, -density / (1.0 - density / hazard))
        return tf.where(z < 0.0, -in_t, in_t)

    @in_float64
    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Against z, the derivative of h; for it, r (t + r) with r = phi / Phi(t)."""
        t = magnitude(z)
        hazard, hazard_slope = normal_hazard(t)
        density = self._density(t)
        likely = 1.0 - density / hazard
        factor = (tf.minimum(t, self._FAR) + density / likely) / likely
        # Not scaled back once for both: Grappler would do it before the product, too early.
        agreeing = self._density(t, LOG_SCALE) * factor * math.exp(-LOG_SCALE)
        return blend(weight_against(z, y), hazard_slope, agreeing)

    @in_float64
    def mean(self, z: tf.Tensor) -> tf.Tensor:
        """Phi(z)."""
        t = magnitude(z)
        hazard, _ = normal_hazard(t)
        unlikely = self._density(t) / hazard
        return tf.where(z < 0.0, unlikely, 1.0 - unlikely)

    _FAR = 40.0  # The density underflows before, and so does t^2 times the density.

    def _density(self, t: tf.Tensor, log_scale: float = 0.0) -> tf.Tensor:
        return normal_density(tf.minimum(t, self._FAR), log_scale)
