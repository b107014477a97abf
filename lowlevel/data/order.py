"""The order of the rows: a pure function of seed, epoch and number of rows; and epochs' blocks."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from typing import NamedTuple, TypeVar

import numpy as np

# Of a block of orders, 16 MiB: enough work that starting a block costs nothing beside it.
MOST_INDICES = 2**22
# Rows that one generator orders: making a generator costs as much as ordering 1,000 rows.
GENERATOR_ROWS = 2**16

Part = TypeVar("Part")
Made = TypeVar("Made")


class Block(NamedTuple):
    """Some epochs' work, or a part of one epoch's.

    Attributes:
        columns: features, labels and, where there are any, sample weights, `[rows, ...]` each,
          aligned, see `aligned_empty`.
        orders: the order of these rows in each epoch, int32 `[longest, rows]`, aligned; of one
          shape for all blocks of a run but each epoch's last, so that a function compiled for one
          fits the others. What lies past the block's own epochs has no meaning.
        epochs: how many of the orders are the block's.
        ends: whether an epoch ends with it, rather than going on in the next block.
    """

    columns: tuple[np.ndarray, ...]
    orders: np.ndarray
    epochs: int
    ends: bool = True


def orders(seed: int, rows: int, first_epoch: int = 0) -> Iterator[np.ndarray]:
    """Yields the order of the rows in each epoch, int64 `[rows]`, from an epoch on, without end.

    One generator makes the orders of a few epochs in turn, as many as `GENERATOR_ROWS` has room
    for; which ones, and its seed, follow from the arguments, so each order is a pure function of
    seed, epoch and rows: no iterator has a state that two loops could consume differently.

    Args:
        seed: the run's seed, at least 0.
        rows: the number of rows in the table.
        first_epoch: counted from 0.
    """
    together = max(1, GENERATOR_ROWS // rows)
    for number in itertools.count(first_epoch // together):
        generator = np.random.default_rng([seed, number])
        for epoch in range(number * together, (number + 1) * together):
            order = generator.permutation(rows)
            if epoch >= first_epoch:
                yield order


def batch_order(seed: int, epoch: int, rows: int) -> np.ndarray:
    """Returns the order of the rows in one epoch, int64 `[rows]`; see `orders`."""
    return next(orders(seed, rows, epoch))


def blocks(
    columns: tuple[np.ndarray, ...],
    orders_from: Callable[[int], Iterator[np.ndarray]],
    spans: Iterable[range],
    longest: int,
    rows_done: int = 0,
) -> Iterator[Block]:
    """Yields the epochs of a table that is in memory, in blocks.

    Args:
        columns: of the table, `[rows, ...]` each.
        orders_from: gives the order of the rows in each epoch, from one on.
        spans: the epochs in turn, counted from 0, in ranges of which no block exceeds one.
        longest: how many epochs a span has at most.
        rows_done: how many rows of the first epoch are left out; the rest is a block of its own.
    """
    rows = len(columns[0])
    longest = min(longest, max(1, MOST_INDICES // rows))
    source: Iterator[np.ndarray] | None = None

    def parts() -> Iterator[tuple[range, int]]:
        """Yields epochs, and how many rows of each are left out."""
        done = rows_done
        # However many there are, only the next one is looked at.
        for span in spans:
            while span:
                together = 1 if done else longest
                yield span[:together], done
                span, done = span[together:], 0

    def make(part: tuple[range, int]) -> Block:
        nonlocal source
        epochs, done = part
        source = source or orders_from(epochs.start)
        shape = (1, rows - done) if done else (longest, rows)
        made = aligned_empty(shape, np.dtype(np.int32))
        for index in range(len(epochs)):
            made[index] = next(source)[done:]
        return Block(columns, made, len(epochs))

    return ahead(make, parts())


def ahead(make: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[Made]:
    """Yields what is made of each part; a background thread makes the next while one is used."""
    parts = iter(parts)
    with futures.ThreadPoolExecutor(1) as background:

        def begin() -> list[futures.Future[Made]]:
            return [background.submit(make, part) for part in itertools.islice(parts, 1)]

        coming = begin()
        while coming:
            made = coming.pop().result()
            coming = begin()
            yield made
            # It may be large, and its successor is there already.
            del made


def aligned_empty(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Returns an array that begins at a multiple of 64 bytes: one that TensorFlow can share."""
    count = int(np.prod(shape)) * dtype.itemsize
    buffer = np.empty(count + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + count].view(dtype).reshape(shape)


def aligned(array: np.ndarray) -> np.ndarray:
    """Returns an array that is aligned, see `aligned_empty`; a copy unless it is so already."""
    if array.ctypes.data % 64 == 0 and array.flags.c_contiguous:
        return array
    copy = aligned_empty(array.shape, array.dtype)
    copy[...] = array
    return copy
