"""Exact values of a binary likelihood: from its probabilities, in numbers of any precision."""

import math
from typing import Any, NamedTuple

import numpy as np

from lowlevel.checks.labels import is_binary, labels_of
from lowlevel.errors import in_one_line
from lowlevel.likelihoods import Likelihood

QUANTITIES = ("nll", "slope", "curvature")

# Second differences at this step are off by 2^-100 of a fourth derivative, and cost 100 bits.
_STEP_EXPONENT = -50
_FEWEST_BITS, _MOST_BITS = 320, 5120
_BITS_KEPT = 80
# The smallest normal number of float64: what is below may be anything as small.
_TINY_EXPONENT = -1022
# What is off by more is a slip, and not a rounded constant.
_SUM_OFF = 1e-12


class Values(NamedTuple):
    """What the formulas should give for one label, in mpmath's numbers; NaN where nothing tells."""

    nll: Any
    slope: Any
    curvature: Any
    mean: Any


_NOTHING = Values(np.nan, np.nan, np.nan, np.nan)


def exact_values(likelihood: Likelihood, z: float) -> dict[float, Values] | None:
    """Returns what the formulas should give at a logit, by label, 1 and 0.

    Each is good to at least 80 bits, or below all normal numbers of float64: the precision is
    doubled until twice as much gives the same. NaN for a label that is too rare even for that.

    Args:
        likelihood: whose `exact_probabilities` are used.
        z: the logit, taken as exact.

    Returns:
        None where the likelihood does not give its probabilities.

    Raises:
        ValueError: mpmath is not installed, or `exact_probabilities` fails.
    """
    # A step next to a large logit needs the digits between them as well.
    bits = _FEWEST_BITS + max(0, math.frexp(z)[1])
    values = _at_precision(likelihood, z, bits)
    unsure = list(values or ())
    while values and unsure and bits < _MOST_BITS:
        bits, before = 2 * bits, values
        values = _at_precision(likelihood, z, bits) or {}
        unsure = [y for y in values if not _sure(before[y], values[y], bits)]
    return values and {**values, **dict.fromkeys(unsure, _NOTHING)}


def exact_arrays(
    likelihood: Likelihood, z: np.ndarray
) -> dict[tuple[str, float | None], np.ndarray]:
    """Returns what the formulas should give at logits, `[n]` in float64, by quantity and label.

    The mean's label is None. All is NaN for a likelihood that is not binary, or does not give its
    probabilities.

    Raises:
        ValueError: as for `exact_values`.
    """
    nothing = dict.fromkeys((1.0, 0.0), _NOTHING)
    given = [exact_values(likelihood, float(x)) if is_binary(likelihood) else None for x in z]
    points = [values or nothing for values in given]
    mean = np.array([float(values[1.0].mean) for values in points])
    arrays: dict[tuple[str, float | None], np.ndarray] = {("mean", None): mean}
    for quantity in QUANTITIES:
        one, zero = ([float(getattr(x[y], quantity)) for x in points] for y in (1.0, 0.0))
        for label in labels_of(likelihood):
            pairs = zip(one, zero, strict=True)
            arrays[quantity, label] = np.array([_blend(label, *pair) for pair in pairs])
    return arrays


def _at_precision(likelihood: Likelihood, z: float, bits: int) -> dict[float, Values] | None:
    """Returns the values at a precision, however few of their digits are right."""
    mp = _mpmath()
    with mp.workprec(bits):
        step = mp.mpf(2) ** _STEP_EXPONENT
        try:
            points = [mp.mpf(z) + k * step for k in (-1, 0, 1)]
            around = [pair for x in points if (pair := likelihood.exact_probabilities(x, mp))]
            if not around:
                return None
            _check_pair(around[1])
            one = _values(mp, around, step)
            zero = _values(mp, [pair[::-1] for pair in around], step)
            return {1.0: one, 0.0: zero._replace(mean=one.mean)}
        except Exception as error:
            text = f"exact_probabilities fails at z = {z:g}: {in_one_line(error)}"
            raise ValueError(text) from error


def _check_pair(pair: Any) -> None:
    """Raises ValueError unless two numbers are the probabilities of a label and of the other."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(f"expected two probabilities, P(y = 1) and P(y = 0), got {pair}")
    success, failure = pair
    if not (min(success, failure) >= 0 and abs(success + failure - 1) < _SUM_OFF):
        numbers = f"{float(success):g} and {float(failure):g}"
        raise ValueError(f"expected probabilities that sum to 1, got {numbers}")


def _values(mp: Any, around: list[tuple[Any, Any]], step: Any) -> Values:
    """Returns the values for a label by its probability and the other's at z - step, z, z + step.

    The loss is that of the smaller one, which alone has all its digits, the same at all three.
    """
    mean, other = around[1]
    if mean < other:
        before, here, after = (-mp.log(probability) for probability, _ in around)
    else:
        before, here, after = (-mp.log1p(-probability) for _, probability in around)
    return Values(here, (after - before) / (2 * step), (after - 2 * here + before) / step**2, mean)


def _sure(before: Values, values: Values, bits: int) -> bool:
    """Whether values are right: half the precision gave the same, and rounding leaves enough.

    The first alone would take two zeros for right, where all digits of a difference are lost.
    """
    mp = _mpmath()
    allowed = [max(abs(x), mp.ldexp(1, _TINY_EXPONENT)) / 2**_BITS_KEPT for x in values]
    same = all(abs(x - y) <= most for x, y, most in zip(values, before, allowed, strict=True))
    rounding = mp.ldexp(abs(values.nll), 2 - bits)
    slope, curvature = (mp.ldexp(rounding, -k * _STEP_EXPONENT) for k in (1, 2))
    return same and slope <= allowed[1] and curvature <= allowed[2]


def _blend(label: float, one: float, zero: float) -> float:
    """Returns the sum for a soft label; a weight of 0 rules out even NaN."""
    terms = [weight * term for weight, term in ((label, one), (1 - label, zero)) if weight]
    return sum(terms)


def _mpmath() -> Any:
    """Returns mpmath's context; imported here, since nothing else needs it."""
    try:
        import mpmath
    except ImportError as error:
        raise ValueError("The check needs mpmath: pip install mpmath") from error
    return mpmath.mp
