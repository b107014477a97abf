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
    """

    rows: int
    group: int
    window: int

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
        return np.random.default_rng([seed, _DRAWS, epoch, number + 1]).permutation(rows)

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


def make_windows(rows: int, row_bytes: int, batch_size: int) -> Windows:
    """Returns how a table is cut: by its rows' size and by the batches, whatever the machine."""
    batches = max(1, WINDOW_BYTES // (row_bytes * batch_size))
    return Windows(rows, max(1, GROUP_BYTES // row_bytes), batches * batch_size)
