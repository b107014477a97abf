"""Labels that are not binary: losses judged by the size of their terms, large labels, means."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from lowlevel.checks.formulas import formula_rows
from lowlevel.checks.labels import far_labels
from lowlevel.checks.means import means_by_slope
from lowlevel.checks.rows import Row
from lowlevel.checks.sampled import sampled_rows
from lowlevel.likelihoods import Likelihood, in_float64


class Poisson(Likelihood):
    """Of counts, whose logarithm of the mean is z, in the dtype of z throughout."""

    label_range = (0.0, math.inf)

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.exp(z) - y * z

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.exp(z) - y

    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.exp(z)

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return tf.exp(z)


class PoissonWithConstant(Poisson):
    """With the part of the loss that z has none in, as the README has it."""

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return super().nll(z, y) + tf.math.lgamma(y + 1)


class NegativeBinomial(Likelihood):
    """Of counts, with two failures, whose logarithm of the mean is z."""

    label_range = (0.0, math.inf)

    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return (y + 2) * tf.nn.softplus(z - math.log(2)) - y * z

    @in_float64
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        log_odds = z - math.log(2)
        return 2 * tf.sigmoid(log_odds) - y * tf.sigmoid(-log_odds)

    @in_float64
    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        log_odds = z - math.log(2)
        return (y + 2) * tf.sigmoid(log_odds) * tf.sigmoid(-log_odds)

    @in_float64
    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return tf.exp(z)


class Normal(Likelihood):
    """Of any number, with deviation 1."""

    label_range = (-math.inf, math.inf)

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return (z - y) ** 2 / 2

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return z - y

    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.ones_like(z)

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return z


class Gamma(Likelihood):
    """Of positive numbers, with shape 1, whose logarithm of the mean is z."""

    label_range = (1e-3, math.inf)

    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return z + y * tf.exp(-z)

    @in_float64
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return 1 - y * tf.exp(-z)

    @in_float64
    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return y * tf.exp(-z)

    @in_float64
    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return tf.exp(z)


class Binomial(Likelihood):
    """Of counts out of 5, each a success with log-odds z."""

    label_range = (0.0, 5.0)

    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return y * tf.nn.softplus(-z) + (5 - y) * tf.nn.softplus(z)

    @in_float64
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return (5 - y) * tf.sigmoid(z) - y * tf.sigmoid(-z)

    @in_float64
    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return 5 * tf.sigmoid(z) * tf.sigmoid(-z)

    @in_float64
    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return 5 * tf.sigmoid(z)


RIGHT = [Poisson, PoissonWithConstant, NegativeBinomial, Normal, Gamma, Binomial]


def rows_of(likelihood: Likelihood, dtype: str) -> list[Row]:
    """All rows of a likelihood's formulas."""
    rows = formula_rows(likelihood, dtype, jit_compile=False)
    return [*rows, *sampled_rows(likelihood, dtype, jit_compile=False, seed=0)]


def wrong_of(likelihood: Likelihood, dtype: str) -> set[str]:
    """The subjects of the rows that are not right."""
    return {row.subject for row in rows_of(likelihood, dtype) if not row.right}


def changed(likelihood: type[Likelihood], quantity: str, change: Callable) -> Likelihood:
    """A likelihood with one formula changed, by a function of the right one, z and the label."""

    def formula(self: Likelihood, z: tf.Tensor, *label: tf.Tensor) -> tf.Tensor:
        return change(getattr(likelihood, quantity)(self, z, *label), z, *label)

    return type("Changed", (likelihood,), {quantity: formula})()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("likelihood", RIGHT)
def test_a_right_likelihood_is_right(likelihood: type[Likelihood], dtype: str) -> None:
    assert [row for row in rows_of(likelihood(), dtype) if not row.right] == []


def test_a_slope_that_is_less_precise_than_its_terms_is_found() -> None:
    rough = changed(Poisson, "slope", lambda right, z, y: right + 1e-3 * (tf.exp(z) + y))
    assert "slope, sampled" in wrong_of(rough, "float32")


def test_at_the_end_of_a_range_a_tail_cut_off_is_found() -> None:
    # Next to 5, float32 numbers are 5e-7 apart: there is no cancellation that would excuse it.
    cut = changed(Binomial, "slope", lambda right, z, y: tf.where(abs(right) < 1e-7, 0.0, right))
    assert "slope" in wrong_of(cut, "float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("likelihood", [Poisson, NegativeBinomial, Gamma])
@pytest.mark.parametrize("least", [3, 150])
def test_a_slope_that_is_wrong_for_large_labels_alone_is_found(
    likelihood: type[Likelihood], least: float, dtype: str
) -> None:
    far = changed(likelihood, "slope", lambda right, z, y: tf.where(y > least, 2 * right, right))
    rows = [row for row in rows_of(far, dtype) if row.subject.startswith("slope")]
    wrong = {(row.subject, row.label) for row in rows if not row.right}
    large = {("slope", y) for y in (10.0, 100.0, 1000.0) if y > least}
    assert wrong == {*large, ("slope, sampled", None)}
    assert all("2 times the right one" in row.verdict for row in rows if not row.right)


def test_a_slope_that_is_wrong_for_large_negative_labels_is_found() -> None:
    far = changed(Normal, "slope", lambda right, z, y: tf.where(y < -50, -right, right))
    wrong = {(row.subject, row.label) for row in rows_of(far, "float64") if not row.right}
    assert {("slope", -100.0), ("slope", -1000.0), ("slope, sampled", None)} <= wrong
    assert ("slope", -10.0) not in wrong


def test_labels_for_which_the_loss_is_not_finite_are_left_out() -> None:
    bounded = changed(
        Poisson, "nll", lambda right, z, y: tf.where(y > 50, math.inf * tf.ones_like(z), right)
    )
    assert far_labels(bounded) == (10.0,)
    assert far_labels(Binomial()) == ()


# Means.


class Median(Normal):
    """The loss of a median, whose slope does not tell of any mean."""

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.sqrt(1 + (z - y) ** 2)

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return (z - y) / tf.sqrt(1 + (z - y) ** 2)

    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return (1 + (z - y) ** 2) ** -1.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("likelihood", RIGHT)
def test_a_mean_that_is_not_the_label_s_is_found(likelihood: type[Likelihood], dtype: str) -> None:
    doubled = changed(likelihood, "mean", lambda right, z: 2 * right)
    rows = [row for row in rows_of(doubled, dtype) if not row.right]
    assert [row.subject for row in rows] == ["mean", "mean, sampled"]
    assert all("2 times the right one" in row.verdict for row in rows)


@pytest.mark.parametrize("likelihood", RIGHT)
def test_a_mean_is_the_label_for_which_the_slope_is_0(likelihood: type[Likelihood]) -> None:
    z = np.array([-3.0, -0.5, 0.25, 4.0])
    means = means_by_slope(likelihood(), z)
    told = ~np.isnan(means)
    assert told[1:3].all()
    expected = likelihood().mean(tf.constant(z)).numpy()
    np.testing.assert_allclose(means[told], expected[told], rtol=1e-13)


def test_the_mean_of_a_slope_that_is_no_line_in_the_label_is_undecided() -> None:
    doubled = changed(Median, "mean", lambda right, z: 2 * right)
    (row,) = [row for row in rows_of(doubled, "float64") if row.subject == "mean"]
    assert row.verdict == "right; undecided whether it is the label's: the slope does not tell"
    assert row.right


def test_a_wrong_slope_is_no_reproach_to_the_mean() -> None:
    shifted = changed(Poisson, "slope", lambda right, z, y: right + 1)
    assert wrong_of(shifted, "float64") == {"slope", "slope, sampled"}
