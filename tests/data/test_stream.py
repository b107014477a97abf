"""A table in a file is the one in memory: the same rows, in the same order, in bounded memory."""

import dataclasses
import errno
import itertools
import os
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lowlevel.config import Config
from lowlevel.data import Stream, Table
from lowlevel.data.row_file import RowFile
from lowlevel.data.shards import Portion
from lowlevel.data.stream import picked
from lowlevel.data.summaries import label_weights, mean_label, moments


def make_table(rows: int = 300, weighted: bool = True) -> Table:
    """Rows that can be told apart."""
    random = np.random.default_rng(0)
    features = random.normal(1e3, 2.0, (rows, 3)).astype(np.float32)
    labels = random.integers(0, 2, rows)
    return Table(
        features, labels, random.uniform(0, 2, rows) if weighted else None, ("a", "b", "c")
    )


def stream_of(table: Table) -> Stream:
    """A table's rows in a file, written in parts."""
    file = RowFile(table.rows, table.row_shapes, np.dtype(table.dtype))
    for first in range(0, table.rows, 70):
        file.write(first, [column[first : first + 70] for column in table.columns])
    return Stream(file, table.names, table)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows, groups and blocks of a few rows."""
    monkeypatch.setattr("lowlevel.data.windows.WINDOW_BYTES", 1000)
    monkeypatch.setattr("lowlevel.data.windows.GROUP_BYTES", 150)
    monkeypatch.setattr("lowlevel.data.table.BLOCK_ROWS", 64)
    monkeypatch.setattr("lowlevel.data.stream.BLOCK_ROWS", 64)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_come_back_as_they_were_written(weighted: bool) -> None:
    table = make_table(weighted=weighted)
    stream = stream_of(table)
    assert (stream.rows, stream.width, stream.row_shapes, stream.row_bytes) == (
        (table.rows, table.width, table.row_shapes, table.row_bytes)
    )
    for found, expected in zip(stream.row_blocks(), table.row_blocks(), strict=True):
        for column, values in zip(found, expected, strict=True):
            np.testing.assert_array_equal(column, values, strict=True)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("shards", [1, 3])
def test_windows_hold_the_rows_of_the_order_in_memory(shards: int) -> None:
    table = make_table()
    config = Config(seed=7, batch_size=8, shuffle="window", shards=shards)
    blocks = list(stream_of(table).blocks(config, [range(2, 4)], 2))
    assert len(blocks) > 4
    orders = np.concatenate([b.orders for b in table.blocks(config, [range(2, 4)], 2)])
    expected = table.features[orders.ravel()]
    found = np.concatenate([block.columns[0][block.orders[0]] for block in blocks])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("small_parts")
def test_the_last_window_of_each_epoch_ends_it() -> None:
    blocks = list(stream_of(make_table()).blocks(Config(batch_size=8), [range(3)], 3))
    count = len(blocks) // 3
    assert [block.ends for block in blocks] == ([False] * (count - 1) + [True]) * 3


# Rows, and batches of the first epoch that are left out.
SHARED = {
    "many windows": (300, 0),
    "the middle of an epoch": (300, 7),
    "a last batch of fewer rows than shards": (203, 0),
    "fewer rows than shards": (3, 0),
}
every_sharing = pytest.mark.parametrize(("rows", "done"), SHARED.values(), ids=SHARED)
# Of two epochs, each batch in 8 shards; the three workers have 3, 3 and 2 of them.
CUT, EPOCHS = Config(seed=7, batch_size=20, shards=8), [range(2, 4)]
IN_MEMORY = dataclasses.replace(CUT, shuffle="window")
PORTIONS = [Portion(8, range(3)), Portion(8, range(3, 6)), Portion(8, range(6, 8))]


@pytest.mark.usefixtures("small_parts")
@every_sharing
def test_a_worker_gathers_for_its_shards_what_is_there_in_the_whole_stream(
    rows: int, done: int
) -> None:
    stream = stream_of(make_table(rows))
    for portion in PORTIONS:
        parts = stream.blocks(CUT, EPOCHS, 2, done, portion)
        for whole, part in zip(stream.blocks(CUT, EPOCHS, 2, done), parts, strict=True):
            assert (part.epochs, part.ends) == (whole.epochs, whole.ends)
            assert part.orders.shape == whole.orders.shape
            own = portion.of_rows(whole.orders.shape[1], CUT.batch_size)
            for column, expected in zip(part.columns, whole.columns, strict=True):
                assert len(column) == own.sum()
                np.testing.assert_array_equal(
                    column[part.orders[0, own]], expected[whole.orders[0, own]], strict=True
                )


@pytest.mark.usefixtures("small_parts")
@every_sharing
def test_a_worker_reads_its_own_rows_once_an_epoch_and_no_others(
    rows: int, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    file_read = RowFile.read

    def spy(self: RowFile, runs: Sequence[range], *rest: Any) -> tuple[np.ndarray, ...]:
        read.extend(number for run in runs for number in run)
        return file_read(self, runs, *rest)

    table = make_table(rows)
    stream = stream_of(table)
    left_out = done * CUT.batch_size
    (block,) = table.blocks(IN_MEMORY, EPOCHS, 2)
    counts = np.zeros(rows)
    monkeypatch.setattr(RowFile, "read", spy)
    for portion in PORTIONS:
        read.clear()
        assert list(stream.blocks(CUT, EPOCHS, 2, done, portion))
        own = portion.of_rows(rows, CUT.batch_size)
        expected = [block.orders[0, left_out:][own[left_out:]], block.orders[1, own]]
        np.testing.assert_array_equal(np.sort(read), np.sort(np.concatenate(expected)))
        counts += np.bincount(read, minlength=rows)
    # Those that are left out are read in the second epoch alone.
    assert np.bincount(counts.astype(int)).tolist() == [0, left_out, rows - left_out]


@pytest.mark.parametrize("count", [0, 1, 5, 12])
def test_picked_rows_are_read_in_few_runs_and_found_again(count: int) -> None:
    runs = [range(40, 44), range(3, 7), range(7, 11)]
    numbers = np.concatenate([list(run) for run in runs])
    places = np.random.default_rng(count).permutation(12)[:count]
    found, order = picked(runs, places)
    rows = np.array([number for run in found for number in run], int)
    np.testing.assert_array_equal(rows[order], numbers[places])
    # Neighbours are one run, also where they come from two.
    assert all(one.stop != other.start for one, other in itertools.pairwise(found))


@pytest.mark.usefixtures("small_parts")
def test_summaries_have_the_bits_of_the_table_in_memory() -> None:
    table = make_table()
    stream = stream_of(table)
    np.testing.assert_array_equal(moments(stream), moments(table))
    assert mean_label(stream) == mean_label(table)


@pytest.mark.usefixtures("small_parts")
def test_moments_of_many_blocks_are_those_of_all_rows() -> None:
    table = make_table()
    mean, deviation = moments(table)
    wide = table.features.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(0), rtol=1e-7)
    np.testing.assert_allclose(deviation, wide.std(0), rtol=1e-7)


@pytest.mark.usefixtures("small_parts")
def test_label_weights_stand_for_all_rows() -> None:
    table = make_table()
    labels, weight = label_weights(table)
    np.testing.assert_array_equal(labels, [0, 1])
    assert table.sample_weight is not None
    expected = np.average(table.labels, weights=table.sample_weight)
    assert np.average(labels, weights=weight) == pytest.approx(expected, rel=1e-6)
    assert weight.mean() == pytest.approx(table.sample_weight.mean(), rel=1e-6)


def test_a_stream_is_not_shuffled_in_full() -> None:
    with pytest.raises(ValueError, match="shuffle: expected window for a table that does not fit"):
        next(stream_of(make_table()).blocks(Config(shuffle="full"), [range(1)], 1))


def test_no_room_is_said_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(ValueError, match=r"memory_limit: expected .* set TMPDIR to another folder"):
        stream_of(make_table())


def test_a_folder_for_temporary_files_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere")
    with pytest.raises(ValueError, match="TMPDIR: expected a folder that can be written, got /no"):
        stream_of(make_table())


def test_a_disk_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    stream = stream_of(make_table())
    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(ValueError, match="Input/output error") as caught:
        list(stream.row_blocks())
    assert "\n" not in str(caught.value)
