"""The eigenvalues of an information matrix, in units of its own diagonal."""

from typing import NamedTuple

import numpy as np

# Of a matrix whose diagonal is 1, times its size: an eigenvalue below it may well be 0, since the
# sums in the matrix are rounded, each to a few times 1e-16.
ROUNDING = 1e-14


class Spectrum(NamedTuple):
    """A symmetric matrix M = D U diag(values) U' D, with D such that the diagonal of U...U' is 1.

    So neither the eigenvalues nor what is solved depend on the units of the coefficients.

    Attributes:
        unit: the diagonal of D, `[n]`: the roots of that of M.
        values: the eigenvalues, `[n]`, the smallest first.
        vectors: U, `[n, n]`, an eigenvector in each column.
    """

    unit: np.ndarray
    values: np.ndarray
    vectors: np.ndarray

    @property
    def floor(self) -> float:
        """The smallest eigenvalue that is not just rounding."""
        return ROUNDING * len(self.values)

    @property
    def positive(self) -> bool:
        """Whether the matrix is positive definite."""
        return bool(self.values[0] > self.floor)

    @property
    def flattest(self) -> np.ndarray:
        """The direction of the smallest eigenvalue, `[n]`, its largest number 1 or -1."""
        direction = self.vectors[:, 0] / self.unit
        return direction / np.abs(direction).max()

    def solve(self, vector: np.ndarray) -> np.ndarray:
        """Returns M^-1 vector, `[n]`, where M is positive definite.

        Elsewhere it is with the eigenvalues' sizes, so that the gradient still points uphill of
        it: Nocedal and Wright, "Numerical optimization", 2006, section 3.4.
        """
        sizes = np.maximum(np.abs(self.values), self.floor)
        return self.vectors @ ((self.vectors.T @ (vector / self.unit)) / sizes) / self.unit

    def inverse(self) -> np.ndarray:
        """Returns M^-1, `[n, n]`, of a positive definite M."""
        scaled = self.vectors / self.unit[:, np.newaxis]
        return (scaled / self.values) @ scaled.T


def make_spectrum(matrix: np.ndarray) -> Spectrum:
    """Returns the spectrum of a symmetric matrix, `[n, n]`, of finite numbers."""
    unit = np.sqrt(np.abs(np.diag(matrix)))
    unit = np.where(unit > 0, unit, 1.0)
    return Spectrum(unit, *np.linalg.eigh(matrix / unit / unit[:, np.newaxis]))
