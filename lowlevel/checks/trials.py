"""Trials: one derivative along one direction, as found and as the function's values have it."""

import dataclasses
from typing import NamedTuple

import numpy as np

from lowlevel.checks import differences
from lowlevel.checks.differences import Estimate, Ladder
from lowlevel.checks.subject import Subject, Target

# An error above this share of the derivative leaves even its sign to chance.
_VAGUE = 0.1
# What is below this share of the argument's largest derivative counts as 0.
NEGLIGIBLE = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 1e-2}

# What a gradient may lose where larger numbers cancel in it, in units of the values' precision.
_ULPS = 4.0
# So many times the root of the precision is where a saturated function may stand still.
_SATURATED = 16.0
# Of a value of 0, so many times the precision may be rounding of terms that are not seen.
_TERMS = 64.0
# Next to other numbers one this small is a zero with rounding.
_TINY = 1e-6

EDGE = "a value next to it is not finite, as at the edge of the function's domain"
KINK = "the function has a kink there, and this is between its slopes on either side"
UNBOUNDED = "the function jumps there, or its slope grows without end"
OVERFLOW = "the slope itself is beyond the largest number of the dtype"
STRUCTURE = "the function changes on a finer scale than the steps"
COARSE = "the function's values are rounded more coarsely than their dtype"
UNSTEADY = "the gradient changes by as much within the smallest steps that tell"
NOISE = "the rounding of the function's values is above the slope"


class Direction(NamedTuple):
    """A way to move an array.

    Attributes:
        indices: the numbers that move, flat.
        by: how far each moves at a step of 1, powers of two.
    """

    indices: np.ndarray
    by: np.ndarray

    def along(self, gradient: np.ndarray) -> float:
        """Returns the derivative along the direction that a gradient gives."""
        return float(gradient.ravel()[self.indices].astype(np.float64) @ self.by)

    def moved(self, start: np.ndarray, step: float) -> np.ndarray:
        """Returns a copy of an array, moved by some steps."""
        moved = start.ravel().copy()
        with np.errstate(over="ignore"):
            moved[self.indices] += (self.by * step).astype(start.dtype)
        return moved.reshape(start.shape)

    def halves(self) -> list["Direction"]:
        """Returns two directions that each move half of the numbers."""
        middle = len(self.by) // 2
        parts = slice(None, middle), slice(middle, None)
        return [Direction(self.indices[part], self.by[part]) for part in parts]


@dataclasses.dataclass(frozen=True)
class Trial:
    """A direction's derivatives, one for each upstream gradient that was tried.

    Attributes:
        direction: along which.
        found: by the gradient, `[upstreams]`.
        expected: by differences, likewise, and more of them that nothing was found for.
        error: of `expected`.
        right: where the two agree, `[upstreams]`.
        wrong: where they do not, and differences can tell.
        precise: where the differences would have shown a fault.
        step: the finest that tells the two apart, likewise.
        reason: why they cannot tell, if they cannot.
        constant: whether the values changed at no step, though the gradient has them change.
    """

    direction: Direction
    found: np.ndarray
    expected: np.ndarray
    error: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    precise: np.ndarray
    step: np.ndarray
    reason: str
    constant: bool = False

    @property
    def untold(self) -> np.ndarray:
        """Where differences cannot tell, `[upstreams]`."""
        return ~self.wrong & ~(self.right & self.precise)

    @property
    def undecided(self) -> bool:
        """Whether differences cannot tell for some upstream gradient."""
        return bool(self.untold.any())

    def apart(self, upstream: int) -> float:
        """Returns how far found and expected are apart, in the first number that moves."""
        off = self.found[upstream] - self.expected[upstream]
        return float(abs(off) / abs(self.direction.by[0]))

    def doubted(self, reason: str) -> "Trial":
        """Returns the same trial with nothing wrong in it, for a reason."""
        return dataclasses.replace(self, wrong=np.zeros_like(self.wrong), reason=reason)

    @property
    def off(self) -> float:
        """How far found and expected are apart, in units of the error allowed for."""
        with np.errstate(all="ignore"):
            apart = np.abs(self.found - self.expected[: len(self.found)])
            return float(np.nan_to_num(apart / self.error[: len(self.found)], nan=0.0).max())


class Prober:
    """Tries directions in one target of a function, against the gradients found for it."""

    def __init__(
        self,
        subject: Subject,
        target: Target,
        weights: np.ndarray,
        found: list[np.ndarray],
        tolerance: float,
    ) -> None:
        """Takes what is tried.

        Args:
            subject: the function whose values are differentiated.
            target: in what.
            weights: upstream gradients, flat, `[upstreams, values]`.
            found: the gradient for each of the first of them, of the target's shape.
            tolerance: relative error that passes.
        """
        self.subject, self.target, self.weights = subject, target, weights
        self.sizes = np.abs(weights)
        self.found, self.tolerance = found, tolerance
        self.here = np.concatenate([v.ravel().astype(np.float64) for v in subject.value])
        self.noise, self.rounding = (
            np.concatenate([differences.rounding(of(v.ravel()), v.dtype) for v in subject.value])
            for of in (np.asarray, np.ones_like)
        )
        coarse = [target.dtype, *(v.dtype for v in subject.value)]
        self.dtype = max(coarse, key=lambda dtype: np.finfo(dtype).eps)
        values = _root_of_squares(weights, self.here)
        self.eps = float(np.finfo(self.dtype).eps)
        self.lost = _ULPS * self.eps * values
        self.saturated = _SATURATED * self.eps**0.5 * values
        self.largest = max((float(np.abs(g).max(initial=0.0)) for g in found), default=0.0)
        self.typical = differences.typical_scale(target.start)

    def element(self, index: int, quick: bool = False) -> Trial:
        """Tries one number, at its own scale and, where that is lost in rounding, at others."""
        own = float(differences.scales(self.target.start.ravel()[index]))
        trials = []
        for scale in dict.fromkeys(s for s in (own, self.typical, 1.0) if s):
            direction = Direction(np.array([index]), np.array([scale]))
            trial = self.along(direction, quick)
            trials.append(trial)
            lost = trial.constant or (trial.undecided and trial.reason in (NOISE, COARSE))
            if not lost:
                return trial
        moving = [trial for trial in trials if not trial.constant] or trials
        return min(moving, key=lambda trial: float(trial.error.max() / trial.direction.by[0]))

    def enlarged(self, trial: Trial) -> bool:
        """Whether a trial's steps were larger than a number's own scale; of 0, none is."""
        own = float(differences.scales(self.target.start.ravel()[trial.direction.indices[0]]))
        return len(trial.direction.by) == 1 and trial.direction.by[0] > own > 0

    def along(self, direction: Direction, quick: bool = False) -> Trial:
        """Tries one direction: at a few steps, and at many where those do not settle it."""
        trial = self._judged(direction, self._ladder(direction, few=True), final=quick)
        if quick or bool((trial.right & trial.precise).all()):
            return trial
        return self._judged(direction, self._ladder(direction, few=False), final=True)

    def random(self, generator: np.random.Generator, indices: np.ndarray) -> Direction:
        """Returns a direction that moves many numbers, each by its own scale and of either sign."""
        numbers = self.target.start.ravel()[indices]
        own = differences.scales(numbers)
        scale = np.where(own < _TINY * self.typical, self.typical, own)
        return Direction(indices, scale * generator.choice([-1.0, 1.0], len(indices)))

    def _ladder(self, direction: Direction, few: bool) -> Ladder:
        """Returns the difference quotients of the weighted values along a direction."""
        start = self.target.start
        steps, rises, falls = [], [], []
        for exponent in differences.exponents(self.dtype, few):
            above, below = (direction.moved(start, sign * 2.0**exponent) for sign in (1, -1))
            after, before = (self.subject.values_with(self.target, x) for x in (above, below))
            rise, fall = (differences.risen(*p) for p in ((after, self.here), (self.here, before)))
            rises.append(rise)
            falls.append(fall)
            steps.append(_taken(direction, above, below, 2.0**exponent))
        column = np.array(steps)[:, None]
        sides = [np.array([self.weights @ change for change in side]) for side in (rises, falls)]
        bounds = np.array(list(map(self._bounds, rises, falls)))
        noise = self._noise(
            [np.maximum(*map(np.abs, pair)) for pair in zip(rises, falls, strict=True)]
        )
        with np.errstate(over="ignore"):
            forward, backward = (side / column for side in sides)
            low, high = (bounds[:, i] / column for i in (0, 1))
            return Ladder(column, forward, backward, noise / column, (low, high))

    def _bounds(self, rise: np.ndarray, fall: np.ndarray) -> np.ndarray:
        """Returns the least and the most of weighted changes, on a side each, `[2, upstreams]`."""
        with np.errstate(invalid="ignore"):
            middle = self.weights @ ((rise + fall) / 2)
            wide = self.sizes @ (np.abs(rise - fall) / 2)
            return np.array([middle - wide, middle + wide])

    def _noise(self, changes: list[np.ndarray]) -> np.ndarray:
        """Returns what rounding may add to the weighted values, `[rows, upstreams]`.

        What does not depend on the numbers that move adds none; if nothing does, all may.
        """
        moving = np.any([change != 0 for change in changes], axis=0)
        noise = self.noise * (moving if moving.any() else True)
        sizes = [noise + self.rounding * change for change in changes]
        return np.array([_root_of_squares(self.weights, size) for size in sizes])

    def _judged(self, direction: Direction, raw: Ladder, final: bool) -> Trial:
        """Holds what was found along a direction against its difference quotients."""
        ladder = raw.with_own_noise() if len(raw.steps) > 3 else raw
        found = np.array([direction.along(g) for g in self.found])
        count = len(found)
        value, error = ladder.estimate()
        shown = ladder.of_first(count)
        expected, doubt = value[:count], error[:count]
        apart = np.abs(found - expected)
        size = np.maximum(np.abs(found), np.nan_to_num(np.abs(expected)))
        # A gradient's own rounding: with one upstream gradient it may cancel, not with all.
        right = apart <= doubt + self.tolerance * size.max(initial=0.0)
        negligible = NEGLIGIBLE[self.dtype] * self.largest * float(np.linalg.norm(direction.by))
        precise = (doubt <= _VAGUE * size) | (doubt <= negligible)
        precise |= (found == 0) & shown.constant
        step = shown.telling_step(apart)
        kink, low, high = shown.sides()
        if not final:
            none = np.zeros_like(right)
            return Trial(direction, found, value, error, right & ~kink, none, precise, step, "")
        slack = np.where(np.isfinite(doubt), doubt, 0.0) + 1e-3 * (high - low)
        # Units at 0 inside the function may have sides of their own; autodiff takes each to be off.
        between = kink & ((found == 0) | ((found >= low - slack) & (found <= high + slack)))
        untold = between | shown.speaks_for(found, expected) | ~np.isfinite(expected)
        lost = (size <= self.lost[:count]) | (shown.still & self._saturated(found, direction))
        untold |= raw.unbounded()[:count] | lost
        wrong = ~right & ~untold
        precise &= np.isfinite(doubt)
        below = bool((~right & lost).any())
        settled = bool(right.all()) or below
        reason = _reason(raw, shown, between.any(), settled, Estimate(expected, doubt))
        right &= ~between
        constant = bool((wrong & shown.constant).any())
        return Trial(direction, found, value, error, right, wrong, precise, step, reason, constant)

    def _saturated(self, found: np.ndarray, direction: Direction) -> np.ndarray:
        """Whether a gradient is so small that a value that stands still may be a rounded one.

        Next to an extreme of its own a function moves by the square of the step, and is its inverse
        rounded by the root; of a value of 0 the terms are not known.
        """
        small = np.abs(found) <= _TERMS * self.eps * float(np.linalg.norm(direction.by))
        return (np.abs(found) <= self.saturated[: len(found)]) | small


def derivatives(subject: Subject, target: Target) -> np.ndarray:
    """Returns the derivative of the sum of a function's values in each number of a target.

    By differences alone, in float64; infinite or NaN where they fail.
    """
    sizes = sum(value.size for value in subject.value)
    prober = Prober(subject, target, np.ones((1, sizes)), [], tolerance=0.0)
    trials = [prober.element(index) for index in range(target.start.size)]
    found = [float(trial.expected[0] / trial.direction.by[0]) for trial in trials]
    return np.array(found).reshape(target.start.shape)


def _reason(raw: Ladder, ladder: Ladder, kink: bool, settled: bool, estimate: Estimate) -> str:
    """Returns why differences cannot tell, if they cannot."""
    if np.isnan(raw.central).all(axis=0).any():
        return EDGE
    if raw.unbounded().any():
        return UNBOUNDED
    if not np.isfinite(estimate.error).all():
        return EDGE
    if kink:
        return KINK
    if not settled:
        return STRUCTURE
    count = ladder.noise.shape[1]
    return COARSE if (ladder.noise > 1e4 * raw.noise[:, :count]).any() else NOISE


def _taken(direction: Direction, above: np.ndarray, below: np.ndarray, step: float) -> float:
    """Returns the step that was taken; for one number exactly, whatever rounding made of it."""
    if len(direction.by) > 1:
        return step
    ends = (float(x.ravel()[direction.indices[0]]) for x in (above, below))
    return (next(ends) - next(ends)) / (2 * float(direction.by[0]))


def _root_of_squares(weights: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Returns the root of the sum of (weight size)^2, `[upstreams]`, without overflow."""
    largest = float(np.max(np.abs(sizes), initial=0.0))
    if not 0 < largest < np.inf:
        return np.full(len(weights), largest)
    return largest * np.sqrt(np.square(weights) @ np.square(sizes / largest))
