"""Metrics that are weighted means over the rows, or made of one, for many weightings."""

import math
from collections.abc import Mapping

import numpy as np

from lowlevel.judging.bootstrap import Measure
from lowlevel.judging.sums import dot


def averages(columns: Mapping[str, np.ndarray]) -> Measure:
    """Measures the weighted means of columns, `[rows]` each, by name."""

    def measure(weight: np.ndarray) -> dict[str, float]:
        total = weight.sum()
        return {name: float(dot(weight, column) / total) for name, column in columns.items()}

    return measure


def base_rate_loss(labels: np.ndarray, base_rate: float | None) -> Measure:
    """Measures the mean NLL of one probability for all rows, where it is finite.

    Args:
        labels: `[rows]`, from 0 to 1.
        base_rate: that probability; None for the share of positive rows, the best there is.
    """

    def measure(weight: np.ndarray) -> dict[str, float]:
        share = float((weight * labels).sum() / weight.sum())
        p = share if base_rate is None else base_rate
        terms = [(part, q) for part, q in ((share, p), (1 - share, 1 - p)) if part > 0]
        if any(q <= 0 for _, q in terms):
            return {}
        return {"base_rate_nll": sum(-part * math.log(q) for part, q in terms)}

    return measure
