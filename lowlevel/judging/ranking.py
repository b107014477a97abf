"""Metrics of which row comes before which, for many weightings of rows that are sorted once."""

import numpy as np

from lowlevel.judging.bootstrap import Measure
from lowlevel.judging.sums import dot, group_sums, level_starts

# Where a probability is taken for the label 1.
HALF = 0.5


def ranking(labels: np.ndarray, probabilities: np.ndarray) -> Measure:
    """Measures ROC AUC, average precision and balanced accuracy, where both labels are there.

    Each is scikit-learn's, whose own functions sort at every call. Precision and recall of a
    level are those of all rows from it up.

    Args:
        labels: `[rows]`, 0 or 1.
        probabilities: `[rows]`, of the label 1, ascending.
    """
    # From here on the highest come first.
    labels, probabilities = labels[::-1].copy(), probabilities[::-1]
    starts = level_starts(probabilities)
    taken = np.count_nonzero(probabilities >= HALF)

    def measure(weight: np.ndarray) -> dict[str, float]:
        positive = weight[::-1] * labels
        negative = weight[::-1] - positive
        positives, negatives = positive.sum(), negative.sum()
        if not (positives and negatives):
            return {}
        here, others = group_sums(positive, starts), group_sums(negative, starts)
        so_far = np.cumsum(here)
        # Above each negative row: all at higher levels, and half of those at its own.
        pairs = dot(others, so_far - here / 2)
        # The first levels may be empty; they hold nothing that would be divided.
        everything = np.maximum(np.cumsum(here + others), np.finfo(np.float64).tiny)
        recalls = positive[:taken].sum() / positives, negative[taken:].sum() / negatives
        return {
            "balanced_accuracy": float(sum(recalls) / 2),
            "roc_auc": float(pairs / positives / negatives),
            "average_precision": float(dot(here, so_far / everything) / positives),
        }

    return measure
