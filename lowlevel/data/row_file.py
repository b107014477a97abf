"""Rows in a temporary file: columns of one dtype, each in one piece, written once and then read."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence

import numpy as np

from lowlevel.data.order import aligned_empty


class RowFile:
    """A file without a name, so that nothing is left of it whatever ends the process.

    Rows are read past Python's own buffers, in any thread, and no part of it counts as this
    process's memory.
    """

    def __init__(self, rows: int, row_shapes: Sequence[tuple[int, ...]], dtype: np.dtype) -> None:
        """Takes the room that all rows need.

        Args:
            rows: how many there will be.
            row_shapes: of a row in each column.
            dtype: of all columns.

        Raises:
            ValueError: the folder for temporary files has no room for them.
        """
        self.rows, self.row_shapes, self.dtype = rows, tuple(row_shapes), dtype
        self.row_bytes = [int(np.prod(shape)) * dtype.itemsize for shape in self.row_shapes]
        folder, needed = tempfile.gettempdir(), rows * sum(self.row_bytes)
        asked = os.environ.get("TMPDIR", "")
        # Python takes another folder in silence where the one that is asked for will not do.
        if asked and os.path.realpath(asked) != os.path.realpath(folder):
            raise ValueError(f"TMPDIR: expected a folder that can be written, got {asked}")
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise _no_room(f"{folder} with {needed / 2**30:.3g} GiB free", f"{free / 2**30:.3g}")
        with _explained():
            # Open as long as the rows are wanted.
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            os.posix_fallocate(self._file.fileno(), 0, max(1, needed))

    def write(self, first: int, columns: Sequence[np.ndarray]) -> None:
        """Writes rows from one on, `[n, ...]` of each column."""
        for column, array in enumerate(columns):
            rest = _bytes_of(np.ascontiguousarray(array, self.dtype))
            offset = self._offset(column, first)
            while rest:
                with _explained():
                    written = os.pwrite(self._file.fileno(), rest, offset)
                rest, offset = rest[written:], offset + written

    def read(self, runs: Sequence[range], columns: slice = slice(None)) -> tuple[np.ndarray, ...]:
        """Returns some rows of some columns, `[n, ...]` each, aligned.

        Args:
            runs: of rows, by their numbers, one after another.
            columns: which.
        """
        rows = sum(map(len, runs))
        found = []
        for column in range(len(self.row_shapes))[columns]:
            array = aligned_empty((rows, *self.row_shapes[column]), self.dtype)
            rest = _bytes_of(array)
            for run in runs:
                size = len(run) * self.row_bytes[column]
                self._read_into(rest[:size], self._offset(column, run.start))
                rest = rest[size:]
            found.append(array)
        return tuple(found)

    def _read_into(self, rest: memoryview, offset: int) -> None:
        """Fills a buffer from an offset of the file on."""
        while rest:
            with _explained():
                count = os.preadv(self._file.fileno(), [rest], offset)
            rest, offset = rest[count:], offset + count

    def _offset(self, column: int, row: int) -> int:
        """Returns where a row of a column begins."""
        return self.rows * sum(self.row_bytes[:column]) + row * self.row_bytes[column]


def _bytes_of(array: np.ndarray) -> memoryview:
    """Returns an array's own bytes, in one piece."""
    return array.reshape(-1).view(np.uint8).data


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Has what the disk says end as a line of its own."""
    try:
        yield
    except OSError as error:
        raise _no_room(f"{tempfile.gettempdir()} to hold all rows", str(error.strerror)) from error


def _no_room(expected: str, found: str) -> ValueError:
    """Returns what is said where the folder for temporary files will not do."""
    return ValueError(
        f"memory_limit: expected {expected}, for a table that does not fit into memory, got "
        f"{found}: set TMPDIR to another folder, or a higher limit"
    )
