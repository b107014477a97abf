"""A judgement's intervals: by loops over the same resamples, and by normal approximations."""

import numpy as np
import pytest
from sklearn import metrics as expected

from lowlevel.judging import judging
from lowlevel.judging.judging import Interval, judge
from tests.judging.tables import rows_of, table, values


def by_loop(columns: dict[str, np.ndarray], resamples: int, seed: int) -> dict[str, list[float]]:
    """Metrics of the same resamples, as tables of their own, by scikit-learn and plain means."""
    y, p, nll, weight = rows_of(
        columns, np.argsort(columns["probabilities"], kind="stable")
    ).values()
    random = np.random.default_rng(seed)
    found: dict[str, list[float]] = {name: [] for name in ("nll", "roc_auc", "brier", "ece")}
    found |= {name: [] for name in ("average_precision", "balanced_accuracy", "accuracy")}
    for _ in range(resamples):
        drawn = random.integers(len(y), size=len(y))
        of_p = {"y_true": y[drawn], "y_score": p[drawn], "sample_weight": weight[drawn]}
        of_cut = {"y_true": y[drawn], "y_pred": p[drawn] >= 0.5, "sample_weight": weight[drawn]}
        found["nll"].append(np.average(nll[drawn], weights=weight[drawn]))
        found["roc_auc"].append(expected.roc_auc_score(**of_p))
        found["average_precision"].append(expected.average_precision_score(**of_p))
        found["balanced_accuracy"].append(expected.balanced_accuracy_score(**of_cut))
        found["accuracy"].append(expected.accuracy_score(**of_cut))
        found["brier"].append(np.average((y - p)[drawn] ** 2, weights=weight[drawn]))
        bins = np.ceil(p[drawn] * 10)
        error = [abs((weight * (y - p))[drawn][bins == k].sum()) for k in range(1, 11)]
        found["ece"].append(sum(error) / weight[drawn].sum())
    return found


@pytest.mark.parametrize("levels", [1, 1_000_000])
def test_intervals_are_the_percentiles_of_a_plain_loop(levels: int) -> None:
    columns = table(150, levels)
    found = judge(**columns, resamples=40, seed=5, level=0.8).metrics
    for name, resampled in by_loop(columns, 40, 5).items():
        ends = np.quantile(resampled, [0.1, 0.9])
        assert found[name][1:] == pytest.approx(ends, abs=1e-12)


def test_recalibration_and_costs_of_resamples_are_those_of_tables_of_their_own() -> None:
    columns = table(150) | {"sample_weight": None}
    found = judge(**columns, cost=(1, 4), resamples=15, seed=5).metrics
    del columns["sample_weight"]
    order = np.argsort(columns["probabilities"], kind="stable")
    random = np.random.default_rng(5)
    drawn = [order[random.integers(150, size=150)] for _ in range(15)]
    alone = [values(judge(**rows_of(columns, d), cost=(1, 4), resamples=0)) for d in drawn]
    for name, metric in found.items():
        if name != "mean_cost_at_chosen":
            ends = np.quantile([each[name] for each in alone], [0.025, 0.975])
            assert metric[1:] == pytest.approx(ends, abs=1e-9)


def test_the_interval_of_the_mean_loss_is_nearly_the_normal_one() -> None:
    columns = table(2000, 1_000_000) | {"sample_weight": None}
    error = columns["nll"].std() / np.sqrt(2000)
    value, low, high = judge(**columns).metrics["nll"]
    # Of 2,000 resamples a percentile's own deviation is 0.06 of those.
    assert [low, high] == pytest.approx(
        [value - 1.96 * error, value + 1.96 * error], abs=0.2 * error
    )


def test_the_interval_of_the_roc_auc_is_nearly_delongs() -> None:
    columns = table(2000, 1_000_000) | {"sample_weight": None}
    y, p = columns["labels"], columns["probabilities"]
    above = np.sign(p[y == 1][:, None] - p[y == 0][None, :]) / 2 + 0.5
    variances = [above.mean(axis).var(ddof=1) / above.shape[1 - axis] for axis in (0, 1)]
    error = np.sqrt(sum(variances))
    value, low, high = judge(**columns).metrics["roc_auc"]
    assert [low, high] == pytest.approx(
        [value - 1.96 * error, value + 1.96 * error], abs=0.2 * error
    )


def test_a_seed_gives_the_same_intervals_and_another_seed_others() -> None:
    columns = table(100)
    first = judge(**columns, resamples=50, seed=1)
    np.random.seed(7)
    assert judge(**columns, resamples=50, seed=1) == first
    other = judge(**columns, resamples=50, seed=2)
    assert values(other) == values(first)
    assert other.metrics["nll"] != first.metrics["nll"]


def test_a_higher_level_gives_a_wider_interval() -> None:
    columns = table(100)
    (_, low, high), (_, lower, higher) = (
        judge(**columns, resamples=50, level=level).metrics["nll"] for level in (0.5, 0.9)
    )
    assert lower < low < high < higher


def test_without_resamples_there_are_no_intervals() -> None:
    found = judge(**table(100), resamples=0).metrics
    assert all(metric == Interval(metric.value, None, None) for metric in found.values())


def test_resamples_without_a_positive_row_are_left_out_and_counted() -> None:
    columns = table(30, 1_000_000) | {"sample_weight": None}
    order = np.argsort(columns["probabilities"])
    columns["labels"] = np.zeros(30)
    columns["labels"][order[15]] = 1
    random = np.random.default_rng(0)
    without = sum(15 not in random.integers(30, size=30) for _ in range(100))
    found = judge(**columns, resamples=100)
    assert 20 < without < 55
    assert found.notes[0] == (
        f"{', '.join(judging.OF_BOTH_LABELS)}: {without} of 100 resamples have none, "
        "and are not in the interval."
    )
    low, high = found.metrics["roc_auc"][1:]
    assert 0 < low < found.metrics["roc_auc"].value < high < 1


def test_a_metric_that_no_resample_has_is_without_an_interval() -> None:
    columns = table(2) | {"labels": np.array([0, 1]), "sample_weight": None}
    # The first resample of this seed draws one of the two rows twice.
    seed = next(s for s in range(99) if np.ptp(np.random.default_rng(s).integers(2, size=2)) == 0)
    found = judge(**columns, resamples=1, seed=seed).metrics
    assert found["roc_auc"][1:] == (None, None)
    assert found["nll"].low is not None


def test_a_value_outside_its_own_interval_is_pointed_out() -> None:
    # Calibrated, and with many levels: almost all miscalibration is noise, and doubles.
    random = np.random.default_rng(0)
    p = random.random(400)
    found = judge(random.random(400) < p, p, np.ones(400), resamples=50)
    value, low, _ = found.metrics["miscalibration"]
    assert value < low
    assert found.notes[-1].startswith("miscalibration")


def test_all_values_outside_their_intervals_are_pointed_out_whichever_the_side() -> None:
    found = judge(**table(100, 1_000_000), resamples=1)
    above = [name for name, (value, _, high) in found.metrics.items() if value > high]
    below = [name for name, (value, low, _) in found.metrics.items() if value < low]
    named = found.notes[-1].split(":")[0].split(", ")
    assert above and below
    assert sorted(named) == sorted(above + below)
