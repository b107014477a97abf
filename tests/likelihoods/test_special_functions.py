"""The numbers that the special functions rest on are those of their recipe."""

import mpmath

from lowlevel.likelihoods.special_functions import EXCESS_COEFFICIENTS


def test_the_coefficients_of_the_normal_hazard_are_those_of_their_recipe() -> None:
    count = len(EXCESS_COEFFICIENTS)
    with mpmath.workdps(60):
        nodes = [mpmath.cos(mpmath.pi * (2 * j + 1) / (2 * count)) for j in range(count)]
        sizes = [4 * (1 + x) / (1 - x) for x in nodes]
        excess = [mpmath.npdf(t) / mpmath.ncdf(-t) - t for t in sizes]
        powers = mpmath.matrix([[x**k for k in range(count)] for x in nodes])
        scaled = mpmath.matrix([(1 + t) * k for t, k in zip(sizes, excess, strict=True)])
        expected = [float(c) for c in mpmath.lu_solve(powers, scaled)]
    assert expected == list(EXCESS_COEFFICIENTS)
