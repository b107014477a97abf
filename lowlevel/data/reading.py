"""Rows of files, or of what is in memory, a block at a time: as many as there are, in order."""

import contextlib
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lowlevel.data import csv_files, files
from lowlevel.data.columns import BLOCK_ROWS, NOTHING, NUMBER, in_blocks, kind_of
from lowlevel.data.schema import Column
from lowlevel.errors import shortened

if TYPE_CHECKING:
    import pyarrow as pa

# As pyarrow has them.
TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")


def blocks(
    given: Any, columns: Sequence[Column], what: str
) -> Iterator[tuple["pa.Table", tuple[str, ...]]]:
    """Yields some columns of rows, `BLOCK_ROWS` rows at a time, however the files are cut.

    Args:
        given: as for `files.read`.
        columns: those that are wanted; the others are not looked at.
        what: the setting that the rows are of, for messages.

    Yields:
        A table of the columns, in their order, and the names of the others.

    Raises:
        ValueError: one line that names the file, and the column or the row.
    """
    names = [column.name for column in columns]
    parts: Iterable[pa.Table]
    if isinstance(given, (str, pathlib.Path)):
        paths = files.paths(str(given), what)
        there = {path: _column_names(path, what) for path in paths}
        surplus = [n for path in paths for n in _surplus(there[path], names, f"{what}: {path}: ")]
        parts = (part for path in paths for part in _read(path, columns, what))
    else:
        table = files.read(given, what)
        surplus = _surplus(table.column_names, names, f"{what}: ")
        parts = [table.select(names)]
    others = tuple(dict.fromkeys(surplus))
    for block in in_blocks(parts):
        yield block, others


def _column_names(path: pathlib.Path, what: str) -> list[str]:
    """Returns the names of a file's columns."""
    from pyarrow import csv, parquet

    with files.refusing(path, what):
        if path.name.endswith(files.PARQUET):
            return parquet.read_schema(path).names
        csv_files.check_head(path)
        with csv.open_csv(path, **csv_files.options()) as reader:
            return reader.schema.names


def _read(path: pathlib.Path, columns: Sequence[Column], what: str) -> Iterator["pa.Table"]:
    """Yields one file's rows, some at a time; those of a CSV file as their columns are to be."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    names, first = [column.name for column in columns], 0
    with files.refusing(path, what), contextlib.ExitStack() as stack:
        if path.name.endswith(files.PARQUET):
            file = stack.enter_context(parquet.ParquetFile(path))
            for batch in file.iter_batches(BLOCK_ROWS, columns=names):
                yield _plain(pa.Table.from_batches([batch]), columns, f"{what}: {path}: ")
            first = file.metadata.num_rows
        else:
            texts = dict.fromkeys(names, pa.string())
            options = csv_files.options(texts, include=names)
            for batch in stack.enter_context(csv.open_csv(path, **options)):
                part = pa.Table.from_batches([batch])
                yield _typed(part, columns, first, f"{what}: {path}: ")
                first += part.num_rows
        if not first:
            raise ValueError(f"{what}: {path}: expected rows, got a header alone")


def _plain(part: "pa.Table", columns: Sequence[Column], place: str) -> "pa.Table":
    """Returns rows with numbers of all kinds as float64, and texts of all kinds as strings."""
    import pyarrow as pa

    for column in columns:
        kind = kind_of(part, column.name)
        if kind not in (column.kind, NOTHING):
            raise ValueError(f"{place}expected {column.name} to be of {column.kind}s, got {kind}")
    made = [
        part.column(column.name).cast(pa.float64() if column.kind == NUMBER else pa.string())
        for column in columns
    ]
    return pa.table(made, names=[column.name for column in columns])


def _typed(part: "pa.Table", columns: Sequence[Column], first: int, place: str) -> "pa.Table":
    """Returns rows of text with the columns of numbers as numbers, and of booleans as 1 and 0."""
    import pyarrow as pa

    made = [
        _numbers(part.column(column.name), column.name, first, place)
        if column.kind == NUMBER
        else part.column(column.name)
        for column in columns
    ]
    return pa.table(made, names=[column.name for column in columns])


def _numbers(texts: "pa.ChunkedArray", name: str, first: int, place: str) -> "pa.ChunkedArray":
    """Returns texts as float64; raises ValueError, which names the row, for one that is none."""
    import pyarrow as pa
    from pyarrow import compute

    texts = compute.utf8_trim_whitespace(texts)
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        for known, number in ((TRUE, "1"), (FALSE, "0")):
            texts = compute.if_else(compute.is_in(texts, pa.array(known)), number, texts)
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        row, text = next((row, t) for row, t in enumerate(texts.to_pylist()) if not _is_number(t))
        raise ValueError(
            f"{place}expected numbers in {name}, got {shortened(text, 40)!r} in row {first + row}"
        ) from None


def _is_number(text: str | None) -> bool:
    """Whether pyarrow takes a text for a number."""
    import pyarrow as pa

    try:
        pa.array([text], pa.string()).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _surplus(there: Sequence[str], names: Sequence[str], place: str) -> list[str]:
    """Returns the columns that are not wanted; raises ValueError if one that is is missing."""
    missing = [name for name in names if name not in there]
    if missing:
        raise ValueError(
            f"{place}expected the columns that the model was trained on, got none called "
            f"{shortened(', '.join(missing), 200)}, but {shortened(', '.join(there), 200)}"
        )
    twice = [name for name in names if list(there).count(name) > 1]
    if twice:
        raise ValueError(f"{place}expected columns of different names, got {twice[0]} twice")
    return [name for name in there if name not in names]
