"""The table is the registered one, and anything else in its place is refused."""

import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from lowlevel.data import german_credit
from lowlevel.data.german_credit import COLUMNS, SOURCE, load_german_credit


def test_the_table_has_the_shape_and_the_balance_that_uci_describes(credit: Callable) -> None:
    table = credit("float32")
    assert table.features.shape == (1000, len(COLUMNS))
    # UCI's description: 700 good, 300 bad.
    assert np.count_nonzero(table.labels == 1) == 700
    assert np.count_nonzero(table.labels == 0) == 300


def test_every_row_of_the_bundled_file_is_in_the_table(credit: Callable) -> None:
    table = credit("float64")
    rows = np.loadtxt(SOURCE)
    # The file says 1 for good and 2 for bad.
    expected = np.column_stack([rows[:, :-1], 2 - rows[:, -1]])
    found = np.column_stack([table.features, table.labels])
    np.testing.assert_array_equal(sorted(map(tuple, found)), sorted(map(tuple, expected)))


def test_the_names_stand_over_the_right_columns(credit: Callable) -> None:
    columns = dict(zip(COLUMNS, credit("float32").features.T, strict=True))
    # UCI's description: ages from 19 to 75, durations from 4 to 72 months.
    assert (columns["age_years"].min(), columns["age_years"].max()) == (19, 75)
    assert (columns["duration_months"].min(), columns["duration_months"].max()) == (4, 72)
    # 234 loans for a new car, 103 for a used one; 179 tenants, 713 owners; 630 skilled.
    counted = ["purpose_new_car", "purpose_used_car", "housing_rented", "housing_owned"]
    assert [columns[name].sum() for name in counted] == [234, 103, 179, 713]
    assert columns["job_skilled"].sum() == 630


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_table_is_of_the_dtype_asked_for(credit: Callable, dtype: str) -> None:
    assert credit(dtype).dtype == credit(dtype).labels.dtype == dtype


def test_a_changed_bundled_file_is_refused_before_anything_is_downloaded(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "german.data-numeric"
    changed.write_bytes(SOURCE.read_bytes() + b"\n")
    monkeypatch.setattr(german_credit, "SOURCE", changed)
    with pytest.raises(ValueError, match=r"Expected .* with SHA-256 2752b.*, got .*: restore"):
        load_german_credit("float32", str(tmp_path))


def test_a_data_dir_that_is_a_file_is_refused_with_what_to_do(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "table.csv"
    file.touch()
    message = r"^data_dir: .* got .*table\.csv \(.*it is a file; .* goes through lowlevel\.train"
    with pytest.raises(ValueError, match=message):
        load_german_credit("float32", str(file))


def test_a_data_dir_that_cannot_be_made_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"^data_dir: expected a folder that can be written, got"):
        load_german_credit("float32", str(tmp_path / "file" / "folder"))


def test_a_data_dir_of_nobodys_home_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^data_dir: .* got ~nobody_of_this_name/data "):
        load_german_credit("float32", "~nobody_of_this_name/data")


@pytest.fixture
def prepared(credit: Callable, data_dir: str, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the folder that holds the prepared table."""
    credit("float32")
    return pathlib.Path(shutil.copytree(data_dir, tmp_path / "data"))


def records_of(folder: pathlib.Path) -> pathlib.Path:
    """The file that holds the prepared table's rows."""
    (path,) = folder.rglob("*.tfrecord*")
    return path


def test_a_damaged_table_is_refused_with_what_to_do(prepared: pathlib.Path) -> None:
    path = records_of(prepared)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ValueError, match=r"^data_dir: .* \(DataLossError: .* damaged, delete that"):
        load_german_credit("float32", str(prepared))


def test_a_prepared_table_in_another_order_is_refused(prepared: pathlib.Path) -> None:
    path = records_of(prepared)
    first, second, *others = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in (second, first, *others):
            writer.write(record)
    with pytest.raises(ValueError, match=r"^data_dir: .*, got another in .*: delete that, and it"):
        load_german_credit("float32", str(prepared))


def test_a_prepared_table_is_prepared_anew_once_it_is_deleted(prepared: pathlib.Path) -> None:
    shutil.rmtree(prepared / german_credit.NAME)
    assert load_german_credit("float32", str(prepared)).rows == 1000


@pytest.mark.parametrize("error", [FileExistsError, OSError])
def test_a_table_that_another_process_prepares_meanwhile_is_taken(
    error: type[OSError], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(tfds.builder(german_credit.NAME, data_dir=tmp_path))
    prepare = kind.download_and_prepare

    def come_second(builder: Any, **kwargs: Any) -> None:
        prepare(builder, **kwargs)
        raise error("cannot rename: it is there")

    monkeypatch.setattr(kind, "download_and_prepare", come_second)
    assert load_german_credit("float32", str(tmp_path)).rows == 1000
