"""Exact values: those of closed forms, also where differences and probabilities lose digits."""

import ast
import pathlib
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import lowlevel
from lowlevel.checks.exact import Values, exact_arrays, exact_values
from lowlevel.likelihoods import LIKELIHOODS, Likelihood, Logit, Probit

LOGITS = (-700.0, -88.0, -30.0, -1.5, 0.0, 1e-3, 5.0, 40.0, 300.0, 700.0)
# More than float64 has, which is what the values are for.
CLOSE = 2.0**-70


def logit(z: Any, mp: Any) -> tuple[list, list]:
    """Loss, slope and curvature of the labels 1 and 0, by their formulas."""
    success, failure = 1 / (1 + mp.exp(-z)), 1 / (1 + mp.exp(z))
    curvature = success * failure
    one, zero = mp.log(1 + mp.exp(-z)), mp.log(1 + mp.exp(z))
    return [one, -failure, curvature], [zero, success, curvature]


def probit(z: Any, mp: Any) -> tuple[list, list]:
    """The same, by the hazard of the normal distribution."""
    up, down = mp.npdf(z) / mp.ncdf(z), mp.npdf(z) / mp.ncdf(-z)
    one, zero = -mp.log(mp.ncdf(z)), -mp.log(mp.ncdf(-z))
    return [one, -up, up * (up + z)], [zero, down, down * (down - z)]


def cloglog(z: Any, mp: Any) -> tuple[list, list]:
    """The same, by the derivatives of -log(1 - exp(-w)) and of w, where w = exp(z)."""
    w = mp.exp(z)
    slope = -w / mp.expm1(w)
    one = [-mp.log(1 - mp.exp(-w)), slope, slope * (1 - w / -mp.expm1(-w))]
    return one, [w, w, w]


CLOSED_FORMS: dict[str, Callable] = {"logit": logit, "probit": probit, "cloglog": cloglog}


def assert_close(found: Values, expected: list) -> None:
    """Fails unless values are as close as they promise, or below all normal numbers of float64."""
    tiny = mpmath.ldexp(1, -1022)
    for number, right in zip(found[:3], expected, strict=True):
        assert abs(number - right) <= CLOSE * max(abs(right), tiny)


@pytest.mark.parametrize("name", CLOSED_FORMS)
@pytest.mark.parametrize("z", LOGITS)
def test_values_are_those_of_closed_forms(name: str, z: float) -> None:
    found = exact_values(LIKELIHOODS[name], z)
    # Next to 1, exp(-700) has its first digit after 304 others.
    with mpmath.workdps(800):
        one, zero = CLOSED_FORMS[name](mpmath.mpf(z), mpmath.mp)
        assert_close(found[1.0], one)
        assert_close(found[0.0], zero)


class Careless(Logit):
    """Whose rarer label loses its digits, as many as there are zeros before them."""

    def exact_probabilities(self, z: Any, mp: Any) -> tuple[Any, Any]:
        success = 1 / (1 + mp.exp(-z))
        return success, 1 - success


@pytest.mark.parametrize("z", [30.0, 300.0, 700.0])
def test_digits_that_a_probability_loses_are_made_up_for(z: float) -> None:
    for label in (1.0, 0.0):
        assert_close(exact_values(Careless(), z)[label], exact_values(Logit(), z)[label][:3])


class CarelessProbit(Probit):
    """Whose rarer label is one minus the other, however rare."""

    def exact_probabilities(self, z: Any, mp: Any) -> tuple[Any, Any]:
        return mp.ncdf(z), 1 - mp.ncdf(z)


def test_a_label_that_is_too_rare_for_any_precision_has_no_values() -> None:
    # Phi(-100) is 10^-2174.
    found = exact_values(CarelessProbit(), 100.0)
    assert np.isnan(found[0.0]).all()
    assert found[1.0].mean == 1


class Bounded(Likelihood):
    """Whose probabilities stay away from 0 and 1, while their derivatives vanish."""

    def exact_probabilities(self, z: Any, mp: Any) -> tuple[Any, Any]:
        return tuple((1 + 8 / (1 + mp.exp(sign * z))) / 10 for sign in (-1, 1))


@pytest.mark.parametrize("z", [-690.0, 0.0, 300.0])
def test_differences_that_are_lost_in_rounding_are_not_taken_for_zeros(z: float) -> None:
    found = exact_values(Bounded(), z)[1.0]
    with mpmath.workdps(800):
        # p = 0.1 + 0.8 s; then p' = 0.8 s (1 - s) and p'' = p' (1 - 2 s).
        s = 1 / (1 + mpmath.exp(-mpmath.mpf(z)))
        p = (1 + 8 * s) / 10
        first = 8 * s * (1 - s) / 10
        second = first * (1 - 2 * s)
        assert_close(found, [-mpmath.log(p), -first / p, (first / p) ** 2 - second / p])


def test_without_exact_probabilities_there_are_no_values() -> None:
    assert exact_values(Likelihood(), 1.0) is None
    arrays = exact_arrays(Likelihood(), np.zeros(2))
    assert len(arrays) == 10
    assert all(np.isnan(values).all() for values in arrays.values())


def test_a_soft_label_has_its_parts_of_both() -> None:
    arrays = exact_arrays(LIKELIHOODS["cloglog"], np.array([-1.0, 0.5]))
    for quantity in ("nll", "slope", "curvature"):
        expected = 0.25 * arrays[quantity, 1.0] + 0.75 * arrays[quantity, 0.0]
        np.testing.assert_allclose(arrays[quantity, 0.25], expected, rtol=1e-15)


@pytest.mark.parametrize("pair", [(0.7, 0.2), (1.5, -0.5)])
def test_what_are_no_probabilities_is_a_clear_error(pair: tuple) -> None:
    likelihood = Logit()
    likelihood.exact_probabilities = lambda z, mp: tuple(map(mp.mpf, pair))
    with pytest.raises(ValueError, match=r"^exact_probabilities fails at z = 1: .* sum to 1, got"):
        exact_values(likelihood, 1.0)


def test_mpmath_is_imported_by_a_check_alone_and_only_when_it_runs() -> None:
    package = pathlib.Path(lowlevel.__file__).parent
    naming = {path for path in package.rglob("*.py") if "mpmath" in imports(path.read_text())}
    assert naming == {package / "checks" / "exact.py"}
    assert "mpmath" not in imports(naming.pop().read_text(), top=True)


def imports(source: str, top: bool = False) -> set[str]:
    """The modules that a file imports by name; with `top`, at its own import alone."""
    tree = ast.parse(source)
    nodes = list(tree.body if top else ast.walk(tree))
    plain = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
