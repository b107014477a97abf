"""What wrong decisions cost: a row is taken for positive where its probability reaches a threshold.

A cost is a pair, of a false positive and of a false negative; right decisions cost nothing. A soft
label y counts as y of a positive row and 1 - y of a negative one.
"""

import numpy as np

from lowlevel.judging.sums import group_sums, level_starts

# No probability reaches it: where it is best to take no row for positive.
NEVER = float(np.nextafter(1.0, 2.0))
# Costs as close as this, as a share of the largest, are the same but for rounding.
SAME = 1e-12


def check_cost(cost: tuple[float, float]) -> None:
    """Raises ValueError unless it is two costs, finite and not negative, not both 0."""
    pair = np.asarray(cost, dtype=np.float64)
    if pair.shape != (2,) or not (np.isfinite(pair) & (pair >= 0)).all() or not pair.any():
        raise ValueError(
            "Expected `cost` of two finite numbers, of a false positive and of a false negative, "
            f"at least 0 and not both 0, got {cost}"
        )


def optimal_threshold(cost: tuple[float, float]) -> float:
    """Returns the threshold that costs least where the probabilities are right.

    With fp the cost of a false positive and fn that of a false negative, a row of probability p
    costs (1 - p) fp if it is taken for positive and p fn if not: the less from p = fp / (fp + fn)
    up (Elkan, "The foundations of cost-sensitive learning", IJCAI 2001).
    """
    false_positive, false_negative = cost
    return false_positive / (false_positive + false_negative)


def row_costs(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float, cost: tuple[float, float]
) -> np.ndarray:
    """Returns what the decision on each row costs, `[rows]`."""
    false_positive, false_negative = cost
    taken = probabilities >= threshold
    return np.where(taken, false_positive * (1 - labels), false_negative * labels)


def mean_cost(
    labels: np.ndarray,
    probabilities: np.ndarray,
    threshold: float,
    cost: tuple[float, float],
    sample_weight: np.ndarray | None = None,
) -> float:
    """Returns the mean cost of a row.

    Args:
        labels: `[rows]`, from 0 to 1.
        probabilities: `[rows]`, of the label 1.
        threshold: from which probability on, itself included, a row is taken for positive.
        cost: of a false positive, and of a false negative.
        sample_weight: `[rows]`, what each row counts; None where every row counts 1.

    Raises:
        ValueError: the costs are not as `check_cost` says.
    """
    check_cost(cost)
    costs = row_costs(labels, probabilities, threshold, cost)
    return float(np.average(costs, weights=sample_weight))


def best_threshold(
    labels: np.ndarray,
    probabilities: np.ndarray,
    cost: tuple[float, float],
    sample_weight: np.ndarray | None = None,
) -> float:
    """Returns the threshold of the lowest mean cost on these rows, to be used on others.

    There is one between each probability and the next, halfway; 0, which takes every row for
    positive; and `NEVER`. Of several that cost the same, it is the one nearest to
    `optimal_threshold`.

    Args:
        labels: `[rows]`, from 0 to 1.
        probabilities: `[rows]`, of the label 1.
        cost: of a false positive, and of a false negative.
        sample_weight: `[rows]`, what each row counts; None where every row counts 1.

    Raises:
        ValueError: the costs are not as `check_cost` says.
    """
    check_cost(cost)
    order = np.argsort(probabilities, kind="stable")
    probabilities, labels = probabilities[order], labels[order]
    weight = np.ones(len(order)) if sample_weight is None else sample_weight[order]
    starts = level_starts(probabilities)
    false_positives, false_negatives = (
        each * group_sums(weight * part, starts)
        for each, part in zip(cost, (1 - labels, labels), strict=True)
    )
    # From taking all for positive to taking none, a level less at a time.
    changes = np.append(false_positives.sum(), false_negatives - false_positives)
    costs = np.cumsum(changes)
    best = np.flatnonzero(costs <= costs.min() + SAME * costs.max())
    thresholds = _between(probabilities[starts])[best]
    return float(thresholds[np.argmin(np.abs(thresholds - optimal_threshold(cost)))])


def _between(levels: np.ndarray) -> np.ndarray:
    """Returns a threshold below each of `[levels]` probabilities that ascend, and `NEVER`."""
    halfway = levels[:-1] + np.diff(levels) / 2
    # Between two neighbors in float64 there is no number; the lower one is not to be reached.
    between = np.where(halfway > levels[:-1], halfway, levels[1:])
    return np.concatenate([[0.0], between, [NEVER]])
