"""Gradients as found against central differences: what is wrong with them, by name."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from lowlevel.checks import causes
from lowlevel.checks.subject import Subject, Target
from lowlevel.checks.trials import (
    EDGE,
    KINK,
    OVERFLOW,
    STRUCTURE,
    UNBOUNDED,
    UNSTEADY,
    Direction,
    Prober,
    Trial,
)
from lowlevel.checks.upstream import rows
from lowlevel.checks.verdicts import (
    FACTOR,
    NONE,
    NOT_FINITE,
    PRECISION_LOST,
    SWAPPED,
    TRANSPOSED,
    UNDECIDED,
    UPSTREAM_IGNORED,
    UPSTREAM_SQUARED,
    WRONG_DTYPE,
    WRONG_SHAPE,
    WRONG_SIGN,
    WRONG_VALUE,
    ZERO,
    Finding,
    index_at,
)

# Relative error from which a gradient is wrong, if differences are better than that.
TOLERANCES = {np.dtype(np.float64): 1e-8, np.dtype(np.float32): 1e-3}
# A fault that so many numbers have shown need not be shown as carefully by the rest.
_ENOUGH = 20
# What float32 makes of a number is off by less.
_SINGLE = 1e-6
# Of the step, with no common period.
_SHARES = (0.29, 0.55, 0.83, 1.0)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How thorough a check is, and how strict.

    Attributes:
        tolerance: relative error that passes; None for what suits the dtype.
        exhaustive_below: the most numbers of a target that are each tried.
        seed: of random directions and upstream gradients.
        directions: how many of them are tried in a target with more numbers.
        parts: into how many these numbers are divided, in float32, for a direction each.
    """

    tolerance: float | None = None
    exhaustive_below: int = 1000
    seed: int = 0
    directions: int = 12
    parts: int = 64

    def allowed(self, dtypes: Iterable[np.dtype]) -> float:
        """Returns the relative error that passes for numbers of some dtypes."""
        coarsest = max(dtypes, key=lambda dtype: np.finfo(dtype).eps)
        return self.tolerance or TOLERANCES[coarsest]


class Comparison:
    """One target's gradients, found with several upstream gradients, and what they should be."""

    def __init__(
        self,
        rule: Subject,
        subject: Subject,
        target: Target,
        found: Sequence[np.ndarray | None],
        upstream: Sequence[Sequence[np.ndarray]],
        settings: Settings,
    ) -> None:
        """Takes what is compared.

        Args:
            rule: whose gradients were found.
            subject: whose values they are held against: the same, or a surrogate.
            target: in what.
            found: the gradients, for the first of the upstream gradients.
            upstream: the upstream gradients.
            settings: of the check.
        """
        self.rule, self.upstream = rule, upstream
        self.subject, self.target, self.settings = subject, target, settings
        self.name = target.name
        self.raw = list(found)
        self.shape_fault = self._shape_fault()
        # None says that nothing depends on the target.
        zeros = np.zeros_like(target.start)
        self.found = [zeros if g is None or self.shape_fault else g for g in found]
        self.finite = np.all([np.isfinite(g) for g in self.found], axis=0)
        kept = [np.where(self.finite, g, 0) for g in self.found]
        tolerance = settings.allowed([target.dtype, *(v.dtype for v in subject.value)])
        self.prober = Prober(subject, target, rows(upstream), kept, tolerance)
        self.exhaustive = target.start.size <= settings.exhaustive_below
        self.trials: list[Trial] = []
        self.places: list[Trial] = []

    def run(self) -> "Comparison":
        """Tries every number, or random directions and, where one is off, ever fewer numbers."""
        if self.shape_fault:
            return self
        indices = np.flatnonzero(self.finite)
        if self.exhaustive:
            for index in _shown(indices, self.name):
                quick = len([t for t in self.trials if t.wrong.any()]) >= _ENOUGH
                self.trials.append(self.prober.element(int(index), quick))
            self.places = self.trials
        elif indices.size:
            for direction in _shown(self._directions(indices), self.name):
                self.trials.append(self.prober.along(direction))
            self._bisect(max(self.trials, key=lambda trial: (trial.wrong.any(), trial.off)))
        for upstream in range(len(self.raw)):
            self._confirm(upstream)
        return self

    def wrong(self, upstream: int) -> bool:
        """Whether the gradient is wrong for an upstream gradient."""
        return any(trial.wrong[upstream] for trial in self.places)

    def matches(self, gradients: np.ndarray, upstream: int) -> bool:
        """Whether an array is what is expected for an upstream gradient, not by chance alone."""
        if gradients.shape != self.target.start.shape or not self.trials:
            return False
        given = np.array([trial.direction.along(gradients) for trial in self.trials])
        expected, error = self._expected(upstream)
        allowed = error + max(self.prober.tolerance, _SINGLE) * np.abs(expected)
        return bool(
            (np.abs(given - expected) <= allowed).all() and (np.abs(expected) > error).any()
        )

    def findings(self, others: Iterable["Comparison"] = ()) -> list[Finding]:
        """Returns what is wrong with the gradient, and what cannot be told."""
        if self.shape_fault:
            return [self._shape_finding()]
        found = self._not_finite()
        upstream = next((u for u in range(len(self.raw)) if self.wrong(u)), None)
        if upstream is not None:
            found.append(self.classified(upstream, list(others)))
        return found + self._undecided()

    def classified(self, upstream: int, others: list["Comparison"]) -> Finding:
        """Returns what is wrong with a gradient that is, for an upstream gradient."""
        trial = self.places[self._worst(upstream)]
        figures = self._figures(trial, upstream)
        if self.raw[upstream] is None:
            return Finding(NONE, self.name, *figures, advice="let a rule, or autodiff, reach it")
        fault, cause, advice = self._class(upstream, others)
        plain = fault in (UPSTREAM_IGNORED, UPSTREAM_SQUARED, SWAPPED)
        if upstream and self._one_block and not plain:
            cause = f"with an upstream gradient other than 1, {cause or 'other numbers'}"
        return Finding(fault, self.name, *figures, cause, advice)

    def _directions(self, indices: np.ndarray) -> list[Direction]:
        """Returns random directions that move all numbers; in float32 also some that move a part.

        What passes for rounding in the sum of all may hide one number that is off; a part hides
        less of it.
        """
        generator = np.random.default_rng(self.settings.seed)
        parts = [indices] * self.settings.directions
        if self.prober.dtype == np.float32 and self.settings.parts > 1:
            shuffled = generator.permutation(indices)
            parts += np.array_split(shuffled, min(self.settings.parts, len(shuffled)))
        return [self.prober.random(generator, part) for part in parts]

    def farthest(self, upstream: int) -> float:
        """Returns how far off a gradient that is wrong is at most, in one number."""
        return self.places[self._worst(upstream)].apart(upstream)

    def _worst(self, upstream: int) -> int:
        """Returns the place of what is furthest off of all that is wrong."""
        wrong = [place for place, trial in enumerate(self.places) if trial.wrong[upstream]]
        return max(wrong, key=lambda place: self.places[place].apart(upstream))

    def _confirm(self, upstream: int) -> None:
        """Doubts what is wrong where the gradient is unsteady, until something holds."""
        while self.wrong(upstream):
            worst = self._worst(upstream)
            if self._steady(self.places[worst], upstream):
                return
            self.places[worst] = self.places[worst].doubted(UNSTEADY)

    def _steady(self, trial: Trial, upstream: int) -> bool:
        """Whether a gradient hardly changes, next to the fault, within the step that shows it.

        If it does, as where the function oscillates or the gradient is but rounding, differences
        see no more than an average. Each side is looked at by itself, and the middle is left out:
        there may be a kink, or a rule may have a case of its own for it. It counts where the step
        was made larger than the number itself, to be above rounding.
        """
        apart = abs(trial.found[upstream] - trial.expected[upstream])
        if apart <= _SINGLE * abs(trial.expected[upstream]):
            # As if rounded to float32 inside, which is unsteady, and a fault.
            return True
        step = float(trial.step[upstream])
        for side in (1, -1):
            slopes = [float(trial.found[upstream])] if self.prober.enlarged(trial) else []
            for share in _SHARES:
                moved = trial.direction.moved(self.target.start, side * share * step)
                try:
                    slope = self.rule.gradient_with(self.target, moved, self.upstream[upstream])
                except Exception:
                    # It is the edge of what the function takes.
                    continue
                slopes.append(trial.direction.along(slope))
            if slopes and max(slopes) - min(slopes) > apart / 2:
                return False
        return True

    @property
    def _one_block(self) -> bool:
        """Whether the upstream gradients are of all values, the last for differences alone."""
        return len(self.upstream) > len(self.raw)

    def _bisect(self, trial: Trial) -> None:
        """Follows a direction that is off down to one number."""
        while trial.wrong.any() or not trial.right.all():
            if len(trial.direction.by) == 1:
                self.places = [self.prober.element(int(trial.direction.indices[0]))]
                return
            halves = [self.prober.along(half) for half in trial.direction.halves()]
            off = [half for half in halves if half.wrong.any() or not half.right.all()]
            if not off:
                # It shows in no fewer numbers: a fault of them all, or many kinks.
                scaled = any(self._factor(upstream) for upstream in range(len(self.raw)))
                self.places = [trial if scaled else trial.doubted(STRUCTURE)]
                return
            trial = max(off, key=lambda half: (half.wrong.any(), half.off))

    def _expected(self, upstream: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the derivatives expected along each direction, and their errors."""
        pairs = [(t.expected[upstream], t.error[upstream]) for t in self.trials]
        expected, error = (np.array(part) for part in zip(*pairs, strict=True))
        return np.nan_to_num(expected), np.where(np.isfinite(expected), error, np.inf)

    def _factor(self, upstream: int) -> causes.Factor | None:
        """Returns what times the expected derivatives was found, if that is one for all."""
        found = np.array([trial.found[upstream] for trial in self.trials])
        return causes.factor(found, *self._expected(upstream))

    def _shape_fault(self) -> str:
        """Returns what is wrong with the gradient as an array; empty if nothing is."""
        for array in self.raw:
            if array is not None and array.shape != self.target.start.shape:
                return WRONG_SHAPE
            if array is not None and array.dtype != self.target.dtype:
                return WRONG_DTYPE
        return ""

    def _shape_finding(self) -> Finding:
        """Says which shape or dtype was found, and which expected."""
        array: Any = next(a for a in self.raw if a is not None)
        start = self.target.start
        cause = f"{list(array.shape)} {array.dtype}, expected {list(start.shape)} {start.dtype}"
        advice = "cast to the argument's dtype"
        if self.shape_fault == WRONG_SHAPE:
            summed = array.ndim >= start.ndim and array.size > start.size
            advice = "return the argument's shape"
            if summed:
                advice = "sum over the axes along which the argument was broadcast"
        return Finding(self.shape_fault, self.name, cause=cause, advice=advice)

    def _not_finite(self) -> list[Finding]:
        """Finds NaN and infinity, unless the function itself has no slope there."""
        places = np.flatnonzero(~self.finite)
        if not places.size:
            return []
        trial = self.prober.element(int(places[0]))
        index = self._index(int(places[0]))
        bad = next(g[index] for g in self.raw if g is not None and not np.isfinite(g[index]))
        if np.isfinite(trial.error).all() and not trial.undecided:
            with np.errstate(over="ignore"):
                expected = float(trial.expected[0] / trial.direction.by[0])
            if abs(expected) > float(np.finfo(self.target.dtype).max):
                return [Finding(UNDECIDED, self.name, index, float(bad), cause=OVERFLOW)]
            cause = "of the arguments themselves"
            return [
                Finding(
                    NOT_FINITE, self.name, index, float(bad), expected, cause, causes.FINITE_ADVICE
                )
            ]
        told = trial.reason or "the function has a kink there"
        return [Finding(UNDECIDED, self.name, index, float(bad), cause=told)]

    def _undecided(self) -> list[Finding]:
        """Says where differences cannot tell, and why."""
        trials = [trial for trial in self.places or self.trials if trial.undecided]
        found = []
        for reason in dict.fromkeys(trial.reason for trial in trials):
            alike = [trial for trial in trials if trial.reason == reason]
            trial = max(alike, key=lambda t: t.off)
            of = "number" if self.exhaustive else "direction"
            count = f" ({len(alike)} of {len(self.trials)} {of}s)" if len(alike) > 1 else ""
            element, seen, expected = self._figures(trial, int(np.argmax(trial.untold)))
            expected = None if reason in (EDGE, KINK, UNBOUNDED) else expected
            found.append(Finding(UNDECIDED, self.name, element, seen, expected, f"{reason}{count}"))
        return found

    def _figures(
        self, trial: Trial, upstream: int
    ) -> tuple[tuple[int, ...] | None, float | None, float | None]:
        """Returns element, number found and number expected, where it is about one number."""
        if len(trial.direction.by) > 1:
            return None, None, None
        by = float(trial.direction.by[0])
        index = self._index(int(trial.direction.indices[0]))
        upstream %= len(trial.found)
        return index, float(trial.found[upstream] / by), float(trial.expected[upstream] / by)

    def _index(self, place: int) -> tuple[int, ...]:
        return index_at(place, self.target.start.shape)

    def _class(self, upstream: int, others: list["Comparison"]) -> tuple[str, str, str]:
        """Returns fault, cause and advice of a wrong gradient."""
        found = self.found[upstream]
        other = bool(upstream) and self._one_block
        if other and self.matches(self.found[0], 0) and _same(found, self.found[0]):
            return UPSTREAM_IGNORED, "", "multiply by the rule's own argument"
        if other and self.matches(found, upstream=2):
            return UPSTREAM_SQUARED, "", "multiply by the rule's own argument once"
        for mate in others:
            if self._owns(mate, upstream):
                cause = f"it is that of {mate.name}"
                return SWAPPED, cause, "match gradients by identity, not by order"
        if not np.any(found):
            return ZERO, "", "look for stop_gradient, a cast to whole numbers, or rounding"
        # Of an antisymmetric one, the transpose is but the sign.
        if not self._factor(upstream) and found.ndim == 2 and self.matches(found.T, upstream):
            return TRANSPOSED, "it is the right one transposed", "transpose it"
        return self._numerical(upstream)

    def _owns(self, other: "Comparison", upstream: int) -> bool:
        """Whether this gradient and another are each what the other should be."""
        pairs = ((self, other), (other, self))
        return not other.shape_fault and all(
            a.wrong(upstream) and b.matches(a.found[upstream], upstream) for a, b in pairs
        )

    def _numerical(self, upstream: int) -> tuple[str, str, str]:
        """Returns fault, cause and advice of wrong numbers by their ratios and their places."""
        expected, _ = self._expected(upstream)
        found = np.array([trial.found[upstream] for trial in self.trials])
        factor = self._factor(upstream)
        if factor and factor.is_near(-1):
            return WRONG_SIGN, "-1 times the right one", "turn the sign"
        if factor:
            return FACTOR, *factor.in_words(causes.sizes(self.subject, self.target))
        with np.errstate(all="ignore"):
            relative = np.abs(found - expected) / np.abs(expected)
        if self.prober.dtype == np.float64 and not (relative > _SINGLE).any():
            return PRECISION_LOST, "as if rounded to float32 inside", "compute it in float64"
        if not self.exhaustive:
            return WRONG_VALUE, "found by halving random directions", "derive the rule anew"
        wrong = np.zeros(self.target.start.size, bool)
        wrong[[t.direction.indices[0] for t in self.trials if t.wrong[upstream]]] = True
        cause = causes.pattern(wrong.reshape(self.target.start.shape), self.subject, self.target)
        return WRONG_VALUE, cause, "derive the rule anew"


def compare(
    subject: Subject,
    upstream: Sequence[Sequence[np.ndarray]],
    settings: Settings,
    surrogate: Callable[..., Any] | None = None,
) -> list[Comparison]:
    """Holds each target's gradients, with each upstream gradient, against central differences.

    Of the upstream gradients the last is for differences alone. With a surrogate the differences
    are of its values.
    """
    valued = subject if surrogate is None else subject.with_function(surrogate)
    shapes = [[list(v.shape) for v in one.value] for one in (subject, valued)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"Expected a surrogate to {shapes[0]}, got one to {shapes[1]}")
    found = [subject.gradients(given) for given in upstream[:-1]]
    return [
        Comparison(subject, valued, target, gradients, upstream, settings).run()
        for target, *gradients in zip(subject.targets, *found, strict=True)
    ]


def _shown(steps: Iterable[Any], name: str) -> Iterable[Any]:
    """Returns steps, with a progress bar on a terminal where they take long."""
    from tqdm import tqdm

    return tqdm(steps, desc=name, delay=2, leave=False, disable=None)


def _same(first: Any, second: Any) -> bool:
    return first.shape == second.shape and np.allclose(first, second, rtol=_SINGLE, atol=0)
