"""Files of rows: CSV and Parquet, one or many, and frames, read by pyarrow into one table."""

import contextlib
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lowlevel.errors import in_one_line, shortened

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

PARQUET = (".parquet", ".pq")
_SUFFIXES = (".csv", ".csv.gz", *PARQUET)
# What stands for a missing value in a CSV file, beside an empty field.
MISSING = ("NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A", "?")


def read(given: Any, what: str = "train") -> "pa.Table":
    """Returns rows as one pyarrow table, in the order of the files' names.

    Args:
        given: the path of a CSV or Parquet file, of a folder of them, or a glob; or a pyarrow
            table, a pandas or polars frame, or arrays by name.
        what: the setting that it is of, for messages.

    Raises:
        ValueError: one line that names the file and what is wrong with it.
    """
    if isinstance(given, (str, pathlib.Path)):
        tables = {path: _read_file(path, what) for path in paths(str(given), what)}
        return _joined(tables, what)
    return _checked(_from_memory(given, what), what, "")


def paths(given: str, what: str) -> list[pathlib.Path]:
    """Returns the files that a path, a folder or a glob names, sorted."""
    try:
        path = pathlib.Path(given).expanduser()
        if path.is_dir():
            found = [p for p in path.iterdir() if p.name.endswith(_SUFFIXES) and p.is_file()]
        elif path.exists():
            return [path]
        else:
            root = pathlib.Path(path.anchor)
            found = [p for p in root.glob(str(path.relative_to(root))) if p.is_file()]
    # A RuntimeError is expanduser's, of a ~ that is nobody's.
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{what}: cannot read {shortened(given)}: {_cause(error)}") from error
    if not found:
        kinds = "a CSV or Parquet file, a folder of them, or a glob"
        raise ValueError(f"{what}: expected {kinds}, got {shortened(given)}, where there is none")
    return sorted(found)


def _read_file(path: pathlib.Path, what: str) -> "pa.Table":
    """Returns one file's rows."""
    from pyarrow import parquet

    with refusing(path, what):
        table = parquet.read_table(path) if path.name.endswith(PARQUET) else _read_csv(path)
        # Names that are not in UTF-8 fail here.
        table.column_names  # noqa: B018
    return _checked(table, what, f"{path}: ")


@contextlib.contextmanager
def refusing(path: pathlib.Path, what: str) -> Iterator[None]:
    """Raises ValueError, one line, for a file that is not to be read, or cannot be."""
    import pyarrow as pa

    if not path.name.endswith(_SUFFIXES):
        raise ValueError(f"{what}: expected a file that ends in .csv or .parquet, got {path}")
    try:
        if path.stat().st_size == 0:
            raise ValueError(f"{what}: {path} is empty: give a file with a header and rows")
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{what}: cannot read {path}: {_cause(error)}") from error


def csv_options(**options: Any) -> "csv.ConvertOptions":
    """Returns how the values of a CSV file are read, with further options of pyarrow's."""
    from pyarrow import csv

    missing = ["", *MISSING]
    return csv.ConvertOptions(
        null_values=missing, strings_can_be_null=True, quoted_strings_can_be_null=True, **options
    )


def _read_csv(path: pathlib.Path) -> "pa.Table":
    """Returns a CSV file's rows."""
    import pyarrow as pa
    from pyarrow import csv

    convert = csv_options()
    try:
        return csv.read_csv(path, convert_options=convert)
    except pa.ArrowInvalid:
        # On one thread it also says in which row.
        return csv.read_csv(path, csv.ReadOptions(use_threads=False), convert_options=convert)


def _cause(error: Exception) -> str:
    """Returns what pyarrow says in words that help."""
    text = shortened(in_one_line(error), 160)
    if "UTF8" in text or "utf" in text.lower():
        return f"it is not in UTF-8, save it as that ({text})"
    return getattr(error, "strerror", None) or text


def _checked(table: "pa.Table", what: str, place: str) -> "pa.Table":
    """Returns a table; raises ValueError if it has no rows, or two columns of one name."""
    # What pandas writes of an unnamed index: the rows' former places, no column of the user's.
    places = [name for name in table.column_names if re.fullmatch(r"__index_level_\d+__", name)]
    table = table.drop_columns(places)
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{what}: {place}expected columns of different names, got {twice[0]} twice"
        )
    if not table.num_rows:
        raise ValueError(f"{what}: {place}expected rows, got a header alone")
    return table


def _joined(tables: Mapping[pathlib.Path, "pa.Table"], what: str) -> "pa.Table":
    """Returns the rows of many files; raises ValueError if their columns differ."""
    import pyarrow as pa

    (first, expected), *rest = tables.items()
    for path, table in rest:
        alone = sorted({*table.column_names} ^ {*expected.column_names})
        if alone:
            missing = alone[0] in expected.column_names
            words = f"has no column {alone[0]}" if missing else f"has a column {alone[0]} as well"
            raise ValueError(f"{what}: {path} {words}, unlike {first}: give files of one kind")
        for name in expected.column_names:
            kinds = [_kind(t.schema.field(name).type) for t in (expected, table)]
            if kinds[0] != kinds[1] and "nothing" not in kinds:
                raise ValueError(
                    f"{what}: column {name} is of {kinds[1]} in {path} and of {kinds[0]} in "
                    f"{first}: make them one kind"
                )
    ordered = [table.select(expected.column_names) for table in tables.values()]
    return pa.concat_tables(ordered, promote_options="permissive")


def _kind(kind: "pa.DataType") -> str:
    """Returns what a column is of, in words."""
    from pyarrow import types

    if types.is_null(kind):
        return "nothing"
    if types.is_boolean(kind):
        return "booleans"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "numbers"
    return "text" if types.is_string(kind) or types.is_large_string(kind) else str(kind)


def _from_memory(given: Any, what: str) -> "pa.Table":
    """Returns a frame, or arrays by name, as a pyarrow table."""
    import pyarrow as pa

    if isinstance(given, pa.Table):
        return given
    try:
        if isinstance(given, Mapping):
            return pa.table({str(name): pa.array(column) for name, column in given.items()})
        if hasattr(given, "__arrow_c_stream__"):
            return pa.table(given)
        if hasattr(given, "__dataframe__"):
            return pa.interchange.from_dataframe(given)
    except Exception as error:
        raise ValueError(f"{what}: cannot read a {_class(given)}: {_cause(error)}") from error
    raise ValueError(
        f"{what}: expected a path, a pyarrow table, a frame, or arrays by name, got a "
        f"{_class(given)}"
    )


def _class(given: Any) -> str:
    return type(given).__name__


def require(table: "pa.Table", names: Sequence[str], what: str) -> None:
    """Raises ValueError unless a table has some columns."""
    for name in names:
        if name not in table.column_names:
            there = shortened(", ".join(table.column_names), 200)
            raise ValueError(f"{what}: there is no column {name}, but {there}")
