"""Verdicts: the names of faults, and the words in which the checks tell of them."""

import dataclasses
from collections.abc import Iterable

import numpy as np

WRONG_VALUE = "wrong value"
WRONG_SIGN = "wrong sign"
FACTOR = "a factor off"
WRONG_SHAPE = "wrong shape"
WRONG_DTYPE = "wrong dtype"
NONE = "None"
NOT_FINITE = "NaN or infinity at an end"
PRECISION_LOST = "precision lost in float32"
SWAPPED = "swapped"
UPSTREAM_IGNORED = "upstream gradient ignored"
NEVER_CALLED = "rule never called"
EXECUTIONS_DIFFER = "eager, graph and XLA differ"

# From here on an error is not one of precision.
WRONG = 0.1


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fault of a gradient.

    Attributes:
        fault: its name, one of this module's constants.
        where: the arguments or variables whose gradient has it, "argument 0" or "variable kernel".
        detail: one line: what was found, what was expected, what to do.
    """

    fault: str
    where: str
    detail: str


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


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Returns one finding for each fault, which names all the places that have it."""
    by_fault: dict[str, Finding] = {}
    for finding in findings:
        first = by_fault.setdefault(finding.fault, finding)
        places = dict.fromkeys(first.where.split(", ") + finding.where.split(", "))
        by_fault[finding.fault] = dataclasses.replace(first, where=", ".join(places))
    return list(by_fault.values())


def times(factor: float, digits: int) -> str:
    """Returns the words for a factor."""
    return f"{factor:.{digits}g} times the right one"


def what_is_wrong(found: np.ndarray, expected: np.ndarray) -> str:
    """Returns what wrong numbers have in common, in words, or else how far the first is off."""
    if not np.isfinite(found[0]):
        return "gives NaN" if np.isnan(found[0]) else "gives infinity"
    if not found.any():
        return "gives 0"
    with np.errstate(all="ignore"):
        ratio = found / expected
    if not np.allclose(ratio, ratio[0], rtol=1e-3):
        return f"{abs(ratio[0] - 1):.0%} off"
    return WRONG_SIGN if abs(ratio[0] + 1) < 1e-3 else times(ratio[0], 4)


def where_wrong(z: np.ndarray, wrong: np.ndarray, counted: np.ndarray) -> str:
    """Returns at which logits numbers are wrong, in words; those not counted may be either."""
    told = counted | wrong
    if wrong[told].all():
        return "everywhere"
    up = z[wrong & (z > 0)].min(initial=np.inf)
    down = z[wrong & (z < 0)].max(initial=-np.inf)
    if (wrong != ((z >= up) | (z <= down)))[told].any():
        at = z[wrong][np.argmin(np.abs(z[wrong]))]
        return f"at z = {at:g}" + (" and elsewhere" if wrong.sum() > 1 else "")
    if up == -down:
        return f"from |z| = {up:g} on"
    ends = {f"{up:g} on": up, f"{down:g} down": down}
    return "from z = " + ", ".join(text for text, end in ends.items() if np.isfinite(end))


def worst_logit(z: np.ndarray, errors: np.ndarray) -> float:
    """Returns where the error is largest, or as good as that and nearer to 0."""
    places = z[errors >= 0.9 * errors.max()]
    return float(places[np.argmin(np.abs(places))])
