"""The numbers behind the pictures, held to scipy, scikit-learn and the project's own costs."""

import numpy as np
import pytest
from scipy import stats
from sklearn import calibration, metrics

from lowlevel.judging import costs
from lowlevel.judging.rows import Rows, sorted_rows
from lowlevel.report import curves


def rows(count: int = 300, weighted: bool = False, soft: bool = False) -> Rows:
    """Rows whose probabilities tell something of the labels, and tie."""
    random = np.random.default_rng(0)
    p = np.round(random.uniform(size=count), 2)
    labels = random.uniform(size=count) if soft else random.uniform(size=count) < p**2
    weight = random.integers(1, 4, count) if weighted else None
    return sorted_rows(labels, p, -np.log(np.maximum(p, 0.01)), weight)


def test_bins_are_scikit_learns_and_their_intervals_scipys() -> None:
    judged = rows()
    bins = curves.binned(judged)
    share, probability = calibration.calibration_curve(
        judged.labels, judged.probabilities, n_bins=10
    )
    np.testing.assert_allclose(bins.share, share, rtol=1e-12)
    np.testing.assert_allclose(bins.probability, probability, rtol=1e-12)
    inner = np.searchsorted(np.arange(1, 10) / 10, judged.probabilities, side="left")
    for place, low, high in zip(np.unique(inner), bins.low, bins.high, strict=True):
        own = judged.labels[inner == place]
        exact = stats.binomtest(int(own.sum()), len(own)).proportion_ci(0.95, "exact")
        assert (low, high) == pytest.approx((exact.low, exact.high), rel=1e-9)


def test_equal_weights_change_no_interval() -> None:
    once, thrice = rows(), rows()._replace(weight=np.full(300, 3.0))
    np.testing.assert_allclose(curves.binned(once), curves.binned(thrice), rtol=1e-9)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_bin_of_one_label_has_one_end_at_it(label: float) -> None:
    bins = curves.binned(sorted_rows(np.full(20, label), np.full(20, 0.5), np.zeros(20), None))
    other = 0.025 ** (1 / 20)
    expected = (other, 1.0) if label else (0.0, 1 - other)
    assert (bins.low[0], bins.high[0]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_recalibrated_probabilities_have_the_brier_score_that_corp_gives(
    weighted: bool,
) -> None:
    from lowlevel.judging.calibration import brier_parts

    judged = rows(weighted=weighted)
    levels, shares = curves.recalibrated(judged)
    assert (np.diff(shares) >= 0).all()
    fitted = shares[np.searchsorted(levels, judged.probabilities)]
    best = np.average((judged.labels - fitted) ** 2, weights=judged.weight)
    brier = np.average((judged.labels - judged.probabilities) ** 2, weights=judged.weight)
    parts = brier_parts(judged.labels, judged.probabilities)(judged.weight)
    assert brier - best == pytest.approx(parts["miscalibration"], abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_areas_under_the_curves_are_the_metrics(weighted: bool) -> None:
    judged = rows(weighted=weighted)
    own = judged.labels, judged.probabilities
    area = metrics.auc(*curves.roc(judged))
    expected = metrics.roc_auc_score(*own, sample_weight=judged.weight)
    assert area == pytest.approx(expected, abs=1e-12)
    recall, precision = curves.precision_recall(judged)
    expected = metrics.average_precision_score(*own, sample_weight=judged.weight)
    # Steps, as average precision has it; points that lie on a line are left out.
    assert -np.sum(np.diff(recall) * precision[:-1]) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("place", [1, 40, 100, 199])
def test_the_cost_curve_is_the_mean_cost_over_that_of_wrong_answers(place: int, soft: bool) -> None:
    judged = rows(weighted=True, soft=soft)
    curve = curves.cost_curve(judged)
    x = curve.weight[place]
    share = float(np.average(judged.labels, weights=judged.weight))
    cost = ((1 - x) / (1 - share), x / share)
    own = judged.labels, judged.probabilities
    thresholds = {
        "own": costs.optimal_threshold(cost),
        "best": costs.best_threshold(*own, cost, judged.weight),
    }
    for name, threshold in thresholds.items():
        mean = costs.mean_cost(*own, threshold, cost, judged.weight)
        assert getattr(curve, name)[place] == pytest.approx(mean, abs=1e-12)


def test_a_cost_curve_ends_at_0_and_never_above_one_answer_for_all() -> None:
    curve = curves.cost_curve(rows())
    assert (curve.best[0], curve.best[-1]) == (0, 0)
    assert (curve.best <= np.minimum(curve.weight, 1 - curve.weight) + 1e-12).all()
    assert (curve.best <= curve.own + 1e-12).all()


def test_the_shares_of_each_label_add_up_to_1() -> None:
    edges, negative, positive = curves.score_shares(rows(weighted=True))
    assert (len(edges), negative.sum(), positive.sum()) == (21, pytest.approx(1), pytest.approx(1))
