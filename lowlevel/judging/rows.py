"""The rows that a model is judged on: checked, and sorted by probability."""

from typing import Any, NamedTuple

import numpy as np

from lowlevel.data.table import check_range

LARGEST = float(np.finfo(np.float64).max)


class Rows(NamedTuple):
    """Columns `[rows]` in float64, by ascending probability, of the rows that weigh something.

    The weights are scaled, by a power of two, to at most 1: only their ratios count.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    nll: np.ndarray
    weight: np.ndarray

    @property
    def hard(self) -> bool:
        """Whether every label is 0 or 1."""
        return bool(np.isin(self.labels, (0, 1)).all())

    @property
    def one_label(self) -> bool:
        """Whether all labels are 0, or all are 1."""
        return bool((self.labels == 0).all() or (self.labels == 1).all())


def sorted_rows(labels: Any, probabilities: Any, nll: Any, sample_weight: Any) -> Rows:
    """Returns the rows that weigh something, sorted; in the given order where they tie.

    Args:
        labels: `[rows]`, from 0 to 1.
        probabilities: `[rows]`, from 0 to 1.
        nll: `[rows]`.
        sample_weight: `[rows]`, or None, where every row counts 1.

    Raises:
        ValueError: a shape or a value is not as above; a weight is negative, or all are 0.
    """
    rows = np.size(labels)
    weight = np.ones(rows) if sample_weight is None else sample_weight
    found = Rows(
        labels=_column("labels", labels, rows, 0, 1),
        probabilities=_column("probabilities", probabilities, rows, 0, 1),
        nll=_column("nll", nll, rows, -LARGEST, LARGEST),
        weight=_column("sample_weight", weight, rows, 0, LARGEST),
    )
    if not found.weight.any():
        raise ValueError("Expected a `sample_weight` above 0 in some row, got 0 in all")
    order = np.argsort(found.probabilities, kind="stable")
    order = order[found.weight[order] > 0]
    largest = np.frexp(found.weight.max())[1]
    found = found._replace(weight=np.ldexp(found.weight, -largest))
    return Rows(*(column[order] for column in found))


def _column(name: str, values: Any, rows: int, lowest: float, highest: float) -> np.ndarray:
    """Returns numbers in a range as float64, `[rows]`; raises ValueError for anything else."""
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise ValueError(f"Expected `{name}` of numbers, got {array.dtype}")
    if array.shape != (rows,) or not rows:
        raise ValueError(
            f"Expected `{name}` of shape [rows], one number for each label, got "
            f"{list(array.shape)} for {rows} labels"
        )
    column = array.astype(np.float64)
    check_range(name, column, lowest, highest)
    return column
