"""Finite differences: of polynomials they are exact, but for rounding."""

import numpy as np
import pytest

from lowlevel.checks import differences

STEPS = (2, 1, 0, -1, -2)


def values(power: int, z: float, step: float) -> list[float]:
    """A power at five points."""
    return [(z + k * step) ** power for k in STEPS]


@pytest.mark.parametrize("power", range(5))
def test_a_five_point_slope_is_exact_to_the_fourth_power(power: int) -> None:
    far, near, _, other_near, other_far = values(power, 1.5, 0.25)
    found = differences.five_point_slope(far, near, other_near, other_far, 0.25)
    assert found == pytest.approx(power * 1.5 ** (power - 1), rel=1e-12)


@pytest.mark.parametrize("power", range(6))
def test_a_five_point_curvature_is_exact_to_the_fifth_power(power: int) -> None:
    found = differences.five_point_curvature(*values(power, 1.5, 0.25), 0.25)
    assert found == pytest.approx(power * (power - 1) * 1.5 ** (power - 2), rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("number", [0.0, 0.3, -1.0, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_moved_by_a_step_is_exact(dtype: type, number: float) -> None:
    step = differences.slope_step(dtype, number)
    moved = dtype(number) + dtype(2 * step)
    assert moved.dtype == dtype
    assert float(moved) - float(dtype(number)) == 2 * step


def test_a_jacobian_has_the_derivatives_of_every_value_in_every_number() -> None:
    matrix = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]])
    start = np.array([0.3, -1.2, 2.5])
    found = differences.jacobian(lambda x: matrix @ x**2, start, lambda number: 2.0**-10, (2,))
    np.testing.assert_allclose(found, (2 * matrix * start).T, rtol=1e-9)
