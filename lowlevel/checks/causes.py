"""Causes: what wrong numbers have in common, in words."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lowlevel.checks.subject import Subject, Target
from lowlevel.checks.verdicts import times

# What to do about NaN and infinity.
FINITE_ADVICE = "rewrite it so that nothing overflows, in tf.where's other branch either"
# Two factors closer than this are the same.
_SAME = 1e-6


class Factor(NamedTuple):
    """What times the right numbers were found.

    Attributes:
        value: the factor.
        uncertainty: relative, as the differences have it.
    """

    value: float
    uncertainty: float

    def is_near(self, other: float) -> bool:
        """Whether it is a certain number, as far as differences can tell."""
        return abs(self.value - other) <= max(_SAME, self.uncertainty) * abs(other)

    def in_words(self, sizes: dict[int, str]) -> tuple[str, str]:
        """Returns cause and advice; `sizes` says what numbers a factor may come from."""
        for size, meaning in sizes.items():
            if self.is_near(size):
                return f"{size} times the right one, and {size} is {meaning}", "divide by it"
            if self.is_near(1 / size):
                return f"1/{size} of the right one, and {size} is {meaning}", "multiply by it"
        for number in range(2, 11):
            if self.is_near(1 / number):
                return f"1/{number} of the right one", f"multiply by {number}"
        digits = 5 if self.uncertainty < 1e-4 else 2
        return times(self.value, digits), f"divide by {self.value:.{digits}g}"


def factor(found: np.ndarray, expected: np.ndarray, error: np.ndarray) -> Factor | None:
    """Returns what times the expected numbers was found; None if nothing is, or about 1.

    A number alone is a multiple of any other: then only a whole number, or one over it, will do.
    """
    telling = np.abs(expected) > 100 * error
    if not telling.any():
        return None
    with np.errstate(all="ignore"):
        ratios = found[telling] / expected[telling]
        doubts = (error / np.abs(expected))[telling]
    best = int(np.argmin(doubts))
    value, uncertainty = float(ratios[best]), float(doubts[best])
    allowed = (1 + abs(value)) * error + _SAME * np.abs(found) + uncertainty * np.abs(found)
    if not (np.abs(found - value * expected) <= allowed).all():
        return None
    if not np.isfinite(value) or value == 0 or abs(value - 1) <= 10 * max(_SAME, uncertainty):
        return None
    whole = any(
        round(k) and abs(k - round(k)) <= 1e-3 * max(uncertainty, _SAME) ** 0.5
        for k in (value, 1 / value)
    )
    return Factor(value, uncertainty) if telling.sum() > 1 or whole else None


def sizes(subject: Subject, target: Target) -> dict[int, str]:
    """Returns the numbers that a mean or a sum may have brought in, and what they are."""
    arrays = [np.asarray(x) for x in subject.tensors]
    known = {target.start.size: "its own size"}
    known[sum(v.size for v in subject.value)] = "the number of results"
    known.update((len(x), "the number of rows") for x in arrays if x.ndim)
    return {size: meaning for size, meaning in known.items() if size > 2}


def pattern(wrong: np.ndarray, subject: Subject, target: Target) -> str:
    """Returns where an array is wrong, in words; empty if it is everywhere or there is no rule.

    Args:
        wrong: of the target's shape, all of whose numbers have been looked at.
        subject: whose arguments may explain it.
        target: whose gradient it is.
    """
    if wrong.all() or wrong.size < 2:
        return ""
    arrays = dict(zip(subject.tensor_names, map(np.asarray, subject.tensors), strict=True))
    # Other arguments say more: of itself, one wrong number differs from the rest in any case.
    own = arrays.pop(target.name, target.start)
    arrays |= {target.name: own} if wrong.sum() > 1 else {}
    for name, values in arrays.items():
        mask = _reduced(wrong, values.shape) if values.dtype.kind in "fiu" else None
        if mask is not None and (text := _explained(mask, values)):
            return f"only where {name} {text}"
    if (repeated := _repeated(wrong, subject)) is not None:
        return repeated
    return (
        "at this number alone" if wrong.sum() == 1 else f"at {wrong.sum()} of {wrong.size} numbers"
    )


def _reduced(wrong: np.ndarray, shape: Sequence[int]) -> np.ndarray | None:
    """Returns where rows are wrong, in a shape that leads the array's; None if it does not."""
    if not shape or tuple(shape) != wrong.shape[: len(shape)] or np.prod(shape) < 2:
        return None
    return np.asarray(wrong.any(axis=tuple(range(len(shape), wrong.ndim))))


def _explained(mask: np.ndarray, values: np.ndarray) -> str:
    """Returns what is true of values where a mask is, and only there."""
    if mask.all():
        return ""
    inside, outside = values[mask], values[~mask]
    if (inside == inside[0]).all() and not (outside == inside[0]).any():
        return f"is {inside[0]:g}"
    if inside.min() > outside.max():
        return "is above 0" if inside.min() > 0 >= outside.max() else f"is above {outside.max():g}"
    if inside.max() < outside.min():
        return "is below 0" if inside.max() < 0 <= outside.min() else f"is below {outside.min():g}"
    return ""


def _repeated(wrong: np.ndarray, subject: Subject) -> str | None:
    """Returns the words for rows that whole numbers name more than once, if those are wrong."""
    by_row = _reduced(wrong, wrong.shape[:1])
    rows = np.array([]) if by_row is None else np.flatnonzero(by_row)
    for tensor in subject.tensors:
        indices = np.asarray(tensor)
        if indices.dtype.kind not in "iu":
            continue
        found, counts = np.unique(indices, return_counts=True)
        if rows.size and np.array_equal(np.intersect1d(found[counts > 1], rows), rows):
            return "only in rows that an argument names more than once: add, do not overwrite"
    return None
