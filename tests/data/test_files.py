"""Files: what is read is what pyarrow's own writers, or plain text, hold."""

import pathlib

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from lowlevel.data import files

TABLE = pa.table({"a": [1.5, 2.5, 3.5], "c": ["x", "y", "z"], "label": [0, 1, 0]})


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with the table in two parts, CSV and Parquet."""
    csv.write_csv(TABLE.slice(0, 2), tmp_path / "part-0.csv")
    parquet.write_table(TABLE.slice(2), tmp_path / "part-1.parquet")
    (tmp_path / "notes.txt").write_text("no table")
    return tmp_path


def test_a_folder_is_read_in_the_order_of_its_names(folder: pathlib.Path) -> None:
    assert files.read(folder).to_pylist() == TABLE.to_pylist()


def test_a_glob_is_read_likewise(folder: pathlib.Path) -> None:
    assert files.read(str(folder / "part-*")).to_pylist() == TABLE.to_pylist()


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert files.read(tmp_path / "t.csv").column_names == ["a", "b"]


def test_columns_may_come_in_another_order(tmp_path: pathlib.Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("b,a\n4,3\n")
    assert files.read(tmp_path).to_pylist() == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_whole_numbers_and_others_are_one_kind(tmp_path: pathlib.Path) -> None:
    (tmp_path / "1.csv").write_text("a\n1\n")
    (tmp_path / "2.csv").write_text("a\n2.5\n")
    assert files.read(tmp_path)["a"].to_pylist() == [1.0, 2.5]


def test_a_column_may_be_categorical_in_one_file_alone(tmp_path: pathlib.Path) -> None:
    coded = TABLE.set_column(1, "c", TABLE["c"].dictionary_encode())
    for number, table in enumerate((TABLE, coded, TABLE)):
        parquet.write_table(table.slice(number, 1), tmp_path / f"{number}.parquet")
    assert files.read(tmp_path).to_pylist() == TABLE.to_pylist()


def test_a_cell_may_have_several_lines_wherever_the_file_is_cut(tmp_path: pathlib.Path) -> None:
    cells = [f"{i % 3}\nand {'more ' * 20}" for i in range(20_000)]
    text = "".join(f'"{cell}",{i}\n' for i, cell in enumerate(cells))
    (tmp_path / "t.csv").write_text("c,label\n" + text)
    assert files.read(tmp_path / "t.csv")["c"].to_pylist() == cells


def test_an_index_without_a_name_is_no_column(tmp_path: pathlib.Path) -> None:
    frame = TABLE.to_pandas().iloc[::-1]
    frame.to_csv(tmp_path / "t.csv")
    assert files.read(tmp_path / "t.csv").to_pylist() == TABLE.to_pylist()[::-1]


def test_a_comma_at_the_end_of_each_line_makes_no_column(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,\n1,2,\n3,4,\n")
    assert files.read(tmp_path / "t.csv").to_pylist() == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


@pytest.mark.parametrize("word", ["", "NA", "?", "null"])
def test_words_for_a_missing_value_are_null(word: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.csv").write_text(f"a,c\n1,x\n{word},{word}\n")
    assert files.read(tmp_path / "t.csv").to_pylist()[1] == {"a": None, "c": None}


class Frame:
    """A frame of another library, by Arrow's own interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The table."""
        return TABLE.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "given", [TABLE, Frame(), {name: TABLE[name].to_numpy() for name in TABLE.column_names}]
)
def test_what_is_in_memory_is_taken_as_it_is(given: object) -> None:
    assert files.read(given).to_pylist() == TABLE.to_pylist()


def test_a_home_of_nobody_is_a_clear_line() -> None:
    with pytest.raises(ValueError, match=r"^train: cannot read ~nobody_of_this_name/a\.csv: "):
        files.read("~nobody_of_this_name/a.csv")


def test_what_is_no_table_is_a_clear_line() -> None:
    with pytest.raises(ValueError, match=r"^train: expected a path, a pyarrow table, a frame"):
        files.read(3)
    with pytest.raises(ValueError, match=r"^train: cannot read a dict"):
        files.read({"a": np.ones((2, 2)), "b": np.ones(3)})
