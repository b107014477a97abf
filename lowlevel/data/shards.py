"""How a batch is cut into shards, and which of its rows are a worker's. No TensorFlow here."""

import itertools
from typing import NamedTuple

import numpy as np


def cuts(count: int, parts: int) -> list[range]:
    """Returns so many things in parts, one after another; some are empty where the parts are more.

    The sizes differ by 1 at most.
    """
    ends = [count * part // parts for part in range(parts + 1)]
    return [range(first, last) for first, last in itertools.pairwise(ends)]


class Portion(NamedTuple):
    """What a worker has of each batch: some of its shards.

    Attributes:
        shards: how many a batch is cut into.
        own: the worker's, by their numbers.
    """

    shards: int
    own: range

    def of_batch(self, rows: int) -> slice:
        """Returns which rows of a batch of so many are the worker's."""
        parts = cuts(rows, self.shards)[self.own.start : self.own.stop]
        return slice(parts[0].start, parts[-1].stop) if parts else slice(0, 0)

    def of_rows(self, rows: int, batch_size: int) -> np.ndarray:
        """Returns which rows of some batches are: bool `[rows]`; the last one may be short."""
        found = np.zeros(rows, bool)
        short = rows % batch_size
        found[: rows - short].reshape(-1, batch_size)[:, self.of_batch(batch_size)] = True
        found[rows - short :][self.of_batch(short)] = True
        return found


ALL = Portion(1, range(1))
