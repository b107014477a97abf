"""The labels of a user's table: which value counts as 1, and the labels as numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lowlevel.data.columns import (
    NUMBER,
    TEXT,
    Source,
    blocks,
    count_missing,
    distinct_texts,
    kind_of,
    numbers,
    of_booleans,
    texts,
)
from lowlevel.errors import shortened

if TYPE_CHECKING:
    import pyarrow as pa

# As they are shown; as they are given, in any letters.
BOOLEANS = {0.0: "false", 1.0: "true"}


def settle_positive(
    table: "pa.Table | Source", label: str, positive: str | None, binary: bool
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
    if kind == NUMBER and positive is None:
        low, high = _ends(table, label)
        if low < high and (not binary or (low >= 0 and high <= 1)):
            return None
    shown = distinct(table, label)
    if len(shown) < 2:
        raise ValueError(f"label: {label} is {_few(shown)} in every row: there is nothing to learn")
    if positive is not None:
        if not any(_same(value, positive, kind) for value in shown):
            raise ValueError(
                f"positive: expected a value of {label}, {_few(shown)}, got {positive}"
            )
        return positive
    raise ValueError(
        f"label: {label} has {len(shown)} values, {_few(shown)}, where numbers from 0 to 1 are "
        f"expected: say which one counts as 1 with --positive={_few(shown[-1:])}, say"
    )


def labels(
    table: "pa.Table", label: str, positive: str | None, known: Sequence[str] = ()
) -> np.ndarray:
    """Returns the labels in float64, `[rows]`: 1 for the positive value, or numbers as they are.

    Args:
        table: the rows.
        label: the column.
        positive: the value that counts as 1; None for numbers as they are.
        known: the values that the training rows have; another would be taken for 0 in silence.

    Raises:
        ValueError: a label is missing, or is none that is known.
    """
    kind = kind_of(table, label)
    _check_there(table, label)
    if positive is None:
        if kind != NUMBER:
            raise ValueError(f"label: expected numbers, got {label} of {kind}")
        return numbers(table, label)
    found = distinct(table, label) if known else []
    other = [value for value in found if not any(_same(value, k, kind) for k in known)]
    if other:
        raise ValueError(
            f"label: expected values of {label} that the training rows have, {_few(known)}, got "
            f"{_few(other)}: write them alike"
        )
    if kind == NUMBER:
        return (numbers(table, label) == _number(positive)).astype(np.float64)
    return (texts(table, label) == positive).astype(np.float64)


def distinct(table: "pa.Table | Source", label: str) -> list[str]:
    """Returns the values of a label, each with all its digits; raises ValueError if some miss."""
    _check_there(table, label)
    parts = blocks(table, [label])
    if kind_of(table, label) == TEXT:
        return sorted({value for part in parts for value in distinct_texts(part, label)})
    found = [np.unique(numbers(part, label)) for part in parts]
    values = np.unique(np.concatenate(found)).tolist()
    if of_booleans(table, label):
        return [BOOLEANS[value] for value in values]
    return [f"{v:.0f}" if v.is_integer() else repr(v) for v in values]


def _ends(table: "pa.Table | Source", label: str) -> tuple[float, float]:
    """Returns the smallest and the largest label; raises ValueError if some miss."""
    _check_there(table, label)
    parts = (numbers(block, label) for block in blocks(table, [label]))
    lows, highs = zip(*((part.min(), part.max()) for part in parts), strict=True)
    return min(lows), max(highs)


def _check_there(table: "pa.Table | Source", label: str) -> None:
    """Raises ValueError for rows without a label."""
    absent = count_missing(table, label)
    if absent:
        raise ValueError(f"label: {label} is missing in {absent} rows: leave those rows out")


def _same(value: str, other: str, kind: str) -> bool:
    """Whether two values of a label are one, numbers by their size."""
    try:
        return _number(value) == _number(other) if kind == NUMBER else value == other
    except ValueError:
        return False


def _number(value: str) -> float:
    """Returns a value of a label as a number, as which booleans count; ValueError if it is none."""
    words = {word: number for number, word in BOOLEANS.items()}
    return words[value.lower()] if value.lower() in words else float(value)


def _few(values: Sequence[str]) -> str:
    shown = [shortened(value, 60) for value in values[:5]]
    return ", ".join([*shown, *(["..."] if len(values) > 5 else [])])
