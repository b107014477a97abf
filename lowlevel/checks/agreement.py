"""Agreement: whether a graph, and XLA, give the values and gradients of eager execution."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.checks import causes, differences, executions
from lowlevel.checks.executions import GRAPH, WORDS, XLA
from lowlevel.checks.scatter import SHOWN, scatter
from lowlevel.checks.subject import Subject
from lowlevel.checks.verdicts import (
    EXECUTIONS_DIFFER,
    LEFT_OUT,
    SWAPPED,
    UNDECIDED,
    Finding,
    index_at,
    merged,
)
from lowlevel.errors import in_one_line

# How far values may differ, as shares of the array's largest, before it is worth a word, and from
# when on it is no matter of precision any more.
_ROUNDING = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-3}
_DIFFERENT = {np.dtype(np.float64): 1e-3, np.dtype(np.float32): 1e-2}
# Another order of the same operations may round so many times as much as the value is rounded.
_UNSHOWN = 256.0
# How far its neighbours are, in ulps.
_NEAR = {np.dtype(np.float64): 2**28, np.dtype(np.float32): 8}


def findings(
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
        found = _differing(subject, eager, other, WORDS[execution], itertools.repeat(0.0))
        if found:
            rounding = _rounding(subject, upstream, eager[0])
            found = merged(_differing(subject, eager, other, WORDS[execution], rounding))
        if any(finding.is_fault for finding in found):
            return _swapped(subject, eager, other, WORDS[execution]) or found
        findings += found
    return findings


def _other_draws(subject: Subject, eager: tuple, other: tuple) -> bool:
    """Whether the values differ, and may, since the function draws random numbers."""
    same = all(np.allclose(a, b, equal_nan=True) for a, b in zip(eager[0], other[0], strict=True))
    return not same and executions.draws_random_numbers(subject.call, subject.tensors)


def _differing(
    subject: Subject, eager: tuple, other: tuple, label: str, rounding: Iterable[Any]
) -> list[Finding]:
    """Finds values and gradients that are not those of eager execution, but for some rounding."""
    findings = []
    names = [*(["the value"] * len(eager[0])), *subject.names]
    pairs = zip(names, _arrays(eager), _arrays(other), strict=True)
    for (name, first, second), allowed in zip(pairs, rounding, strict=False):
        if first is None and second is None:
            continue
        if first is None or second is None or first.shape != second.shape:
            cause = f"{label} it is {_kind(second)}, eagerly {_kind(first)}"
            findings.append(Finding(EXECUTIONS_DIFFER, name, cause=cause))
            continue
        same = (first == second) | (np.isnan(first) & np.isnan(second))
        with np.errstate(invalid="ignore"):
            apart = np.abs(second.astype(float) - first)
        apart = np.where(same | (apart <= allowed), 0.0, apart)
        share = np.nan_to_num(apart / (_largest(first) or 1.0), nan=np.inf).max(initial=0.0)
        if share > _ROUNDING[first.dtype]:
            findings.append(_difference(name, first, second, apart, share, label))
    return findings


def _rounding(
    subject: Subject, upstream: Sequence[np.ndarray], values: Sequence[tf.Tensor]
) -> list[np.ndarray | float]:
    """Returns how far another order of the same operations may move values and gradients.

    As far as their neighbours show; and the gradients as far as the values' own rounding, over the
    distance of the arguments from 0.
    """
    dtypes = [*(np.asarray(v).dtype for v in values), *(t.dtype for t in subject.targets)]
    coarse = max(dtypes, key=lambda dtype: np.finfo(dtype).eps)
    eps = float(np.finfo(coarse).eps)
    largest = max(_largest(np.asarray(v) * u) for v, u in zip(values, upstream, strict=True))
    results = sum(np.size(v) for v in values)
    unshown = [0.0] * len(values) + [
        eps * largest * max(1.0, results / t.start.size) ** 0.5 / differences.typical_scale(t.start)
        for t in subject.targets
    ]
    shown = scatter(subject, upstream, _NEAR[coarse])
    return [SHOWN * a + _UNSHOWN * b for a, b in zip(shown, unshown, strict=True)]


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
