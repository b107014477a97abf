"""A judgement: its values by plain formulas, what it leaves out, and what it refuses."""

import ast
import pathlib
import sys
from typing import Any

import numpy as np
import pytest
from scipy import special

from lowlevel.judging import costs, judging
from lowlevel.judging.judging import judge
from tests.judging.tables import rows_of, table, values

EXPERIMENT = pathlib.Path(judging.__file__).parent


def by_pairs(labels: np.ndarray, p: np.ndarray, weight: np.ndarray) -> float:
    """The share, by weight, of pairs of a positive and a negative row that are in order."""
    pairs = np.outer(weight * labels, weight * (1 - labels))
    in_order = np.sign(p[:, None] - p[None, :]) / 2 + 0.5
    return float((pairs * in_order).sum() / pairs.sum())


def by_thresholds(labels: np.ndarray, p: np.ndarray, weight: np.ndarray) -> float:
    """The mean, over the positive rows, of the precision from each one's probability up."""
    precisions = [np.average(labels[p >= q], weights=weight[p >= q]) for q in p]
    return float(np.average(precisions, weights=weight * labels))


@pytest.mark.parametrize("levels", [1, 1_000_000])
def test_values_are_those_of_plain_formulas(levels: int) -> None:
    columns = table(200, levels)
    y, p, nll, weight = columns.values()
    share = np.average(y, weights=weight)
    right = (p >= 0.5) == y
    plain = {
        "nll": np.average(nll, weights=weight),
        "base_rate_nll": special.entr(share) + special.entr(1 - share),
        "accuracy": np.average(right, weights=weight),
        "balanced_accuracy": np.mean(
            [np.average(right[y == k], weights=weight[y == k]) for k in (0, 1)]
        ),
        "roc_auc": by_pairs(y, p, weight),
        "average_precision": by_thresholds(y, p, weight),
        "brier": np.average((y - p) ** 2, weights=weight),
        "uncertainty": share * (1 - share),
        "mean_cost_at_half": np.average(np.where(p >= 0.5, 1 - y, 4 * y), weights=weight),
        "mean_cost_at_optimal": np.average(np.where(p >= 0.2, 1 - y, 4 * y), weights=weight),
        "mean_cost_at_chosen": np.average(np.where(p >= 0.3, 1 - y, 4 * y), weights=weight),
    }
    found = judge(**columns, cost=(1, 4), threshold=0.3, resamples=0)
    assert {name: values(found)[name] for name in plain} == pytest.approx(plain, abs=1e-12)
    assert list(found.metrics) == list(judging.METRICS)
    assert (found.rows, found.notes) == (200, ())
    assert found.positives == pytest.approx(share, abs=1e-15)


def test_the_brier_score_is_exactly_its_parts() -> None:
    found = values(judge(**table(200), resamples=0))
    parts = found["miscalibration"] - found["discrimination"] + found["uncertainty"]
    assert parts == pytest.approx(found["brier"], rel=1e-14)


def test_a_row_of_weight_3_counts_as_three_rows() -> None:
    columns = table(200)
    times = np.random.default_rng(1).integers(4, size=200)
    repeated = rows_of(columns, np.repeat(np.arange(200), times)) | {"sample_weight": None}
    weighted = judge(**columns | {"sample_weight": times}, cost=(1, 4), resamples=0)
    assert values(weighted) == pytest.approx(
        values(judge(**repeated, cost=(1, 4), resamples=0)), abs=1e-9
    )


def test_a_row_of_weight_0_is_as_good_as_not_there() -> None:
    columns = table(100)
    columns["sample_weight"][::3] = 0
    there = np.flatnonzero(columns["sample_weight"])
    assert judge(**columns, resamples=20) == judge(**rows_of(columns, there), resamples=20)


# Products of the second, and of the third, are out of the range of float64.
@pytest.mark.parametrize("factor", [3.0, 1e-200, 1e200])
def test_only_the_ratios_of_weights_count(factor: float) -> None:
    columns = table(100)
    scaled = columns | {"sample_weight": columns["sample_weight"] * factor}
    ours, theirs = judge(**columns, resamples=20), judge(**scaled, resamples=20)
    for name, metric in ours.metrics.items():
        assert theirs.metrics[name] == pytest.approx(metric, abs=1e-9)


def test_values_do_not_depend_on_the_order_of_the_rows() -> None:
    columns = table(200)
    shuffled = rows_of(columns, np.random.default_rng(1).permutation(200))
    assert values(judge(**shuffled, resamples=0)) == pytest.approx(
        values(judge(**columns, resamples=0)), abs=1e-9
    )


@pytest.mark.parametrize("label", [0, 1])
def test_of_one_label_alone_what_means_nothing_is_left_out_with_a_note(label: int) -> None:
    columns = table(50) | {"labels": np.full(50, label)}
    found = judge(**columns, resamples=10)
    assert set(judging.METRICS) - set(found.metrics) == {
        *judging.OF_BOTH_LABELS,
        *judging.OF_COSTS,
    }
    assert found.notes[0] == (
        "No balanced_accuracy, roc_auc, average_precision, calibration_intercept, "
        f"calibration_slope: all labels are {label}."
    )
    assert found.metrics["base_rate_nll"] == (0, 0, 0)
    assert np.isfinite(list(found.metrics.values())).all()


def test_soft_labels_leave_out_what_needs_hard_ones() -> None:
    columns = table(50)
    columns["labels"] = 0.1 + 0.8 * columns["labels"]
    found = judge(**columns, cost=(1, 4), threshold=0.3, resamples=10)
    assert set(judging.METRICS) - set(found.metrics) == set(judging.OF_HARD_LABELS)
    assert found.notes[0] == (
        "No accuracy, balanced_accuracy, roc_auc, average_precision: "
        "some labels are neither 0 nor 1."
    )


def test_separated_labels_have_no_slope() -> None:
    found = judge([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 1.2, 0.9], resamples=0)
    assert "calibration_slope" not in found.metrics
    assert found.notes == (
        "No calibration_slope: the probabilities are all the same, or separate the labels.",
    )


def test_the_base_rate_may_be_that_of_other_rows() -> None:
    columns = table(50)
    share = np.average(columns["labels"], weights=columns["sample_weight"])
    loss = values(judge(**columns, base_rate=0.25, resamples=0))["base_rate_nll"]
    assert loss == pytest.approx(-share * np.log(0.25) - (1 - share) * np.log(0.75))


def test_a_base_rate_that_rules_out_a_label_has_no_loss() -> None:
    found = judge(**table(50), base_rate=0, resamples=0)
    assert found.notes == ("No base_rate_nll: it is infinite for the base rate given.",)


def test_the_threshold_of_other_rows_is_used_as_it_is() -> None:
    train, test = table(300), table(200, shift=0.5)
    arguments = train["labels"], train["probabilities"], (1, 4), train["sample_weight"]
    threshold = costs.best_threshold(*arguments)
    found = values(judge(**test, cost=(1, 4), threshold=threshold, resamples=0))
    assert found["mean_cost_at_chosen"] == pytest.approx(
        costs.mean_cost(
            test["labels"], test["probabilities"], threshold, (1, 4), test["sample_weight"]
        )
    )


def test_certainties_are_judged() -> None:
    found = judge([0, 1, 1, 0, 1, 0], [0, 1, 0.4, 0.6, 0.8, 1], [0, 0, 1, 1, 0.2, 40], resamples=20)
    assert np.isfinite([metric.value for metric in found.metrics.values()]).all()
    assert "calibration_slope" in found.metrics


GOOD: dict[str, Any] = {"labels": [0, 1], "probabilities": [0.2, 0.7], "nll": [0.2, 0.4]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_weight": [0, 0]}, "Expected a `sample_weight` above 0 in some row, got 0 in all"),
        ({"sample_weight": [1, -1]}, "`sample_weight` from 0 to .*, got -1.0 in row 1"),
        ({"sample_weight": [1, np.inf]}, "finite `sample_weight` .*, got inf in row 1"),
        ({"sample_weight": [1]}, r"`sample_weight` of shape \[rows\], .* got \[1\] for 2 labels"),
        ({"labels": [0, 2]}, "`labels` from 0 to 1, got 2.0 in row 1"),
        ({"labels": [[0], [1]]}, r"`labels` of shape \[rows\], .* got \[2, 1\] for 2 labels"),
        ({"labels": ["a", "b"]}, "`labels` of numbers, got <U1"),
        ({"labels": [], "probabilities": [], "nll": []}, r"`labels` .* got \[0\] for 0 labels"),
        ({"probabilities": [0.5, np.nan]}, "finite `probabilities` from 0 to 1, got nan in row 1"),
        ({"probabilities": [0.5, 1.1]}, "`probabilities` from 0 to 1, got 1.1 in row 1"),
        ({"nll": [np.inf, 0]}, "finite `nll` .*, got inf in row 0"),
        ({"nll": [0, 1, 2]}, r"`nll` of shape \[rows\], .* got \[3\] for 2 labels"),
        ({"cost": (1, -1)}, "Expected `cost` of two finite numbers"),
        ({"threshold": 0.5}, "`threshold`, together with `cost`, got 0.5 and None"),
        ({"threshold": np.inf, "cost": (1, 1)}, "finite `threshold`"),
        ({"base_rate": 1.5}, "`base_rate` from 0 to 1, got 1.5"),
        ({"resamples": -1}, "`resamples` as a whole number, at least 0, got -1"),
        ({"resamples": 1.5}, "`resamples` as a whole number, at least 0, got 1.5"),
        ({"seed": -1}, "`seed` as a whole number, at least 0, got -1"),
        ({"level": 1}, "`level` between 0 and 1, got 1"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_one_line(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        judge(**GOOD | change)
    assert "\n" not in str(refusal.value)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ValueError, match=r"^Judging needs scikit-learn: pip install scikit-learn"):
        judge(**GOOD)


@pytest.mark.parametrize("path", sorted(EXPERIMENT.glob("*.py")), ids=lambda path: path.name)
def test_scikit_learn_is_imported_when_it_is_needed(path: pathlib.Path) -> None:
    outside = [node for node in ast.parse(path.read_text()).body if "sklearn" in ast.unparse(node)]
    assert not [node for node in outside if isinstance(node, (ast.Import, ast.ImportFrom))]
