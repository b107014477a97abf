"""Solving with a matrix of second derivatives, whatever the units and the signs."""

import numpy as np
import pytest

from lowlevel.regression.spectrum import make_spectrum

X = np.random.default_rng(0).normal(size=(20, 4))
INFORMATION, VECTOR = X.T @ X, np.array([1.0, -2.0, 0.5, 3.0])


def test_a_positive_matrix_is_solved_and_inverted() -> None:
    spectrum = make_spectrum(INFORMATION)
    assert spectrum.positive
    np.testing.assert_allclose(
        spectrum.solve(VECTOR), np.linalg.solve(INFORMATION, VECTOR), rtol=1e-12
    )
    np.testing.assert_allclose(spectrum.inverse(), np.linalg.inv(INFORMATION), rtol=1e-12)


def test_units_make_no_difference() -> None:
    # Powers of 2, so that no rounding does either.
    units = 2.0 ** np.array([-90, 0, 40, 200])
    scaled = make_spectrum(INFORMATION * units * units[:, np.newaxis])
    np.testing.assert_array_equal(scaled.values, make_spectrum(INFORMATION).values)
    expected = make_spectrum(INFORMATION).solve(VECTOR)
    np.testing.assert_array_equal(scaled.solve(VECTOR * units) * units, expected)


@pytest.mark.parametrize("eigenvalues", [[3, 2, 1, -1], [3, -2, -1, -4], [3, 2, 1, 0]])
def test_elsewhere_the_step_still_goes_downhill(eigenvalues: list[float]) -> None:
    vectors, _ = np.linalg.qr(X[:4])
    spectrum = make_spectrum((vectors * eigenvalues) @ vectors.T)
    assert not spectrum.positive
    assert VECTOR @ spectrum.solve(VECTOR) > 0
