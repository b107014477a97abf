"""The order by windows: every row once, the same whatever the memory, mixed as far as promised."""

import dataclasses

import numpy as np
import pytest

from lowlevel.config import Config
from lowlevel.data import Table
from lowlevel.data.windows import GROUP_BYTES, WINDOW_BYTES, Windows, make_windows

CUTS = {
    "many windows, short last ones": Windows(rows=1003, group=10, window=64),
    "groups longer than a window": Windows(rows=100, group=40, window=16),
    "one window": Windows(rows=50, group=7, window=64),
    "a row": Windows(rows=1, group=1, window=4),
}
every_cut = pytest.mark.parametrize("windows", CUTS.values(), ids=CUTS)


@every_cut
def test_an_epoch_holds_every_row_once(windows: Windows) -> None:
    np.testing.assert_array_equal(np.sort(windows.order(3, 5)), np.arange(windows.rows))


@every_cut
def test_windows_are_full_but_for_the_last(windows: Windows) -> None:
    sizes = [sum(map(len, runs)) for runs in windows.runs(3, 5)]
    assert len(sizes) == windows.count
    assert set(sizes[:-1]) <= {windows.window}
    assert sum(sizes) == windows.rows


def test_an_order_depends_on_nothing_but_seed_epoch_and_cut() -> None:
    windows = Windows(1000, 10, 64)
    first = windows.order(3, 5)
    windows.order(3, 6)
    np.testing.assert_array_equal(windows.order(3, 5), first)
    later = windows.orders(3, first_epoch=5)
    np.testing.assert_array_equal(next(later), first)


@pytest.mark.parametrize(("seed", "epoch"), [(4, 5), (3, 6), (5, 3)])
def test_another_seed_or_epoch_gives_another_order(seed: int, epoch: int) -> None:
    windows = Windows(1000, 10, 64)
    assert (windows.order(seed, epoch) != windows.order(3, 5)).any()


def test_a_row_comes_into_every_window_equally_often() -> None:
    windows = Windows(160, 4, 40)
    epochs = 2000
    counts = np.zeros(windows.count)
    for epoch in range(epochs):
        place = int(np.flatnonzero(windows.order(0, epoch) == 17)[0])
        counts[place // windows.window] += 1
    # Four standard deviations of a binomial count.
    expected = epochs / windows.count
    assert np.abs(counts - expected).max() < 4 * np.sqrt(expected * (1 - 1 / windows.count))


@every_cut
@pytest.mark.parametrize("batch", [2, 8])
def test_with_shards_a_batch_has_the_same_rows_in_the_windows_order(
    windows: Windows, batch: int
) -> None:
    sharded = dataclasses.replace(windows, batch=batch)
    for number in range(windows.count):
        plain, found = (one.permutation(3, 5, number) for one in (windows, sharded))
        ends = range(batch, len(plain), batch)
        for rows, expected in zip(np.split(found, ends), np.split(plain, ends), strict=True):
            np.testing.assert_array_equal(rows, np.sort(expected))


def test_batches_are_in_the_windows_order_only_if_they_are_cut() -> None:
    assert make_windows(1000, 100, 32).batch == 1
    assert make_windows(1000, 100, 32, sharded=True).batch == 32


@pytest.mark.parametrize("batch_size", [1, 32, 1000, 10**9])
def test_a_window_holds_whole_batches(batch_size: int) -> None:
    windows = make_windows(10**7, 100, batch_size)
    assert windows.window % batch_size == 0
    assert windows.window * 100 <= WINDOW_BYTES or windows.window == batch_size
    assert windows.group == GROUP_BYTES // 100


def test_a_table_in_memory_is_shuffled_by_windows_if_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lowlevel.data.windows.WINDOW_BYTES", 640)
    monkeypatch.setattr("lowlevel.data.windows.GROUP_BYTES", 100)
    table = Table(np.arange(100.0)[:, None], np.zeros(100))
    (block,) = table.blocks(Config(seed=3, batch_size=8, shuffle="window"), [range(1)], 1)
    expected = Windows(100, group=6, window=40).order(3, 0)
    np.testing.assert_array_equal(block.orders[0], expected)
