"""Two well-known mistakes, shown on purpose: what they look like in a check."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from lowlevel.checks.exact import exact_arrays
from lowlevel.checks.formulas import formula_row, logits
from lowlevel.checks.network import Network, gradient_row
from lowlevel.checks.rows import Row
from lowlevel.likelihoods import LIKELIHOODS, Likelihood


class NaiveLogit(Likelihood):
    """Logistic regression as one would write it down, which is not how to compute it."""

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """By p = 1 / (1 + exp(-z)), which rounds to 1 and overflows, and logarithms of it."""
        p = 1.0 / (1.0 + tf.exp(-z))
        return -(y * tf.math.log(p) + (1.0 - y) * tf.math.log(1.0 - p))

    def exact_probabilities(self, z: Any, mp: Any) -> tuple[Any, Any] | None:
        """Those of the logit."""
        return LIKELIHOODS["logit"].exact_probabilities(z, mp)


def mistake_rows(likelihood: Likelihood, dtype: str, jit_compile: bool, seed: int) -> list[Row]:
    """Shows the naive formula, and a rule over the whole network."""
    naive = NaiveLogit()
    exact = exact_arrays(naive, logits(dtype))["slope", 1.0]
    slope = formula_row(naive, "slope", 1.0, exact, dtype, jit_compile)
    network = Network("module", likelihood, dtype, seed)
    loss = functools.partial(_loss_without_outer_function, network)
    lost = network.gradients(loss, jit_compile)
    right = network.gradients(network.plain_loss, jit_compile)
    name = "dense_0/kernel"
    inner = gradient_row("no outer function", lost[name], right[name], right[name], right[name])
    return [
        dataclasses.replace(slope, subject="slope of log(p)", mistake=True),
        dataclasses.replace(inner, mistake=True),
    ]


def _loss_without_outer_function(network: Network, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns the mean loss by a rule that covers the dense layer, and knows only the logistic."""
    logistic = network.model.logistic

    @tf.custom_gradient
    def everything(x: tf.Tensor, /) -> tuple:
        h = network.model.latent(x)
        z = logistic.linear_predictor(h)

        def gradient(upstream: tf.Tensor, variables: Sequence[tf.Variable]) -> tuple:
            slope = upstream * network.likelihood.slope(z, y)[:, None] / z.shape[0]
            known = {
                logistic.kernel.ref(): tf.matmul(h, slope, transpose_a=True),
                logistic.bias.ref(): tf.reduce_sum(slope, 0),
            }
            return None, [known.get(variable.ref()) for variable in variables]

        return tf.reduce_mean(network.likelihood.nll(z, y)), gradient

    return everything(x)
