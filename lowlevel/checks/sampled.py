"""A hundred thousand logits: what the formulas do between, beside and beyond those of the table."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.checks import differences, executions, kinks
from lowlevel.checks.formulas import (
    Truth,
    advice,
    in_words,
    relative_errors,
    size_of_terms,
)
from lowlevel.checks.labels import far_labels, is_binary
from lowlevel.checks.means import means_by_slope
from lowlevel.checks.rows import WRONG, Row, worst_logit
from lowlevel.checks.values import precise, values
from lowlevel.likelihoods import Likelihood

_COUNT = 100_000
# Half of them where most models are; the other half over every binade.
_USUAL = 40.0
_USUAL_LABEL = 3.0
# Of the labels of a range without end, so many are larger ones.
_LARGER = 0.3
# Steps within a formula may overflow so much earlier than its value: a square does before its half.
_HEADROOM = 16.0
# As exact as differences have to be before they have a say, as a share of the terms.
_TELLING = 1e-6
# If a fault's labels are no more than that of them, it is a matter of labels.
_MOST_LABELS = 0.6
# Sizes and shapes that a formula has to take, each with the values that it has for all at once.
_SHAPES: tuple[tuple[int, ...], ...] = (
    *((n,) for n in (*range(1, 34), 64, 100, 256)),
    (6, 1),
    (4, 3),
    (2, 3, 4),
    (1, 1),
)


class Sample(NamedTuple):
    """Logits and labels, `[n]` each, of the dtype that is checked."""

    z: np.ndarray
    y: np.ndarray


def sampled_rows(likelihood: Likelihood, dtype: str, jit_compile: bool, seed: int) -> list[Row]:
    """Checks the four formulas at many random logits and labels, up to the ends of the dtype."""
    sample = draw(likelihood, np.dtype(dtype), seed)
    nll, slope = (
        sampled_row(likelihood, quantity, sample, jit_compile) for quantity in ("nll", "slope")
    )
    # A wrong slope says nothing of the curvature, nor of the mean.
    curvature, mean = (
        sampled_row(likelihood, quantity, sample, jit_compile, by_slope=slope.right)
        for quantity in ("curvature", "mean")
    )
    return [nll, slope, curvature, mean]


def draw(likelihood: Likelihood, dtype: np.dtype, seed: int) -> Sample:
    """Returns random logits and labels; of binary labels a third each is 0, 1 and soft.

    Labels without end are up to 1000, as far as the loss is finite.
    """
    random = np.random.default_rng(seed)
    limits = np.finfo(dtype)
    exponents = random.integers(limits.minexp, limits.maxexp, _COUNT // 2)
    binades = np.ldexp(random.uniform(1, 2, _COUNT // 2), exponents)
    usual = random.uniform(-_USUAL, _USUAL, _COUNT // 2)
    z = np.concatenate([usual, binades * random.choice([-1.0, 1.0], _COUNT // 2)])
    low, high = np.clip([-_USUAL_LABEL, _USUAL_LABEL], *likelihood.label_range)
    y = random.uniform(float(low), float(high), _COUNT)
    kind = random.integers(0, 3, _COUNT)
    y = np.where(kind == 0, low, np.where(kind == 1, high, y))
    if far := far_labels(likelihood):
        size = np.exp(random.uniform(np.log(_USUAL_LABEL), np.log(np.max(np.abs(far))), _COUNT))
        larger = np.clip(random.choice(np.sign(far), _COUNT) * size, min(0, *far), max(0, *far))
        larger = np.clip(larger, *likelihood.label_range)
        y = np.where(random.uniform(size=_COUNT) < _LARGER, larger, y)
    if not is_binary(likelihood):
        # Where z y overflows, so may all that is made of it.
        largest = float(limits.max) / _HEADROOM / np.maximum(np.abs(y), 1)
        z = np.clip(z, -largest, largest)
    return Sample(z.astype(dtype), y.astype(dtype))


def sampled_row(
    likelihood: Likelihood,
    quantity: str,
    sample: Sample,
    jit_compile: bool,
    by_slope: bool = True,
) -> Row:
    """Checks one formula: its values, its values compiled, and those for other shapes."""
    z, label = sample.z, None if quantity == "mean" else sample.y
    formula = getattr(likelihood, quantity)
    found = values(formula, z, label)
    truth, by_differences = _truth(likelihood, quantity, sample, found, by_slope)
    errors = truth.errors(found)
    where = ""
    if not (errors > truth.tolerance).any():
        found = values(executions.compiled(formula, jit_compile), z, label)
        errors, where = truth.errors(found), f"{executions.COMPILED[jit_compile]}, "
    verdict, right = "right", not (errors > truth.tolerance).any()
    if not right:
        labels = _labels(sample.y, errors > truth.tolerance) if label is not None else ""
        words = labels + in_words(z, found, truth)
        verdict = where + words + advice(likelihood, quantity, errors)
    elif shape := _wrong_shape(formula, z, label, found):
        verdict, right = f"wrong for arguments of shape {list(shape)}: other values", False
    best = float(errors.max())
    logit = worst_logit(z, errors)
    subject = f"{quantity}, sampled"
    return Row(subject, None, None, by_differences, best, logit, verdict, right=right)


def _truth(
    likelihood: Likelihood, quantity: str, sample: Sample, found: np.ndarray, by_slope: bool
) -> tuple[Truth, float | None]:
    """Returns what the values should be, and the largest error of float64 against differences.

    Float64 is the reference of float32 where differences of the formula that it is the derivative
    of have nothing against it, and those are the reference where they have. At kinks that is any
    number between both sides.
    """
    z, y = (part.astype(np.float64) for part in sample)
    label = None if quantity == "mean" else y
    wide = _by_parts(likelihood, quantity, z, y)
    if quantity == "mean" and by_slope and not is_binary(likelihood):
        means = means_by_slope(likelihood, sample.z)
        wide = np.where(np.isnan(means), wide, means)
    terms = size_of_terms(likelihood, quantity, label, z)
    tolerance = np.full(len(z), precise(sample.z.dtype))
    if quantity == "mean":
        # Of a loss of 1000, the exponential loses as many units in the last place.
        with np.errstate(all="ignore"):
            tolerance += 8 * np.finfo(float).eps * np.abs(np.log(wide))
            tolerance = np.nan_to_num(tolerance, nan=1.0, posinf=1.0)
    told, at_kink = _by_differences(likelihood, quantity, sample, found, terms, by_slope)
    size = np.maximum(np.abs(told.value), terms)
    with np.errstate(all="ignore"):
        telling = (told.error <= _TELLING * size) & np.isfinite(told.value)
        off = np.where(telling, np.abs(wide - told.value) / size, 0.0)
        off = np.where(telling & ~np.isfinite(wide), np.inf, np.nan_to_num(off, nan=0.0))
        off = np.where(at_kink, 0.0, off)
        broken = telling & (off > np.maximum(4 * told.error / size, _TELLING))
    expected = np.where(broken | at_kink, told.value, wide)
    # NaN is wrong, whatever it should be, unless the loss has overflown long before.
    overflown = np.isposinf(_by_parts(likelihood, "nll", z / 16, y))
    expected = np.where(np.isnan(expected), np.where(overflown, np.inf, 0.0), expected)
    if not is_binary(likelihood):
        most = float(np.finfo(sample.z.dtype).max) / _HEADROOM
        expected = np.where(np.abs(expected) > most, np.inf, expected)
    tolerance = np.where(broken, np.maximum(tolerance, WRONG * _TELLING), tolerance)
    largest = float(off.max()) if telling.any() else None
    return Truth(expected, tolerance, terms), largest


def _by_parts(likelihood: Likelihood, quantity: str, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns a formula's values in float64; for binary labels by those of the labels 1 and 0."""
    if quantity == "mean":
        one = np.ones_like(z)
        return (
            np.exp(-values(likelihood.nll, z, one))
            if is_binary(likelihood)
            else values(likelihood.mean, z, None)
        )
    formula = getattr(likelihood, quantity)
    if not is_binary(likelihood):
        return values(formula, z, y)
    one, zero = (values(formula, z, hard) for hard in (1.0, 0.0))
    with np.errstate(invalid="ignore"):
        return np.where(y > 0, y * one, 0.0) + np.where(y < 1, (1 - y) * zero, 0.0)


def _by_differences(
    likelihood: Likelihood,
    quantity: str,
    sample: Sample,
    found: np.ndarray,
    terms: np.ndarray,
    by_slope: bool,
) -> tuple[differences.Estimate, np.ndarray]:
    """Returns the derivative by differences: of the loss, or of its slope if that is right.

    And where there is a kink, and it is one of many, `[n]`.
    """
    z, y = (part.astype(np.float64) for part in sample)
    if quantity not in ("slope", "curvature"):
        nothing = np.full(len(z), np.nan)
        return differences.Estimate(nothing, nothing), np.full(len(z), False)
    order = 2 if quantity == "curvature" and not by_slope else 1
    formula = likelihood.slope if quantity == "curvature" and by_slope else likelihood.nll

    def function(x: np.ndarray) -> np.ndarray:
        return values(formula, x, y)

    told = differences.elementwise(function, z, order)
    limits, size = np.finfo(sample.z.dtype), np.abs(told.value)
    allowed = precise(sample.z.dtype) * np.maximum(size, terms) + float(limits.tiny)
    allowed = np.where(size > limits.max, np.inf, allowed)
    return kinks.settled(told, found.astype(np.float64), allowed, function, z, order)


def _labels(y: np.ndarray, wrong: np.ndarray) -> str:
    """Returns for which labels a formula is wrong, in words, if it is right for others."""
    low, high = y[wrong].min(), y[wrong].max()
    if low == high:
        return f"for y = {low:g}, "
    within = (y >= low) & (y <= high)
    return f"for y from {low:.2g} to {high:.2g}, " if within.mean() < _MOST_LABELS else ""


def _wrong_shape(
    formula: Callable[..., tf.Tensor], z: np.ndarray, y: np.ndarray | None, found: np.ndarray
) -> tuple[int, ...] | None:
    """Returns a shape for which a formula has other values than for all at once."""
    zeros = np.zeros(len(z))
    for shape in _SHAPES:
        part = slice(0, int(np.prod(shape)))
        labels = None if y is None else y[part].reshape(shape)
        some = values(formula, z[part].reshape(shape), labels)
        expected = found[part].astype(np.float64)
        if some.shape != shape:
            return shape
        errors = relative_errors(some.ravel(), expected, zeros[part])
        if (errors[np.isfinite(expected)] > precise(z.dtype)).any():
            return shape
    return None
