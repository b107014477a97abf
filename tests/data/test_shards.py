"""Shards: every row of every batch is one worker's, and no worker has much more than another."""

import itertools

import numpy as np
import pytest

from lowlevel.data.shards import ALL, Portion, cuts

# Rows, of a batch, shards and workers.
SHARED = {
    "whole batches": (60, 20, 8, 2),
    "a short last batch": (67, 20, 8, 3),
    "a last batch of fewer rows than shards": (63, 20, 8, 4),
    "batches of fewer rows than shards": (10, 3, 8, 3),
    "one short batch": (2, 100, 8, 4),
    "fewer shards than workers": (25, 10, 3, 5),
    "no rows": (0, 10, 8, 2),
}
every_sharing = pytest.mark.parametrize(
    ("rows", "batch_size", "shards", "workers"), SHARED.values(), ids=SHARED
)


def portions(shards: int, workers: int) -> list[Portion]:
    """What each worker has: as many shards as the next one, or one more."""
    least, more = divmod(shards, workers)
    ends = np.cumsum([0, *([least + 1] * more), *([least] * (workers - more))]).tolist()
    return [Portion(shards, range(*run)) for run in itertools.pairwise(ends)]


@pytest.mark.parametrize(("count", "parts"), [(0, 3), (1, 1), (2, 5), (8, 8), (20, 8), (4097, 64)])
def test_parts_hold_everything_once_in_order_and_differ_by_one_at_most(
    count: int, parts: int
) -> None:
    found = cuts(count, parts)
    assert len(found) == parts
    assert list(itertools.chain.from_iterable(found)) == list(range(count))
    sizes = [len(part) for part in found]
    assert max(sizes) - min(sizes) <= 1


@every_sharing
def test_every_row_is_one_workers(rows: int, batch_size: int, shards: int, workers: int) -> None:
    masks = [portion.of_rows(rows, batch_size) for portion in portions(shards, workers)]
    assert {(mask.dtype, mask.shape) for mask in masks} == {(np.dtype(bool), (rows,))}
    np.testing.assert_array_equal(np.sum(masks, axis=0), np.ones(rows))


@every_sharing
def test_a_workers_rows_are_those_of_its_shards_of_each_batch(
    rows: int, batch_size: int, shards: int, workers: int
) -> None:
    for portion in portions(shards, workers):
        expected = []
        for first in range(0, rows, batch_size):
            batch = np.arange(rows)[first : first + batch_size]
            # The nth of a batch's rows is in the last shard that begins at it or before.
            starts = np.arange(shards) * len(batch) // shards
            shard = np.searchsorted(starts, np.arange(len(batch)), side="right") - 1
            expected += batch[np.isin(shard, portion.own)].tolist()
        found = np.flatnonzero(portion.of_rows(rows, batch_size))
        np.testing.assert_array_equal(found, expected)


def test_the_rows_of_one_batch_are_next_to_each_other() -> None:
    assert Portion(8, range(2, 5)).of_batch(16) == slice(4, 10)
    assert Portion(8, range(0, 0)).of_batch(16) == slice(0, 0)


def test_all_is_every_row() -> None:
    assert ALL.of_rows(23, 10).all()
