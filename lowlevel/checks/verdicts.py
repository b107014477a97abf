"""Verdicts: the names of faults, and the words in which the checks tell of them."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

WRONG_VALUE = "wrong value"
WRONG_SIGN = "wrong sign"
FACTOR = "a factor off"
ZERO = "zero"
TRANSPOSED = "transposed"
SWAPPED = "swapped"
WRONG_SHAPE = "wrong shape"
WRONG_DTYPE = "wrong dtype"
NONE = "None"
NOT_FINITE = "NaN or infinity"
PRECISION_LOST = "precision lost"
UPSTREAM_IGNORED = "upstream gradient ignored"
UPSTREAM_SQUARED = "upstream gradient squared"
NEVER_CALLED = "rule never called"
EXECUTIONS_DIFFER = "eager, graph and XLA differ"
STALE = "stale variable"
BATCH_OF_ONE = "wrong for a batch of 1"
SECOND_ORDER = "wrong second derivative"
ASYMMETRIC = "Hessian not symmetric"

# No faults: the check cannot tell, or has left something out, and says why.
UNDECIDED = "undecided"
LEFT_OUT = "left out"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fault of a gradient, or one thing that the check cannot tell.

    Attributes:
        fault: its name, one of this module's constants.
        where: the arguments or variables whose gradient has it, "argument 0" or "variable kernel".
        element: the index of the number that is furthest off, or None where it is not about one.
        found: that number of the gradient; None where it is not about one.
        expected: what it should be, by differences of the function's values.
        cause: what it looks like: which factor, under which circumstances.
        advice: what to do.
    """

    fault: str
    where: str
    element: tuple[int, ...] | None = None
    found: float | None = None
    expected: float | None = None
    cause: str = ""
    advice: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether something is wrong, rather than untold."""
        return self.fault not in (UNDECIDED, LEFT_OUT)

    def __str__(self) -> str:
        """The finding as one line."""
        place = f" at {list(self.element)}" if self.element else ""
        figures = ""
        if self.found is not None and self.expected is not None:
            found, expected = _told_apart(self.found, self.expected)
            figures = f"{place} found {found}, expected {expected}"
        elif self.found is not None:
            figures = f"{place} found {self.found:.6g}"
        told = "; ".join(text for text in (self.cause, self.advice) if text)
        return f"{self.where}: {self.fault}{figures or place}" + (f": {told}" if told else "")


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Returns one finding for each fault and cause, which names all the places that have it."""
    by_kind: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        kind = finding.fault, finding.cause if not finding.is_fault else ""
        first = by_kind.setdefault(kind, finding)
        places = dict.fromkeys(first.where.split(", ") + finding.where.split(", "))
        by_kind[kind] = dataclasses.replace(first, where=", ".join(places))
    return list(by_kind.values())


def _told_apart(first: float, second: float) -> tuple[str, str]:
    """Returns two numbers as text, with the digits that it takes to tell them apart."""
    digits = 6 if f"{first:.6g}" != f"{second:.6g}" else 12
    return f"{first:.{digits}g}", f"{second:.{digits}g}"


def index_at(place: Any, shape: Sequence[int]) -> tuple[int, ...]:
    """Returns the index of a number by its place in the flat array."""
    return tuple(int(i) for i in np.unravel_index(int(place), shape))


def times(factor: float, digits: int) -> str:
    """Returns the words for a factor."""
    return f"{factor:.{digits}g} times the right one"
