"""The second order: the derivative of a gradient, held against differences of the gradient."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.checks import linearity
from lowlevel.checks.comparison import Comparison, Settings
from lowlevel.checks.scatter import SHOWN, scatter
from lowlevel.checks.subject import GradientError, Subject
from lowlevel.checks.trials import NEGLIGIBLE
from lowlevel.checks.upstream import upstreams
from lowlevel.checks.verdicts import ASYMMETRIC, LEFT_OUT, SECOND_ORDER, UNDECIDED, Finding, merged
from lowlevel.errors import in_one_line

_ADVICE = "let the rule be made of differentiable operations, or give it a rule of its own"


def findings(subject: Subject, settings: Settings, elsewhere: bool) -> list[Finding]:
    """Finds what is wrong with the derivative of a gradient that is itself right.

    What is wrong in float32 has to be wrong in float64 too, where the function may be called so:
    second differences of rounded gradients cannot tell rounding from a fault.
    """
    found = _findings(subject, settings)
    if not elsewhere or not any(finding.is_fault for finding in found):
        return found
    wide = _in_float64(subject)
    if wide is None or any(finding.is_fault for finding in _findings(wide, settings)):
        return found
    cause = "it is right in float64, and float32 cannot tell"
    return [Finding(UNDECIDED, "the second derivative", cause=cause)]


def _in_float64(subject: Subject) -> Subject | None:
    """Returns the function at its float32 arguments in float64; None if it has no such value."""
    if any(t.place is None or t.dtype != np.float32 for t in subject.targets):
        return None
    tensors = [tf.cast(x, tf.float64) if x.dtype.is_floating else x for x in subject.tensors]
    try:
        return Subject(subject.function, subject.arguments(tensors)).prepare()
    except ValueError:
        return None


def _findings(subject: Subject, settings: Settings) -> list[Finding]:
    """Finds what is wrong with the second derivative, in the arguments' own dtypes.

    Its values stand for themselves, a surrogate's or not. For each pair of targets: reverse over
    reverse against differences of the gradient; then forward over reverse against reverse over
    reverse, and the Hessian against its transpose.
    """
    given = upstreams(subject, settings.seed)
    upstream = [tf.constant(u) for u in given[1]]
    connected = [g is not None for g in subject.measure(subject.tensors, upstream)[1]]

    def gradient(*positional: Any, **keyword: Any) -> list[tf.Tensor]:
        given = keyword if subject.keys else positional
        tensors = _tensors_of(subject, given)
        return [g for g in subject.measure(tensors, upstream)[1] if g is not None]

    if not any(connected):
        return []
    names = [name for name, there in zip(subject.names, connected, strict=True) if there]
    slope = subject.with_function(gradient)
    try:
        found = _by_blocks(slope, names, settings)
        tolerance = settings.allowed(x.dtype for x in [*subject.value, *slope.value])
        return (
            found
            or linearity.derivative(subject, given[::-1], tolerance, settings.seed)
            or _by_other_ways(slope, connected, settings)
        )
    except GradientError as error:
        return [Finding(LEFT_OUT, "the second derivative", cause=in_one_line(error))]


def _tensors_of(subject: Subject, given: Any) -> list[tf.Tensor]:
    """Returns the tensors among arguments, in their order."""
    items = list(given.values()) if isinstance(given, dict) else list(given)
    leaves = tf.nest.flatten(items)
    return [leaf for leaf in leaves if tf.is_tensor(leaf) and not isinstance(leaf, tf.Variable)]


def _by_blocks(slope: Subject, names: Sequence[str], settings: Settings) -> list[Finding]:
    """Holds each block of the Hessian against differences of the gradient."""
    random = upstreams(slope, settings.seed + 1)[1]
    blocks = [
        [u if i == j else np.zeros_like(u) for j, u in enumerate(random)]
        for i in range(len(random))
    ]
    per_block = [slope.gradients(block) for block in blocks]
    faults = []
    for target, *found in zip(slope.targets, *per_block, strict=True):
        comparison = Comparison(slope, slope, target, found, blocks, settings).run()
        faults += [
            _renamed(comparison.classified(i, []), name, target.name)
            for i, name in enumerate(names)
            if comparison.wrong(i) and not _lost(comparison, i)
        ]
    return merged(faults)


def _lost(comparison: Comparison, upstream: int) -> bool:
    """Whether all that is wrong is as small, next to the rest, as rounding may be.

    A gradient is rounded by as much as the terms that cancel in it, not by as much as its own size.
    """
    off = comparison.farthest(upstream)
    largest = float(np.abs(comparison.found[upstream]).max(initial=0.0))
    return off <= NEGLIGIBLE[comparison.prober.dtype] * largest


def _renamed(finding: Finding, name: str, other: str) -> Finding:
    """Returns a fault of a gradient's gradient as one of the second derivative."""
    where = f"{name}, twice" if name == other else f"{name} and {other}"
    cause = "; ".join(text for text in (finding.fault, finding.cause) if text)
    return dataclasses.replace(
        finding, fault=SECOND_ORDER, where=where, cause=cause, advice=_ADVICE
    )


def _by_other_ways(slope: Subject, connected: Sequence[bool], settings: Settings) -> list[Finding]:
    """Holds forward over reverse against reverse over reverse, and the Hessian to its transpose."""
    generator = np.random.default_rng(settings.seed)
    starts = [t.start for t, there in zip(slope.targets, connected, strict=True) if there]
    v, w = ([generator.normal(size=x.shape).astype(x.dtype) for x in starts] for _ in range(2))
    kept = [i for i, there in enumerate(connected) if there]

    def transposed_times(vector: Sequence[np.ndarray]) -> list[np.ndarray]:
        found = slope.gradients(vector)
        return [_array(found[i], starts[j]) for j, i in enumerate(kept)]

    hw, hv = transposed_times(w), transposed_times(v)
    one, other = _dot(hw, v), _dot(hv, w)
    size = sum(np.abs(a * b).sum() for a, b in [*zip(hw, v, strict=True), *zip(hv, w, strict=True)])
    allowed = settings.allowed(x.dtype for x in starts) * size
    if abs(one - other) > allowed:
        allowed += _rounded(slope, kept, v, w)
    where = ", ".join(slope.targets[i].name for i in kept)
    if abs(one - other) > allowed:
        cause = "the products of the Hessian with two vectors, and the other way round"
        return [Finding(ASYMMETRIC, where, None, one, other, cause, _ADVICE)]
    try:
        forward = _dot(_forward(slope, kept, v), w)
    except Exception as error:
        cause = f"forward over reverse raises {in_one_line(error)}"
        return [Finding(LEFT_OUT, "the second derivative", cause=cause)]
    if abs(forward - one) > allowed:
        cause = "forward over reverse is not what reverse over reverse is"
        return [Finding(SECOND_ORDER, where, None, forward, one, cause, _ADVICE)]
    return []


def _rounded(slope: Subject, kept: Sequence[int], *vectors: Sequence[np.ndarray]) -> float:
    """Returns how far rounding may move the products of the Hessian with two vectors."""
    first, second = (scatter(slope, vector)[len(slope.value) :] for vector in vectors)
    return SHOWN * sum(
        float((shown[i] * np.abs(vector[j])).sum())
        for shown, vector in ((first, vectors[1]), (second, vectors[0]))
        for j, i in enumerate(kept)
    )


def _forward(slope: Subject, kept: Sequence[int], v: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns the Hessian times a vector, forward over reverse."""
    targets = [slope.targets[i] for i in kept]
    primals = [t.variable if t.place is None else slope.tensors[t.place] for t in targets]
    tangents = [tf.constant(x) for x in v]
    with tf.autodiff.ForwardAccumulator(primals, tangents) as accumulator:
        gradients = slope.call(slope.tensors)
    products = [accumulator.jvp(g) for g in gradients]
    return [_array(p, x) for p, x in zip(products, v, strict=True)]


def _array(tensor: Any, like: np.ndarray) -> np.ndarray:
    return np.zeros_like(like) if tensor is None else np.asarray(tensor)


def _dot(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    pairs = zip(first, second, strict=True)
    return float(sum((a.astype(float) * b).sum() for a, b in pairs))
