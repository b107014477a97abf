"""Finite differences: right to within the error that they claim, and that is small."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special

from lowlevel.checks import differences
from lowlevel.checks.differences import Estimate, Ladder

LOGITS = np.concatenate([np.linspace(-30, 30, 13), [1e-3, -1e-12, 1e-300, 700, 1e10]])

# A function, its first and its second derivative, and where.
KNOWN: dict[str, tuple[Callable, Callable, Callable, np.ndarray]] = {
    "sine": (np.sin, np.cos, lambda x: -np.sin(x), np.array([0.0, 1e-9, 0.3, -2.0, 1e3, 1e6])),
    "exponential": (np.exp, np.exp, np.exp, np.array([-700.0, -1.0, 0.0, 1.0, 300.0])),
    "logarithm": (
        np.log,
        lambda x: 1 / x,
        lambda x: -1 / x**2,
        np.array([1e-5, 1e-3, 0.5, 2.0, 1e30]),
    ),
    "softplus": (
        lambda x: np.logaddexp(0, x),
        special.expit,
        lambda x: special.expit(x) * special.expit(-x),
        LOGITS,
    ),
    "a fast sine": (
        lambda x: np.sin(1e4 * x),
        lambda x: 1e4 * np.cos(1e4 * x),
        lambda x: -1e8 * np.sin(1e4 * x),
        np.array([0.3, -2.0, 0.0]),
    ),
}


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("order", [1, 2])
def test_the_error_claimed_covers_the_error_made(name: str, order: int) -> None:
    function, *derivatives, x = KNOWN[name]
    estimate = differences.elementwise(function, x, order)
    # The reference itself is good to a few ulp.
    expected = derivatives[order - 1](x)
    made = np.abs(estimate.value - expected) - 1e-15 * np.abs(expected)
    assert (made <= estimate.error).all()


@pytest.mark.parametrize("name", KNOWN)
def test_the_error_of_a_first_derivative_is_small(name: str) -> None:
    function, slope, _, x = KNOWN[name]
    estimate = differences.elementwise(function, x)
    assert (estimate.error <= 1e-7 * np.maximum(np.abs(slope(x)), 1e-3 * np.abs(function(x)))).all()


def ladder(function: Callable[[float], float], x: float) -> Ladder:
    """The ladder of a function at a number, with steps from 1/8 down."""
    steps = 2.0 ** np.arange(-3, -46, -3)
    rises = np.array([[function(x + step) - function(x)] for step in steps])
    falls = np.array([[function(x) - function(x - step)] for step in steps])
    column = steps[:, None]
    noise = differences.rounding(np.array([function(x)]), np.float64) / column
    return Ladder(column, rises / column, falls / column, noise)


def test_a_kink_right_here_is_seen_with_its_slopes() -> None:
    kink, low, high = ladder(lambda x: max(x, 3 * x), 0.0).sides()
    assert (kink[0], low[0], high[0]) == (True, 1.0, 3.0)


@pytest.mark.parametrize("where", [1e-2, 1e-6, -0.1])
def test_a_kink_nearby_is_none_right_here(where: float) -> None:
    kink, *_ = ladder(lambda x: abs(x - where), 0.0).sides()
    assert not kink[0]


def test_a_kink_nearby_does_not_disturb_the_estimate() -> None:
    estimate = ladder(lambda x: max(0.0, x - 1000.0), 1000.0011).with_own_noise().estimate()
    assert abs(estimate.value[0] - 1) <= estimate.error[0] <= 1e-6


def test_a_smooth_function_has_no_kink() -> None:
    kink, *_ = ladder(np.exp, 1.0).sides()
    assert not kink[0]


@pytest.mark.parametrize("function", [np.floor, np.cbrt, lambda x: np.sign(x) * abs(x) ** 0.25])
def test_a_jump_or_a_vertical_slope_is_unbounded(function: Callable) -> None:
    assert ladder(function, 0.0).unbounded()[0]


@pytest.mark.parametrize("function", [np.sin, np.abs, lambda x: x * abs(x)])
def test_a_bounded_slope_is_none(function: Callable) -> None:
    assert not ladder(function, 0.0).unbounded()[0]


def test_noise_of_the_function_itself_goes_into_the_error() -> None:
    random = np.random.default_rng(0)
    noisy = ladder(lambda x: np.sin(x) + 1e-7 * random.normal(), 0.5).with_own_noise().estimate()
    assert abs(noisy.value[0] - np.cos(0.5)) <= noisy.error[0]
    assert noisy.error[0] > 1e-7


def test_what_changes_at_a_fine_step_alone_is_noise_of_all() -> None:
    estimate = ladder(lambda x: 1e-15 * (x == 1 + 2.0**-9), 1.0).with_own_noise().estimate()
    assert estimate.error[0] >= 1e-15


def test_structure_finer_than_the_coarse_steps_is_found() -> None:
    # At steps of 1/8 down to 2^-9 the sine is at a multiple of its period.
    estimate = ladder(lambda x: np.sin(2 * np.pi * 1024 * x), 0.25).with_own_noise().estimate()
    assert estimate.value[0] == pytest.approx(2 * np.pi * 1024, rel=1e-6)


def test_values_beyond_an_edge_leave_nothing_to_estimate() -> None:
    with np.errstate(invalid="ignore"):
        estimate = ladder(np.sqrt, 0.0).estimate()
    assert estimate.error[0] == np.inf


@pytest.mark.parametrize("number", [1e-300, 0.3, -1.0, 1e6, 1e300])
def test_a_scale_is_a_power_of_two_of_the_numbers_size(number: float) -> None:
    (scale,) = differences.scales(np.array([number]))
    assert np.frexp(scale)[0] == 0.5
    assert scale <= abs(number) < 2 * scale


def test_the_typical_scale_leaves_zeros_aside() -> None:
    assert differences.typical_scale(np.array([0.0, 0.0, 1e-5, 5.0, 6.0])) == 4.0
    assert differences.typical_scale(np.zeros(3)) == 1.0


def test_an_estimate_has_a_number_for_each() -> None:
    estimate = differences.elementwise(np.sin, LOGITS)
    assert isinstance(estimate, Estimate)
    assert estimate.value.shape == LOGITS.shape
