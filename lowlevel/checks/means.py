"""What a mean has to be, by the slope of the loss, for labels that are not binary."""

import numpy as np

from lowlevel.checks.labels import far_labels, labels_of, nearest_label
from lowlevel.checks.values import precise, values
from lowlevel.likelihoods import Likelihood

# Labels between the one nearest to 0 and the furthest, as shares of the way.
_SHARES = (0.0, 1 / 250, 1 / 2, 1.0)
# In units of rounding: what the values of a slope may be off by.
_ULPS = 16.0


def means_by_slope(likelihood: Likelihood, z: np.ndarray) -> np.ndarray:
    """Returns E[y | z], `[n]` in float64, as the slope has it; NaN where it does not tell.

    The expected slope is 0: the derivative in z of the sum of all probabilities, which is 1
    (Bartlett's first identity). Where the slope is linear in the label, a(z) - b(z) y, as it is
    for generalized linear models, its expectation is that at the mean, and so the mean is a / b.
    For a loss that is no likelihood that is the mean of the labels for which z is the best.

    It does not tell where the slope is not linear in the label (quantiles, Huber's loss, a label's
    logarithm), where b is lost in rounding, or where a / b is outside the range of labels. It takes
    the slope for right, and the loss for that of probabilities: a factor that depends on z and is
    missing in it goes unseen if it is missing in both.

    Args:
        likelihood: whose slope it is, with labels that are not binary.
        z: the logits, `[n]`, of the dtype that the mean is to be told in.
    """
    wide = z.astype(np.float64)
    start, end = _ends(likelihood)
    labels = [start + share * (end - start) for share in _SHARES]
    slopes = np.array([values(likelihood.slope, wide, y) for y in labels])
    eps = _ULPS * np.finfo(np.float64).eps
    with np.errstate(all="ignore"):
        rise = (slopes[-1] - slopes[0]) / (end - start)
        by_line = slopes[0] + np.multiply.outer(np.subtract(labels, start), rise)
        size = np.abs(slopes).max(axis=0)
        linear = (np.abs(slopes - by_line) <= eps * size).all(axis=0)
        mean = start - slopes[0] / rise
        lost = size / np.abs(slopes[-1] - slopes[0]) + abs(start) / np.abs(mean)
        # A logit is rounded too, where a constant is added to it before exp.
        off = eps * lost + np.finfo(np.float64).eps * np.abs(wide)
        low, high = likelihood.label_range
        told = linear & (off <= precise(z.dtype)) & (mean >= low) & (mean <= high)
    return np.where(told, mean, np.nan)


def _ends(likelihood: Likelihood) -> tuple[float, float]:
    """Returns the label nearest to 0 and the one furthest from it."""
    labels = [*labels_of(likelihood), *far_labels(likelihood)]
    return nearest_label(likelihood, 0.0), max(labels, key=abs)
