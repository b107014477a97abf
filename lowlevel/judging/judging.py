"""A binary model judged on rows: metrics of its probabilities, each with an interval.

There are the loss, `nll`, beside that of one probability for all rows, `base_rate_nll`; decisions
at 0.5 (`accuracy`, `balanced_accuracy`), and what wrong ones cost (`mean_cost_...`); the order of
the rows (`roc_auc`, `average_precision`); the `brier` score and what it is made of,
miscalibration - discrimination + uncertainty; and calibration (`calibration_intercept`,
`calibration_slope`, `ece`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lowlevel.judging import averages, bootstrap, calibration, costs
from lowlevel.judging.bootstrap import Measure
from lowlevel.judging.ranking import HALF, ranking
from lowlevel.judging.rows import Rows, sorted_rows

# In this order.
METRICS = (
    "nll",
    "base_rate_nll",
    "accuracy",
    "balanced_accuracy",
    "roc_auc",
    "average_precision",
    "brier",
    "miscalibration",
    "discrimination",
    "uncertainty",
    "calibration_intercept",
    "calibration_slope",
    "ece",
    "mean_cost_at_half",
    "mean_cost_at_optimal",
    "mean_cost_at_chosen",
)
OF_HARD_LABELS = ("accuracy", "balanced_accuracy", "roc_auc", "average_precision")
OF_BOTH_LABELS = (
    "balanced_accuracy",
    "roc_auc",
    "average_precision",
    "calibration_intercept",
    "calibration_slope",
)
OF_COSTS = ("mean_cost_at_half", "mean_cost_at_optimal", "mean_cost_at_chosen")
# For the calibration intercept and slope of resamples.
MOST_GROUPS = 4096


class Interval(NamedTuple):
    """A metric.

    Attributes:
        value: on the rows themselves.
        low: the lower end of its interval; None where there is none.
        high: the upper end; likewise.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Judgement:
    """What a model is worth on some rows.

    Attributes:
        rows: how many there are, those of weight 0 left out.
        positives: the weighted share of positive ones: the mean label.
        metrics: by name, in the order of `METRICS`; what means nothing on these rows is left out.
        notes: what is left out and why, and what to beware of; a sentence each.
    """

    rows: int
    positives: float
    metrics: dict[str, Interval]
    notes: tuple[str, ...]


def judge(
    labels: Any,
    probabilities: Any,
    nll: Any,
    sample_weight: Any = None,
    *,
    cost: tuple[float, float] | None = None,
    threshold: float | None = None,
    base_rate: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Judgement:
    """Returns what a binary model is worth on some rows.

    All metrics are weighted means, or made of such: a row that counts 2 counts as two rows, and
    one that counts 0 as none. Where scikit-learn has a metric the value is scikit-learn's.

    The intervals are the bootstrap's, from the percentiles of resamples of the rows: a row of
    weight 2 is drawn or not drawn as one, so an interval is not that of two rows. A resample in
    which a metric means nothing, as where rare labels are not drawn at all, is left out for that
    metric; the notes say how many. Resamples' calibration intercept and slope are those of rows in
    4,096 groups of about the same probability, where there are more than that.

    Args:
        labels: `[rows]`, 0 or 1. Soft ones, between, leave out `OF_HARD_LABELS`.
        probabilities: `[rows]`, E[y | z], in float64.
        nll: `[rows]`, each row's own loss, which tells more than the logarithm of a probability
          that is rounded to 1.
        sample_weight: `[rows]`, what each row counts; None where every row counts 1.
        cost: of a false positive and of a false negative, for the mean cost of a row at a
          threshold of 0.5 and at `costs.optimal_threshold`.
        threshold: one more, from `costs.best_threshold` on the rows trained on.
        base_rate: the share of positive rows that `base_rate_nll` predicts for every row, that of
          the rows trained on; None for that of these rows.
        resamples: of the bootstrap; 0 for no intervals. The time is theirs: 2,000 take about
          a second for 1,000 rows, and ten for 100,000.
        seed: of the resamples, at least 0.
        level: of the intervals, the share of resamples within.

    Raises:
        ValueError: an argument is not as above, or scikit-learn is not installed.
    """
    _check_settings(cost, threshold, base_rate)
    _check_resampling(resamples, seed, level)
    _check_scikit_learn()
    rows = sorted_rows(labels, probabilities, nll, sample_weight)
    quick = _measures(rows, cost, threshold, base_rate)
    values = bootstrap.measure_all([*quick, *_exact_measures(rows)], rows.weight)
    found = bootstrap.resample(quick, rows.weight, resamples, seed)
    metrics = {
        name: _interval(values[name], found.get(name), level) for name in METRICS if name in values
    }
    return Judgement(
        rows=len(rows.weight),
        positives=float(np.average(rows.labels, weights=rows.weight)),
        metrics=metrics,
        notes=(
            *_notes_on_values(rows, values),
            *_notes_on_resamples(values, found, resamples),
            *_notes_on_intervals(metrics),
        ),
    )


def _interval(value: float, resampled: np.ndarray | None, level: float) -> Interval:
    """Returns a metric's value with the ends of its interval, where resamples have any values."""
    if resampled is None:
        return Interval(value)
    return Interval(value, *bootstrap.percentile_interval(resampled, level))


def _measures(
    rows: Rows,
    cost: tuple[float, float] | None,
    threshold: float | None,
    base_rate: float | None,
) -> list[Measure]:
    """Returns what measures every metric, quickly enough for thousands of resamples."""
    labels, probabilities = rows.labels, rows.probabilities
    columns = {"nll": rows.nll, "brier": (labels - probabilities) ** 2}
    if rows.hard:
        columns["accuracy"] = ((probabilities >= HALF) == labels).astype(float)
    if cost is not None:
        thresholds = (HALF, costs.optimal_threshold(cost), threshold)
        for name, cut in zip(OF_COSTS, thresholds, strict=True):
            if cut is not None:
                columns[name] = costs.row_costs(labels, probabilities, cut, cost)
    return [
        averages.averages(columns),
        averages.base_rate_loss(labels, base_rate),
        *([ranking(labels, probabilities)] if rows.hard else []),
        calibration.recalibration(labels, probabilities, MOST_GROUPS),
        calibration.binned_error(labels, probabilities),
        calibration.brier_parts(labels, probabilities),
    ]


def _exact_measures(rows: Rows) -> list[Measure]:
    """Returns what measures some metrics better, for the rows as they are."""
    exact = [calibration.recalibration(rows.labels, rows.probabilities)]
    return exact if rows.one_label or not rows.hard else [*exact, _by_scikit_learn(rows)]


def _by_scikit_learn(rows: Rows) -> Measure:
    """Measures what scikit-learn has, where both labels are there."""
    from sklearn import metrics

    labels, probabilities = rows.labels.astype(int), rows.probabilities
    decisions = (probabilities >= HALF).astype(int)
    functions = {
        "accuracy": (metrics.accuracy_score, decisions),
        "balanced_accuracy": (metrics.balanced_accuracy_score, decisions),
        "roc_auc": (metrics.roc_auc_score, probabilities),
        "average_precision": (metrics.average_precision_score, probabilities),
        "brier": (metrics.brier_score_loss, probabilities),
    }

    def measure(weight: np.ndarray) -> dict[str, float]:
        return {
            name: float(function(labels, predicted, sample_weight=weight))
            for name, (function, predicted) in functions.items()
        }

    return measure


def _notes_on_values(rows: Rows, values: Mapping[str, float]) -> Iterator[str]:
    """Yields why metrics have no value on these rows."""
    missing = [name for name in METRICS if name not in values and name not in OF_COSTS]
    reasons = {
        "base_rate_nll": "it is infinite for the base rate given",
        "calibration_intercept": "there is no best one",
        "calibration_slope": "the probabilities are all the same, or separate the labels",
    }
    if not rows.hard:
        reasons |= dict.fromkeys(OF_HARD_LABELS, "some labels are neither 0 nor 1")
    if rows.one_label:
        reasons |= dict.fromkeys(OF_BOTH_LABELS, f"all labels are {rows.labels[0]:g}")
    for reason in dict.fromkeys(map(reasons.get, missing)):
        names = ", ".join(name for name in missing if reasons[name] == reason)
        yield f"No {names}: {reason}."


def _notes_on_resamples(
    values: Mapping[str, float], found: Mapping[str, np.ndarray], resamples: int
) -> Iterator[str]:
    """Yields how many resamples have no value, for the metrics that lack some."""
    without = {name: resamples - len(found.get(name, ())) for name in METRICS if name in values}
    for count in sorted({count for count in without.values() if count}):
        names = ", ".join(name for name in without if without[name] == count)
        yield f"{names}: {count} of {resamples} resamples have none, and are not in the interval."


def _notes_on_intervals(metrics: Mapping[str, Interval]) -> Iterator[str]:
    """Yields which values are outside their intervals."""
    names = ", ".join(
        name
        for name, (value, low, high) in metrics.items()
        if low is not None and high is not None and not low <= value <= high
    )
    if names:
        yield f"{names}: outside the interval, which noise shifts: each resample adds its own."


def _check_settings(
    cost: tuple[float, float] | None, threshold: float | None, base_rate: float | None
) -> None:
    """Raises ValueError unless these are as `judge` says."""
    if cost is not None:
        costs.check_cost(cost)
    if threshold is not None and (cost is None or not np.isfinite(threshold)):
        raise ValueError(
            f"Expected a finite `threshold`, together with `cost`, got {threshold} and {cost}"
        )
    if base_rate is not None and not 0 <= base_rate <= 1:
        raise ValueError(f"Expected `base_rate` from 0 to 1, got {base_rate}")


def _check_resampling(resamples: int, seed: int, level: float) -> None:
    """Raises ValueError unless these are as `judge` says."""
    for name, value in (("resamples", resamples), ("seed", seed)):
        if not isinstance(value, int) or value < 0:
            raise ValueError(f"Expected `{name}` as a whole number, at least 0, got {value}")
    if not 0 < level < 1:
        raise ValueError(f"Expected `level` between 0 and 1, got {level}")


def _check_scikit_learn() -> None:
    """Raises ValueError unless scikit-learn is there."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ValueError("Judging needs scikit-learn: pip install scikit-learn") from error
