"""Tables that do not fit into memory: what is read of them is what is read of them in memory."""

import pathlib
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from lowlevel import experiment
from lowlevel.config import Config
from lowlevel.data import Stream, Table, csv_files
from lowlevel.data.settings import DataSettings
from lowlevel.experiment import streaming, tables
from lowlevel.likelihoods import LIKELIHOODS

# More than two blocks.
ROWS = 150_000
CONFIG = Config(standardize=True, batch_size=1000, shuffle="window")


def make_columns(rows: int = ROWS) -> pa.Table:
    """Columns of every kind, with missing values."""
    random = np.random.default_rng(0)
    age = random.normal(40, 10, rows)
    city = random.choice(["bern", "oslo", "rome"], rows)
    return pa.table(
        {
            "age": pa.array(age, mask=random.random(rows) < 0.1),
            "time": 1.7e9 + random.normal(size=rows),
            "city": pa.array(city, mask=random.random(rows) < 0.1),
            "member": random.random(rows) < 0.5,
            "count": random.integers(1, 4, rows),
            "label": np.where(random.normal(size=rows) + age / 10 > 4.5, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The columns in three files of Parquet, in groups of rows that do not end with the blocks."""
    path = tmp_path_factory.mktemp("rows")
    whole = make_columns()
    for part in range(3):
        rows = whole.slice(part * ROWS // 3, ROWS // 3)
        parquet.write_table(rows, path / f"{part}.parquet", row_group_size=7777)
    return path


def load(path: pathlib.Path, config: Config = CONFIG, **settings: Any) -> tables.Tables:
    """The tables of a file."""
    given = {"label": "label", "positive": "yes", "missing": "indicator", **settings}
    return tables.load(DataSettings(train=str(path), **given), config, LIKELIHOODS["logit"])


def both(path: pathlib.Path, **settings: Any) -> tuple[tables.Tables, tables.Tables]:
    """The same in memory, and as a stream."""
    in_memory, streamed = load(path, **settings), load(path, **settings, memory_limit=1000)
    assert isinstance(in_memory.train, Table)
    assert isinstance(streamed.train, Stream)
    return in_memory, streamed


def assert_same_rows(first: Any, second: Any) -> None:
    """Asserts that two tables have the same bits."""
    assert (first.names, first.rows) == (second.names, second.rows)
    for one, other in zip(first.row_blocks(), second.row_blocks(), strict=True):
        for column, values in zip(one, other, strict=True):
            np.testing.assert_array_equal(column, values, strict=True)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"holdout": 0.2},
        {"weight": "count", "class_weight": "balanced"},
        {"class_weight": "3", "drop": ("city",)},
    ],
    ids=str,
)
def test_a_stream_has_the_bits_of_the_table_in_memory(
    settings: dict[str, Any], folder: pathlib.Path
) -> None:
    in_memory, streamed = both(folder, **settings)
    assert in_memory.encoder
    assert streamed.encoder
    assert streamed.encoder.schema == in_memory.encoder.schema
    assert_same_rows(streamed.train, in_memory.train)
    assert streamed.held == in_memory.held
    if in_memory.test:
        assert_same_rows(streamed.test, in_memory.test)


def test_both_train_to_the_same_bits(folder: pathlib.Path) -> None:
    runs = [experiment.train("module", CONFIG, found.train) for found in both(folder, holdout=0.2)]
    for name, values in runs[0].weights.items():
        np.testing.assert_array_equal(runs[1].weights[name], values)
    assert runs[1].metrics["nll"] == runs[0].metrics["nll"]


def test_samples_stand_for_all_rows(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "SAMPLE_ROWS", 5000)
    in_memory, streamed = both(folder, holdout=0.2, class_weight="2")
    assert in_memory.test
    assert streamed.test
    assert in_memory.held == streamed.held == in_memory.test.rows
    for sample, whole in (
        (streamed.plain, in_memory.plain),
        (streamed.train.sample, in_memory.train),
        (streamed.test, in_memory.test),
    ):
        assert isinstance(whole, Table)
        assert abs(sample.rows - 5000) <= 1
        assert sample.labels.mean() == pytest.approx(whole.labels.mean(), abs=1e-3)
        # Four standard errors of a mean.
        apart = np.abs(sample.features.mean(0) - whole.features.mean(0))
        assert (apart < 4 * whole.features.std(0) / np.sqrt(5000)).all()
        assert (sample.sample_weight is None) == (whole.sample_weight is None)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_csv_file_streams_with_kinds_that_fit_all_its_rows(
    suffix: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 4096)
    whole = make_columns(4000)
    late = {"late": np.where(np.arange(4000) < 3000, "1", "2.5"), "word": ["1"] * 3999 + ["x"]}
    empty = pa.array([None] * 3000 + [1.5] * 1000)
    for name, column in {**late, "empty": empty}.items():
        whole = whole.append_column(name, pa.array(column))
    # As pandas writes an index, and a comma at the end of each line.
    whole = whole.add_column(0, "", pa.array(range(4000)))
    whole = whole.append_column("", pa.nulls(4000))
    path = tmp_path / f"rows{suffix}"
    with pa.output_stream(path, compression="detect") as file:
        csv.write_csv(whole, file, csv.WriteOptions(quoting_style="none"))
    in_memory, streamed = both(path)
    assert in_memory.encoder
    assert streamed.encoder
    assert streamed.encoder.schema == in_memory.encoder.schema
    assert_same_rows(streamed.train, in_memory.train)


def test_rows_in_memory_stay_there() -> None:
    given = DataSettings(train="memory", label="label", positive="yes", missing="mean")
    found = tables.load(given, CONFIG, LIKELIHOODS["logit"], train=make_columns(100))
    assert isinstance(found.train, Table)


def test_a_full_shuffle_of_a_stream_is_refused_before_it_is_read(folder: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="shuffle: expected window"):
        load(folder, Config(shuffle="full"), memory_limit=1000)


BAD = {
    "a weight below 0": ("weight", -1.0, r"`sample_weight` from 0 .* got -1\.0 in row 140000"),
    "a weight that is not finite": ("weight", np.inf, r"`sample_weight` .* got inf in row 140000"),
    "a number that is not finite": ("a", np.inf, "got infinity in a, row 140000"),
    "a number too large for float32": ("a", 1e300, "number in a, row 140000, is too large"),
    "a missing number": ("a", np.nan, "missing values, 1 in a"),
}


def write_bad(column: str, value: float, folder: pathlib.Path) -> None:
    """Writes a table of which one value, in row 140,000, is not as it should be."""
    columns = {"a": np.arange(ROWS) / 3, "weight": np.ones(ROWS), "label": np.arange(ROWS) % 2}
    columns[column][140_000] = value
    parquet.write_table(pa.table(columns), folder / "t.parquet")


@pytest.mark.parametrize(("column", "value", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_in_a_late_row_is_said(
    column: str, value: float, message: str, tmp_path: pathlib.Path
) -> None:
    write_bad(column, value, tmp_path)
    given = {"train": str(tmp_path), "label": "label", "weight": "weight", "memory_limit": 1000}
    with pytest.raises(ValueError, match=message) as caught:
        tables.load(DataSettings(**given), Config(), LIKELIHOODS["logit"])  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("memory_limit", [1000, 0], ids=["stream", "in memory"])
@pytest.mark.parametrize(
    ("column", "value"), [("a", np.inf), ("a", -1e300), ("weight", -1.0)], ids=str
)
def test_a_row_is_named_by_its_number_in_the_file_though_some_are_held_out(
    column: str, value: float, memory_limit: int, tmp_path: pathlib.Path
) -> None:
    write_bad(column, value, tmp_path)
    given = DataSettings(
        train=str(tmp_path),
        label="label",
        weight="weight",
        holdout=0.5,
        memory_limit=memory_limit or 2**40,
    )
    message = f"in {column}, got {value:g} in row 140000: mend"
    with pytest.raises(ValueError, match=re.escape(message)):
        tables.load(given, Config(), LIKELIHOODS["logit"])


def test_a_damaged_file_is_named(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    content = (folder / "0.parquet").read_bytes()
    (tmp_path / "1.parquet").write_bytes(content)
    (tmp_path / "2.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"train: cannot read .*2\.parquet") as caught:
        load(tmp_path, memory_limit=1000)
    assert "\n" not in str(caught.value)
