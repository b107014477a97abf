"""Tables for the tests of judgements."""

import numpy as np
from scipy import special

from lowlevel.judging.judging import Judgement


def table(count: int, levels: int = 10, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Rows as `judge` takes them, weighted; few levels make many ties."""
    random = np.random.default_rng(0)
    z = np.round(random.normal(size=count) * levels) / levels + shift
    labels = (random.random(count) < special.expit(1.3 * z - 0.2)).astype(float)
    return {
        "labels": labels,
        "probabilities": special.expit(z),
        "nll": np.logaddexp(0, z) - labels * z,
        "sample_weight": 0.1 + random.random(count),
    }


def values(judgement: Judgement) -> dict[str, float]:
    """The metrics without their intervals."""
    return {name: metric.value for name, metric in judgement.metrics.items()}


def rows_of(columns: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Some rows of a table, in that order."""
    return {name: column[rows] for name, column in columns.items()}
