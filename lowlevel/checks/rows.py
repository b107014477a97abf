"""Rows: how one quantity of a likelihood, or one gradient of a network, compares."""

import dataclasses

import numpy as np

from lowlevel.checks.verdicts import WRONG_SIGN, times

# From here on an error is not one of precision.
WRONG = 0.1
# Two ratios that differ by less are the same factor.
_SAME = 1e-3
# So many of the ratios have to be one.
_MOST = 0.6
# From this share of the logits on it would be idle to name one.
_NEARLY = 0.8


@dataclasses.dataclass(frozen=True)
class Row:
    """One quantity of a likelihood, or one gradient of a network, and how it compares.

    Attributes:
        subject: "slope", or "module dense_0/kernel".
        label: of the quantity; None for one of no label, and for a network.
        autodiff: the largest relative error against TensorFlow's own derivative of the plain
            `nll`; None where there is nothing to compare.
        differences: the same against central differences in float64, where they can tell.
        best: the same against the exact value, from mpmath; against differences or the formula
            in float64 where there is none.
        logit: where the last is largest, or as good as that.
        verdict: in words.
        right: whether all is well with it.
        mistake: whether it is a mistake that is shown on purpose.
    """

    subject: str
    label: float | None
    autodiff: float | None
    differences: float | None
    best: float | None
    logit: float | None
    verdict: str
    right: bool
    mistake: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the check may pass with this row in it."""
        return self.right or self.mistake


def what_is_wrong(found: np.ndarray, expected: np.ndarray) -> str:
    """Returns what wrong numbers have in common, in words, or else how far the first is off."""
    if not np.isfinite(found[0]):
        return "gives NaN" if np.isnan(found[0]) else "gives infinity"
    if not found.any():
        return "gives 0"
    # Some may be lost in rounding, or too small for a normal number, and anything.
    with np.errstate(all="ignore"):
        ratios = found / expected
        ratio = float(np.nanmedian(ratios))
        same = np.mean(np.abs(ratios - ratio) <= _SAME * abs(ratio))
    if same < _MOST:
        return f"{abs(ratios[0] - 1):.0%} off" if expected[0] else f"gives {found[0]:.2g} for 0"
    return WRONG_SIGN if abs(ratio + 1) < _SAME else times(ratio, 4)


def where_wrong(z: np.ndarray, wrong: np.ndarray, counted: np.ndarray) -> str:
    """Returns at which logits numbers are wrong, in words; those not counted may be either."""
    told = counted | wrong
    if wrong[told].all():
        return "everywhere"
    size = np.abs(z)
    up = z[wrong & (z > 0)].min(initial=np.inf)
    down = z[wrong & (z < 0)].max(initial=-np.inf)
    if not (wrong != ((z >= up) | (z <= down)))[told].any():
        if up == -down:
            return f"from |z| = {up:.4g} on"
        ends = {f"{up:.4g} on": up, f"{down:.4g} down": down}
        return "from z = " + ", ".join(text for text, end in ends.items() if np.isfinite(end))
    low, high = size[wrong].min(), size[wrong].max()
    if wrong.sum() > 2 and not (wrong != ((size >= low) & (size <= high)))[told].any():
        return f"from |z| = {low:.4g} to {high:.4g}"
    if wrong[told].mean() > _NEARLY:
        return "nearly everywhere"
    at = z[wrong][np.argmin(size[wrong])]
    return f"at z = {at:.4g}" + (" and elsewhere" if wrong.sum() > 1 else "")


def worst_logit(z: np.ndarray, errors: np.ndarray) -> float:
    """Returns where the error is largest, or as good as that and nearer to 0."""
    places = z[errors >= 0.9 * errors.max()]
    return float(places[np.argmin(np.abs(places))])
