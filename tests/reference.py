"""The likelihoods' values found without the formulas under test, and errors in ulp.

There are two references, for large samples, each to be held against the exact values that
`lowlevel.checks.exact` finds from the likelihoods' probabilities:

* `rapid` in long double, 64 bits of mantissa on x86, for float64.
* `rapid` in float64, with scipy's special functions where it has them, for float32, whose ulp is
  2^29 times as coarse.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

QUANTITIES = ("nll", "slope", "curvature", "mean")


class Values(NamedTuple):
    """The four quantities, each an array or a number."""

    nll: object
    slope: object
    curvature: object
    mean: object


def rapid(name: str, z: np.ndarray, y: int) -> Values:
    """The four quantities of an array, of the precision of its dtype: float64 or longdouble."""
    with np.errstate(all="ignore"):
        return RAPID[name](z, y)


def ulp_errors(computed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Distances in units in the last place of the dtype of `computed`.

    Where the exact value is below the normal numbers, any number below them will do; where it is
    beyond the largest, that or infinity. Anything else there, or a NaN, is infinitely wrong.

    Args:
        computed: float32 or float64 array.
        expected: Array of the same shape, of a wider dtype.
    """
    limits = np.finfo(computed.dtype)
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(expected).astype(computed.dtype)).astype(expected.dtype)
        errors = (np.abs(computed.astype(expected.dtype) - expected) / unit).astype(np.float64)
    tiny, huge = np.abs(expected) < limits.tiny, np.abs(expected) >= float(limits.max)
    errors[tiny] = np.where(np.abs(computed[tiny]) <= limits.tiny, 0.0, np.inf)
    right_end = (np.abs(computed) >= limits.max) & (np.sign(computed) == np.sign(expected))
    errors[huge] = np.where(right_end[huge], 0.0, np.inf)
    errors[np.isnan(computed)] = np.inf
    return errors


def _logit(z: np.ndarray, y: int) -> Values:
    away = z if y == 0 else -z  # The loss is log(1 + exp(away)).
    sign = 1 if y == 0 else -1
    if z.dtype == np.float64:
        loss, chance, other = -special.log_expit(-away), special.expit(away), special.expit(-away)
        return Values(loss, sign * chance, chance * other, special.expit(z))
    chance, other = 1 / (1 + np.exp(-away)), 1 / (1 + np.exp(away))
    return Values(np.logaddexp(0, away), sign * chance, chance * other, 1 / (1 + np.exp(-z)))


def _probit(z: np.ndarray, y: int) -> Values:
    size = np.abs(z)
    two_pi = 2 * np.arccos(z.dtype.type(-1))
    mills, excess = _mills_ratio(size)
    density = np.exp(-size * size / 2) / np.sqrt(two_pi)
    tail = density * mills
    ratio = density / (1 - tail)
    against = (z > 0) == (y == 0)
    sign = 1 if y == 0 else -1
    return Values(
        np.where(against, size * size / 2 + np.log(two_pi) / 2 - np.log(mills), -np.log1p(-tail)),
        sign * np.where(against, size + excess, ratio),
        np.where(against, (size + excess) * excess, np.where(size > 99, 0, ratio * (ratio + size))),
        np.where(z < 0, tail, 1 - tail),
    )


def _mills_ratio(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phi(-t) / phi(t), for t >= 0, and how far its inverse exceeds t."""
    if t.dtype == np.float64:
        mills = special.erfcx(t / np.sqrt(2)) * np.sqrt(np.pi / 2)
        return mills, np.where(t > 1e3, (1 - 2 / t**2) / t, 1 / mills - t)
    near = np.minimum(t, 2)  # Phi(t) = 1/2 + phi(t) (t + t^3 / 3 + t^5 / (3 5) + ...)
    term, total = near, near
    for odd in range(3, 99, 2):
        term = term * near * near / odd
        total = total + term
    mills = np.sqrt(np.arccos(t.dtype.type(-1)) / 2) * np.exp(near * near / 2) - total
    far = np.maximum(t, 2)  # Laplace's continued fraction, from its far end.
    fraction = far
    for k in range(200, 1, -1):
        fraction = far + k / fraction
    excess = np.where(t < 2, 1 / mills - near, 1 / fraction)
    return 1 / (t + excess), excess


def _cloglog(z: np.ndarray, y: int) -> Values:
    w = np.exp(z)
    mean = -np.expm1(-w)
    if y == 0:
        return Values(w, w, w, mean)
    w = np.minimum(w, 10_000)  # exp(-w) is zero by far.
    loss = np.where(z < 0, -z - np.log(_relative_expm1(-w)), -np.log1p(-np.exp(-w)))
    share = 1 / _relative_expm1(w)
    series = w / 2 + w**2 / 12 - w**4 / 720 + w**6 / 30240
    growth = np.where(w < 0.02, series, 1 / _relative_expm1(-w) - 1)
    return Values(loss, -share, share * growth, mean)


def _relative_expm1(w: np.ndarray) -> np.ndarray:
    """(exp(w) - 1) / w."""
    return np.where(w == 0, 1, np.expm1(w) / np.where(w == 0, 1, w))


RAPID: dict[str, Callable[[np.ndarray, int], Values]] = {
    "logit": _logit,
    "probit": _probit,
    "cloglog": _cloglog,
}
