"""The table is the registered one, and the order of the batches is a pure function."""

import pathlib
from collections.abc import Callable

import numpy as np
import pytest

from lowlevel import data
from lowlevel.config import Config


def test_the_table_has_the_shape_and_the_balance_that_uci_describes(credit: Callable) -> None:
    table = credit("float32")
    assert table.features.shape == (1000, len(data.COLUMNS))
    # UCI's description: 700 good, 300 bad.
    assert np.count_nonzero(table.labels == 1) == 700
    assert np.count_nonzero(table.labels == 0) == 300


def test_every_row_of_the_bundled_file_is_in_the_table(credit: Callable) -> None:
    table = credit("float64")
    rows = np.loadtxt(data.SOURCE)
    # The file says 1 for good and 2 for bad.
    expected = np.column_stack([rows[:, :-1], 2 - rows[:, -1]])
    found = np.column_stack([table.features, table.labels])
    np.testing.assert_array_equal(sorted(map(tuple, found)), sorted(map(tuple, expected)))


def test_the_names_stand_over_the_right_columns(credit: Callable) -> None:
    columns = dict(zip(data.COLUMNS, credit("float32").features.T, strict=True))
    # UCI's description: ages from 19 to 75, durations from 4 to 72 months.
    assert (columns["age_years"].min(), columns["age_years"].max()) == (19, 75)
    assert (columns["duration_months"].min(), columns["duration_months"].max()) == (4, 72)
    # 234 loans for a new car, 103 for a used one; 179 tenants, 713 owners; 630 skilled.
    counted = ["purpose_new_car", "purpose_used_car", "housing_rented", "housing_owned"]
    assert [columns[name].sum() for name in counted] == [234, 103, 179, 713]
    assert columns["job_skilled"].sum() == 630


def test_a_changed_bundled_file_is_refused_before_anything_is_downloaded(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "german.data-numeric"
    changed.write_bytes(data.SOURCE.read_bytes() + b"\n")
    monkeypatch.setattr(data, "SOURCE", changed)
    with pytest.raises(ValueError, match=r"Expected .* with SHA-256 2752b.*, got .*: restore"):
        data.load_german_credit("float32", str(tmp_path))


def test_a_data_dir_that_cannot_be_made_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"^data_dir: expected a folder that can be written, got"):
        data.load_german_credit("float32", str(tmp_path / "file" / "folder"))


def test_a_data_dir_of_nobodys_home_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^data_dir: .* got ~nobody_of_this_name/data "):
        data.load_german_credit("float32", "~nobody_of_this_name/data")


def test_a_damaged_table_is_refused_with_what_to_do(tmp_path: pathlib.Path) -> None:
    data.load_german_credit("float32", str(tmp_path))
    (record,) = tmp_path.rglob("*.tfrecord*")
    record.write_bytes(record.read_bytes()[:-7])
    with pytest.raises(ValueError, match=r"^data_dir: .* \(DataLossError: .* damaged, delete that"):
        data.load_german_credit("float32", str(tmp_path))


def test_moments_are_those_of_the_population() -> None:
    mean, deviation = data.moments(np.array([[1.0, 5.0], [3.0, 9.0]]))
    np.testing.assert_array_equal(mean, [2, 7])
    np.testing.assert_array_equal(deviation, [1, 2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_column_is_divided_by_1_and_comes_out_as_0(dtype: str) -> None:
    column = np.full((1000, 1), 0.1, dtype)  # Its sum is rounded.
    mean, deviation = data.moments(column)
    np.testing.assert_array_equal(deviation, 1)
    np.testing.assert_array_equal(column - mean, 0)


def test_an_order_holds_every_row_once() -> None:
    np.testing.assert_array_equal(np.sort(data.batch_order(3, 5, 1000)), np.arange(1000))


def test_an_order_depends_on_nothing_but_seed_epoch_and_rows() -> None:
    first = data.batch_order(3, 5, 1000)
    data.batch_order(3, 6, 1000)
    np.random.seed(1)
    np.testing.assert_array_equal(data.batch_order(3, 5, 1000), first)


@pytest.mark.parametrize(("seed", "epoch"), [(4, 5), (3, 6), (5, 3)])
def test_another_seed_or_epoch_gives_another_order(seed: int, epoch: int) -> None:
    assert (data.batch_order(seed, epoch, 1000) != data.batch_order(3, 5, 1000)).any()


def test_every_row_comes_at_every_place_equally_often() -> None:
    orders = np.stack([data.batch_order(0, epoch, 5) for epoch in range(20_000)])
    counts = np.stack([np.bincount(column, minlength=5) for column in orders.T])
    # Binomial: mean 4,000, deviation 56.6; five deviations, for 25 cells.
    assert np.abs(counts - 4000).max() < 5 * 56.6


def test_layer_seeds_differ_and_stay_below_what_keras_takes() -> None:
    seeds = data.layer_seeds(0, 8) + data.layer_seeds(1, 8)
    assert len(set(seeds)) == 16
    assert max(seeds) < 2**31 - 2


ONES = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([[1.0]], ONES), "Expected `features` to be a NumPy array, got list"),
        ((ONES, ONES), "Expected `features` of shape .rows, columns., got .3."),
        ((np.ones((3, 2), np.float32), ONES[:2]), "`labels` of shape .3. and dtype float32.*.2."),
        ((np.ones((3, 2)), ONES), "`labels` .* float64, as `features` has, got .3. and float32"),
        ((np.ones((3, 2), np.int64), ONES), "dtype float32 or float64, got int64"),
        ((np.full((3, 2), np.nan, np.float32), ONES), "Expected finite `features`, .* in row 0"),
        ((np.ones((3, 2), np.float32), 2 * ONES), "`labels` from 0 to 1, got 2.0 in row 0"),
        ((np.ones((3, 2), np.float32), ONES, -ONES), "`sample_weight` .* got -1.0 in row 0"),
        ((np.ones((3, 2), np.float32), ONES, 0 * ONES), "`sample_weight` above 0 in some row"),
    ],
)
def test_a_table_that_cannot_be_trained_on_is_refused(
    columns: tuple[np.ndarray, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        data.Table(*columns)


@pytest.mark.parametrize("report_every", [1, 3, 100])
def test_blocks_of_orders_are_the_epochs_orders_in_turn(report_every: int) -> None:
    config = Config(epochs=7, report_every=report_every, seed=5)
    blocks = list(data.order_blocks(config, 50))
    orders = np.concatenate([block[:epochs] for epochs, block in blocks])
    np.testing.assert_array_equal(orders, [data.batch_order(5, epoch, 50) for epoch in range(7)])
    assert len({block.shape for _, block in blocks}) == 1


def test_a_large_tables_orders_come_an_epoch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST_INDICES", 10)
    blocks = list(data.order_blocks(Config(epochs=3, report_every=3), 50))
    assert [epochs for epochs, _ in blocks] == [1, 1, 1]


def test_an_aligned_copy_holds_the_same_values_at_a_multiple_of_64_bytes() -> None:
    array = np.arange(1001, dtype=np.float32).reshape(7, 143)[:, 1:]
    copy = data.aligned(array)
    np.testing.assert_array_equal(copy, array, strict=True)
    assert copy.ctypes.data % 64 == 0
