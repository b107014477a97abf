"""Finite differences: derivatives by a function's values alone, which no rule has a say in."""

from collections.abc import Callable
from typing import Any

import numpy as np

# Where float64's rounding and the truncation of a second derivative are about even. All steps are
# powers of two, so that a number moved by one is exact.
CURVATURE_STEP = 2.0**-6


def slope_step(dtype: Any, number: float = 1.0) -> float:
    """Returns the step that suits a number of some size: there a fifth of the digits are lost."""
    return 2.0 ** np.round(np.log2(np.finfo(dtype).eps ** 0.2 * max(1.0, abs(number))))


def five_point_slope(far: Any, near: Any, other_near: Any, other_far: Any, step: float) -> Any:
    """Returns a derivative by the function's values, numbers or arrays, at 2, 1, -1 and -2 steps.

    Its error is that of rounding, and step^4 / 30 times the fifth derivative.
    """
    return (8 * (near - other_near) - (far - other_far)) / (12 * step)


def five_point_curvature(
    far: Any, near: Any, here: Any, other_near: Any, other_far: Any, step: float
) -> Any:
    """Returns a second derivative by the function's values at 2, 1, 0, -1 and -2 steps.

    Its error is that of rounding, and step^4 / 90 times the sixth derivative.
    """
    return (16 * (near + other_near) - 30 * here - (far + other_far)) / (12 * step**2)


def jacobian(
    value_at: Callable[[np.ndarray], Any],
    start: np.ndarray,
    step_at: Callable[[Any], float],
    value_shape: tuple[int, ...] = (),
) -> np.ndarray:
    """Returns the derivatives of a value in each number of an array, in float64.

    Args:
        value_at: the value, a number or an array, for an array like `start`.
        start: where.
        step_at: the step for a number of `start`.
        value_shape: of the value.

    Returns:
        An array of the shape `start's shape + value_shape`.
    """
    found = np.empty(start.shape + value_shape)
    for index in np.ndindex(*start.shape):
        step = step_at(start[index])
        far, near, other_near, other_far = (
            np.asarray(value_at(_moved(start, index, k * step)), np.float64) for k in (2, 1, -1, -2)
        )
        found[index] = five_point_slope(far, near, other_near, other_far, step)
    return found


def _moved(start: np.ndarray, index: tuple[int, ...], by: float) -> np.ndarray:
    """Returns a copy with one number moved."""
    moved = np.array(start)
    moved[index] += by
    return moved
