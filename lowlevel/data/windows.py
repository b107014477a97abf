"""The order of the rows of a table of which one window at a time is in memory.

Groups of neighbouring rows are permuted, and laid out one after another; a window is as much of
that as is in memory at a time, and its rows are permuted in turn. All of it is a pure function of
seed, epoch, the number of rows and their size.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

# Neighbours are read at once: enough of them that a disk does not mind where.
GROUP_BYTES = 2**20
WINDOW_BYTES = 2**25
# Keeps it apart from what else is drawn from the same seed.
_DRAWS = 0x3A17D0


@dataclasses.dataclass(frozen=True)
class Windows:
    """How a table is cut.

    Attributes:
        rows: of the table.
        group: rows in a group; the last one may have fewer.
        window: rows in a window, a multiple of the batch's; the last one may have fewer.
        batch: rows in a batch that is cut into shards, whose rows come in the window's order; 1
            where none is.
    """

    rows: int
    group: int
    window: int
    batch: int = 1

    @property
    def count(self) -> int:
        """The number of windows in an epoch."""
        return -(-self.rows // self.window)

    def runs(self, seed: int, epoch: int) -> Iterator[list[range]]:
        """Yields an epoch's windows, each as the rows that it is read from, by their numbers."""
        groups = np.random.default_rng([seed, _DRAWS, epoch]).permutation(
            -(-self.rows // self.group)
        )
        window: list[range] = []
        room = self.window
        for number in groups.tolist():
            rows = range(self.rows)[number * self.group : (number + 1) * self.group]
            while rows:
                window.append(rows[:room])
                room, rows = room - len(rows[:room]), rows[room:]
                if not room:
                    yield window
                    window, room = [], self.window
        if window:
            yield window

    def permutation(self, seed: int, epoch: int, number: int) -> np.ndarray:
        """Returns the order of the rows within one window of an epoch, int64 `[its rows]`."""
        rows = min(self.window, self.rows - number * self.window)
        # Counted from 1: a seed's trailing zeros would make no difference.
        order = np.random.default_rng([seed, _DRAWS, epoch, number + 1]).permutation(rows)
        if self.batch > 1:
            # Whoever reads one shard of each batch then finds its rows next to each other.
            whole, short = np.split(order, [rows - rows % self.batch])
            whole.reshape(-1, self.batch).sort(axis=1)
            short.sort()
        return order

    def order(self, seed: int, epoch: int) -> np.ndarray:
        """Returns the order of the rows in one epoch, int64 `[rows]`."""
        windows = [
            np.concatenate([np.arange(run.start, run.stop) for run in runs])[
                self.permutation(seed, epoch, number)
            ]
            for number, runs in enumerate(self.runs(seed, epoch))
        ]
        return np.concatenate(windows)

    def orders(self, seed: int, first_epoch: int = 0) -> Iterator[np.ndarray]:
        """Yields the order in each epoch from one on, without end."""
        return (self.order(seed, epoch) for epoch in itertools.count(first_epoch))


def make_windows(rows: int, row_bytes: int, batch_size: int, sharded: bool = False) -> Windows:
    """Returns how a table is cut: by its rows' size and by the batches, whatever the machine.

    Args:
        rows: of the table.
        row_bytes: what a row takes.
        batch_size: rows in a batch.
        sharded: whether batches are cut into shards.
    """
    batches = max(1, WINDOW_BYTES // (row_bytes * batch_size))
    group = max(1, GROUP_BYTES // row_bytes)
    return Windows(rows, group, batches * batch_size, batch_size if sharded else 1)
