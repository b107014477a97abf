"""The order of the rows is a pure function of seed, epoch and rows, whatever block it comes in."""

import functools
import itertools

import numpy as np
import pytest

from lowlevel.data import aligned, batch_order, blocks, order
from lowlevel.data.order import orders

COLUMNS = (np.arange(50), np.ones(50))
ORDERS = functools.partial(orders, 5, 50)


def test_an_order_holds_every_row_once() -> None:
    np.testing.assert_array_equal(np.sort(batch_order(3, 5, 1000)), np.arange(1000))


def test_an_order_depends_on_nothing_but_seed_epoch_and_rows() -> None:
    first = batch_order(3, 5, 1000)
    batch_order(3, 6, 1000)
    np.random.seed(1)
    np.testing.assert_array_equal(batch_order(3, 5, 1000), first)


@pytest.mark.parametrize(("seed", "epoch"), [(4, 5), (3, 6), (5, 3)])
def test_another_seed_or_epoch_gives_another_order(seed: int, epoch: int) -> None:
    assert (batch_order(seed, epoch, 1000) != batch_order(3, 5, 1000)).any()


def test_every_row_comes_at_every_place_equally_often() -> None:
    found = np.stack(list(itertools.islice(orders(0, 5), 20_000)))
    counts = np.stack([np.bincount(column, minlength=5) for column in found.T])
    # Binomial: mean 4,000, deviation 56.6; five deviations, for 25 cells.
    assert np.abs(counts - 4000).max() < 5 * 56.6


# One generator orders seven epochs of 9,000 rows, and one epoch of 70,000.
@pytest.mark.parametrize(("rows", "epochs"), [(50, 20), (9_000, 16), (70_000, 3)])
def test_orders_from_a_later_epoch_are_the_rest_of_those_from_the_first(
    rows: int, epochs: int
) -> None:
    whole = list(itertools.islice(orders(5, rows), epochs))
    assert len({tuple(found[:20]) for found in whole}) == epochs
    for first in range(epochs):
        rest = np.stack(list(itertools.islice(orders(5, rows, first), epochs - first)))
        np.testing.assert_array_equal(rest, whole[first:])


# In spans of at most 3, 4 and 1 epochs, the second begins within one.
SPANS = {
    "from the first epoch": [range(0, 3), range(3, 6), range(6, 7)],
    "from a later epoch": [range(5, 6), range(6, 9), range(9, 13)],
    "an epoch at a time": [range(2, 3), range(3, 4)],
}
every_span = pytest.mark.parametrize("spans", SPANS.values(), ids=SPANS)


@every_span
@pytest.mark.parametrize("most", [1, 120, 2**22], ids="at most {} indices".format)
def test_blocks_hold_the_orders_of_the_spans_epochs_in_turn(
    spans: list[range], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "MOST_INDICES", most)
    found = list(blocks(COLUMNS, ORDERS, spans, 4))
    expected = [batch_order(5, epoch, 50) for span in spans for epoch in span]
    np.testing.assert_array_equal(
        np.concatenate([block.orders[: block.epochs] for block in found]), expected
    )
    assert all(block.columns == COLUMNS for block in found)


@every_span
def test_blocks_are_of_one_shape_with_room_for_their_epochs(spans: list[range]) -> None:
    found = list(blocks(COLUMNS, ORDERS, spans, 4))
    assert {block.orders.shape for block in found} == {(4, 50)}
    # None crosses from one span into the next.
    assert [block.epochs for block in found] == [len(span) for span in spans]


def test_a_large_tables_orders_come_an_epoch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "MOST_INDICES", 10)
    found = list(blocks(COLUMNS, ORDERS, [range(0, 3)], 3))
    assert [block.epochs for block in found] == [1, 1, 1]
    assert {block.orders.shape for block in found} == {(1, 50)}


def test_no_more_spans_are_looked_at_than_are_needed() -> None:
    # A list of them would not fit into any memory.
    endless = (range(epoch, epoch + 1) for epoch in itertools.count())
    found = itertools.islice(blocks(COLUMNS, ORDERS, endless, 1), 3)
    assert [block.epochs for block in found] == [1, 1, 1]


def test_no_epochs_make_no_block() -> None:
    assert list(blocks(COLUMNS, ORDERS, [], 1)) == []


def test_a_block_that_is_kept_is_not_written_to_by_the_next() -> None:
    found = blocks(COLUMNS, ORDERS, [range(0, 2), range(2, 4), range(4, 6)], 2)
    first = next(found)
    kept = first.orders.copy()
    list(found)
    np.testing.assert_array_equal(first.orders, kept)


def test_a_blocks_orders_are_aligned_integers_of_32_bits() -> None:
    for block in blocks(COLUMNS, ORDERS, [range(0, 3), range(3, 5)], 3):
        assert block.orders.dtype == np.int32
        assert block.orders.ctypes.data % 64 == 0


def test_an_aligned_copy_holds_the_same_values_at_a_multiple_of_64_bytes() -> None:
    array = np.arange(1001, dtype=np.float32).reshape(7, 143)[:, 1:]
    copy = aligned(array)
    np.testing.assert_array_equal(copy, array, strict=True)
    assert copy.ctypes.data % 64 == 0
