"""The formulas of a likelihood, each at many logits, against the best there is to compare with."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.checks import differences, executions, kinks
from lowlevel.checks.differences import Estimate
from lowlevel.checks.exact import QUANTITIES, exact_arrays
from lowlevel.checks.labels import far_labels, is_binary, is_soft, labels_of, nearest_label
from lowlevel.checks.means import means_by_slope
from lowlevel.checks.rows import WRONG, Row, what_is_wrong, where_wrong, worst_logit
from lowlevel.checks.values import precise, values
from lowlevel.likelihoods import Likelihood, derivative_in_z

# From where all is easy to where naive formulas, float32 and float64 give up.
_SIZES = (0.001, 0.1, 0.5, 1, 2, 3, 5, 8, 10, 12, 15, 17, 20, 25, 30, 37, 50, 80, 88, 100, 300, 700)
LOGITS = (*(-size for size in reversed(_SIZES)), 0.0, *map(float, _SIZES))

# How far away, as a share of a logit, a formula is looked at to see whether it crosses zero.
_NEARBY = 2.0**-6
# Differences whose error may be a larger share than that tell nothing.
_TELLING = 1e-5


class Truth(NamedTuple):
    """What numbers should be.

    Attributes:
        expected: the best there is, `[n]`; NaN where nothing tells.
        tolerance: the largest relative error, `[n]`.
        terms: the sizes of what they are sums of, `[n]`, where those may cancel; else 0.
    """

    expected: np.ndarray
    tolerance: np.ndarray
    terms: np.ndarray

    def errors(self, found: np.ndarray) -> np.ndarray:
        """Returns relative errors, `[n]`."""
        return relative_errors(found, self.expected, self.terms)


def formula_rows(likelihood: Likelihood, dtype: str, jit_compile: bool) -> list[Row]:
    """Checks the four formulas of a likelihood, for each label that says something."""
    exact = exact_arrays(likelihood, logits(dtype))
    nothing = np.full(len(LOGITS), np.nan)
    labels = [*labels_of(likelihood), *far_labels(likelihood)]
    checked = [(quantity, label) for quantity in QUANTITIES for label in labels]
    rows = [
        formula_row(likelihood, *which, exact.get(which, nothing), dtype, jit_compile)
        for which in checked
    ]
    mean = exact["mean", None]
    # A wrong slope says nothing of the mean.
    if not is_binary(likelihood) and all(row.right for row in rows if row.subject == "slope"):
        mean = means_by_slope(likelihood, logits(dtype))
    rows.append(formula_row(likelihood, "mean", None, mean, dtype, jit_compile))
    # Probabilities of two labels alone are what exp(-nll) is.
    return [*rows, _sum_row(likelihood, logits(dtype))] if is_binary(likelihood) else rows


def logits(dtype: str) -> np.ndarray:
    """Returns the logits at which formulas are checked, `[n]`."""
    return np.array(LOGITS, dtype)


def formula_row(
    likelihood: Likelihood,
    quantity: str,
    label: float | None,
    exact: np.ndarray,
    dtype: str,
    jit_compile: bool,
) -> Row:
    """Checks one formula for one label: eager and, where that is right, compiled.

    Args:
        likelihood: whose formula it is.
        quantity: "nll", "slope", "curvature" or "mean".
        label: None for the mean.
        exact: what the formula should give at `logits(dtype)`, `[n]`, NaN where nothing tells.
        dtype: of logits and labels.
        jit_compile: whether XLA compiles it.
    """
    z = logits(dtype)
    told, at_kink = _by_differences(likelihood, quantity, z, label)
    truth = _truth(likelihood, quantity, z, label, exact, told)
    found, where = _executed(getattr(likelihood, quantity), z, label, truth, jit_compile)
    errors = truth.errors(found)
    by_autodiff = _autodiff_errors(likelihood, quantity, z, label, found, truth.terms)
    right = not (errors > truth.tolerance).any()
    if right:
        verdict = "right" + _reservation(likelihood, quantity, exact, z, by_autodiff, at_kink)
    else:
        verdict = where + in_words(z, found, truth) + advice(likelihood, quantity, errors)
    return Row(
        subject=quantity,
        label=label,
        autodiff=_most(by_autodiff, by_autodiff),
        differences=_most(relative_errors(found, told.value, truth.terms), told.value),
        best=_most(errors, truth.expected),
        logit=worst_logit(z, errors),
        verdict=verdict,
        right=right,
    )


def _sum_row(likelihood: Likelihood, z: np.ndarray) -> Row:
    """Checks that the losses of the two labels are those of probabilities that sum to 1."""
    one, zero = (values(likelihood.nll, z, label).astype(np.float64) for label in (1.0, 0.0))
    with np.errstate(over="ignore"):
        found = (np.exp(-one) + np.exp(-zero)).astype(z.dtype)
    truth = Truth(np.ones(len(z)), np.full(len(z), precise(z.dtype)), np.zeros(len(z)))
    errors = truth.errors(found)
    right = not (errors > truth.tolerance).any()
    verdict = "right" if right else in_words(z, found, truth)
    best, logit = float(errors.max()), worst_logit(z, errors)
    return Row("sum of exp(-nll)", None, None, None, best, logit, verdict, right=right)


def _executed(
    formula: Callable[..., tf.Tensor],
    z: np.ndarray,
    label: float | None,
    truth: Truth,
    jit_compile: bool,
) -> tuple[np.ndarray, str]:
    """Returns a formula's values, eager if those are wrong, else compiled; and which they are."""
    found = values(formula, z, label)
    if (truth.errors(found) > truth.tolerance).any():
        return found, ""
    compiled = executions.compiled(formula, jit_compile)
    return values(compiled, z, label), f"{executions.COMPILED[jit_compile]}, "


def _truth(
    likelihood: Likelihood,
    quantity: str,
    z: np.ndarray,
    label: float | None,
    exact: np.ndarray,
    told: Estimate,
) -> Truth:
    """Returns the best there is: exact values, else differences, else what `_by_others` gives."""
    precision = precise(z.dtype)
    # A soft label's own differences may cancel; those of the hard ones have been looked at.
    unknown = np.isnan(told.value) | is_soft(label, likelihood)
    used = np.isnan(exact) & ~unknown
    other = np.where(unknown, _by_others(likelihood, quantity, z, label), told.value)
    expected = np.where(np.isnan(exact), other, exact)
    with np.errstate(all="ignore"):
        doubt = np.nan_to_num(told.error / np.abs(told.value), nan=0.0, posinf=0.0)
    tolerance = np.where(used, np.maximum(doubt, precision), precision)
    terms = size_of_terms(likelihood, quantity, label, z.astype(np.float64))
    return Truth(expected, tolerance, terms)


def _by_others(
    likelihood: Likelihood, quantity: str, z: np.ndarray, label: float | None
) -> np.ndarray:
    """Returns a formula's values in float64 as far as other formulas, or a wider dtype, tell them.

    The mean of a binary label follows from the loss, and what a soft label gives from both hard
    ones. NaN where nothing tells: of itself, a formula in float64 shows nothing.
    """
    wide = z.astype(np.float64)
    if quantity == "mean" and is_binary(likelihood):
        return np.exp(-values(likelihood.nll, wide, 1.0))
    formula = getattr(likelihood, quantity)
    if is_soft(label, likelihood):
        with np.errstate(invalid="ignore"):
            return label * values(formula, wide, 1.0) + (1 - label) * values(formula, wide, 0.0)
    return values(formula, wide, label) if z.dtype == np.float32 else np.full_like(wide, np.nan)


def size_of_terms(
    likelihood: Likelihood, quantity: str, label: float | np.ndarray | None, z: np.ndarray
) -> np.ndarray:
    """Returns the sizes of the terms that values are the sum of, where those cancel; else 0.

    No sum is more precise than its terms. Those of a soft label's are the weighted values of both
    hard ones, and those of a label within a range of two ends likewise. Of one without, exp(z) - y
    say, one term is the value for the label nearest to 0. Where a formula crosses zero its terms
    are at least as large as it is nearby.
    """
    formula = getattr(likelihood, quantity)
    around = [values(formula, z * share, label) for share in (1 - _NEARBY, 1 + _NEARBY)]
    with np.errstate(invalid="ignore", over="ignore"):
        crossing = np.where(around[0] * around[1] < 0, np.maximum(*np.abs(around)), 0.0)
        if label is None:
            return crossing
        y, (low, high) = np.asarray(label), likelihood.label_range
        if np.isfinite(high - low):
            lowest, highest = (np.abs(values(formula, z, end)) for end in (low, high))
            terms = ((high - y) * lowest + (y - low) * highest) / (high - low)
        else:
            terms = np.abs(values(formula, z, nearest_label(likelihood, 0.0)))
    within = (y > low) & (y < high)
    return np.maximum(np.where(within, np.nan_to_num(terms, posinf=0.0), 0.0), crossing)


def relative_errors(found: np.ndarray, expected: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Returns relative errors: infinite for NaN and infinity, 0 where nothing tells.

    What is too small for a normal number of the dtype may be anything as small, and what is too
    large anything at all. Relative to the expected value, or to `terms` where those are larger.
    """
    limits = np.finfo(found.dtype)
    with np.errstate(all="ignore"):
        size = np.abs(expected)
        whole = np.maximum(np.maximum(size, terms), float(limits.tiny))
        errors = np.abs(found - expected) / whole
    errors[(size < limits.tiny) & (np.abs(found) <= limits.tiny)] = 0
    errors[~np.isfinite(found)] = np.inf
    errors[size > limits.max] = 0
    return np.where(np.isnan(errors), 0, errors)


def _most(errors: np.ndarray, expected: np.ndarray) -> float | None:
    """Returns the largest error where something was expected; None where nothing was."""
    told = ~np.isnan(expected)
    return float(errors[told].max()) if told.any() else None


def _by_differences(
    likelihood: Likelihood, quantity: str, z: np.ndarray, label: float | None
) -> tuple[Estimate, np.ndarray]:
    """Returns a derivative of `nll` by differences, and its error, `[n]`; NaN where they fail.

    And where it is not the only one, since there is a kink, `[n]`.
    """
    nothing = np.full(len(z), np.nan)
    if quantity not in ("slope", "curvature"):
        return Estimate(nothing, nothing), np.full(len(z), False)

    def loss(x: np.ndarray) -> np.ndarray:
        return values(likelihood.nll, x, label)

    wide, order = z.astype(np.float64), 1 if quantity == "slope" else 2
    told = differences.elementwise(loss, wide, order)
    fails = ~(told.error <= _TELLING * np.abs(told.value))
    told = Estimate(*(np.where(fails, np.nan, part) for part in told))
    found = values(getattr(likelihood, quantity), z, label).astype(np.float64)
    allowed = precise(z.dtype) * np.abs(told.value)
    return kinks.settled(told, found, allowed, loss, wide, order)


def _autodiff_errors(
    likelihood: Likelihood,
    quantity: str,
    z: np.ndarray,
    label: float | None,
    found: np.ndarray,
    terms: np.ndarray,
) -> np.ndarray:
    """Returns how far a formula is from TensorFlow's own derivative of the plain `nll`, `[n]`.

    Infinite where only that is NaN or infinite; NaN for a quantity that is no derivative.
    """
    if quantity not in ("slope", "curvature"):
        return np.full_like(z, np.nan)
    slope = functools.partial(derivative_in_z, likelihood.nll)
    derivative = {"slope": slope, "curvature": functools.partial(derivative_in_z, slope)}[quantity]
    autodiff = values(derivative, z, label)
    usable = np.isfinite(autodiff) | (found == autodiff)
    return np.where(usable, relative_errors(found, autodiff, terms), np.inf)


def in_words(z: np.ndarray, found: np.ndarray, truth: Truth) -> str:
    """Returns in words what is wrong with numbers that are."""
    errors = truth.errors(found)
    wrong = errors > WRONG
    if not wrong.any():
        beyond = np.where(errors > truth.tolerance, errors, 0)
        return f"imprecise: {beyond.max():.0e} at z = {worst_logit(z, beyond):.4g}"
    limits, size = np.finfo(found.dtype), np.abs(truth.expected)
    place = where_wrong(z, wrong, ~((size < limits.tiny) | (size > limits.max)))
    order = np.argsort(np.abs(z[wrong]), kind="stable")
    return f"wrong {place}: {what_is_wrong(found[wrong][order], truth.expected[wrong][order])}"


def advice(likelihood: Likelihood, quantity: str, errors: np.ndarray) -> str:
    """Returns what to do about a formula that is not right."""
    if getattr(type(likelihood), quantity) is getattr(Likelihood, quantity):
        return f"; write `{quantity}`"
    return "" if (errors > WRONG).any() else "; try `in_float64`"


def _reservation(
    likelihood: Likelihood,
    quantity: str,
    exact: np.ndarray,
    z: np.ndarray,
    by_autodiff: np.ndarray,
    at_kink: np.ndarray,
) -> str:
    """Returns what is to be added of a formula that is right."""
    if at_kink.any():
        return f"; undecided {where_wrong(z, at_kink, np.full_like(at_kink, True))}, at a kink"
    off = by_autodiff > WRONG
    if off.any():
        return f"; autodiff is not, {where_wrong(z, off, np.full_like(off, True))}"
    if not np.isnan(exact).all():
        return ""
    if quantity == "mean" and not is_binary(likelihood):
        return "; undecided whether it is the label's: the slope does not tell"
    missing = "exact_probabilities" if is_binary(likelihood) else "exact values"
    return f"; no {missing} to make sure"
