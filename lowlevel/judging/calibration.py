"""Calibration: how far the probabilities are from the shares of positive rows.

All of it for many weightings of rows that are sorted by probability once.
"""

import numpy as np

from lowlevel.judging.bootstrap import Measure
from lowlevel.judging.logistic import maximum_likelihood
from lowlevel.judging.sums import dot, group_sums, level_starts

# Of the expected calibration error.
BINS = 10
# How close to 0 and 1 the logit of a probability is taken: the closest that float64 comes to 1.
CLOSEST = 2.0**-53


def recalibration(
    labels: np.ndarray, probabilities: np.ndarray, most_groups: int | None = None
) -> Measure:
    """Measures the calibration intercept and the calibration slope, 0 and 1 where all is well.

    In logit P(y = 1) = a + b logit(p), fitted by maximum likelihood (Cox, "Two further
    applications of a model for binary regression", Biometrika 45, 1958), the slope is b, below 1
    where the probabilities are too extreme. The intercept is a where b is held at 1, calibration
    in the large: above 0 where they are too low. That is what the two names mean since Van
    Calster et al., "Calibration: the Achilles heel of predictive analytics", BMC Medicine 17,
    2019. Neither exists where only one label is there, and no slope where a threshold separates
    the labels or the probabilities are all the same.

    Args:
        labels: `[rows]`, from 0 to 1.
        probabilities: `[rows]`, ascending. Where they are 0, 1 or closer to it than `CLOSEST`, the
          logit is that of `CLOSEST`, 36.7 in size.
        most_groups: rows with logits in one of so many equal intervals are taken together, at
          their mean logit, where there are more levels than that; None to take none together.
    """
    p = np.clip(probabilities, CLOSEST, 1 - CLOSEST)
    logits = np.log(p) - np.log1p(-p)
    starts = level_starts(p)
    if most_groups and len(starts) > most_groups:
        edges = np.linspace(logits[0], logits[-1], most_groups, endpoint=False)
        starts = np.unique(np.searchsorted(logits, edges))
    x = group_sums(logits, starts) / np.diff(starts, append=len(p))
    ones = np.ones_like(x)

    def measure(weight: np.ndarray) -> dict[str, float]:
        positive, total = group_sums(weight * labels, starts), group_sums(weight, starts)
        at_positive, at_negative = np.flatnonzero(positive), np.flatnonzero(total - positive)
        if not at_positive.size or not at_negative.size:
            return {}
        found = {}
        intercept = maximum_likelihood(ones[None], x, positive, total, np.zeros(1))
        if intercept is not None:
            found["calibration_intercept"] = float(intercept[0])
        overlap = at_negative[-1] > at_positive[0] and at_positive[-1] > at_negative[0]
        if overlap:
            share = positive.sum() / total.sum()
            start = np.array([np.log(share / (1 - share)), 0.0])
            line = maximum_likelihood(np.stack([ones, x]), 0 * x, positive, total, start)
            if line is not None:
                found["calibration_slope"] = float(line[1])
        return found

    return measure


def binned_error(labels: np.ndarray, probabilities: np.ndarray) -> Measure:
    """Measures the expected calibration error, ECE, over ten bins of equal width.

    It is the mean over the rows of |share of positive rows - mean probability| of a row's bin
    (Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI 2015). A bin includes its upper edge, as in scikit-learn's `calibration_curve`;
    the first includes 0. Being a mean of sizes it is above 0 for a calibrated model, too, and
    resampled higher still: its percentile interval lies high.

    Args:
        labels: `[rows]`, from 0 to 1.
        probabilities: `[rows]`, ascending.
    """
    edges = np.arange(1, BINS) / BINS
    starts = np.unique(np.append(0, np.searchsorted(probabilities, edges, side="right")))
    starts = starts[starts < len(probabilities)]
    residuals = labels - probabilities

    def measure(weight: np.ndarray) -> dict[str, float]:
        return {"ece": float(np.abs(group_sums(weight * residuals, starts)).sum() / weight.sum())}

    return measure


def brier_parts(labels: np.ndarray, probabilities: np.ndarray) -> Measure:
    """Measures what the Brier score is made of: miscalibration - discrimination + uncertainty.

    With S the Brier score of forecasts, these are S(p) - S(recalibrated), S(share) -
    S(recalibrated) and S(share): of the probabilities, of those that isotonic regression of the
    labels makes of them, and of the share of positive rows. The method is CORP, in Dimitriadis,
    Gneiting and Jordan, "Stable reliability diagrams for probabilistic classifiers", PNAS 118,
    2021. Isotonic regression fits noise as well, and more of it in a resample: the percentile
    intervals of the first two lie high.

    Args:
        labels: `[rows]`, from 0 to 1.
        probabilities: `[rows]`, ascending.
    """
    from sklearn.isotonic import isotonic_regression

    pools = pool_starts(labels, probabilities)
    squared_errors, squares = (labels - probabilities) ** 2, labels**2

    def measure(weight: np.ndarray) -> dict[str, float]:
        positive, count, total = weight * labels, group_sums(weight, pools), weight.sum()
        there = count > 0
        count, share = count[there], group_sums(positive, pools)[there] / count[there]
        recalibrated = isotonic_regression(share, sample_weight=count)
        square = dot(weight, squares) / total
        # A fit by pools, each of whose values is its labels' mean: S = mean y^2 - mean fit^2.
        best = square - dot(count, recalibrated**2) / total
        uncertainty = square - (positive.sum() / total) ** 2
        return {
            "miscalibration": float(dot(weight, squared_errors) / total - best),
            "discrimination": float(uncertainty - best),
            "uncertainty": float(uncertainty),
        }

    return measure


def pool_starts(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Returns where each pool of levels begins, `[pools]`, that isotonic regression keeps whole.

    A level whose smallest label is no smaller than the largest of the next has no smaller a mean
    either, whatever the rows weigh; isotonic regression then gives both the same value. Pooled
    ahead, they leave it a pool for each rise from 0 to 1 where there are no ties.
    """
    levels = level_starts(probabilities)
    least, most = np.minimum.reduceat(labels, levels), np.maximum.reduceat(labels, levels)
    return levels[np.append(True, most[1:] > least[:-1])]
