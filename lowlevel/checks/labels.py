"""The labels at which a likelihood is checked."""

from typing import TypeGuard

import numpy as np

from lowlevel.checks.values import values
from lowlevel.likelihoods import Likelihood

SOFT = 0.25
# As far as labels are looked at where the range has no end.
_FARTHEST = 3.0
# Further ones, where the loss is finite at some of these logits.
_FAR_LABELS = (10.0, 100.0, 1000.0)
_LOGITS = (-20.0, -3.0, -1.0, 0.0, 1.0, 3.0, 20.0)


def is_binary(likelihood: Likelihood) -> bool:
    """Whether the label is binary, or soft: then it says more about the formulas."""
    return tuple(likelihood.label_range) == (0, 1) and likelihood.predictors == 1


def labels_of(likelihood: Likelihood) -> tuple[float, ...]:
    """Returns 1, 0 and a soft label; those at the ends of its range for one that is not binary."""
    if is_binary(likelihood):
        return (1.0, 0.0, SOFT)
    ends = (nearest_label(likelihood, end) for end in (_FARTHEST, -_FARTHEST))
    return tuple(dict.fromkeys(ends))


def far_labels(likelihood: Likelihood) -> tuple[float, ...]:
    """Returns large labels, of either sign, where the range has no end and the loss is finite."""
    low, high = likelihood.label_range
    labels = [
        *(_FAR_LABELS if high == np.inf else ()),
        *(-y for y in _FAR_LABELS if low == -np.inf),
    ]
    z = np.array(_LOGITS)
    return tuple(
        y for y in labels if low < y < high and np.isfinite(values(likelihood.nll, z, y)).any()
    )


def nearest_label(likelihood: Likelihood, label: float) -> float:
    """Returns the label within the range that is nearest to a number."""
    return float(np.clip(label, *likelihood.label_range))


def is_soft(label: float | None, likelihood: Likelihood) -> TypeGuard[float]:
    """Whether a label's loss is the weighted sum of those of 1 and 0."""
    return is_binary(likelihood) and label not in (None, 0.0, 1.0)
