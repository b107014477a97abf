"""The bootstrap: what metrics are when the rows are drawn anew.

A resample draws as many rows as there are, with replacement, each as likely as any other (Efron,
"Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979). A row keeps its
sample weight, times how often it is drawn: a resample is another weighting of the same rows, and
whatever depends on their order alone is prepared once.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

# Metrics by name, given what each row weighs, `[rows]`. One that has no value there is left out.
Measure = Callable[[np.ndarray], dict[str, float]]


def measure_all(measures: Sequence[Measure], weight: np.ndarray) -> dict[str, float]:
    """Returns the metrics of several measures, those of a later one in place of an earlier's."""
    return {name: value for measure in measures for name, value in measure(weight).items()}


def resample(
    measures: Sequence[Measure], weight: np.ndarray, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """Returns each metric's values, from those resamples in which it has one.

    Memory is that of a few columns, since there is one resample at a time.

    Args:
        measures: what is to be computed.
        weight: `[rows]`, what each row counts when it is drawn once; float64, above 0.
        resamples: how many.
        seed: of the draws, which depend on it and on the number of rows alone.
    """
    random = np.random.default_rng(seed)
    rows = len(weight)
    found = defaultdict(list)
    for _ in range(resamples):
        counts = np.bincount(random.integers(rows, size=rows), minlength=rows)
        for name, value in measure_all(measures, weight * counts).items():
            found[name].append(value)
    return {name: np.array(values) for name, values in found.items()}


def percentile_interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Returns the ends between which the middle share `level` of values, `[n]`, lies."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
