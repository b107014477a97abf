"""Sources: rows in files that do not fit into memory, read a block at a time."""

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from lowlevel.data import files
from lowlevel.data.columns import BLOCK_ROWS, Source, in_blocks
from lowlevel.data.csv_files import as_parquet

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

# What a number takes while a table is read and encoded in memory: as it is read, and as a feature.
NUMBER_BYTES = 16
# What a byte of a CSV file comes to likewise, and one of a file that is packed.
CSV_FACTOR, PACKED_FACTOR = 3, 20
# Read of a column at a time, in place of all that a row group has of it.
BUFFER_BYTES = 2**18


class Files:
    """A source of Parquet files, one after another."""

    def __init__(self, opened: "Mapping[Path, parquet.ParquetFile]", what: str) -> None:
        """Takes the files, and the setting that they are of, for messages."""
        import pyarrow as pa

        self._opened, self._what = opened, what
        # The columns' names in each file, by their names here.
        self._names: dict[Path, dict[str, str]] = {}
        schemas = {}
        for path, file in opened.items():
            with files.refusing(path, what):
                schema = file.schema_arrow
            is_index = functools.partial(_increases, file)
            own = files.own_columns(schema, is_index, what, f"{path}: ")
            self._names[path] = {name: schema.names[place] for name, place in own.items()}
            schemas[path] = pa.schema([schema.field(i).with_name(n) for n, i in own.items()])
        self.schema = files.unified(schemas, what)
        self.column_names: list[str] = self.schema.names
        self.num_rows = sum(file.metadata.num_rows for file in opened.values())
        if not self.num_rows:
            raise ValueError(f"{what}: expected rows, got none in {next(iter(opened))}")

    def blocks(self, names: Sequence[str]) -> "Iterator[pa.Table]":
        """Yields some columns, `BLOCK_ROWS` rows at a time."""
        return in_blocks(self._parts(list(names)))

    def _parts(self, names: list[str]) -> "Iterator[pa.Table]":
        """Yields some columns as they come, each of one type in all files."""
        import pyarrow as pa

        empty = self.schema.empty_table().select(names)
        for path, file in self._opened.items():
            own = [self._names[path][name] for name in names]
            with files.refusing(path, self._what):
                for batch in file.iter_batches(BLOCK_ROWS, columns=own):
                    found = pa.Table.from_batches([batch]).select(own).rename_columns(names)
                    parts = [empty, files.plain(found)]
                    yield pa.concat_tables(parts, promote_options="permissive")


class Part:
    """A source of some rows of another."""

    def __init__(self, whole: Source, drawn: Iterable[np.ndarray], *, others: bool = False) -> None:
        """Takes the source, and which rows of each of its blocks are drawn.

        Args:
            whole: the source.
            drawn: bool, `[rows of the block]` each.
            others: whether the part is of the rows that are not drawn.
        """
        self._whole = whole
        rows = [~block if others else block for block in drawn]
        self.num_rows = int(sum(np.count_nonzero(block) for block in rows))
        # As bits: there may be many rows.
        self._rows = [np.packbits(block) for block in rows]
        self.schema, self.column_names = whole.schema, whole.column_names

    def blocks(self, names: Sequence[str]) -> "Iterator[pa.Table]":
        """Yields some columns, `BLOCK_ROWS` rows at a time."""
        pairs = zip(self._whole.blocks(names), self._rows, strict=True)
        return in_blocks(
            block.filter(np.unpackbits(rows, count=block.num_rows).astype(bool))
            for block, rows in pairs
        )

    def read(self) -> "pa.Table":
        """Returns all of it in memory."""
        import pyarrow as pa

        return pa.concat_tables(self.blocks(self.column_names))


def read(given: Any, what: str, limit: int) -> "pa.Table | Files":
    """Returns rows in memory, or as a source if they take more of it than a limit.

    Args:
        given: as for `files.read`; of these, what is in memory already stays there.
        what: the setting that it is of, for messages.
        limit: in bytes.

    Raises:
        ValueError: as for `files.read`.
    """
    if isinstance(given, (str, Path)):
        paths = files.paths(str(given), what)
        if sum(map(bytes_in_memory, paths)) > limit:
            return Files({path: _open(path, what) for path in paths}, what)
    return files.read(given, what)


def bytes_in_memory(path: Path) -> float:
    """Returns about how many bytes a file takes in memory; 0 for one that cannot be read."""
    import pyarrow as pa
    from pyarrow import parquet

    # What is wrong with it is said by whoever reads it.
    with contextlib.suppress(OSError, pa.ArrowException):
        if path.name.endswith(files.PARQUET):
            metadata = parquet.read_metadata(path)
            return metadata.num_rows * metadata.num_columns * NUMBER_BYTES
        factor = PACKED_FACTOR if path.suffix == ".gz" else 1
        return path.stat().st_size * factor * CSV_FACTOR
    return 0


def _open(path: Path, what: str) -> "parquet.ParquetFile":
    """Returns a file's rows, those of CSV by way of a temporary file of Parquet."""
    from pyarrow import parquet

    with files.refusing(path, what):
        given: Path | IO[bytes] = path if path.name.endswith(files.PARQUET) else as_parquet(path)
        return parquet.ParquetFile(given, buffer_size=BUFFER_BYTES, pre_buffer=False)


def _increases(file: "parquet.ParquetFile", place: int) -> bool:
    """Returns whether the numbers of a column, given by its place, increase, as rows' places do."""
    last = -np.inf
    for group in range(file.num_row_groups):
        column = file.read_row_group(group, [file.schema_arrow.names[place]]).column(0)
        values = np.concatenate([[last], column.to_numpy()])
        if not (np.diff(values) > 0).all():
            return False
        last = values[-1]
    return True
