"""Each feature's mean and deviation, and the labels' mean, a block of rows at a time."""

import numpy as np

from lowlevel.data.merging import Moments
from lowlevel.data.stream import Rows


def moments(table: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Returns each feature's mean and standard deviation, `[width]` each, in the table's dtype.

    The deviation is the population's (divided by the number of rows). A constant feature's is
    given as 1, so that standardised it is 0. All is counted in float64.

    Raises:
        ValueError: a deviation is too large or too small for the dtype.
    """
    low, high = _ends(table)
    # Scaled by a power of 2, which is exact, no square overflows or vanishes.
    _, exponents = np.frexp(np.maximum(np.abs(low), np.abs(high)))
    totals = [Moments()] * table.width
    for features, *_ in table.row_blocks():
        # A column at a time: each is copied to float64.
        scaled = (
            np.ldexp(x.astype(np.float64), -e) for x, e in zip(features.T, exponents, strict=True)
        )
        totals = [total.merged(Moments.of(x, 0.0)) for total, x in zip(totals, scaled, strict=True)]
    mean = np.ldexp([total.mean for total in totals], exponents)
    deviation = np.ldexp([total.deviation for total in totals], exponents)
    # Rounding leaves a constant feature a mean that is off, and a deviation that is not 0.
    constant = low == high
    mean, wide = np.where(constant, low, mean), np.where(constant, 1.0, deviation)
    narrow = wide.astype(table.dtype)
    unusable = ~(np.isfinite(narrow) & (narrow >= np.finfo(table.dtype).tiny))
    if unusable.any():
        column = int(unusable.argmax())
        raise ValueError(
            f"standardize: expected a deviation that {table.dtype} can divide by, got "
            f"{wide[column]:g} in column {column}: rescale it"
        )
    return mean.astype(table.dtype), narrow


def mean_label(table: Rows) -> float:
    """Returns the labels' weighted mean."""
    weighted = total = 0.0
    for labels, *weights in table.target_blocks():
        weight = weights[0].astype(np.float64) if weights else np.ones(len(labels))
        weighted, total = weighted + float(weight @ labels), total + float(weight.sum())
    return weighted / total


def label_weights(table: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Returns the different labels, ascending, and what the rows of each count, `[labels]` each.

    Scaled so that they stand for the rows: a sum over them, by their number, is one over the rows,
    by theirs.
    """
    counted: dict[float, float] = {}
    for labels, *weights in table.target_blocks():
        values, place = np.unique(labels, return_inverse=True)
        sums = np.bincount(place, weights[0] if weights else None)
        for value, count in zip(values.tolist(), sums.tolist(), strict=True):
            counted[value] = counted.get(value, 0.0) + count
    values = np.array(sorted(counted))
    return values, np.array([counted[v] for v in values.tolist()]) * (len(values) / table.rows)


def _ends(table: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Returns each feature's smallest and largest number, `[width]` each, in float64."""
    low, high = np.full(table.width, np.inf), np.full(table.width, -np.inf)
    for features, *_ in table.row_blocks():
        low, high = np.minimum(low, features.min(0)), np.maximum(high, features.max(0))
    return low, high
