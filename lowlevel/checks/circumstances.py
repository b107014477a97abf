"""Other circumstances: what is right at the arguments may be wrong for these."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.checks import differences
from lowlevel.checks.comparison import Settings, compare
from lowlevel.checks.subject import GradientError, Subject
from lowlevel.checks.upstream import upstreams
from lowlevel.checks.verdicts import (
    BATCH_OF_ONE,
    NOT_FINITE,
    STALE,
    WRONG_DTYPE,
    WRONG_SHAPE,
    Finding,
    merged,
)

_MOVED = 0.125


def variables_moved(
    subject: Subject, surrogate: Callable[..., Any] | None, settings: Settings
) -> list[Finding]:
    """Finds gradients that are right for the variables' old values alone."""
    targets = [target for target in subject.targets if target.variable is not None]
    if not targets:
        return []
    generator = np.random.default_rng(settings.seed)
    moved = []
    for start in (target.start for target in targets):
        scale = np.maximum(differences.scales(start), differences.typical_scale(start) / 8)
        moved.append(start + _MOVED * scale * generator.choice([-1.0, 1.0], start.shape))
    with subject.moved(targets, moved) as tensors:
        found = _faults(_elsewhere(subject, tensors), surrogate, settings)
    advice = "read the variable where the rule runs, not before"
    return merged(
        dataclasses.replace(f, fault=STALE, cause="right before the variables moved", advice=advice)
        for f in found
        if f.fault != NOT_FINITE
    )


def batch_of_one(
    subject: Subject, surrogate: Callable[..., Any] | None, settings: Settings
) -> list[Finding]:
    """Finds gradients that are wrong for the first row alone.

    A function that takes no single row, or no fewer than what it closes over has, is left alone.
    """
    if not _has_rows(subject):
        return []
    first = [x[:1] if x.shape.rank else x for x in subject.tensors]
    alone = _elsewhere(subject, first)
    known = {NOT_FINITE, WRONG_DTYPE}
    if alone is None or not all(v.ndim and len(v) == 1 for v in alone.value):
        # It may close over more rows, along which the one is broadcast.
        known.add(WRONG_SHAPE)
    return merged(
        dataclasses.replace(f, fault=BATCH_OF_ONE, cause=f"{f.fault}; with more rows it is right")
        for f in _faults(alone, surrogate, settings)
        if f.fault not in known
    )


def _has_rows(subject: Subject) -> bool:
    """Whether the first axis is evidently one of rows.

    All arguments and results have as many along it; where all results are single numbers, as a mean
    loss is, it takes two arguments, as of features and labels.
    """
    arguments = [len(x) for x in subject.tensors if x.shape.rank]
    results = [len(v) for v in subject.value if v.ndim]
    if len({*arguments, *results}) != 1 or not arguments or arguments[0] < 2:
        return False
    return bool(results) or len(arguments) > 1


def _elsewhere(subject: Subject, tensors: Sequence[tf.Tensor]) -> Subject | None:
    """Returns the function at other arguments; None if it does not take them or is not finite."""
    try:
        other = Subject(subject.function, subject.arguments(tensors)).prepare()
    except ValueError:
        return None
    return other if all(np.isfinite(v).all() for v in other.value) else None


def _faults(
    subject: Subject | None, surrogate: Callable[..., Any] | None, settings: Settings
) -> list[Finding]:
    """Returns the faults of a gradient by a few random directions; none where it has no value."""
    if subject is None:
        return []
    few = dataclasses.replace(settings, exhaustive_below=0, directions=2, parts=1)
    try:
        comparisons = compare(subject, upstreams(subject, settings.seed), few, surrogate)
    except GradientError as error:
        return error.findings()
    except ValueError:
        return []
    return [f for one in comparisons for f in one.findings() if f.is_fault]
