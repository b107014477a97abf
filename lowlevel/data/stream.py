"""A table of rows to train on that does not fit into memory: a window of it is, at a time."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lowlevel.config import FULL, Config
from lowlevel.data.columns import BLOCK_ROWS
from lowlevel.data.order import Block, ahead, aligned_empty
from lowlevel.data.row_file import RowFile
from lowlevel.data.shards import ALL, Portion
from lowlevel.data.table import EVERY, Table
from lowlevel.data.windows import make_windows


class Stream:
    """What a `Table` is, of rows in a file.

    Attributes:
        rows: how many.
        row_shapes: of a row in each column.
        width: the number of features.
        dtype: of all columns, "float32" or "float64".
        names: of the features, or none.
        row_bytes: what a row takes.
        sample: rows that stand for all where not all can be looked at together.
    """

    def __init__(self, file: RowFile, names: tuple[str, ...], sample: Table) -> None:
        """Keeps the file, of features `[rows, width]`, labels and perhaps sample weights."""
        self._file = file
        self.rows, self.dtype = file.rows, file.dtype.name
        self.row_shapes, self.width = file.row_shapes, file.row_shapes[0][0]
        self.row_bytes = sum(file.row_bytes)
        self.names, self.sample = names, sample

    @property
    def block_starts(self) -> range:
        """The first row of each of the `row_blocks`."""
        return range(0, self.rows, BLOCK_ROWS)

    def row_blocks(self, which: slice = EVERY) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields the columns, `BLOCK_ROWS` rows at a time, in the table's order.

        Args:
            which: of the blocks, counted from 0; the others are not read.
        """
        return self._in_turn(slice(None), which)

    def target_blocks(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields the labels and, where there are any, the sample weights, likewise."""
        return self._in_turn(slice(1, None))

    def _in_turn(self, columns: slice, which: slice = EVERY) -> Iterator[tuple[np.ndarray, ...]]:
        starts = self.block_starts[which]
        runs = (range(self.rows)[first : first + BLOCK_ROWS] for first in starts)
        return ahead(lambda run: self._file.read([run], columns), runs)

    def blocks(
        self,
        settings: Config,
        spans: Iterable[range],
        longest: int,
        batches_done: int = 0,
        portion: Portion = ALL,
    ) -> Iterator[Block]:
        """Yields a run's epochs in blocks, of one window each.

        Args:
            settings: of which the seed and the batches' size count.
            spans: the epochs in turn, counted from 0.
            longest: as for a `Table`; no block here is longer than an epoch.
            batches_done: how many of the first epoch's are left out.
            portion: of each batch, whose rows are read; the orders of the others have no meaning.

        Raises:
            ValueError: the rows are to be shuffled in full.
        """
        check_shuffle(settings)
        batch_size = settings.batch_size
        windows = make_windows(self.rows, self.row_bytes, batch_size, settings.cuts_batches)
        seed = settings.seed

        def parts() -> Iterator[tuple[int, int, list[range], int]]:
            """Yields windows, and how many rows of each are left out."""
            done = batches_done * batch_size
            for epoch in itertools.chain.from_iterable(spans):
                for number, runs in enumerate(windows.runs(seed, epoch)):
                    rows = sum(map(len, runs))
                    if done < rows:
                        yield epoch, number, runs, done
                    done = max(0, done - rows)

        def make(part: tuple[int, int, list[range], int]) -> Block:
            epoch, number, runs, done = part
            order = windows.permutation(seed, epoch, number)[done:]
            made = aligned_empty((1, len(order)), np.dtype(np.int32))
            made[0] = order
            if portion != ALL:
                own = portion.of_rows(len(order), batch_size)
                runs, made[0, own] = picked(runs, order[own])
            return Block(self._file.read(runs), made, 1, ends=number + 1 == windows.count)

        return ahead(make, parts())


def picked(runs: Sequence[range], places: np.ndarray) -> tuple[list[range], np.ndarray]:
    """Returns the runs of some of the rows of others, and where each of these rows is among them.

    Args:
        runs: of rows, by their numbers, one after another.
        places: among the rows of the runs, each once, `[n]`.
    """
    numbers = np.concatenate([np.arange(run.start, run.stop) for run in runs])[np.sort(places)]
    ends = np.flatnonzero(np.diff(numbers) != 1) + 1
    parts = np.split(numbers, ends) if len(numbers) else []
    found = [range(int(part[0]), int(part[-1]) + 1) for part in parts]
    return found, np.argsort(np.argsort(places))


def check_shuffle(settings: Config) -> None:
    """Raises ValueError if rows that are not in memory are to be shuffled in full."""
    if settings.shuffle == FULL:
        raise ValueError(
            "shuffle: expected window for a table that does not fit into memory, got full: leave "
            "it out, or set a higher memory_limit"
        )


# What a run may be trained on.
Rows = Table | Stream
