"""Rows a block at a time: as many as there are, as the columns are to be, and in order."""

import pathlib

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from lowlevel.data import columns, files, reading
from lowlevel.data.schema import Column

COLUMNS = [Column("x", "number"), Column("town", "text", ("a", "b"))]


def read(given: object) -> list[pa.Table]:
    """The blocks of rows."""
    return [block for block, _ in reading.blocks(given, COLUMNS, "input")]


@pytest.mark.parametrize("cuts", [[10], [1, 9], [3, 3, 4], [7, 0, 3]])
def test_blocks_are_cut_alike_however_the_rows_came(
    cuts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "BLOCK_ROWS", 4)
    whole = pa.table({"x": np.arange(10)})
    firsts = np.cumsum([0, *cuts[:-1]]).tolist()
    parts = [whole.slice(first, rows) for first, rows in zip(firsts, cuts, strict=True)]
    found = [block["x"].to_pylist() for block in columns.in_blocks(parts)]
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_csv_file_is_read_as_when_it_is_read_whole(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('\ufeffother,town,x\n1,a,1.5\n2,NA, 1e3 \nx,"b,c",nan\ny,?,-7\nz,"",0.1\n')
    (found,) = read(path)
    whole = files.read(path)
    assert found.column_names == ["x", "town"]
    assert found["town"].to_pylist() == whole["town"].to_pylist()
    assert found["x"].to_pylist() == whole["x"].to_pylist()


def test_the_kind_of_a_column_is_the_schemas_to_say(tmp_path: pathlib.Path) -> None:
    # Read by themselves, these would be booleans and numbers.
    (tmp_path / "rows.csv").write_text("x,town\ntrue,1\nFALSE,02\n,3\n")
    (found,) = read(tmp_path / "rows.csv")
    assert found["x"].to_pylist() == [1.0, 0.0, None]
    assert found["town"].to_pylist() == ["1", "02", "3"]


def test_parquet_files_of_many_types_are_one_table(tmp_path: pathlib.Path) -> None:
    parts = [
        {"x": pa.array([1, 2], pa.int8()), "town": pa.array(["a", "b"]).dictionary_encode()},
        {"town": pa.array(["b"], pa.large_string()), "x": pa.array([True])},
        {"x": pa.array([0.5], pa.float32()), "town": pa.array([None], pa.null())},
    ]
    for number, part in enumerate(parts):
        parquet.write_table(pa.table(part), tmp_path / f"{number}.parquet")
    (found,) = read(tmp_path)
    assert found["x"].to_pylist() == [1.0, 2.0, 1.0, 0.5]
    assert found["town"].to_pylist() == ["a", "b", "b", None]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "is empty"),
        ("x,town\n", "expected rows, got a header alone"),
        ("x\n1\n", "none called town, but x"),
        ("x,town,x\n1,a,2\n", "expected columns of different names, got x twice"),
        ("x,town\n1,a\n2\n", "Expected 2 columns, got 1"),
        ("x,town\n1,a\nfour,a\n", "expected numbers in x, got 'four' in row 1"),
    ],
)
def test_a_file_that_cannot_be_read_gets_one_clear_line(
    text: str, wanted: str, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"^input: .*rows\.csv.*{wanted}") as caught:
        read(tmp_path / "rows.csv")
    assert "\n" not in str(caught.value)


def test_text_in_place_of_a_number_is_refused_in_parquet_files_too(tmp_path: pathlib.Path) -> None:
    parquet.write_table(pa.table({"x": ["1"], "town": ["a"]}), tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match=r"rows\.parquet: expected x to be of numbers, got text"):
        read(tmp_path / "rows.parquet")
