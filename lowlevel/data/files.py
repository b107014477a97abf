"""Files of rows: CSV and Parquet, one or many, and frames, read by pyarrow into one table."""

import contextlib
import pathlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lowlevel.data.columns import Source
from lowlevel.data.csv_files import read_csv
from lowlevel.errors import in_one_line, shortened

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = (".parquet", ".pq")
_SUFFIXES = (".csv", ".csv.gz", *PARQUET)


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
        table = parquet.read_table(path) if path.name.endswith(PARQUET) else read_csv(path)
        # Names that are not in UTF-8 fail here.
        table.column_names  # noqa: B018
    return _checked(table, what, f"{path}: ")


@contextlib.contextmanager
def refusing(path: pathlib.Path, what: str) -> Iterator[None]:
    """Raises ValueError, one line, for a file that is not to be read, or cannot be."""
    import pyarrow as pa

    if not path.name.endswith(_SUFFIXES):
        tabs = ": save it with commas" if path.suffix in (".tsv", ".tab") else ""
        raise ValueError(f"{what}: expected a file that ends in .csv or .parquet, got {path}{tabs}")
    try:
        if path.stat().st_size == 0:
            raise ValueError("it is empty: give a file with a header and rows")
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"{what}: cannot read {path}: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    """Returns what is said of a file, by this package or by pyarrow, in words that help."""
    if type(error) is ValueError:
        return str(error)
    text = shortened(in_one_line(error), 160)
    if "UTF8" in text or "utf" in text.lower():
        return f"it is not in UTF-8, save it as that ({text})"
    if "cannot infer number of columns" in text:
        return "it has no line of names, or one with a quotation mark that is not closed"
    return getattr(error, "strerror", None) or text


def _checked(table: "pa.Table", what: str, place: str) -> "pa.Table":
    """Returns a table; raises ValueError if it has no rows, or names that are none or not one's."""
    own = own_columns(table.schema, lambda column: _differ(table.column(column)), what, place)
    table = table.select(list(own.values())).rename_columns(list(own))
    if not table.num_rows:
        raise ValueError(f"{what}: {place}expected rows, got a header alone")
    return table


def own_columns(
    schema: "pa.Schema", is_index: Callable[[int], bool], what: str, place: str
) -> dict[str, int]:
    """Returns the user's own columns, their places in a file by name.

    None of the user's is what pandas or R write of an unnamed index, the rows' places, nor an empty
    column without a name, as after a comma at the end of each line.

    Args:
        schema: of the file.
        is_index: whether the numbers of a column, given by its place, all differ.
        what: the setting that it is of, for messages.
        place: the file, for messages.

    Raises:
        ValueError: two columns have one name, or another column has none.
    """
    from pyarrow import types

    # A name may have several lines; messages have one.
    names = [" ".join(name.splitlines()) for name in schema.names]
    twice = sorted(name for name, count in Counter(names).items() if count > 1 and name)
    if twice:
        raise ValueError(
            f"{what}: {place}expected columns of different names, got {twice[0]} twice"
        )
    own = {}
    for number, (name, kind) in enumerate(zip(names, schema.types, strict=True)):
        if name and not re.fullmatch(r"__index_level_\d+__", name):
            own[name] = number
        unnamed = not name and not types.is_null(kind)
        if unnamed and not (types.is_integer(kind) and is_index(number)):
            raise ValueError(
                f"{what}: {place}expected a name for every column, got none for column "
                f"{number + 1}: name it, or leave it out of the file"
            )
    return own


def _differ(column: "pa.ChunkedArray") -> bool:
    """Returns whether the numbers of a column all differ."""
    from pyarrow import compute

    return not column.null_count and compute.count_distinct(column).as_py() == len(column)


def _joined(tables: Mapping[pathlib.Path, "pa.Table"], what: str) -> "pa.Table":
    """Returns the rows of many files; raises ValueError if their columns differ."""
    import pyarrow as pa

    if len(tables) == 1:
        return next(iter(tables.values()))
    names = unified({path: table.schema for path, table in tables.items()}, what).names
    ordered = [plain(table.select(names)) for table in tables.values()]
    return pa.concat_tables(ordered, promote_options="permissive")


def unified(schemas: "Mapping[pathlib.Path, pa.Schema]", what: str) -> "pa.Schema":
    """Returns the columns of many files, of values; raises ValueError if they differ."""
    import pyarrow as pa

    (first, expected), *rest = schemas.items()
    for path, schema in rest:
        alone = sorted({*schema.names} ^ {*expected.names})
        if alone:
            missing = alone[0] in expected.names
            words = f"has no column {alone[0]}" if missing else f"has a column {alone[0]} as well"
            raise ValueError(f"{what}: {path} {words}, unlike {first}: give files of one kind")
        for name in expected.names:
            kinds = [_kind(_values(found.field(name).type)) for found in (expected, schema)]
            if kinds[0] != kinds[1] and "nothing" not in kinds:
                raise ValueError(
                    f"{what}: column {name} is of {kinds[1]} in {path} and of {kinds[0]} in "
                    f"{first}: make them one kind"
                )
    whole = pa.unify_schemas(map(_of_values, schemas.values()), promote_options="permissive")
    return pa.schema([whole.field(name) for name in expected.names])


def plain(table: "pa.Table") -> "pa.Table":
    """Returns a table whose categorical columns are columns of their values."""
    return table.cast(_of_values(table.schema))


def _of_values(schema: "pa.Schema") -> "pa.Schema":
    """Returns the same columns, the categorical ones as columns of their values."""
    import pyarrow as pa

    return pa.schema([field.with_type(_values(field.type)) for field in schema])


def _values(kind: "pa.DataType") -> "pa.DataType":
    """Returns what the values of a column are of, categorical or not."""
    from pyarrow import types

    return kind.value_type if types.is_dictionary(kind) else kind


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


def require(table: "pa.Table | Source", names: Sequence[str], what: str) -> None:
    """Raises ValueError unless a table has some columns."""
    for name in names:
        if name not in table.column_names:
            there = shortened(", ".join(table.column_names), 200)
            raise ValueError(f"{what}: there is no column {name}, but {there}")
