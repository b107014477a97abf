"""Other circumstances: what is right at the arguments, eagerly, may be wrong in these."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.checks import causes, differences, executions
from lowlevel.checks.comparison import Settings, compare
from lowlevel.checks.executions import GRAPH, WORDS, XLA
from lowlevel.checks.subject import GradientError, Subject
from lowlevel.checks.upstream import upstreams
from lowlevel.checks.verdicts import (
    BATCH_OF_ONE,
    EXECUTIONS_DIFFER,
    LEFT_OUT,
    NOT_FINITE,
    STALE,
    SWAPPED,
    UNDECIDED,
    WRONG_DTYPE,
    WRONG_SHAPE,
    Finding,
    index_at,
    merged,
)
from lowlevel.errors import in_one_line

# How far values may differ, as shares of the array's largest, before it is worth a word, and from
# when on it is no matter of precision any more.
_ROUNDING = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-3}
_DIFFERENT = {np.dtype(np.float64): 1e-3, np.dtype(np.float32): 1e-2}
_MOVED = 0.125


def variables_moved(
    subject: Subject, surrogate: Callable[..., Any] | None, settings: Settings
) -> list[Finding]:
    """Finds gradients that are right for the variables' old values alone."""
    targets = [target for target in subject.targets if target.variable is not None]
    generator = np.random.default_rng(settings.seed)
    try:
        for target in targets:
            scale = np.maximum(
                differences.scales(target.start), differences.typical_scale(target.start) / 8
            )
            signs = generator.choice([-1.0, 1.0], target.start.shape)
            target.variable.assign((target.start + _MOVED * scale * signs).astype(target.dtype))
        found = _faults_elsewhere(subject, subject.tensors, surrogate, settings) if targets else []
    finally:
        for target in targets:
            target.variable.assign(target.start)
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
    found = _faults_elsewhere(subject, first, surrogate, settings)
    return merged(
        dataclasses.replace(f, fault=BATCH_OF_ONE, cause=f"{f.fault}; with more rows it is right")
        for f in found
        if f.fault not in (NOT_FINITE, WRONG_SHAPE, WRONG_DTYPE)
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


def compiled(
    subject: Subject, upstream: Sequence[np.ndarray], wanted: Sequence[str]
) -> list[Finding]:
    """Finds where a graph, or XLA, gives another value or gradient than eager execution."""
    given = subject.tensors, [tf.constant(u) for u in upstream]
    eager = subject.measure(*given)
    findings: list[Finding] = []
    for execution in (GRAPH, XLA):
        if execution not in wanted:
            continue
        try:
            other = executions.running(subject.measure, execution)(*given)
        except Exception as error:
            if execution == XLA:
                cause = f"XLA cannot compile it: {in_one_line(error)}"
                return [*findings, Finding(LEFT_OUT, WORDS[XLA], cause=cause)]
            cause = f"{WORDS[GRAPH]} it raises {in_one_line(error)}"
            return [Finding(EXECUTIONS_DIFFER, "the function", cause=cause)]
        if _other_draws(subject, eager, other):
            cause = f"{WORDS[execution]} its random bits are others: its gradient was not compared"
            findings.append(Finding(LEFT_OUT, "the function", cause=cause))
            continue
        found = merged(_differing(subject, eager, other, WORDS[execution]))
        if any(finding.is_fault for finding in found):
            return _swapped(subject, eager, other, WORDS[execution]) or found
        findings += found
    return findings


def _faults_elsewhere(
    subject: Subject,
    tensors: Sequence[tf.Tensor],
    surrogate: Callable[..., Any] | None,
    settings: Settings,
) -> list[Finding]:
    """Returns the faults of the gradient at other arguments, by a few random directions.

    None for arguments that the function does not take, or at which its value is not finite.
    """
    try:
        other = Subject(subject.function, subject.arguments(tensors)).prepare()
        if not all(np.isfinite(v).all() for v in other.value):
            return []
        few = dataclasses.replace(settings, exhaustive_below=0, directions=2)
        comparisons = compare(other, upstreams(other, settings.seed), few, surrogate)
    except (ValueError, GradientError):
        return []
    return [f for one in comparisons for f in one.findings() if f.is_fault]


def _other_draws(subject: Subject, eager: tuple, other: tuple) -> bool:
    """Whether the values differ, and may, since the function draws random numbers."""
    same = all(np.allclose(a, b, equal_nan=True) for a, b in zip(eager[0], other[0], strict=True))
    return not same and executions.draws_random_numbers(subject.call, subject.tensors)


def _differing(subject: Subject, eager: tuple, other: tuple, label: str) -> list[Finding]:
    """Finds the values and gradients that are not those of eager execution."""
    findings = []
    names = [*(["the value"] * len(eager[0])), *subject.names]
    for name, first, second in zip(names, _arrays(eager), _arrays(other), strict=True):
        if first is None and second is None:
            continue
        if first is None or second is None or first.shape != second.shape:
            cause = f"{label} it is {_kind(second)}, eagerly {_kind(first)}"
            findings.append(Finding(EXECUTIONS_DIFFER, name, cause=cause))
            continue
        same = (first == second) | (np.isnan(first) & np.isnan(second))
        with np.errstate(invalid="ignore"):
            apart = np.where(same, 0.0, np.abs(second.astype(float) - first))
        share = np.nan_to_num(apart / (_largest(first) or 1.0), nan=np.inf).max(initial=0.0)
        if share > _ROUNDING[first.dtype]:
            findings.append(_difference(name, first, second, apart, share, label))
    return findings


def _difference(
    name: str, eager: np.ndarray, other: np.ndarray, apart: np.ndarray, share: float, label: str
) -> Finding:
    """Says how arrays differ: by their precision, or more."""
    if share <= _DIFFERENT[eager.dtype]:
        cause = f"{label} it is less precise, off by {share:.0e} of its largest number"
        return Finding(UNDECIDED, name, cause=cause)
    index = index_at(np.argmax(apart), apart.shape)
    factor = causes.factor(
        other.ravel(), eager.ravel(), np.full(eager.size, 1e-12 * _largest(eager))
    )
    words = f", {factor.in_words({})[0]}" if factor else ""
    cause = f"expected is eagerly, found {label}{words}"
    figures = float(other[index]), float(eager[index])
    return Finding(EXECUTIONS_DIFFER, name, index, *figures, cause, "take nothing but tensors in")


def _swapped(subject: Subject, eager: tuple, other: tuple, label: str) -> list[Finding]:
    """Finds gradients that are eagerly each the other's."""
    count = len(subject.targets)
    arrays: list[list[Any]] = [_arrays(measured)[-count:] for measured in (eager, other)]
    rows = list(zip(subject.names, *arrays, strict=True))
    for (name, first, found), (mate, second, crossed) in itertools.combinations(rows, 2):
        if any(x is None for x in (first, second, found, crossed)) or first.shape != second.shape:
            continue
        crossing = np.allclose(found, second) and np.allclose(crossed, first)
        if crossing and not np.allclose(first, second):
            advice = "match gradients by identity, not by order"
            return [Finding(SWAPPED, f"{name}, {mate}", cause=label, advice=advice)]
    return []


def _arrays(measured: tuple) -> list[np.ndarray | None]:
    """Returns values and gradients as arrays."""
    return [None if x is None else np.asarray(x) for part in measured for x in part]


def _largest(values: np.ndarray) -> float:
    """Returns the size of the largest finite number; 0 where there is none."""
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))


def _kind(values: np.ndarray | None) -> str:
    """Returns what an array is, in words."""
    return "None" if values is None else f"of shape {list(values.shape)}"
