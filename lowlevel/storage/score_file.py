"""A file of scores, one a row: it appears whole, or not at all."""

import contextlib
import errno
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

from lowlevel.errors import in_one_line

SCORE = "score"
# By the end of its name, how a file is written.
_SUFFIXES = (".csv", ".parquet")


def check(path: str, overwrite: bool) -> None:
    """Raises ValueError unless a file of scores can be written, and stands in nobody's way."""
    if pathlib.Path(path).suffix not in _SUFFIXES:
        raise ValueError(f"output: expected a file that ends in .csv or .parquet, got {path}")
    with _refusing(path):
        target = _target(path)
        if target.is_dir():
            raise IsADirectoryError("a folder is in its place")
        if target.exists() and not overwrite:
            raise ValueError(
                f"output: expected a new file, got {path}, which is there: name another, or "
                "replace it with --overwrite"
            )
        with tempfile.TemporaryFile(dir=target.parent):
            pass


@contextlib.contextmanager
def opened(path: str) -> Iterator[Callable[[np.ndarray], None]]:
    """Gives a function that writes further scores, `[rows]`; the file is there when all are.

    Raises:
        ValueError: it cannot be written.
    """
    with _refusing(path):
        target = _target(path)
        handle, name = tempfile.mkstemp(target.suffix, ".lowlevel-", target.parent)
        partial = pathlib.Path(name)
        try:
            with open(handle, "wb") as file:  # noqa: PTH123 - it is open already.
                with writing(file, target.suffix) as write:
                    yield write
                file.flush()
                os.fsync(file.fileno())
            # As any file that the user makes; this one was for the owner's eyes only.
            umask = os.umask(0)
            os.umask(umask)
            partial.chmod(0o666 & ~umask)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(file: IO[bytes], suffix: str) -> Iterator[Callable[[np.ndarray], None]]:
    """Gives a function that writes further scores, `[rows]`, into an open file, under one head."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    def make(schema: pa.Schema) -> Any:
        if suffix == ".parquet":
            return parquet.ParquetWriter(file, schema)
        # pyarrow would put the name in quotes.
        file.write(f"{SCORE}\n".encode())
        return csv.CSVWriter(file, schema, write_options=csv.WriteOptions(include_header=False))

    with contextlib.ExitStack() as stack:
        writer: Any = None

        def write(scores: np.ndarray) -> None:
            nonlocal writer
            table = pa.table({SCORE: scores})
            writer = writer or stack.enter_context(make(table.schema))
            writer.write_table(table)

        yield write


@contextlib.contextmanager
def _refusing(path: str) -> Iterator[None]:
    """Turns what the system says of a file into ValueError."""
    try:
        yield
    except OSError as error:
        cause = error.strerror or in_one_line(error)
        raise ValueError(
            f"output: expected a file that can be written, got {path} ({cause})"
        ) from error


def _target(path: str) -> pathlib.Path:
    """Returns a file's path, without ~ and symbolic links."""
    try:
        return pathlib.Path(path).expanduser().resolve()
    # Of a ~ that is nobody's, or of links in a circle.
    except RuntimeError as error:
        raise OSError(errno.ENOENT, str(error)) from error
