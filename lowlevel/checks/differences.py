"""Finite differences that know how far they can be trusted.

A derivative is taken at a ladder of steps, from coarse to fine. Coarse steps suffer from the
function's curvature, fine ones from rounding. Richardson's extrapolation removes the former order
by order, and how far its columns agree says how good each is (C. J. F. Ridders, "Accurate
computation of F'(x) and F'(x) F''(x)", 1982). All is elementwise, so that one ladder may hold the
derivatives of many functions.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# The binary exponents of the steps, in units of the scale: three that mostly suffice, then all.
# Powers of two, so that a number moved by one is exact.
_FEW = {np.float64: (-6, -9, -12), np.float32: (-2, -4, -6)}
_ALL = {np.float64: tuple(range(-3, -46, -3)), np.float32: tuple(range(-2, -19, -2))}
# Columns of the extrapolation: a further one would gain little and amplify rounding.
_COLUMNS = 3
# Elementary functions are off by an ulp or two, and most functions are made of a few.
_ULPS = 4.0
# Of numbers next to 0, elementwise.
_SMALLEST_SCALE = 2.0**-20
# How many of the finest rows have to show that a slope grows without end, or is none.
_FINEST = 4
# Rounding has to be so much smaller than what a row is to show, and than what it is to tell apart.
_CLEAR, _TELLING = 10.0, 4.0


class Estimate(NamedTuple):
    """A derivative, and a bound of its error that holds unless the function has finer structure."""

    value: np.ndarray
    error: np.ndarray


class Ladder(NamedTuple):
    """Difference quotients at steps from coarse to fine.

    Attributes:
        steps: `[rows]`, or `[rows, ...]`.
        forward: (f(x + step) - f(x)) / step, `[rows, ...]`.
        backward: (f(x) - f(x - step)) / step, likewise.
        noise: what rounding may add to a quotient, likewise.
        bounds: the least and the most that the slopes on either side come to, likewise, where they
            are sums over values, each of which has a side of its own; None for the slopes.
    """

    steps: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    noise: np.ndarray
    bounds: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def central(self) -> np.ndarray:
        """(f(x + step) - f(x - step)) / (2 step), `[rows, ...]`."""
        with np.errstate(all="ignore"):
            return (self.forward + self.backward) / 2

    @property
    def constant(self) -> np.ndarray:
        """Where the function did not change at any step, `[...]`."""
        return (self.central == 0).all(axis=0)

    @property
    def still(self) -> np.ndarray:
        """Where the function did not change at the finest steps, `[...]`."""
        return (self.central[-_FINEST:] == 0).all(axis=0)

    def of_first(self, count: int) -> "Ladder":
        """Returns the ladder of the first of several functions, `[rows, count]`."""
        forward, backward, noise = (part[:, :count] for part in self[1:4])
        bounds = self.bounds and (self.bounds[0][:, :count], self.bounds[1][:, :count])
        return Ladder(self.steps, forward, backward, noise, bounds)

    def with_own_noise(self, order: int = 1) -> "Ladder":
        """Returns the same with the noise that finer rows show, if it is more.

        Of a derivative of an order: rounding shows as much more as the step's power is smaller.

        Between rows of pure noise, quotient times step scatters by what rounding adds to a value;
        finer structure scatters likewise. What curvature adds to it is less by the step's cube.
        What changes at a step and not at a coarser one is rounded, and as coarsely as that.
        """
        with np.errstate(all="ignore"):
            scatter = np.abs(np.diff(self.central, axis=0)) * self._steps[1:] ** order
            scatter = np.nan_to_num(scatter, nan=0.0, posinf=0.0)
            finer = np.maximum.accumulate(scatter[::-1], axis=0)[::-1]
            # A row is judged by those at least two finer, the last ones by the last two.
            rows = np.minimum(np.arange(len(self.steps)) + 1, max(len(finer) - 2, 0))
            shown = np.maximum(finer[rows], self._restless(order))
            return self._replace(noise=np.maximum(self.noise, shown / self._steps**order))

    def _restless(self, order: int) -> np.ndarray:
        """Returns the largest change at a step finer than one without any, `[...]`; 0 if none."""
        change = np.maximum(np.abs(self.forward), np.abs(self.backward)) * self._steps**order
        after_none = np.logical_or.accumulate(change == 0, axis=0)
        return np.max(np.nan_to_num(change, posinf=0.0), axis=0, where=after_none, initial=0.0)

    def estimate(self) -> Estimate:
        """Returns the best of the extrapolated derivatives; its error is infinite if none is."""
        central, steps = self.central, self._steps
        value, error = np.full(central.shape[1:], np.nan), np.full(central.shape[1:], np.inf)
        before: list[np.ndarray] = []
        with np.errstate(all="ignore"):
            for row, quotient in enumerate(central):
                columns = [quotient]
                for column in range(1, min(row, _COLUMNS) + 1):
                    last, above = columns[-1], before[column - 1]
                    ratio = np.square(steps[row - column] / steps[row])
                    columns.append(last + (last - above) / (ratio - 1))
                    off = np.maximum(np.abs(columns[-1] - last), np.abs(columns[-1] - above))
                    bound = 2 * (off + self.noise[row])
                    value = np.where(bound < error, columns[-1], value)
                    error = np.where(bound < error, bound, error)
                before = columns
        return Estimate(value, error)

    def speaks_for(self, found: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Where some row bears out the number found, or not the one expected, `[...]`.

        Then the function has structure that the estimate was blind to: a row agrees with the
        number found to within a noise that is far below the difference; or the finest row that can
        tell the two apart is not clearly on the side of the one expected, or has the number found
        between its one-sided slopes, as a kink within the step would, or is no nearer to the row
        before than that was to its own, as it would be if the function were smooth.
        """
        apart = np.abs(found - expected)
        off = np.abs(self.central - found)
        agrees = ((off <= 3 * self.noise) & (_CLEAR * self.noise <= apart)).any(axis=0)
        telling, finest = self._telling(apart)
        there, noise = _at(finest, self.central), _at(finest, self.noise)
        sides_with = 3 * np.abs(there - expected) <= np.abs(there - found)
        last, before = (
            np.abs(_at(finest + k, self.central) - _at(finest + k - 1, self.central))
            for k in (0, -1)
        )
        settled = (finest < 2) | (last <= 2 * noise) | (last <= before / 4)
        sides = _at(finest, self.forward), _at(finest, self.backward)
        between = (found >= np.minimum(*sides) - noise) & (found <= np.maximum(*sides) + noise)
        gap = np.abs(self.forward - self.backward)
        between &= _at(finest, gap) > _at(finest - 1, gap) / 2
        return agrees | between | ~(telling.any(axis=0) & sides_with & settled)

    def telling_step(self, apart: np.ndarray) -> np.ndarray:
        """Returns the finest step at which numbers so far apart can be told, `[...]`."""
        steps = np.broadcast_to(self._steps, self.noise.shape)
        return _at(self._telling(apart)[1], steps)

    def _telling(self, apart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns where rows tell numbers apart, and the finest row that does."""
        telling = _TELLING * self.noise <= apart
        return telling, len(telling) - 1 - np.argmax(telling[::-1], axis=0)

    def sides(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns whether the function has a kink right here, and its slopes on either side.

        The gap between the slopes of a smooth function shrinks as the step does; at a kink the
        finest rows that can show it have the same gap.
        """
        with np.errstate(invalid="ignore"):
            gap = np.abs(self.forward - self.backward)
        shown = gap > _CLEAR * self.noise
        last = len(gap) - 1
        finest = np.where(shown.any(axis=0), last - np.argmax(shown[::-1], axis=0), 0)

        here = _at(finest, gap)
        coarser = _at(finest - 1, gap), _at(finest - 2, gap)
        same = np.minimum(here, np.minimum(*coarser)) > 0.3 * np.maximum(here, np.maximum(*coarser))
        # It is not right here if a finer row would show it and does not.
        persists = (finest == last) | (_CLEAR * _at(finest + 1, self.noise) >= here)
        kink = shown.any(axis=0) & (finest >= 2) & same & persists
        low, high = self.bounds or (
            np.minimum(self.forward, self.backward),
            np.maximum(self.forward, self.backward),
        )
        return kink, _at(finest, low), _at(finest, high)

    def unbounded(self) -> np.ndarray:
        """Where a one-sided slope grows without end as the step shrinks, or is never finite."""
        with np.errstate(all="ignore"):
            sides = [np.abs(side) for side in (self.forward, self.backward)]
            grow = [
                ((side[1:] > 1.3 * side[:-1]) | ~np.isfinite(side[1:]))[-_FINEST:].all(axis=0)
                & (~np.isfinite(side) | (side > _CLEAR * self.noise)).all(axis=0)
                for side in sides
            ]
        return grow[0] | grow[1]

    @property
    def _steps(self) -> np.ndarray:
        """The steps, in a shape that goes with the quotients."""
        return self.steps.reshape(self.steps.shape + (1,) * (self.forward.ndim - self.steps.ndim))


def exponents(dtype: Any, few: bool) -> tuple[int, ...]:
    """Returns the binary exponents of the steps that suit a dtype, in units of the scale."""
    return (_FEW if few else _ALL)[np.dtype(dtype).type]


def scales(numbers: np.ndarray) -> np.ndarray:
    """Returns a scale for each number, the power of two at or below its size; 0 for 0."""
    with np.errstate(divide="ignore"):
        return np.where(numbers == 0, 0.0, 2.0 ** np.floor(np.log2(np.abs(numbers))))


def typical_scale(numbers: np.ndarray) -> float:
    """Returns the scale of an array's middle number, zeros aside; 1 where all are 0."""
    known = np.abs(numbers[(numbers != 0) & np.isfinite(numbers)])
    return float(scales(np.median(known))) if known.size else 1.0


def rounding(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Returns what rounding may add to values that are computed in a dtype.

    Those below the smallest normal number may be flushed to zero.
    """
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    size = np.abs(values)
    return _ULPS * eps * size + np.where(size < 2 * tiny, tiny, 0.0)


def elementwise(
    function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, order: int = 1
) -> Estimate:
    """Returns the derivatives of an elementwise function at many numbers, `[n]`.

    Each is taken at the number's own scale; next to 0, where that is lost in rounding, at 1.

    Args:
        function: from an array like `x` to one of its shape.
        x: `[n]`, float64.
        order: of the derivative, 1 or 2.
    """
    scale = scales(x)
    scale = np.where(scale < _SMALLEST_SCALE, 1.0, scale)
    here = np.asarray(function(x), np.float64)
    columns: tuple[list, ...] = ([], [], [], [])
    with np.errstate(all="ignore"):
        for exponent in exponents(x.dtype, few=False):
            step = scale * 2.0**exponent
            above, below = x + step, x - step
            taken = (above - below) / 2
            rise, fall = risen(function(above), here), risen(here, function(below))
            size = np.abs(here) + np.maximum(np.abs(rise), np.abs(fall))
            noise = rounding(size, x.dtype) / taken**order
            quotients = (rise / taken, fall / taken)
            if order == 2:
                noise, quotients = 4 * noise, ((rise - fall) / taken**2,) * 2
            for column, row in zip(columns, (taken, *quotients, noise), strict=True):
                column.append(row)
    steps, forward, backward, noises = map(np.array, columns)
    return Ladder(steps, forward, backward, noises).with_own_noise(order).estimate()


def _at(row: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns `rows[row]`, elementwise; the nearest row there is where it is outside."""
    return np.take_along_axis(rows, np.clip(row, 0, len(rows) - 1)[None], 0)[0]


def risen(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Returns after - before in float64, 0 where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        wide = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    return np.where(after == before, 0.0, wide)
