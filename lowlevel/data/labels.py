"""The labels of a user's table: which value counts as 1, and the labels as numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lowlevel.data.columns import NUMBER, TEXT, count_missing, kind_of, numbers, texts

if TYPE_CHECKING:
    import pyarrow as pa


def settle_positive(
    table: "pa.Table", label: str, positive: str | None, binary: bool
) -> str | None:
    """Returns the value of the label that counts as 1; None where labels are numbers as they are.

    Args:
        table: the training rows.
        label: the column.
        positive: what the user says.
        binary: whether the likelihood takes labels from 0 to 1.

    Raises:
        ValueError: the column cannot be a label, or it takes a word of the user's to make it one.
    """
    kind = kind_of(table, label)
    if kind not in (NUMBER, TEXT):
        raise ValueError(f"label: expected numbers or text, got {label}, which are {kind}")
    absent = count_missing(table, label)
    if absent:
        raise ValueError(f"label: {label} is missing in {absent} rows: leave those rows out")
    values = np.unique(numbers(table, label) if kind == NUMBER else texts(table, label).astype(str))
    shown = [f"{v:g}" if kind == NUMBER else str(v) for v in values]
    if len(values) < 2:
        raise ValueError(f"label: {label} is {shown[0]} in every row: there is nothing to learn")
    if positive is not None:
        if positive not in shown:
            raise ValueError(
                f"positive: expected a value of {label}, {_few(shown)}, got {positive}"
            )
        return positive
    if kind == NUMBER and (not binary or (values.min() >= 0 and values.max() <= 1)):
        return None
    raise ValueError(
        f"label: {label} has {len(values)} values, {_few(shown)}, where numbers from 0 to 1 are "
        f"expected: say which one counts as 1 with --positive={shown[-1]}, say"
    )


def labels(table: "pa.Table", label: str, positive: str | None) -> np.ndarray:
    """Returns the labels in float64, `[rows]`: 1 for the positive value, or numbers as they are."""
    if positive is None:
        return numbers(table, label)
    if kind_of(table, label) == NUMBER:
        return (numbers(table, label) == float(positive)).astype(np.float64)
    return (texts(table, label) == positive).astype(np.float64)


def _few(values: Sequence[str]) -> str:
    return ", ".join([*values[:5], *(["..."] if len(values) > 5 else [])])
