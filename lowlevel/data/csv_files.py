"""CSV files, read by pyarrow; and what is wrong with one, in words that help."""

import pathlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from lowlevel.errors import shortened

if TYPE_CHECKING:
    import pyarrow as pa

# What stands for a missing value, beside an empty field.
MISSING = ("NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A", "?")
# What may be between the fields of a file that is not separated by commas.
_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}
# What is parsed together, and what the kinds of the columns are taken from where the rest is read
# in pieces: with fewer, each of thousands of columns comes in many small ones.
BLOCK_BYTES = 2**24
# Enough for the names of some ten thousand columns.
_HEAD_BYTES = 2**18


def read_csv(path: pathlib.Path) -> "pa.Table":
    """Returns a CSV file's rows, by pyarrow; raises what it raises.

    Raises:
        ValueError: the file is in UTF-16, or has something else than commas between its fields.
    """
    import pyarrow as pa
    from pyarrow import csv

    check_head(path)
    try:
        return csv.read_csv(path, **options())
    except pa.ArrowInvalid:
        # On one thread it also says in which row.
        return csv.read_csv(path, **options(use_threads=False))


def as_parquet(path: pathlib.Path) -> IO[bytes]:
    """Returns a CSV file's rows in the format of Parquet, in a file without a name.

    The kinds of the columns are those of the first rows; where a later one does not fit, a wider
    kind is taken, and all is read again.

    Raises:
        ValueError: as for `read_csv`.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    check_head(path)
    kinds: dict[str, pa.DataType] = {}
    while True:
        # Open as long as the rows are wanted.
        file = tempfile.TemporaryFile()  # noqa: SIM115
        with csv.open_csv(path, **options(kinds)) as reader:
            try:
                with parquet.ParquetWriter(file, reader.schema) as writer:
                    for batch in reader:
                        writer.write_batch(batch)
                return file
            except pa.ArrowInvalid as error:
                file.close()
                failed = re.search(r"column #(\d+): CSV conversion error", str(error))
                if not failed:
                    raise
                field = reader.schema.field(int(failed[1]))
                kinds[field.name] = _wider(field.type)


def _wider(kind: "pa.DataType") -> "pa.DataType":
    """Returns the next kind that has room for what one has not."""
    import pyarrow as pa

    if pa.types.is_null(kind):
        return pa.int64()
    return pa.float64() if pa.types.is_int64(kind) else pa.string()


def options(
    kinds: "Mapping[str, pa.DataType] | None" = None,
    use_threads: bool = True,
    include: Sequence[str] = (),
) -> dict[str, Any]:
    """Returns how a file is read; the kinds of columns may be given, and which are wanted."""
    from pyarrow import csv

    return {
        "read_options": csv.ReadOptions(use_threads=use_threads, block_size=BLOCK_BYTES),
        # Without it a cell of several lines is read or not, by where the file is cut into blocks.
        "parse_options": csv.ParseOptions(newlines_in_values=True),
        "convert_options": csv.ConvertOptions(
            column_types=kinds,
            include_columns=list(include),
            null_values=["", *MISSING],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    }


def check_head(path: pathlib.Path) -> None:
    """Raises ValueError for a file that begins as no CSV file in UTF-8 does."""
    import pyarrow as pa

    # It also takes what is compressed.
    with pa.input_stream(str(path)) as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        raise ValueError("it is in UTF-16 or no text at all: save it in UTF-8")
    names = head.decode(errors="replace").lstrip("\ufeff").splitlines()[0] if head else ""
    found = [separator for separator in _SEPARATORS if separator in _unquoted(names)]
    if found and "," not in _unquoted(names):
        raise ValueError(
            f"its fields are separated by {_SEPARATORS[found[0]]}, as in {shortened(names, 80)}: "
            "save it with commas, and with points in numbers"
        )


def _unquoted(line: str) -> str:
    """Returns a line without what is in quotes."""
    return re.sub(r'"[^"]*"', "", line)
