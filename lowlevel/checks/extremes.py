"""Extreme arguments: where a gradient must stay finite, and keep its digits in float32."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from lowlevel.checks.causes import FINITE_ADVICE
from lowlevel.checks.subject import Arguments, GradientError, Subject
from lowlevel.checks.verdicts import (
    NOT_FINITE,
    PRECISION_LOST,
    UNDECIDED,
    WRONG_DTYPE,
    Finding,
    index_at,
)

# How large the largest number of an argument is made, with either sign.
_REACH = (20.0, 50.0, 95.0, 300.0, 1000.0)
# What a float32 gradient may lose of a float64 one, and what of the value's own sensitivity.
_LOST = 1e-3
# How many times as much as values lose, and as a few ulps make, gradients may.
_UNSURE, _ULPS = 4.0, 2.0
# Values that differ by more are not those of one function.
_ANOTHER = 0.1
_THE_VALUE = "the value"

Named = tuple[str, np.ndarray | None]


def findings(subject: Subject, ends: Sequence[Arguments] | None, elsewhere: bool) -> list[Finding]:
    """Finds values and gradients that are not finite and, elsewhere too, or lost in float32."""
    points = [("the arguments", subject)]
    points += [
        (f"ends[{i}]", Subject(subject.function, end).prepare()) for i, end in enumerate(ends or ())
    ]
    found = []
    for place, point in points:
        given = place != "the arguments" or not _finite(point.value)
        found += _not_finite(place, point) if given else []
        found += _in_float32(place, point) if elsewhere else []
    return found + (_nan_at_multiples(subject) if elsewhere and ends is None else [])


def _nan_at_multiples(subject: Subject) -> list[Finding]:
    """Finds gradients that are NaN at multiples of an argument, where the value is finite."""
    for target in subject.targets:
        if target.place is None:
            continue
        for reach in (sign * size for size in _REACH for sign in (1, -1)):
            largest = np.abs(target.start).max(initial=0.0)
            moved = target.start * (reach / largest) if largest else target.start + reach
            tensors = list(subject.tensors)
            tensors[target.place] = tf.constant(moved.astype(target.dtype))
            try:
                value, gradients = subject.measure(tensors)
            except Exception:
                # It does not take such arguments, and need not.
                continue
            if not _finite(value):
                continue
            for name, gradient in _named(subject, [], gradients):
                if gradient is not None and np.isnan(gradient).any():
                    index = _first(np.isnan(gradient))
                    cause = f"where the numbers of {target.name} reach {reach:g}"
                    return [Finding(NOT_FINITE, name, index, np.nan, None, cause, FINITE_ADVICE)]
    return []


def _not_finite(place: str, subject: Subject) -> list[Finding]:
    """Finds values and gradients that are not finite at some arguments."""
    return [
        Finding(
            NOT_FINITE,
            name,
            index := _first(~np.isfinite(values)),
            float(values[index]),
            cause=f"for {place}",
            advice=FINITE_ADVICE,
        )
        for name, values in _named(subject, *subject.measure(subject.tensors))
        if values is not None and not np.isfinite(values).all()
    ]


def _in_float32(place: str, subject: Subject) -> list[Finding]:
    """Finds what float32 arguments lose that float64 ones, rounded as they are, do not."""
    targets = [target for target in subject.targets if target.place is not None]
    if len(targets) < len(subject.targets) or {t.dtype for t in targets} != {np.dtype(float)}:
        return []
    with np.errstate(over="ignore"):
        narrow = [_cast(x, tf.float32) for x in subject.tensors]
    if not all(np.isfinite(x).all() for x in narrow if x.dtype.is_floating):
        return []
    wide = [_cast(x, before.dtype) for x, before in zip(narrow, subject.tensors, strict=True)]
    try:
        found = _named(subject, *subject.measure(narrow))
    except GradientError as error:
        return [error.finding()]
    except Exception:
        # It takes float64 alone, and there is nothing to lose.
        return []
    expected = _named(subject, *subject.measure(wide))
    values = [
        (n, w)
        for (name, n), (_, w) in zip(found, expected, strict=True)
        if name == _THE_VALUE and n is not None and w is not None
    ]
    if any(_another(*pair) for pair in values):
        cause = "in float32 the function has other values: random bits, or another branch"
        return [Finding(UNDECIDED, "float32", cause=cause)]
    size = sum(float(np.abs(w[np.isfinite(w)]).sum()) for _, w in values)
    with np.errstate(all="ignore"):
        off = sum(float(np.nan_to_num(np.abs(n - w)).sum()) for n, w in values)
    starts = {target.name: target.start for target in targets}
    unsure = _unsure(subject, wide, expected)
    return [
        finding
        for (name, n), (_, w), own in zip(found, expected, unsure, strict=True)
        for finding in _lost(place, name, n, w, size, own + _share(w, off, size), starts.get(name))
    ]


def _unsure(
    subject: Subject, tensors: Sequence[tf.Tensor], here: Sequence[Named]
) -> list[np.ndarray | float]:
    """Returns how far values and gradients change within a few of float32's ulps."""
    ulps = _ULPS * float(np.finfo(np.float32).eps)
    changes: list[np.ndarray | float] = [0.0] * len(here)
    for sign in (1, -1):
        moved = [x * (1 + sign * ulps) if x.dtype.is_floating else x for x in tensors]
        try:
            there = _named(subject, *subject.measure(moved))
        except Exception:
            # It is the edge of what the function takes.
            continue
        for i, ((_, a), (_, b)) in enumerate(zip(here, there, strict=True)):
            if a is not None and b is not None and a.shape == b.shape:
                with np.errstate(invalid="ignore"):
                    changes[i] = np.fmax(changes[i], np.nan_to_num(np.abs(a - b)))
    return changes


def _share(gradient: np.ndarray | None, off: float, size: float) -> np.ndarray | float:
    """Returns what a gradient loses if it loses as large a share as the values do."""
    with np.errstate(over="ignore", invalid="ignore"):
        return 0.0 if gradient is None else np.abs(gradient) * (off / size if size else 0.0)


def _another(narrow: np.ndarray, wide: np.ndarray) -> bool:
    """Whether float32 gives other values altogether."""
    if narrow.shape != wide.shape:
        return True
    both = np.isfinite(narrow) & np.isfinite(wide) & (np.abs(wide) >= np.finfo(np.float32).tiny)
    apart, size = np.abs(narrow[both] - wide[both]), np.abs(wide[both])
    return bool(apart.max(initial=0.0) > _ANOTHER * size.max(initial=0.0))


def _lost(
    place: str,
    name: str,
    narrow: np.ndarray | None,
    wide: np.ndarray | None,
    value: float,
    unsure: np.ndarray | float,
    start: np.ndarray | None,
) -> list[Finding]:
    """Finds what a float32 array has lost of a float64 one.

    A gradient may lose what is below the rounding of the value that it is a derivative of, and as
    large a share as the value itself does.

    Args:
        place: which arguments, in words.
        name: of the array.
        narrow: in float32.
        wide: in float64.
        value: the sum of the sizes of the function's values.
        unsure: by how much the array may be off, whatever the rule.
        start: what the gradient is in; None for the value itself.
    """
    if narrow is None or wide is None or narrow.shape != wide.shape:
        return []
    if start is not None and narrow.shape != start.shape:
        return []
    if start is not None and narrow.dtype != np.float32:
        cause = f"{narrow.dtype} for float32 arguments"
        return [Finding(WRONG_DTYPE, name, cause=cause, advice="cast to the argument's dtype")]
    limits = np.finfo(np.float32)
    size = np.abs(wide)
    with np.errstate(all="ignore"):
        apart = np.abs(narrow - wide)
        broken = ~np.isfinite(narrow) & (size <= limits.max)
        told = (size >= limits.tiny) & (size <= limits.max) & ~broken
        lost = told & (apart > _LOST * size + _UNSURE * unsure)
        if start is not None:
            lost &= apart * np.maximum(np.abs(start), limits.tiny) > _LOST * value
    if broken.any():
        index = _first(broken)
        cause = f"for {place}, in float32, where float64 gives {wide[index]:.6g}"
        figure = float(narrow[index])
        return [Finding(NOT_FINITE, name, index, figure, None, cause, FINITE_ADVICE)]
    if lost.any() and start is not None:
        index = index_at(np.argmax(np.where(lost, apart / size, 0)), size.shape)
        figures = float(narrow[index]), float(wide[index])
        cause, advice = f"for {place}, in float32", "avoid differences of near numbers"
        return [Finding(PRECISION_LOST, name, index, *figures, cause, advice)]
    return []


def _cast(tensor: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns a tensor in a dtype, if it is a floating one."""
    return tf.cast(tensor, dtype) if tensor.dtype.is_floating else tensor


def _named(
    subject: Subject, value: Sequence[tf.Tensor], gradients: Sequence[tf.Tensor | None]
) -> list[Named]:
    """Returns values and gradients as arrays, each with its name."""
    arrays = [None if x is None else np.asarray(x) for x in (*value, *gradients)]
    return list(zip([*([_THE_VALUE] * len(value)), *subject.names], arrays, strict=True))


def _finite(values: Sequence) -> bool:
    return all(np.isfinite(v).all() for v in values)


def _first(places: np.ndarray) -> tuple[int, ...]:
    """Returns the index of the first place."""
    return index_at(np.argmax(places), places.shape)
