"""The formulas of a likelihood, each at many logits, against the best there is to compare with."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.checks import differences, executions
from lowlevel.checks.exact import QUANTITIES, exact_arrays
from lowlevel.checks.labels import is_binary, is_soft, labels_of
from lowlevel.checks.verdicts import WRONG, Row, what_is_wrong, where_wrong, worst_logit
from lowlevel.errors import in_one_line
from lowlevel.likelihoods import Likelihood, derivative_in_z

# From where all is easy to where naive formulas, float32 and float64 give up.
_SIZES = (0.001, 0.1, 0.5, 1, 2, 3, 5, 8, 10, 12, 15, 17, 20, 25, 30, 37, 50, 80, 88, 100, 300, 700)
LOGITS = (*(-size for size in reversed(_SIZES)), 0.0, *map(float, _SIZES))

# How far differences in float64 may be off, as a share; smaller derivatives are lost in rounding.
DIFFERENCES_ERROR = 1e-5
_SMALLEST_DIFFERENCE = 1e-6


class _Truth(NamedTuple):
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
        return _errors(found, self.expected, self.terms)


def formula_rows(likelihood: Likelihood, dtype: str, jit_compile: bool) -> list[Row]:
    """Checks the four formulas of a likelihood, for each label that says something."""
    exact = exact_arrays(likelihood, logits(dtype))
    checked = [(quantity, label) for quantity in QUANTITIES for label in labels_of(likelihood)]
    rows = [
        formula_row(likelihood, quantity, label, exact[quantity, label], dtype, jit_compile)
        for quantity, label in [*checked, ("mean", None)]
    ]
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
    by_differences = _by_differences(likelihood, quantity, z.astype(np.float64), label)
    truth = _truth(likelihood, quantity, z, label, exact, by_differences)
    found, where = _executed(getattr(likelihood, quantity), z, label, truth, jit_compile)
    errors = truth.errors(found)
    by_autodiff = _autodiff_errors(likelihood, quantity, z, label, found, truth.terms)
    right = not (errors > truth.tolerance).any()
    if right:
        verdict = "right" + _reservation(likelihood, exact, z, by_autodiff)
    else:
        verdict = where + _verdict(z, found, truth) + _advice(likelihood, quantity, errors)
    return Row(
        subject=quantity,
        label=label,
        autodiff=_most(by_autodiff, by_autodiff),
        differences=_most(_errors(found, by_differences, truth.terms), by_differences),
        best=_most(errors, truth.expected),
        logit=worst_logit(z, errors),
        verdict=verdict,
        right=right,
    )


def _sum_row(likelihood: Likelihood, z: np.ndarray) -> Row:
    """Checks that the losses of the two labels are those of probabilities that sum to 1."""
    one, zero = (_values(likelihood.nll, z, label).astype(np.float64) for label in (1.0, 0.0))
    with np.errstate(over="ignore"):
        found = (np.exp(-one) + np.exp(-zero)).astype(z.dtype)
    truth = _Truth(np.ones(len(z)), np.full(len(z), _precise(z.dtype)), np.zeros(len(z)))
    errors = truth.errors(found)
    right = not (errors > truth.tolerance).any()
    verdict = "right" if right else _verdict(z, found, truth)
    best, logit = float(errors.max()), worst_logit(z, errors)
    return Row("sum of exp(-nll)", None, None, None, best, logit, verdict, right=right)


def _values(formula: Callable[..., tf.Tensor], z: np.ndarray, label: float | None) -> np.ndarray:
    """Returns a formula's values at logits, `[n]`; raises ValueError if it raises."""
    labels = [] if label is None else [tf.fill(z.shape, tf.constant(label, z.dtype))]
    try:
        return formula(tf.constant(z), *labels).numpy()
    except Exception as error:
        name = getattr(formula, "__name__", "a derivative")
        raise ValueError(f"{name} fails: {in_one_line(error)}") from error


def _executed(
    formula: Callable[..., tf.Tensor],
    z: np.ndarray,
    label: float | None,
    truth: _Truth,
    jit_compile: bool,
) -> tuple[np.ndarray, str]:
    """Returns a formula's values, eager if those are wrong, else compiled; and which they are."""
    found = _values(formula, z, label)
    if (truth.errors(found) > truth.tolerance).any():
        return found, ""
    compiled = executions.compiled(formula, jit_compile)
    return _values(compiled, z, label), f"{executions.COMPILED[jit_compile]}, "


def _truth(
    likelihood: Likelihood,
    quantity: str,
    z: np.ndarray,
    label: float | None,
    exact: np.ndarray,
    by_differences: np.ndarray,
) -> _Truth:
    """Returns the best there is: exact values, else differences, else what `_by_others` gives."""
    precise = _precise(z.dtype)
    # A soft label's own differences may cancel; those of the hard ones have been looked at.
    unknown = np.isnan(by_differences) | is_soft(label, likelihood)
    used = np.isnan(exact) & ~unknown
    other = np.where(unknown, _by_others(likelihood, quantity, z, label), by_differences)
    expected = np.where(np.isnan(exact), other, exact)
    tolerance = np.where(used, max(DIFFERENCES_ERROR, precise), precise)
    terms = _size_of_terms(likelihood, quantity, label, z.astype(np.float64))
    return _Truth(expected, tolerance, terms)


def _precise(dtype: np.dtype) -> float:
    """Returns seven bits of rounding: what is worse than that was lost, not rounded away."""
    return float(2**7 * np.finfo(dtype).eps)


def _by_others(
    likelihood: Likelihood, quantity: str, z: np.ndarray, label: float | None
) -> np.ndarray:
    """Returns a formula's values in float64 as far as other formulas, or a wider dtype, tell them.

    The mean of a binary label follows from the loss, and what a soft label gives from both hard
    ones. NaN where nothing tells: of itself, a formula in float64 shows nothing.
    """
    wide = z.astype(np.float64)
    if quantity == "mean" and is_binary(likelihood):
        return np.exp(-_values(likelihood.nll, wide, 1.0))
    formula = getattr(likelihood, quantity)
    if is_soft(label, likelihood):
        with np.errstate(invalid="ignore"):
            return label * _values(formula, wide, 1.0) + (1 - label) * _values(formula, wide, 0.0)
    return _values(formula, wide, label) if z.dtype == np.float32 else np.full_like(wide, np.nan)


def _size_of_terms(
    likelihood: Likelihood, quantity: str, label: float | None, z: np.ndarray
) -> np.ndarray:
    """Returns the sizes of the two terms that a soft label's value is the sum of, added; else 0.

    They may cancel, and no sum is more precise than its terms.
    """
    if not is_soft(label, likelihood):
        return np.zeros_like(z)
    formula = getattr(likelihood, quantity)
    one, zero = (np.abs(_values(formula, z, hard)) for hard in (1.0, 0.0))
    return np.nan_to_num(label * one + (1 - label) * zero, posinf=0.0)


def _errors(found: np.ndarray, expected: np.ndarray, terms: np.ndarray) -> np.ndarray:
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
) -> np.ndarray:
    """Returns a derivative of `nll` by five-point differences, `[n]`; NaN where they fail.

    They do where two steps do not give the same: the derivative is lost in the loss's rounding.
    """
    if quantity not in ("slope", "curvature"):
        return np.full_like(z, np.nan)
    near, far = (_five_points(likelihood, quantity, z, label, scale) for scale in (1, 2))
    with np.errstate(invalid="ignore"):
        same = np.abs(near - far) <= DIFFERENCES_ERROR * np.abs(near)
    return np.where(same & (np.abs(near) > _SMALLEST_DIFFERENCE), near, np.nan)


def _five_points(
    likelihood: Likelihood, quantity: str, z: np.ndarray, label: float | None, scale: int
) -> np.ndarray:
    """Returns the first or second derivative of `nll` by differences at a scale of the step."""
    slope = quantity == "slope"
    step = (differences.slope_step(z.dtype) if slope else differences.CURVATURE_STEP) * scale
    far, near, here, other, other_far = (
        _values(likelihood.nll, z + k * step, label) for k in (2, 1, 0, -1, -2)
    )
    with np.errstate(all="ignore"):
        if slope:
            return differences.five_point_slope(far, near, other, other_far, step)
        return differences.five_point_curvature(far, near, here, other, other_far, step)


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
    autodiff = _values(derivative, z, label)
    usable = np.isfinite(autodiff) | (found == autodiff)
    return np.where(usable, _errors(found, autodiff, terms), np.inf)


def _verdict(z: np.ndarray, found: np.ndarray, truth: _Truth) -> str:
    """Returns in words what is wrong with numbers that are."""
    errors = truth.errors(found)
    wrong = errors > WRONG
    if not wrong.any():
        beyond = np.where(errors > truth.tolerance, errors, 0)
        return f"imprecise: {beyond.max():.0e} at z = {worst_logit(z, beyond):g}"
    limits, size = np.finfo(found.dtype), np.abs(truth.expected)
    place = where_wrong(z, wrong, ~((size < limits.tiny) | (size > limits.max)))
    order = np.argsort(np.abs(z[wrong]), kind="stable")
    return f"wrong {place}: {what_is_wrong(found[wrong][order], truth.expected[wrong][order])}"


def _advice(likelihood: Likelihood, quantity: str, errors: np.ndarray) -> str:
    """Returns what to do about a formula that is not right."""
    if getattr(type(likelihood), quantity) is getattr(Likelihood, quantity):
        return f"; write `{quantity}`"
    return "" if (errors > WRONG).any() else "; try `in_float64`"


def _reservation(
    likelihood: Likelihood, exact: np.ndarray, z: np.ndarray, by_autodiff: np.ndarray
) -> str:
    """Returns what is to be added of a formula that is right."""
    off = by_autodiff > WRONG
    if off.any():
        return f"; autodiff is not, {where_wrong(z, off, np.full_like(off, True))}"
    if not np.isnan(exact).all():
        return ""
    missing = "exact_probabilities" if is_binary(likelihood) else "exact values"
    return f"; no {missing} to make sure"
