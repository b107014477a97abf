"""The sums over the rows that Newton's method and standard errors are made of."""

import functools
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.likelihoods import Likelihood
from lowlevel.regression.design import Block


class Totals(NamedTuple):
    """Weighted sums over the rows, in float64, at some coefficients b with z = x'b.

    Attributes:
        nll: of the losses.
        gradient: of x slope, `[coefficients]`.
        information: of x x' curvature, the observed information, `[coefficients, coefficients]`.
    """

    nll: float
    gradient: np.ndarray
    information: np.ndarray

    @property
    def packed(self) -> np.ndarray:
        """All of them in one vector, `[1 + coefficients + coefficients^2]`."""
        return np.concatenate([[self.nll], self.gradient, self.information.ravel()])

    @classmethod
    def unpacked(cls, packed: np.ndarray, size: int) -> "Totals":
        """Returns the totals of a vector, for so many coefficients."""
        nll, gradient, information = np.split(packed, [1, 1 + size])
        return cls(float(nll[0]), gradient, information.reshape(size, size))


def total(
    likelihood: Likelihood,
    blocks: Iterable[Block],
    coefficients: np.ndarray,
    jit_compile: bool = False,
) -> Totals:
    """Returns the sums over blocks, one after the other: in one pass, and to bits that are theirs.

    Args:
        likelihood: of one predictor.
        blocks: the rows.
        coefficients: `[coefficients]`, the intercept last.
        jit_compile: whether XLA compiles what is done with a block.
    """
    sums = _compiled(likelihood, jit_compile)
    point = tf.constant(coefficients, tf.float64)
    size = len(coefficients)
    found = Totals(0.0, np.zeros(size), np.zeros((size, size)))
    for block in blocks:
        parts = zip(found, sums(*block, point), strict=True)
        found = Totals(*(so_far + part.numpy() for so_far, part in parts))
    return found._replace(nll=float(found.nll))


def outer_products(
    likelihood: Likelihood, blocks: Iterable[Block], coefficients: np.ndarray
) -> np.ndarray:
    """Returns the weighted sum of x x' slope^2, the outer products of the rows' gradients."""
    point = tf.constant(coefficients, tf.float64)
    found = np.zeros(2 * [len(coefficients)])
    for x, y, weight in blocks:
        slope = likelihood.slope(tf.linalg.matvec(x, point), y)
        square = tf.math.multiply_no_nan(tf.square(slope), weight)
        found += tf.matmul(x, x * square[:, tf.newaxis], transpose_a=True).numpy()
    return found


# A sweep of runs compiles once. No model is held on to, only its likelihood.
@functools.lru_cache(maxsize=4)
def _compiled(
    likelihood: Likelihood, jit_compile: bool
) -> Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Returns the sums over a block, a compiled function of its columns and the coefficients."""

    @tf.function(jit_compile=jit_compile)
    def sums(
        x: tf.Tensor, y: tf.Tensor, weight: tf.Tensor, point: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        z = tf.linalg.matvec(x, point)
        # A row of weight 0 rules out even infinity.
        nll, slope, curvature = (
            tf.math.multiply_no_nan(function(z, y), weight)
            for function in (likelihood.nll, likelihood.slope, likelihood.curvature)
        )
        return (
            tf.reduce_sum(nll),
            tf.linalg.matvec(x, slope, transpose_a=True),
            tf.matmul(x, x * curvature[:, tf.newaxis], transpose_a=True),
        )

    vector = tf.TensorSpec([None], tf.float64)
    # Called outright, it would warn of tracing in vain where there are several likelihoods.
    return sums.get_concrete_function(
        tf.TensorSpec([None, None], tf.float64), vector, vector, vector
    )
