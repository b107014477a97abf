"""Linearity: a rule is linear in its upstream gradient, and is differentiated in it as well."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from lowlevel.checks import differences
from lowlevel.checks.causes import FINITE_ADVICE
from lowlevel.checks.subject import GradientError, Subject
from lowlevel.checks.verdicts import (
    LEFT_OUT,
    NOT_FINITE,
    SECOND_ORDER,
    WRONG_VALUE,
    Finding,
    index_at,
)
from lowlevel.errors import in_one_line

# Other sizes of an upstream gradient, in units of the one that was tried: powers of two, by which
# linear rules multiply exactly.
_SIZES = {0.0: "of 0", 2.0**-10: "1,024 times as small", 16.0: "16 times as large"}
_ULPS = 64.0


def at_other_sizes(
    subject: Subject, upstream: Sequence[np.ndarray], tolerance: float
) -> list[Finding]:
    """Finds gradients that are not multiplied where their upstream gradient is."""
    known = subject.gradients(upstream)
    for size, words in _SIZES.items():
        scaled = subject.gradients([(u * size).astype(u.dtype) for u in upstream])
        for name, before, found in zip(subject.names, known, scaled, strict=True):
            if before is None or found is None or not np.isfinite(before).all():
                continue
            limits = np.finfo(before.dtype)
            with np.errstate(over="ignore", invalid="ignore"):
                expected = size * before.astype(np.float64)
                told = np.abs(expected) <= float(limits.max)
                largest = np.abs(expected).max(initial=0.0, where=told)
                allowed = tolerance * np.abs(expected) + _ULPS * float(limits.eps) * largest
                wrong = told & ~(np.abs(found - expected) <= allowed + float(limits.tiny))
            if not wrong.any():
                continue
            index = index_at(np.argmax(wrong), wrong.shape)
            figures = float(found[index]), float(expected[index])
            cause = f"with an upstream gradient {words}"
            if not np.isfinite(found[index]):
                return [Finding(NOT_FINITE, name, index, *figures, cause, FINITE_ADVICE)]
            return [Finding(WRONG_VALUE, name, index, *figures, cause, "multiply by it, once")]
    return []


def derivative(
    subject: Subject, upstreams: Sequence[Sequence[np.ndarray]], tolerance: float, seed: int
) -> list[Finding]:
    """Finds gradients whose derivative in the upstream gradient is not that of something linear.

    With g(u) linear in u, the derivative of v g(u) in u, times any w, is v g(w).

    Args:
        subject: whose gradients are right for each of the upstream gradients.
        upstreams: u, and what is taken for w.
        tolerance: relative to the size of the terms.
        seed: of v.
    """
    generator = np.random.default_rng(seed)
    vectors = [generator.normal(size=t.start.shape).astype(t.dtype) for t in subject.targets]
    known = [subject.gradients(w) for w in upstreams]
    for place, (name, v) in enumerate(zip(subject.names, vectors, strict=True)):
        if known[0][place] is None:
            continue
        try:
            slope = _in_upstream(subject, upstreams[0], place, v)
        except Exception as error:
            cause = f"TensorFlow raises: {in_one_line(error)}"
            return [Finding(LEFT_OUT, "the derivative in the upstream gradient", cause=cause)]
        for w, gradients in zip(upstreams, known, strict=True):
            pairs = zip(slope, w, strict=True)
            terms = [np.ravel(s.astype(float) * b) for s, b in pairs]
            others = np.ravel(v.astype(float) * gradients[place])
            found, expected = float(np.concatenate(terms).sum()), float(others.sum())
            size = max(float(np.abs(np.concatenate(terms)).sum()), float(np.abs(others).sum()))
            allowed = tolerance * size + _rounded(subject, w, place, v)
            if not abs(found - expected) <= allowed:
                where = f"{name} and the upstream gradient"
                advice = "multiply by the upstream gradient in differentiable operations"
                return [Finding(SECOND_ORDER, where, None, found, expected, "", advice)]
    return []


def _rounded(subject: Subject, upstream: Sequence[np.ndarray], place: int, v: np.ndarray) -> float:
    """Returns how far the rounding of values may move a gradient, times a vector.

    A gradient may be a small difference of terms as large as a value over its argument.
    """
    start = subject.targets[place].start
    eps = max(float(np.finfo(a.dtype).eps) for a in [start, *subject.value])
    pairs = zip(subject.value, upstream, strict=True)
    largest = max(float(np.abs(value * u).max(initial=0.0)) for value, u in pairs)
    scale = np.maximum(np.abs(start), differences.typical_scale(start))
    return _ULPS * eps * largest * float((np.abs(v) / scale).sum())


def _in_upstream(
    subject: Subject, upstream: Sequence[np.ndarray], place: int, v: np.ndarray
) -> list[np.ndarray]:
    """Returns the derivative of a target's gradient, times a vector, in the upstream gradient."""
    given = [tf.constant(u) for u in upstream]
    with tf.GradientTape() as tape:
        tape.watch(given)
        gradient = subject.measure(subject.tensors, given)[1][place]
        if gradient is None:
            raise GradientError("the gradient is None")
        product = tf.reduce_sum(gradient * v)
    found = tape.gradient(product, given)
    return [
        np.zeros_like(u) if f is None else tf.convert_to_tensor(f).numpy()
        for f, u in zip(found, upstream, strict=True)
    ]
