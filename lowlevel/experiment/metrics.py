"""Metrics of predictions against labels, by the names that likelihoods give."""

from collections.abc import Callable

import numpy as np


def accuracy(
    labels: np.ndarray, probabilities: np.ndarray, sample_weight: np.ndarray | None = None
) -> float:
    """Returns the share of rows on whose label, cut at 0.5, the probability cut at 0.5 agrees.

    Args:
        labels: `[rows]`, from 0 to 1.
        probabilities: `[rows]`, of the label 1.
        sample_weight: `[rows]`, what each row counts; None where every row counts 1.
    """
    agree = (probabilities >= 0.5) == (labels >= 0.5)
    return float(np.average(agree, weights=sample_weight))


def roc_auc(
    labels: np.ndarray, scores: np.ndarray, sample_weight: np.ndarray | None = None
) -> float:
    """Returns the area under the ROC curve, or NaN where only one class is there.

    It is the chance that a random positive row scores above a random negative one, a tie
    counting half (Hanley and McNeil, "The meaning and use of the area under a ROC curve",
    Radiology 143, 1982); a pair of rows counts the product of their weights.

    Args:
        labels: `[rows]`, from 0 to 1; a row is positive from 0.5 up.
        scores: `[rows]`, higher for the more probable 1; only their order counts.
        sample_weight: `[rows]`, what each row counts; None where every row counts 1.
    """
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight.astype(np.float64)
    _, level = np.unique(scores, return_inverse=True)
    positive = np.bincount(level, weight * (labels >= 0.5))
    negative = np.bincount(level, weight * (labels < 0.5))
    pairs = positive.sum() * negative.sum()
    if pairs == 0:
        return float("nan")
    # Of the negative rows: all at lower levels, and half of those at the same one.
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / pairs)


# By name, each a function of labels, linear predictors and means, `[rows]` each, and the sample
# weights or None.
METRICS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None], float]] = {
    "accuracy": lambda labels, z, mean, weight: accuracy(labels, mean, weight),
    "roc_auc": lambda labels, z, mean, weight: roc_auc(labels, z, weight),
}
