"""The check of an objective in NumPy, gradient and Hessian of each row, as boosted trees want it.

XGBoost, LightGBM and YDF take such functions. What is wrong with one shows as a model that does not
learn, or learns slowly, and never as an error.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from lowlevel.checks import causes, differences, kinks
from lowlevel.checks.differences import Estimate
from lowlevel.checks.verdicts import (
    FACTOR,
    NOT_FINITE,
    SWAPPED,
    UNDECIDED,
    WRONG_SHAPE,
    WRONG_SIGN,
    WRONG_VALUE,
    ZERO,
    Finding,
    index_at,
)
from lowlevel.errors import in_one_line

Objective = Callable[[np.ndarray], tuple[Any, Any]]

GRADIENT, HESSIAN = "gradient", "Hessian"
# Relative errors that pass: libraries take float32, and many objectives return it.
_TOLERANCES = {4: 1e-5, 8: 1e-8}
# As many units of rounding as sums may be off by, of their terms: p - y, p (1 - p).
_ULPS = 8.0
# Where terms are looked at, as shares of a prediction: where it has not cancelled them yet.
_NEARER = (0.0, 0.5)
# A number that takes the place of all that are smaller is a floor if it is below this share of the
# largest, and is there more than once.
_FLOOR = 1e-6


class Derivative:
    """Each row's derivative in its own predictions, of a value a row or an output.

    Attributes:
        told: by differences, and the error of those, each like the predictions.
    """

    def __init__(
        self, function: Callable[[np.ndarray], np.ndarray], z: np.ndarray, order: int = 1
    ) -> None:
        """Takes the differences of an order at predictions."""
        self._function, self._z, self._order = function, z, order
        parts = self._by_column(differences.elementwise)
        self.told = Estimate(*parts)

    def sides(self) -> kinks.Sides:
        """Returns where it has two sides, each like the predictions."""
        return kinks.Sides(*self._by_column(kinks.sides))

    def _by_column(self, measure: Callable[..., tuple[np.ndarray, ...]]) -> list[np.ndarray]:
        """Returns what a measure of an elementwise function gives for each output."""
        if self._z.ndim == 1:
            return list(measure(self._function, self._z, self._order))
        columns = [
            measure(functools.partial(self._of_column, output), self._z[:, output], self._order)
            for output in range(self._z.shape[1])
        ]
        return [np.stack(part, axis=1) for part in zip(*columns, strict=True)]

    def _of_column(self, output: int, x: np.ndarray) -> np.ndarray:
        """Returns the values where one output's predictions are moved, `[rows]`."""
        moved = self._z.copy()
        moved[:, output] = x
        value = self._function(moved)
        return value if value.ndim == 1 else value[:, output]


def check_objective(
    objective: Objective,
    loss: Callable[[np.ndarray], np.ndarray],
    predictions: np.ndarray,
    *,
    order: int = 2,
    tolerance: float | None = None,
) -> list[Finding]:
    """Returns what is wrong with an objective's gradient and Hessian; none if all is well.

    Both are held against differences of the loss of each row (Ridders, 1982), the Hessian against
    those of the gradient where that is right.

    Args:
        objective: from raw predictions to (gradient, Hessian), arrays like the predictions; for
            several outputs a row the Hessian's diagonal. One that takes the data as well goes in
            as `lambda z: objective(z, data)`.
        loss: from raw predictions to each row's loss, `[rows]`, times its weight if the objective
            has it: a sum and no mean, since that is what trees are grown on.
        predictions: raw ones, `[rows]` or `[rows, outputs]`, of many sizes and either sign.
        order: 1 to leave the Hessian out, where it is meant to be another, the expected one say.
        tolerance: relative error that passes; None for 1e-8, or 1e-5 for float32.

    Raises:
        ValueError: a function raises, or returns something else.
    """
    z = np.asarray(predictions, np.float64)
    if z.ndim not in (1, 2) or not z.size or not np.isfinite(z).all():
        raise ValueError(
            f"predictions: expected finite numbers [rows] or [rows, outputs], got {list(z.shape)}"
        )
    gradient, hessian = _pair(objective, z)
    found = {GRADIENT: gradient, HESSIAN: hessian} if order == 2 else {GRADIENT: gradient}
    shaped = [
        _wrong_shape(name, array, z) for name, array in found.items() if array.shape != z.shape
    ]
    if shaped:
        return shaped
    terms = _terms(objective, z)
    # The loss may be what it is at 0, less the way from there to z at the largest slope.
    way = (np.abs(z) * terms[0]).reshape(len(z), -1).sum(axis=1)
    start = np.nan_to_num(np.abs(_losses(loss, 0 * z)), posinf=0.0)
    losses = _apart(functools.partial(_losses, loss), z, start + way)
    slope = Derivative(losses, z)
    findings = _compared(GRADIENT, gradient, slope, terms[0], tolerance)
    if order == 1:
        return findings
    wrong = any(finding.is_fault for finding in findings)
    # One in float32 is too coarse for differences of its own.
    if wrong or gradient.dtype != np.float64:
        curvature = Derivative(losses, z, order=2)
    else:
        curvature = Derivative(_apart(lambda x: _pair(objective, x)[0], z, terms[0]), z)
    if wrong and _are(hessian, slope.told) and _are(gradient, curvature.told):
        cause = "gradient and Hessian are each the other"
        return [Finding(SWAPPED, f"{GRADIENT}, {HESSIAN}", cause=cause, advice="swap them")]
    return findings + _compared(HESSIAN, hessian, curvature, terms[1], tolerance)


def assert_objective(
    objective: Objective,
    loss: Callable[[np.ndarray], np.ndarray],
    predictions: np.ndarray,
    **options: Any,
) -> None:
    """Raises AssertionError, a line for each fault, unless `check_objective` finds none."""
    __tracebackhide__ = True
    findings = check_objective(objective, loss, predictions, **options)
    faults = [str(finding) for finding in findings if finding.is_fault]
    if faults:
        raise AssertionError("\n".join(["the objective is not right:", *faults]))


def _pair(objective: Objective, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns gradient and Hessian as arrays; raises ValueError in one line."""
    try:
        gradient, hessian = objective(z.copy())
        return np.asarray(gradient), np.asarray(hessian)
    except Exception as error:
        text = f"Expected an objective to (gradient, Hessian), it fails: {in_one_line(error)}"
        raise ValueError(text) from error


def _terms(objective: Objective, z: np.ndarray) -> list[np.ndarray]:
    """Returns the sizes of the terms of gradient and Hessian, each like the predictions.

    A saturated derivative, p - y say, is the difference of numbers as large as it is nearer to 0.
    """
    pairs = [_pair(objective, share * z) for share in _NEARER]
    sizes = [[np.nan_to_num(np.abs(part), posinf=0.0) for part in pair] for pair in pairs]
    return [np.max(parts, axis=0) for parts in zip(*sizes, strict=True)]


def _apart(
    function: Callable[[np.ndarray], np.ndarray], z: np.ndarray, terms: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function moved away from 0 by the size of its terms.

    Its derivatives are the same, and differences reckon with the rounding of the terms.
    """
    constant = np.copysign(terms, function(z))
    return lambda x: function(x) + constant


def _losses(loss: Callable[[np.ndarray], np.ndarray], z: np.ndarray) -> np.ndarray:
    """Returns each row's loss; raises ValueError in one line."""
    try:
        losses = np.asarray(loss(z.copy()), np.float64)
    except Exception as error:
        raise ValueError(f"The loss cannot be called: {in_one_line(error)}") from error
    if losses.shape != z.shape[:1]:
        raise ValueError(
            f"Expected the loss of each of {len(z)} rows, [{len(z)}], got {list(losses.shape)}: "
            "return them before they are added up"
        )
    return losses


def _wrong_shape(name: str, found: np.ndarray, z: np.ndarray) -> Finding:
    cause = f"{list(found.shape)}, expected {list(z.shape)}"
    return Finding(WRONG_SHAPE, name, cause=cause, advice="a number for each prediction")


def _are(found: np.ndarray, told: Estimate) -> bool:
    """Whether numbers are a derivative's, as far as differences can tell."""
    allowed = told.error + _TOLERANCES[4] * np.abs(told.value)
    return bool((np.abs(found - told.value) <= allowed).all())


def _compared(
    name: str,
    found: np.ndarray,
    derivative: Derivative,
    terms: np.ndarray,
    tolerance: float | None,
) -> list[Finding]:
    """Holds numbers against a derivative by differences, and no closer than their terms allow."""
    expected, error = derivative.told
    if not np.isfinite(found).all():
        index = index_at(np.argmin(np.isfinite(found)), found.shape)
        return [Finding(NOT_FINITE, name, index, float(found[index]), float(expected[index]))]
    known = np.isfinite(error)
    if not known.any():
        return [Finding(UNDECIDED, name, cause="the loss is not finite around the predictions")]
    passes = tolerance or _TOLERANCES[4 if found.dtype == np.float32 else 8]
    size = np.maximum(np.abs(expected), np.abs(found))
    eps = np.finfo(found.dtype if found.dtype == np.float32 else np.float64).eps
    apart = np.where(known, np.abs(found - expected), 0.0)
    wrong = apart > np.where(known, error, 0.0) + passes * size + _ULPS * eps * terms
    wrong &= ~(_is_floor(found) & (expected < found))
    if not wrong.any():
        return []
    chosen = wrong & derivative.sides().allow(found)
    undecided = [_undecided(name, chosen)] if chosen.any() else []
    wrong &= ~chosen
    if not wrong.any():
        return undecided
    index = index_at(np.argmax(np.where(wrong, apart, 0.0)), found.shape)
    known &= ~chosen
    fault, cause, advice = _class(found[known], expected[known], error[known], len(found))
    if not cause and not wrong.all():
        cause = f"at {wrong.sum()} of {wrong.size} numbers"
    figures = float(found[index]), float(expected[index])
    return [Finding(fault, name, index, *figures, cause, advice), *undecided]


def _is_floor(found: np.ndarray) -> np.ndarray:
    """Returns where numbers are a floor, one put in the place of all smaller ones on purpose."""
    floor = found == found.min()
    if floor.sum() > 1 and 0 < found.min() <= _FLOOR * found.max():
        return floor
    return np.full(found.shape, False)


def _undecided(name: str, chosen: np.ndarray) -> Finding:
    """Returns what is said of numbers at kinks that are between the slopes on both sides."""
    index = index_at(np.argmax(chosen), chosen.shape)
    cause = f"a kink, at {chosen.sum()} of {chosen.size} numbers: any slope between is a choice"
    return Finding(UNDECIDED, name, index, cause=cause)


def _class(
    found: np.ndarray, expected: np.ndarray, error: np.ndarray, rows: int
) -> tuple[str, str, str]:
    """Returns fault, cause and advice of wrong numbers."""
    if not found.any():
        return ZERO, "", "derive it anew"
    factor = causes.factor(found, expected, error)
    if factor and factor.is_near(-1):
        return WRONG_SIGN, "-1 times the right one", "it is that of the loss, not of its negative"
    if factor:
        return FACTOR, *factor.in_words({rows: "the number of rows, and trees want sums"})
    return WRONG_VALUE, "", "derive it anew"
