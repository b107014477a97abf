"""Calibration, against general optimizers, loops and the min-max formula of isotonic regression."""

import numpy as np
import pytest
from scipy import optimize, special
from sklearn.metrics import brier_score_loss

from lowlevel.judging.calibration import (
    CLOSEST,
    binned_error,
    brier_parts,
    pool_starts,
    recalibration,
)


def rows(levels: int, count: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, ascending probabilities that are too extreme, and weights, a third of them 0."""
    random = np.random.default_rng(0)
    p = np.sort(np.round(0.02 + 0.96 * random.random(count) * levels) / levels)
    p = np.clip(p, 0.01, 0.99)
    labels = (random.random(count) < 0.3 + 0.5 * p).astype(float)
    return labels, p, random.random(count) * random.integers(3, size=count)


def fitted(labels: np.ndarray, x: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    """The intercept and the slope by root finders, from the equations that they solve."""

    def residual(a: float, b: float) -> np.ndarray:
        return weight * (labels - special.expit(a + b * x))

    line = optimize.root(
        lambda c: [residual(*c).sum(), residual(*c) @ x], [0.0, 0.5], options={"xtol": 1e-13}
    )
    assert line.success
    intercept = optimize.brentq(lambda a: residual(a, 1).sum(), -100, 100, xtol=1e-13)
    return {"calibration_intercept": intercept, "calibration_slope": line.x[1]}


@pytest.mark.parametrize("levels", [3, 10, 1_000_000])
def test_intercept_and_slope_solve_their_equations(levels: int) -> None:
    labels, p, weight = rows(levels)
    found = recalibration(labels, p)(weight)
    assert found == pytest.approx(fitted(labels, special.logit(p), weight), abs=1e-9)


def test_soft_labels_are_calibrated_as_well() -> None:
    _, p, weight = rows(1_000_000)
    soft = np.random.default_rng(1).random(300)
    found = recalibration(soft, p)(weight)
    assert found == pytest.approx(fitted(soft, special.logit(p), weight), abs=1e-9)


def test_probabilities_of_0_and_1_count_as_the_closest_that_are_told_from_1() -> None:
    labels, p, weight = rows(1_000_000)
    weight[:3] = weight[-3:] = 1
    p[:3], p[-3:] = 0, 1
    labels[[1, -2]] = 1, 0
    x = special.logit(np.clip(p, CLOSEST, 1 - CLOSEST))
    assert np.abs(x).max() == pytest.approx(53 * np.log(2))
    found = recalibration(labels, p)(weight)
    assert found == pytest.approx(fitted(labels, x, weight), abs=1e-9)


# Not ten positive ones in all: the loss is then flat, in float64, between -35 and 35.
@pytest.mark.parametrize(("low", "high"), [(9, 8), (1, 1), (5, 8)])
def test_certainties_that_are_often_wrong_have_an_intercept_and_a_slope(
    low: int, high: int
) -> None:
    """So many of ten rows each are positive at p = 0 and 1; a step of Newton's is 1e16 long."""
    labels = np.concatenate([np.arange(10) < low, np.arange(10) < high]).astype(float)
    far = special.logit(1 - CLOSEST)
    # With two levels, the slope is that of the line through both.
    slope = (special.logit(high / 10) - special.logit(low / 10)) / (2 * far)
    intercept = optimize.brentq(
        lambda a: 10 * (special.expit(a - far) + special.expit(a + far)) - low - high, -50, 50
    )
    found = recalibration(labels, np.repeat([0.0, 1.0], 10))(np.ones(20))
    expected = {"calibration_intercept": intercept, "calibration_slope": slope}
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "p"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4]),
        ([0, 0, 1, 1], [0.1, 0.2, 0.2, 0.4]),
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3]),
    ],
    ids=["in order", "in reverse", "but for a tie", "one probability"],
)
def test_separated_labels_have_an_intercept_and_no_slope(labels: list, p: list) -> None:
    found = recalibration(np.array(labels, float), np.array(p))(np.ones(4))
    assert list(found) == ["calibration_intercept"]


def test_groups_of_close_logits_give_nearly_the_same() -> None:
    random = np.random.default_rng(3)
    x = np.sort(random.normal(-2, 1.5, 20_000))
    x[0], x[-1] = -30, 30
    p = special.expit(x)
    labels = (random.random(20_000) < special.expit(0.9 * x + 0.1)).astype(float)
    exact, grouped = recalibration(labels, p), recalibration(labels, p, 4096)
    for _ in range(3):
        weight = np.bincount(random.integers(20_000, size=20_000), minlength=20_000).astype(float)
        # A hundredth of the bootstrap's deviation of either is 2e-4.
        assert grouped(weight) == pytest.approx(exact(weight), abs=2e-4)


def test_few_levels_are_not_grouped() -> None:
    labels, p, weight = rows(10)
    assert recalibration(labels, p, 4096)(weight) == recalibration(labels, p)(weight)


def test_ece_is_that_of_a_loop_over_the_bins() -> None:
    labels, p, weight = rows(1_000_000)
    # On every edge, where (0.2, 0.3] and its like hold 0.3.
    p[:11] = np.arange(11) / 10
    order = np.argsort(p, kind="stable")
    labels, p, weight = labels[order], p[order], weight[order]
    total = 0.0
    for k in range(10):
        inside = (p > k / 10) & (p <= (k + 1) / 10) | ((k == 0) & (p == 0))
        total += abs((weight * (labels - p))[inside].sum())
    found = binned_error(labels, p)(weight)
    assert found == pytest.approx({"ece": total / weight.sum()}, abs=1e-12)


def test_empty_bins_add_nothing_to_ece() -> None:
    found = binned_error(np.array([0.0, 1.0, 1.0]), np.array([0.05, 0.06, 0.95]))(np.ones(3))
    assert found["ece"] == pytest.approx((abs(1 - 0.11) + 0.05) / 3)


def isotonic(labels: np.ndarray, p: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Isotonic regression by levels: the largest, over rises, of the smallest mean up to a fall."""
    levels = np.unique(p[weight > 0])
    count = np.array([weight[p == level].sum() for level in levels])
    total = np.array([(weight * labels)[p == level].sum() for level in levels])
    n = len(levels)
    fit = [
        max(
            min(total[j : k + 1].sum() / count[j : k + 1].sum() for k in range(i, n))
            for j in range(i + 1)
        )
        for i in range(n)
    ]
    return np.interp(p, levels, fit)


@pytest.mark.parametrize("levels", [1, 3, 10, 1_000_000])
@pytest.mark.parametrize("soft", [False, True])
def test_the_parts_of_the_brier_score_are_those_of_the_min_max_formula(
    levels: int, soft: bool
) -> None:
    labels, p, weight = rows(levels, count=40)
    labels = np.random.default_rng(2).random(40) if soft else labels
    share = np.average(labels, weights=weight)
    of_share, of_fit, of_p = (
        np.average((labels - forecast) ** 2, weights=weight)
        for forecast in (share, isotonic(labels, p, weight), p)
    )
    found = brier_parts(labels, p)(weight)
    expected = {
        "miscalibration": of_p - of_fit,
        "discrimination": of_share - of_fit,
        "uncertainty": of_share,
    }
    assert found == pytest.approx(expected, abs=1e-14)
    assert min(found.values()) > -1e-15


@pytest.mark.parametrize("levels", [1, 10, 1_000_000])
def test_the_parts_add_up_to_scikit_learns_brier_score(levels: int) -> None:
    labels, p, weight = rows(levels)
    parts = brier_parts(labels, p)(weight)
    total = parts["miscalibration"] - parts["discrimination"] + parts["uncertainty"]
    expected = brier_score_loss(labels, p, sample_weight=weight)
    assert total == pytest.approx(expected, rel=1e-14)


def test_without_ties_there_is_a_pool_for_each_rise() -> None:
    labels = np.array([0, 0, 1, 1, 0, 1, 0, 0, 1.0])
    assert pool_starts(labels, np.arange(9) / 10).tolist() == [0, 2, 5, 8]


def test_levels_that_hold_both_labels_are_pools_of_their_own() -> None:
    labels, p = np.array([0, 1, 0, 1, 0, 1.0]), np.array([0.1, 0.1, 0.2, 0.2, 0.3, 0.4])
    # The row at 0.3 is of label 0, no more than any level may have.
    assert pool_starts(labels, p).tolist() == [0, 2, 5]
