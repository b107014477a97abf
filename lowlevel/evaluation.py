"""Metrics of probabilities against labels."""

import numpy as np


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Returns the share of rows on whose label, cut at 0.5, the probability cut at 0.5 agrees.

    Args:
        labels: `[rows]`, from 0 to 1.
        probabilities: `[rows]`, of the label 1.
    """
    return float(np.mean((probabilities >= 0.5) == (labels >= 0.5)))


def roc_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Returns the area under the ROC curve, or NaN where only one class is there.

    It is the chance that a random positive row scores above a random negative one, a tie
    counting half: the Mann-Whitney U statistic over the number of such pairs (Hanley and McNeil,
    "The meaning and use of the area under a ROC curve", Radiology 143, 1982).

    Args:
        labels: `[rows]`, from 0 to 1; a row is positive from 0.5 up.
        scores: `[rows]`, higher for the more probable 1; only their order counts.
    """
    positive = labels >= 0.5
    _, level, ties = np.unique(scores, return_inverse=True, return_counts=True)
    # A level's rank is the mean of the ranks, counted from 1, of the rows tied on it.
    rank = (np.cumsum(ties) - (ties - 1) / 2)[level]
    positives = np.count_nonzero(positive)
    pairs = positives * (len(labels) - positives)
    if pairs == 0:
        return float("nan")
    return float((rank[positive].sum() - positives * (positives + 1) / 2) / pairs)
