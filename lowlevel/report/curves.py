"""The numbers behind a report's pictures: probabilities held against labels. No TensorFlow here."""

from typing import NamedTuple

import numpy as np

from lowlevel.judging import calibration, costs
from lowlevel.judging.rows import Rows
from lowlevel.judging.sums import group_sums, level_starts

LEVEL = 0.95
# Of a cost curve; and of a histogram of scores.
POINTS, BARS = 201, 20


class Bins(NamedTuple):
    """Rows in bins of equal width by probability, those that hold any; `[bins]` each.

    Attributes:
        probability: the mean of a bin's.
        share: of positive rows.
        low: the lower end of the share's Clopper-Pearson interval.
        high: the upper end.
    """

    probability: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


class CostCurve(NamedTuple):
    """What decisions cost, as a share of what taking every row wrongly costs; `[POINTS]` each.

    Attributes:
        weight: the share of that which wrong negatives make, from 0 to 1.
        best: at the best threshold of these very rows.
        own: at the threshold that is best if the probabilities are right.
    """

    weight: np.ndarray
    best: np.ndarray
    own: np.ndarray


def binned(rows: Rows) -> Bins:
    """Returns the shares of positive rows in the bins of the expected calibration error.

    The intervals are exact for rows of weight 1 (Clopper and Pearson, "The use of confidence or
    fiducial limits illustrated in the case of the binomial", Biometrika 26, 1934). Weighted rows
    count as the number of equal ones whose mean is as uncertain, (sum w)^2 / sum w^2 (Kish,
    *Survey Sampling*, 1965).
    """
    from scipy.stats import beta

    edges = np.arange(1, calibration.BINS) / calibration.BINS
    starts = np.append(0, np.searchsorted(rows.probabilities, edges, side="right"))
    starts = np.unique(starts[starts < len(rows.weight)])
    weight = group_sums(rows.weight, starts)
    share = np.minimum(group_sums(rows.weight * rows.labels, starts) / weight, 1)
    count = weight**2 / group_sums(rows.weight**2, starts)
    positives, tail = share * count, (1 - LEVEL) / 2
    # Where there are none of a kind that end is 0, or 1, and the distribution has no such shape.
    low = np.where(share > 0, beta.ppf(tail, positives, count - positives + 1), 0.0)
    high = np.where(share < 1, beta.ppf(1 - tail, positives + 1, count - positives), 1.0)
    mean = group_sums(rows.weight * rows.probabilities, starts) / weight
    return Bins(mean, share, low, high)


def recalibrated(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Returns each level and what isotonic regression of the labels makes of it, `[levels]` each.

    It is the reliability curve of CORP, which `judging.calibration.brier_parts` has the source of.
    """
    from sklearn.isotonic import isotonic_regression

    starts = level_starts(rows.probabilities)
    weight = group_sums(rows.weight, starts)
    share = group_sums(rows.weight * rows.labels, starts) / weight
    return rows.probabilities[starts], isotonic_regression(share, sample_weight=weight)


def roc(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Returns the false and the true positive rates, ascending, of labels 0 and 1."""
    from sklearn import metrics

    false, true, _ = metrics.roc_curve(rows.labels, rows.probabilities, sample_weight=rows.weight)
    return false, true


def precision_recall(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Returns the recalls, descending, and the precision at each, of labels 0 and 1."""
    from sklearn import metrics

    precision, recall, _ = metrics.precision_recall_curve(
        rows.labels, rows.probabilities, sample_weight=rows.weight, drop_intermediate=True
    )
    return recall, precision


def cost_curve(rows: Rows) -> CostCurve:
    """Returns the cost curve of rows that are not all of one label.

    With fp and fn the costs of a false positive and of a false negative and s the share of
    positive rows, taking every row wrongly costs s fn + (1 - s) fp, of which s fn is the share x.
    Decisions cost (1 - TPR) x + FPR (1 - x) of it (Drummond and Holte, "Cost curves: an improved
    method for visualizing classifier performance", Machine Learning 65, 2006).
    """
    starts = level_starts(rows.probabilities)
    levels = rows.probabilities[starts]
    shares = []
    for part in (rows.labels, 1 - rows.labels):
        here = group_sums(rows.weight * part, starts)
        # Of those at a level and above it; then of none.
        shares.append(np.append(np.cumsum(here[::-1])[::-1], 0.0) / here.sum())
    true, false = shares
    share = float(np.average(rows.labels, weights=rows.weight))
    x = np.linspace(0, 1, POINTS)
    best = np.array([np.min((1 - true) * at + false * (1 - at)) for at in x])
    pairs = zip((1 - x) / (1 - share), x / share, strict=True)
    places = np.searchsorted(levels, [costs.optimal_threshold(pair) for pair in pairs])
    return CostCurve(x, best, (1 - true[places]) * x + false[places] * (1 - x))


def score_shares(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the edges of bars, `[BARS + 1]`, and each label's shares in them, 0 and 1."""
    edges = np.linspace(0, 1, BARS + 1)
    found = []
    for part in (1 - rows.labels, rows.labels):
        weight = rows.weight * part
        counts, _ = np.histogram(rows.probabilities, edges, weights=weight)
        found.append(counts / (weight.sum() or 1))
    return edges, found[0], found[1]
