"""Sums over rows: over all, and over groups such as those of one probability.

They run in one thread, and so do not depend on how many there are: a product by BLAS would, and on
a busy machine its threads wait for one another.
"""

import numpy as np


def dot(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the sum of the products of two columns, `[rows]` each."""
    return float(np.einsum("n,n->", first, second))


def group_sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Returns the sums over consecutive groups of rows, `[groups]`, by where each begins."""
    return values if len(starts) == len(values) else np.add.reduceat(values, starts)


def level_starts(probabilities: np.ndarray) -> np.ndarray:
    """Returns where each level, rows of one probability, begins in sorted probabilities."""
    return np.flatnonzero(np.diff(probabilities, prepend=-1.0))
