"""The columns of rows, in memory or in files: what each is of, and its values as arrays."""

import csv
import io
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

# Rows that are looked at together.
BLOCK_ROWS = 2**16
NUMBER, TEXT = "number", "text"
# The kind of a column without a value.
NOTHING = "missing in every row"
# What a missing text becomes: a level like any other, as an empty text does.
NO_TEXT = ""
# Of columns, in a message.
MOST_NAMES = 6


class Source(Protocol):
    """Rows in files, which can be read as often as they are wanted."""

    schema: "pa.Schema"
    column_names: list[str]
    num_rows: int

    def blocks(self, names: Sequence[str]) -> "Iterator[pa.Table]":
        """Yields some columns, `BLOCK_ROWS` rows at a time."""


def numbers(table: "pa.Table", name: str) -> np.ndarray:
    """Returns a column of numbers or booleans as float64, `[rows]`, NaN where missing.

    Raises:
        ValueError: there are whole numbers that float64 cannot tell apart.
    """
    import pyarrow as pa

    try:
        column = table.column(name).cast(pa.float64()).combine_chunks()
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"{name} has whole numbers beyond 2^53, which float64 cannot tell apart: write "
            f"them as text, or leave an identifier out with {without([name])}"
        ) from error
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def texts(table: "pa.Table", name: str) -> np.ndarray:
    """Returns a column of text, `[rows]` of str, empty where missing."""
    return _text(table, name).to_numpy()


def distinct_texts(table: "pa.Table", name: str) -> list[str]:
    """Returns the values of a column of text, each once, in the order of their first rows."""
    return _text(table, name).unique().to_pylist()


def _text(table: "pa.Table", name: str) -> "pa.ChunkedArray":
    """Returns a column of text as such, with no text where it is missing."""
    import pyarrow as pa

    return table.column(name).cast(pa.string()).fill_null(NO_TEXT)


def blocks(table: "pa.Table | Source", names: Sequence[str]) -> "Iterator[pa.Table]":
    """Yields some columns, `BLOCK_ROWS` rows at a time."""
    import pyarrow as pa

    if not isinstance(table, pa.Table):
        yield from table.blocks(names)
        return
    # To slice the other columns as well would take long.
    columns = table.select(names)
    for first in range(0, table.num_rows, BLOCK_ROWS):
        yield columns.slice(first, BLOCK_ROWS)


def in_blocks(parts: "Iterable[pa.Table]") -> "Iterator[pa.Table]":
    """Yields the rows of tables of the same columns, `BLOCK_ROWS` at a time; the last may be less.

    They are cut alike, however they came: sums over blocks, and scores, have the same bits then.
    """
    import pyarrow as pa

    kept: list[pa.Table] = []
    rows = 0
    for part in parts:
        kept.append(part)
        rows += part.num_rows
        if rows < BLOCK_ROWS:
            continue
        table = pa.concat_tables(kept, promote_options="permissive")
        whole = rows - rows % BLOCK_ROWS
        for first in range(0, whole, BLOCK_ROWS):
            yield table.slice(first, BLOCK_ROWS)
        kept, rows = [table.slice(whole)], rows - whole
    if rows:
        yield pa.concat_tables(kept, promote_options="permissive")


def without(names: Iterable[str]) -> str:
    """Returns the flag that leaves columns out, as a shell takes it."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(names)
    return shlex.quote(f"--drop={row.getvalue()}")


def listed(names: Sequence[str]) -> str:
    """Returns the first few of some names, and how many there are beyond."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def kind_of(table: "pa.Table | Source", name: str) -> str:
    """Returns what a column is: a number, a text, or what else in words."""
    from pyarrow import types

    kind = table.schema.field(name).type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        return NUMBER
    if types.is_decimal(kind):
        return NUMBER
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return TEXT
    if types.is_null(kind):
        return NOTHING
    if types.is_temporal(kind):
        return "dates or times"
    if types.is_binary(kind) or types.is_large_binary(kind):
        return "no text in UTF-8"
    return str(kind)


def of_booleans(table: "pa.Table | Source", name: str) -> bool:
    """Returns whether the numbers of a column are booleans."""
    from pyarrow import types

    return types.is_boolean(table.schema.field(name).type)


def count_missing(table: "pa.Table | Source", name: str) -> int:
    """Returns how many values are null, NaN or an empty text."""
    import pyarrow.compute as pc

    if kind_of(table, name) == NOTHING:
        return table.num_rows
    # Values are looked at a block at a time, where dictionaries of them become plain.
    if kind_of(table, name) == TEXT:
        absent = (pc.equal(_text(block, name), NO_TEXT) for block in blocks(table, [name]))
        return sum(pc.sum(found).as_py() or 0 for found in absent)
    return sum(int(np.isnan(numbers(block, name)).sum()) for block in blocks(table, [name]))
