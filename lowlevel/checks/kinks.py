"""Kinks: where the two sides of an elementwise function have derivatives of their own."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lowlevel.checks.differences import Estimate, Ladder, exponents, risen, rounding, scales

# A kink that is nearer than that, as a share of a number's scale, is right there: float32 does not
# resolve it, and nor do differences of higher order.
_NEAREST = -24
# Sides are known to a part of the gap between them.
_MARGIN = 0.25


class Sides(NamedTuple):
    """The derivatives on both sides of numbers, `[n]` each.

    Attributes:
        kink: whether they differ.
        lower: the lower of the two, less what it may be off by.
        upper: the upper one, likewise.
    """

    kink: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def allow(self, found: np.ndarray) -> np.ndarray:
        """Returns where numbers are at a kink and between both sides: there any is a choice."""
        return self.kink & (found >= self.lower) & (found <= self.upper)


def settled(
    told: Estimate,
    found: np.ndarray,
    allowed: np.ndarray,
    function: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    order: int = 1,
) -> tuple[Estimate, np.ndarray]:
    """Returns an estimate that leaves the choice at kinks, and where that made a difference, `[n]`.

    Between the slopes on its two sides any is one. So a number that is off at a kink is held
    against the nearest of those: itself, if it is between them.

    Args:
        told: the derivative by differences, `[n]`.
        found: what is held against it, `[n]`.
        allowed: how far those may be apart beside the estimate's error, `[n]`.
        function: what the derivative is of.
        x: where, `[n]` in float64.
        order: of the derivative, 1 or 2.
    """
    with np.errstate(invalid="ignore"):
        near = np.abs(found - told.value) <= 4 * told.error + allowed
    off = ~near & np.isfinite(told.value)
    if not off.any():
        return told, off
    beside = sides(function, x, order)
    at_kink = off & beside.kink
    nearest = np.clip(found, beside.lower, beside.upper)
    value, error = np.where(at_kink, nearest, told.value), np.where(at_kink, 0.0, told.error)
    return Estimate(value, error), at_kink


def sides(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, order: int = 1) -> Sides:
    """Returns where an elementwise function has a kink, and the derivatives on its sides.

    Of order 1 that is a kink of its own, of order 2 one of its slope; a derivative of order 2 on
    one side is (f(x) - 2 f(x + h) + f(x + 2 h)) / h^2.

    Args:
        function: from an array like `x` to one of its shape.
        x: `[n]`, float64.
        order: of the derivative, 1 or 2.
    """
    scale = scales(x)
    scale = np.where(scale < 2.0**_NEAREST, 1.0, scale)
    here = np.asarray(function(x), np.float64)
    columns: tuple[list, ...] = ([], [], [], [])
    with np.errstate(all="ignore"):
        for exponent in (e for e in exponents(x.dtype, few=False) if e >= _NEAREST):
            step = scale * 2.0**exponent
            forward, size_above = _one_sided(function, x, here, step, order)
            backward, size_below = _one_sided(function, x, here, -step, order)
            noise = 4 ** (order - 1) * rounding(size_above + size_below, x.dtype) / step**order
            for column, row in zip(columns, (step, forward, backward, noise), strict=True):
                column.append(row)
    steps, forwards, backwards, noises = map(np.array, columns)
    kink, low, high = Ladder(steps, forwards, backwards, noises).sides()
    margin = _MARGIN * (high - low)
    return Sides(kink, low - margin, high + margin)


def _one_sided(
    function: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    here: np.ndarray,
    step: np.ndarray,
    order: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the quotients by values on one side alone, and the size of those values, `[n]`."""
    beside = np.asarray(function(x + step), np.float64)
    size = np.abs(here) + np.abs(beside)
    if order == 1:
        return risen(beside, here) / step, size
    further = np.asarray(function(x + 2 * step), np.float64)
    quotient = (risen(further, beside) - risen(beside, here)) / step**2
    return quotient, size + np.abs(further)
