"""Values: exact to an ulp or two at every logit and for soft labels, and never NaN.

Logits are sampled; with `-m full` the sample is thirty times as large, and
benchmarks/exhaustive.py leaves out none.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import mpmath
import numpy as np
import pytest
import tensorflow as tf

from lowlevel.checks.exact import exact_values
from tests import reference
from tests.likelihoods.cases import (
    EXECUTIONS,
    MEMBERS,
    every_binary_likelihood,
    every_exact_likelihood,
    every_execution,
    every_rapid_likelihood,
)
from tests.reference import QUANTITIES

LABELLED = QUANTITIES[:3]  # The mean has no label.
FLOAT32_ULP = {"logit": 1.0}  # All others: 2.
FLOAT64_ULP = 16.0
CHUNK = 1 << 14  # Of one size, so that XLA compiles a formula once a dtype.


class Density(NamedTuple):
    """How many logits are in a sample.

    Attributes:
        stride: every how many bit patterns of float32 one is taken.
        binade: how many are in each binade of float64.
        narrow: how many more are in each range where float32 is hard.
        wide: likewise for float64.
    """

    stride: int
    binade: int
    narrow: int
    wide: int


SAMPLE = Density(stride=32_749, binade=2, narrow=5_000, wide=1_500)
FULL = Density(stride=1_021, binade=12, narrow=60_000, wide=9_000)

every_density = pytest.mark.parametrize(
    "density",
    [pytest.param(SAMPLE, id="sample"), pytest.param(FULL, id="full", marks=pytest.mark.full)],
)
every_quantity = pytest.mark.parametrize("quantity", QUANTITIES)


@functools.cache
def float32_sample(density: Density) -> np.ndarray:
    """Bit patterns at equal distances, so as many in each binade, and more near the middle."""
    patterns = np.arange(0, 1 << 32, density.stride, dtype=np.uint32).view(np.float32)
    random = np.random.default_rng(0)
    ranges = ((-1, 1), (-20, 20), (-110, 110), (3, 7))
    dense = [random.uniform(*ends, density.narrow) for ends in ranges]
    ends = [0.0, np.finfo(np.float32).max, np.finfo(np.float32).tiny]
    sample = np.concatenate([patterns[np.isfinite(patterns)], *dense, ends, np.negative(ends)])
    return sample.astype(np.float32)


@functools.cache
def float64_sample(density: Density) -> np.ndarray:
    """As many logits in each binade of each sign, and more where it is hard."""
    random = np.random.default_rng(1)
    exponents = np.repeat(np.arange(-1022, 1024), density.binade)
    binades = 2.0**exponents * random.uniform(1, 2, len(exponents))
    ranges = ((-1, 1), (-10, 10), (6, 6.6), (-750, 750), (37, 38.6), (-38.6, -37), (2, 6))
    dense = [random.uniform(*ends, density.wide) for ends in ranges]
    limits = np.finfo(np.float64)
    return np.concatenate([binades, -binades, *dense, [0.0, limits.max, limits.min]])


def evaluate(name: str, execution: str, quantity: str, z: np.ndarray, y: float) -> np.ndarray:
    """One quantity of every logit, a chunk at a time."""
    function = compiled(name, execution, quantity)
    padded = np.pad(z, (0, -len(z) % CHUNK))
    label = tf.constant(np.full(CHUNK, y, z.dtype))
    found = []
    for piece in np.split(padded, range(CHUNK, len(padded), CHUNK)):
        arguments = (tf.constant(piece),) if quantity == "mean" else (tf.constant(piece), label)
        found.append(function(*arguments).numpy())
    return np.concatenate(found)[: len(z)]


@functools.cache
def compiled(name: str, execution: str, quantity: str) -> Callable:
    """A quantity's formula, ready to run."""
    return EXECUTIONS[execution](getattr(MEMBERS[name], quantity))


@functools.cache
def rapid(name: str, density: Density, dtype: type, y: int) -> reference.Values:
    """The reference for the sample of the narrower dtype, found in the wider."""
    sample = {np.float64: float32_sample, np.longdouble: float64_sample}[dtype](density)
    return reference.rapid(name, sample.astype(dtype), y)


@functools.cache
def exact(name: str, logits: tuple[float, ...], y: int) -> list[list[mpmath.mpf]]:
    """For each quantity, its exact values."""
    return list(zip(*(exact_values(MEMBERS[name], z)[y] for z in logits), strict=True))


def ulp_from_exact(
    results: np.ndarray, truths: list[mpmath.mpf], dtype: type | None = None
) -> np.ndarray:
    """Errors in ulp of `dtype`, that of the results unless given, where the truth is normal."""
    limits = np.finfo(dtype or results.dtype)
    errors = np.zeros(len(results))
    with mpmath.workprec(100):
        for i, (result, truth) in enumerate(zip(results, truths, strict=True)):
            if limits.tiny <= abs(truth) <= float(limits.max):
                high = float(result)
                value = mpmath.mpf(high) + float(result - result.dtype.type(high))
                unit = np.spacing(limits.dtype.type(abs(float(truth))))
                errors[i] = abs(value - truth) / float(unit)
    return errors


def soft_errors(results: np.ndarray, zero: np.ndarray, one: np.ndarray, y: float) -> np.ndarray:
    """Errors for a label y in ulp of the sizes, added, of its parts of the values of 0 and 1.

    Where those are not normal numbers anything goes but NaN.

    Args:
        results: what was found for y, float32 or float64.
        zero: what is exact for 0, of a wider dtype.
        one: what is exact for 1.
        y: the label.
    """
    limits, share = np.finfo(results.dtype), one.dtype.type(y)
    with np.errstate(all="ignore"):
        of_zero, of_one = (1 - share) * zero, share * one if y else 0 * share
        size = np.abs(of_zero) + np.abs(of_one)
        unit = np.spacing(size.astype(results.dtype))
        errors = (np.abs(results - (of_zero + of_one)) / unit).astype(np.float64)
    errors[(size < limits.tiny) | (size > float(limits.max))] = 0
    errors[np.isnan(results)] = np.inf
    return errors


def worst_error(errors: np.ndarray, z: np.ndarray) -> tuple[float, float]:
    """The largest error, for the assertion, and where, for whoever reads its failure."""
    return errors.max(), z[errors.argmax()]


@every_density
@every_quantity
@every_execution
@every_rapid_likelihood
def test_float32_results_are_exact_to_an_ulp_or_two(
    name: str, execution: str, quantity: str, density: Density
) -> None:
    z = float32_sample(density)
    for y in (1,) if quantity == "mean" else (0, 1):
        expected = getattr(rapid(name, density, np.float64, y), quantity)
        errors = reference.ulp_errors(evaluate(name, execution, quantity, z, y), expected)
        assert worst_error(errors, z) <= (FLOAT32_ULP.get(name, 2.0), np.inf), f"y = {y}"


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is but a double here")
@every_density
@every_quantity
@every_execution
@every_rapid_likelihood
def test_float64_results_are_exact_to_16_ulp(
    name: str, execution: str, quantity: str, density: Density
) -> None:
    z = float64_sample(density)
    for y in (1,) if quantity == "mean" else (0, 1):
        expected = getattr(rapid(name, density, np.longdouble, y), quantity)
        errors = reference.ulp_errors(evaluate(name, execution, quantity, z, y), expected)
        assert worst_error(errors, z) <= (FLOAT64_ULP, np.inf), f"y = {y}"


@every_execution
@every_exact_likelihood
def test_results_are_those_of_the_exact_probabilities(name: str, execution: str) -> None:
    random = np.random.default_rng(2)
    z = np.concatenate(
        [random.uniform(-8, 8, 60), random.uniform(-36, 6.5, 40), [0.0, 1e-9, -300, 300]]
    )
    for dtype, bound in ((np.float32, FLOAT32_ULP.get(name, 2.0)), (np.float64, FLOAT64_ULP)):
        logits = z.astype(dtype)
        for y in (0, 1):
            truths = exact(name, tuple(logits.tolist()), y)
            for quantity, truth in zip(QUANTITIES, truths, strict=True):
                errors = ulp_from_exact(evaluate(name, execution, quantity, logits, y), truth)
                assert worst_error(errors, logits) <= (bound, np.inf), f"{quantity}, y = {y}"


@every_rapid_likelihood
def test_the_rapid_references_agree_with_the_exact_one(name: str) -> None:
    random = np.random.default_rng(3)
    z = np.concatenate([random.uniform(-8, 8, 60), random.uniform(-700, 7, 60), [-1e-9, 1e-3]])
    for y in (0, 1):
        for narrow, wide in ((np.float32, np.float64), (np.float64, np.longdouble)):
            logits = z.astype(narrow)
            truths = exact(name, tuple(logits.tolist()), y)
            results = reference.rapid(name, logits.astype(wide), y)
            for result, truth in zip(results, truths, strict=True):
                errors = ulp_from_exact(result, truth, narrow)
                assert worst_error(errors, logits) <= (0.25, np.inf)


@every_execution
@every_rapid_likelihood
def test_soft_labels_are_as_accurate_as_hard_ones(name: str, execution: str) -> None:
    z = float32_sample(SAMPLE)
    for quantity in LABELLED:
        zero, one = (getattr(rapid(name, SAMPLE, np.float64, y), quantity) for y in (0, 1))
        for y in (2.0**-40, 0.25, 0.5, 1 - 2.0**-20):
            errors = soft_errors(evaluate(name, execution, quantity, z, y), zero, one, y)
            assert worst_error(errors, z) <= (1.0, np.inf), f"{quantity}, y = {y}"


@every_execution
@every_exact_likelihood
def test_soft_labels_have_their_parts_of_the_exact_values(name: str, execution: str) -> None:
    z = np.random.default_rng(4).uniform(-30, 6.5, 60)
    zeros, ones = (exact(name, tuple(z.tolist()), y) for y in (0, 1))
    for quantity, zero, one in zip(LABELLED, zeros, ones, strict=False):
        for y in (2.0**-40, 0.25, 0.7):
            results = evaluate(name, execution, quantity, z, y)
            with mpmath.workprec(100):
                parts = [
                    ((1 - mpmath.mpf(y)) * of_zero, mpmath.mpf(y) * of_one)
                    for of_zero, of_one in zip(zero, one, strict=True)
                ]
                units = np.spacing([float(abs(first) + abs(second)) for first, second in parts])
                errors = [
                    float(abs(float(result) - first - second) / unit)
                    for result, (first, second), unit in zip(results, parts, units, strict=True)
                ]
            assert worst_error(np.array(errors), z) <= (FLOAT64_ULP, np.inf), f"{quantity}, y = {y}"


@every_execution
@every_rapid_likelihood
def test_a_subnormal_label_counts_as_it_is_or_as_0(name: str, execution: str) -> None:
    for z, wide, y, bound in (
        (float32_sample(SAMPLE), np.float64, 1e-45, FLOAT32_ULP.get(name, 2.0)),
        (float64_sample(SAMPLE), np.longdouble, 5e-324, FLOAT64_ULP),
    ):
        for quantity in LABELLED:
            zero, one = (getattr(rapid(name, SAMPLE, wide, label), quantity) for label in (0, 1))
            results = evaluate(name, execution, quantity, z, y)
            errors = [soft_errors(results, zero, one, z.dtype.type(taken)) for taken in (y, 0.0)]
            assert worst_error(np.minimum(*errors), z) <= (bound, np.inf), f"{quantity}, {z.dtype}"


@every_execution
@every_binary_likelihood
def test_no_finite_logit_gives_a_nan(name: str, execution: str) -> None:
    for z in (float32_sample(SAMPLE), float64_sample(SAMPLE)):
        for quantity in QUANTITIES:
            for y in (0.0, 0.25, 1.0):
                assert not np.isnan(evaluate(name, execution, quantity, z, y)).any()
