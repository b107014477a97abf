"""The weighted sum of losses: its slope is its derivative, and a share of 0 rules a row out."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from lowlevel.likelihoods import LIKELIHOODS, differentiable_nll, weighted_nll, weighted_slope
from tests.likelihoods.cases import (
    EXECUTIONS,
    MEMBERS,
    every_binary_likelihood,
    every_execution,
    every_likelihood,
    logits_and_labels,
)


@every_likelihood
def test_the_weighted_sum_is_that_of_the_rows(name: str) -> None:
    likelihood = MEMBERS[name]
    z, y = logits_and_labels(likelihood, tf.float64)
    for share in (np.linspace(0.5, 2.0, len(y)), np.float64(0.25)):
        expected = np.sum(share * likelihood.nll(z, y).numpy())
        found = weighted_nll(likelihood, z, y, tf.constant(share))
        np.testing.assert_allclose(found, expected, rtol=1e-14)


@every_likelihood
def test_the_weighted_slope_is_the_derivative_that_a_tape_finds(name: str) -> None:
    likelihood = MEMBERS[name]
    z, y = logits_and_labels(likelihood, tf.float64)
    for share in (np.linspace(0.5, 2.0, len(y)), np.float64(0.25)):
        with tf.GradientTape() as tape:
            tape.watch(z)
            total = tf.reduce_sum(share * differentiable_nll(likelihood, z, y))
        expected = tf.reshape(tape.gradient(total, z), [len(y), likelihood.predictors])
        found = weighted_slope(likelihood, z, y, tf.constant(share))
        np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("function", [weighted_nll, weighted_slope])
@every_execution
@every_binary_likelihood
def test_a_share_of_0_rules_a_row_out_however_large_its_loss(
    name: str, execution: str, function: Callable
) -> None:
    likelihood = MEMBERS[name]
    z = tf.constant([1e300, -1e300, 1e300, -1e300, 0.5], tf.float64)
    y = tf.constant([0.0, 0.0, 1.0, 1.0, 1.0], tf.float64)
    share = tf.constant([0.0, 0.0, 0.0, 0.0, 0.25], tf.float64)
    found = EXECUTIONS[execution](lambda z, y: function(likelihood, z, y, share))(z, y)
    alone = {weighted_nll: likelihood.nll, weighted_slope: likelihood.slope}[function]
    expected = 0.25 * float(alone(z[4:], y[4:])[0])
    assert np.sum(found) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("name", "quantity"), [("probit", "nll"), ("cloglog", "nll"), ("cloglog", "slope")]
)
def test_the_rows_ruled_out_above_are_infinite_indeed(name: str, quantity: str) -> None:
    z, y = tf.constant([1e300], tf.float64), tf.zeros([1], tf.float64)
    assert np.isinf(getattr(MEMBERS[name], quantity)(z, y))


@pytest.mark.parametrize("function", [weighted_nll, weighted_slope])
def test_labels_of_another_shape_are_refused(function: Callable) -> None:
    with pytest.raises(ValueError, match="same shape as `z`"):
        function(LIKELIHOODS["logit"], tf.zeros([4]), tf.zeros([4, 1]), tf.constant(1.0))
