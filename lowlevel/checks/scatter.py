"""Scatter: what rounding does to values and gradients, as their neighbours show."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.checks.subject import Subject

# In how many directions neighbours are looked at.
_DIRECTIONS = 3
# Seldom it is more than so many times as much as those show.
SHOWN = 16.0


def scatter(subject: Subject, upstream: Sequence[Any], ulps: int = 8) -> list[np.ndarray]:
    """Returns the largest second differences of values and gradients next to the arguments.

    On one side at a time, for all but rounding is straight from one ulp to some more. The arguments
    themselves do not count: there may be a kink, or a rule may have a case of its own for them. In
    what is None, or where no neighbour can be measured, they are 0.
    """
    given = [tf.constant(u) for u in upstream]
    shown = [np.zeros_like(a) for a in _arrays(subject.measure(subject.tensors, given))]
    generator = np.random.default_rng(0)
    for sign in (1, -1) * _DIRECTIONS:
        steps = [sign * _step(target.start, ulps, generator) for target in subject.targets]
        row = [_measured(subject, given, [k * step for step in steps]) for k in (1, 2, 3)]
        if not all(row):
            continue
        for size, near, middle, far in zip(shown, *row, strict=True):
            with np.errstate(invalid="ignore"):
                np.fmax(size, np.abs(near + far - 2 * middle), out=size)
    return shown


def _step(start: np.ndarray, ulps: int, generator: np.random.Generator) -> np.ndarray:
    """Returns a step of up to some ulps for each number, and none for 0."""
    away = np.exp2(generator.uniform(0, np.log2(ulps), start.shape)).round()
    with np.errstate(invalid="ignore"):
        return np.where(start == 0, 0, np.spacing(start) * away)


def _measured(
    subject: Subject, upstream: Sequence[tf.Tensor], steps: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Returns values and gradients some steps away; nothing where the function raises."""
    starts = [t.start + step for t, step in zip(subject.targets, steps, strict=True)]
    with subject.moved(subject.targets, starts) as tensors:
        try:
            return _arrays(subject.measure(tensors, upstream))
        except Exception:
            # It is the edge of what the function takes.
            return []


def _arrays(measured: tuple) -> list[np.ndarray]:
    """Returns values and gradients in float64, None as 0."""
    return [
        np.zeros(()) if x is None else np.asarray(x, np.float64) for part in measured for x in part
    ]
