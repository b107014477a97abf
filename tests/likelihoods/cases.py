"""What the tests of likelihoods run over: members, executions, and logits with their labels.

Every member of `LIKELIHOODS` is taken up unasked, as far as it goes: what is said of labels 0 and
1 holds for binary members alone, and what is said of exact values for those that give them.
"""

from collections.abc import Callable, Sequence

import mpmath
import numpy as np
import pytest
import tensorflow as tf

from lowlevel.likelihoods import LIKELIHOODS, Likelihood
from tests.reference import RAPID

EXECUTIONS: dict[str, Callable] = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}
LOGITS = (-60.0, -9.0, -1.5, -0.0, 0.0, 1e-3, 0.7, 2.0, 4.0, 60.0)


class Poisson(Likelihood):
    """A count, of which the logarithm of the mean is predicted; without its constant."""

    label_range = (0.0, np.inf)

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """The loss."""
        return tf.exp(z) - y * z

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Its derivative."""
        return tf.exp(z) - y

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        """The label expected."""
        return tf.exp(z)


class Normal(Likelihood):
    """A normal label, of which mean and log deviation are predicted; without its constant."""

    label_range = (-np.inf, np.inf)
    predictors = 2

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """The loss."""
        return z[:, 1] + 0.5 * (y - z[:, 0]) ** 2 * tf.exp(-2.0 * z[:, 1])

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Its derivative."""
        scaled = (y - z[:, 0]) * tf.exp(-2.0 * z[:, 1])
        return tf.stack([-scaled, 1.0 - (y - z[:, 0]) * scaled], axis=1)

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        """The label expected."""
        return z[:, 0]


def is_binary(likelihood: Likelihood) -> bool:
    """Whether the label is 0 or 1, or between them, and has one logit."""
    return likelihood.label_range == (0.0, 1.0) and likelihood.predictors == 1


# With two of kinds that need not be among those that ship.
MEMBERS: dict[str, Likelihood] = {"a count": Poisson(), "two predictors": Normal(), **LIKELIHOODS}
SINGLE = [name for name, member in MEMBERS.items() if member.predictors == 1]
BINARY = [name for name, member in MEMBERS.items() if is_binary(member)]
EXACT = [name for name in BINARY if MEMBERS[name].exact_probabilities(mpmath.mpf(0), mpmath)]
# Formulas in float64, as binary ones are, give the same in every execution; others need not.
SAME = [
    (name, each) for name in MEMBERS for each in EXECUTIONS if name in BINARY or each == "eager"
]

every_likelihood = pytest.mark.parametrize("name", MEMBERS)
every_shipped_likelihood = pytest.mark.parametrize("name", LIKELIHOODS)
every_single_likelihood = pytest.mark.parametrize("name", SINGLE)
every_binary_likelihood = pytest.mark.parametrize("name", BINARY)
every_exact_likelihood = pytest.mark.parametrize("name", EXACT)
every_rapid_likelihood = pytest.mark.parametrize("name", [n for n in BINARY if n in RAPID])
every_execution = pytest.mark.parametrize("execution", EXECUTIONS)
every_same_execution = pytest.mark.parametrize(("name", "execution"), SAME)
every_same_execution_of_one_predictor = pytest.mark.parametrize(
    ("name", "execution"), [case for case in SAME if case[0] in SINGLE]
)


def labels_within(likelihood: Likelihood) -> list[float]:
    """Labels that a likelihood takes; a soft one is among those of a binary member."""
    if is_binary(likelihood):
        return [0.0, 1.0, 0.3]
    lowest, highest = likelihood.label_range
    return sorted({min(max(label, lowest), highest) for label in (-3.0, 0.0, 1.0, 3.0)})


def logits_and_labels(
    likelihood: Likelihood, dtype: tf.DType = tf.float32, logits: Sequence[float] = LOGITS
) -> tuple[tf.Tensor, tf.Tensor]:
    """Every logit with every label, side by side; each of several predictors has all logits."""
    labels = labels_within(likelihood)
    z = tf.tile(tf.constant(logits, dtype), [len(labels)])
    if likelihood.predictors > 1:
        z = tf.stack([tf.roll(z, shift, 0) for shift in range(likelihood.predictors)], axis=1)
    return z, tf.repeat(tf.constant(labels, dtype), len(logits))
