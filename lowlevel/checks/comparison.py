"""Gradients as found against central differences: what is wrong with them, by name."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.checks.subject import Subject
from lowlevel.checks.verdicts import (
    FACTOR,
    NONE,
    NOT_FINITE,
    SWAPPED,
    WRONG_DTYPE,
    WRONG_SHAPE,
    WRONG_SIGN,
    WRONG_VALUE,
    Finding,
    times,
)

# Where a function bends sharply a shorter step is better, though rounding shows more.
_STEP_SCALES = (1.0, 2.0**-4, 2.0**-8)


class Comparison:
    """One target's gradient as found and as expected."""

    def __init__(self, name: str, found: tf.Tensor | None, target: tf.Tensor | tf.Variable) -> None:
        """Takes what was found; `expect` takes the rest."""
        self.name = name
        self.target = target
        self.found: Any = None if found is None else np.asarray(found)

    def expect(self, subject: Subject, number: int, upstream: np.ndarray) -> "Comparison":
        """Works out what is expected; among several steps, the one that suits the gradient best."""
        self.relative = subject.tolerance.relative
        self.expected = subject.expected(number, upstream, _STEP_SCALES[0])
        size = max(1.0, largest(self.expected), np.abs(upstream * subject.value).sum() / 100)
        self.absolute = subject.tolerance.absolute * size
        for scale in _STEP_SCALES[1:]:
            if np.isfinite(self.expected).all() and (self.fault() or not self.wrong):
                break
            other = subject.expected(number, upstream, scale)
            found = self.expected if self.fault() else self.found
            nearer = ~(np.abs(found - self.expected) <= np.abs(found - other))
            self.expected = np.where(nearer, other, self.expected)
        if not np.isfinite(self.expected).all():
            raise ValueError(
                f"Expected finite values next to {self.name}, got others: move it further inside "
                "the function's domain"
            )
        return self

    def fault(self) -> str:
        """Returns what is wrong with the gradient as an array; empty if nothing is."""
        if self.found is None:
            return NONE
        if self.found.shape != tuple(self.target.shape):
            return WRONG_SHAPE
        if self.found.dtype != self.target.dtype.as_numpy_dtype:
            return WRONG_DTYPE
        return "" if np.isfinite(self.found).all() else NOT_FINITE

    def is_near(self, expected: np.ndarray) -> bool:
        """Whether the gradient found is the one given, to within the tolerance."""
        if self.found.shape != expected.shape:
            return False
        allowed = self.relative * np.abs(expected) + self.absolute
        return bool((np.abs(self.found - expected) <= allowed).all())

    @property
    def wrong(self) -> bool:
        """Whether the gradient found is not the one expected."""
        return not self.is_near(self.expected)

    def factor(self) -> float:
        """Returns what times the expected gradient was found; 0 if nothing is."""
        product, square = np.sum(self.found * self.expected), np.sum(self.expected**2)
        factor = product / square if square else 0.0
        if abs(factor) < self.relative or not self.is_near(factor * self.expected):
            return 0.0
        # One number alone is a multiple of any other: only a plain factor is believed then.
        if np.count_nonzero(np.abs(self.expected) > self.absolute) > 1:
            return factor
        plain = any(abs(k - round(k)) <= 1e-3 * abs(k) for k in (factor, 1 / factor))
        return factor if plain else 0.0

    def figures(self) -> str:
        """Returns the worst number found, and the one expected."""
        index = worst(np.abs(self.found - self.expected))
        return (
            f"{at(index)}{self.found[index]:.6g}, by central differences {self.expected[index]:.6g}"
        )


def compare(
    subject: Subject, gradients: Sequence[tf.Tensor | None], upstream: np.ndarray
) -> list[Comparison]:
    """Holds each target's gradient against central differences."""
    named = zip(subject.names, gradients, subject.targets, strict=True)
    return [
        Comparison(*parts).expect(subject, number, upstream) for number, parts in enumerate(named)
    ]


def not_arrays(comparisons: Iterable[Comparison]) -> list[Finding]:
    """Finds gradients that are None, or of a wrong shape or dtype."""
    findings = []
    for c in comparisons:
        most = largest(c.expected)
        expected = f"expected {list(c.target.shape)} {c.target.dtype.name}"
        if c.fault() == NONE and most > c.absolute:
            detail = f"expected numbers of up to {most:.6g}; let a rule, or autodiff, reach it"
            findings.append(Finding(NONE, c.name, detail))
        elif c.fault() in (WRONG_SHAPE, WRONG_DTYPE):
            detail = f"{list(c.found.shape)} {c.found.dtype.name}, {expected}; mend the rule"
            findings.append(Finding(c.fault(), c.name, detail))
    return findings


def classified(comparisons: Iterable[Comparison], when: str) -> list[Finding]:
    """Finds gradients that are sound arrays of wrong numbers, and says in what way they are."""
    wrong = [c for c in comparisons if not c.fault() and c.wrong]
    return [
        Finding(fault, c.name, f"{when}{c.figures()}; {advice}")
        for c in wrong
        for fault, advice in [_class(c, [other for other in wrong if other is not c])]
    ]


def _class(wrong: Comparison, others: Sequence[Comparison]) -> tuple[str, str]:
    """Returns the fault of one wrong gradient among others, and what to do about it."""
    owners = [other.name for other in others if wrong.is_near(other.expected)]
    if owners and any(other.is_near(wrong.expected) for other in others):
        return SWAPPED, f"it is that of {owners[0]}: match gradients by identity, not by order"
    factor = wrong.factor()
    if abs(factor + 1) <= wrong.relative:
        return WRONG_SIGN, "turn the sign"
    if factor:
        return FACTOR, f"{times(factor, 5)}: divide by that"
    return WRONG_VALUE, "derive the rule anew"


def largest(values: np.ndarray) -> float:
    """Returns the size of the largest finite number; 0 where there is none."""
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))


def worst(errors: np.ndarray) -> tuple[int, ...]:
    """Returns the index of the largest error; a NaN is larger than any."""
    return tuple(int(i) for i in np.unravel_index(np.argmax(errors), errors.shape))


def at(index: tuple[int, ...]) -> str:
    """Returns the words before a number that say where it stands."""
    return f"at {list(index)} " if index else ""
