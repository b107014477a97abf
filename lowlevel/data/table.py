"""A table of rows to train on, in memory."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from lowlevel.config import FULL, Config
from lowlevel.data.columns import BLOCK_ROWS
from lowlevel.data.order import Block, aligned, blocks, orders
from lowlevel.data.shards import ALL, Portion
from lowlevel.data.windows import make_windows
from lowlevel.errors import in_one_line

# Of the blocks of a table.
EVERY = slice(None)


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """Rows to train on.

    Anything that NumPy makes arrays of will do: lists, integers, a pandas frame of numbers. What
    labels may be is the likelihood's to say.

    Attributes:
        features: `[rows, columns]`, finite; float32 stays float32, other numbers become float64.
        labels: `[rows]` or `[rows, 1]`, finite; brought to the features' dtype and to `[rows]`.
        sample_weight: likewise, not negative, not all 0; or None, where every row counts 1.
        names: of the columns of the features; none for columns that are called by their numbers.

    Raises:
        ValueError: a type, a shape or a value is not as above, or an array is masked.
    """

    features: np.ndarray
    labels: np.ndarray
    sample_weight: np.ndarray | None = None
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Brings everything to one dtype, and checks shapes and values."""
        features = _numbers("features", self.features)
        if features.ndim != 2 or features.size == 0:
            raise ValueError(
                f"Expected `features` of shape [rows, columns], got {list(features.shape)}"
            )
        # By its size, since files of other machines may hold it in another order of bytes.
        small = features.dtype.kind == "f" and features.dtype.itemsize <= 4
        with np.errstate(over="ignore"):
            features = features.astype(np.float32 if small else np.float64, copy=False)
        _check_finite("features", features)
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "labels", self._column("labels", self.labels))
        if self.sample_weight is not None:
            weight = self._column("sample_weight", self.sample_weight)
            check_range("sample_weight", weight, 0, np.inf)
            if not weight.any():
                raise ValueError("Expected a `sample_weight` above 0 in some row, got 0 in all")
            object.__setattr__(self, "sample_weight", weight)
        if self.names and len(self.names) != features.shape[1]:
            raise ValueError(
                f"Expected `names` of {features.shape[1]} columns, got {len(self.names)}"
            )

    def rows_at(self, numbers: np.ndarray) -> "Table":
        """Returns a table of some of the rows, by their numbers."""
        columns = [column[numbers] for column in self.columns]
        weight = columns[2] if len(columns) > 2 else None
        return Table(columns[0], columns[1], weight, self.names)

    def _column(self, name: str, values: Any) -> np.ndarray:
        """Returns a column in the features' dtype, `[rows]`."""
        column = _numbers(name, values)
        if column.shape not in ((self.rows,), (self.rows, 1)):
            raise ValueError(
                f"Expected `{name}` of shape {[self.rows]}, one for each row of `features`, got "
                f"{list(column.shape)}"
            )
        with np.errstate(over="ignore"):
            column = column.reshape(self.rows).astype(self.features.dtype, copy=False)
        _check_finite(name, column)
        return column

    @property
    def block_starts(self) -> range:
        """The first row of each of the `row_blocks`."""
        return range(0, self.rows, BLOCK_ROWS)

    def row_blocks(self, which: slice = EVERY) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields the columns, `BLOCK_ROWS` rows at a time, in the table's order.

        Args:
            which: of the blocks, counted from 0.
        """
        for first in self.block_starts[which]:
            yield tuple(column[first : first + BLOCK_ROWS] for column in self.columns)

    def target_blocks(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields the labels and, where there are any, the sample weights, likewise."""
        return (columns[1:] for columns in self.row_blocks())

    def blocks(
        self,
        settings: Config,
        spans: Iterable[range],
        longest: int,
        batches_done: int = 0,
        portion: Portion = ALL,
    ) -> Iterator[Block]:
        """Yields a run's epochs in blocks, of all rows each.

        Args:
            settings: of which the seed counts, and how the rows are shuffled.
            spans: the epochs in turn, counted from 0, in ranges of which no block exceeds one.
            longest: how many epochs a span has at most.
            batches_done: how many of the first epoch's are left out.
            portion: as for a `Stream`; what is in memory is there for every worker.
        """
        done = batches_done * settings.batch_size
        if settings.shuffle in (None, FULL):
            orders_from = functools.partial(orders, settings.seed, self.rows)
        else:
            windows = make_windows(
                self.rows, self.row_bytes, settings.batch_size, settings.cuts_batches
            )
            orders_from = functools.partial(windows.orders, settings.seed)
        return blocks(tuple(map(aligned, self.columns)), orders_from, spans, longest, done)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.features)

    @property
    def width(self) -> int:
        """The number of features."""
        return self.features.shape[1]

    @property
    def row_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of a row in each column."""
        return tuple(column.shape[1:] for column in self.columns)

    @property
    def row_bytes(self) -> int:
        """What a row takes."""
        return sum(column[:1].nbytes for column in self.columns)

    @property
    def sample(self) -> "Table":
        """The rows that stand for all where not all can be looked at together: here, all."""
        return self

    @property
    def dtype(self) -> str:
        """The columns' dtype, "float32" or "float64"."""
        return self.features.dtype.name

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """The features, the labels and, where there are any, the sample weights."""
        columns = (self.features, self.labels, self.sample_weight)
        return tuple(column for column in columns if column is not None)


def check_range(
    name: str, values: np.ndarray, lowest: float, highest: float, first_row: int = 0
) -> None:
    """Raises ValueError, which names the first row at fault, for a number outside a range.

    Args:
        name: of the column.
        values: `[rows]`, finite.
        lowest: the smallest number allowed.
        highest: the largest number allowed.
        first_row: the number of the first one.
    """
    within = (values >= lowest) & (values <= highest)
    if not within.all():
        row = int(np.argmin(within))
        raise ValueError(
            f"Expected finite `{name}` from {lowest:g} to {highest:g}, got {values[row]} in row "
            f"{first_row + row}"
        )


def _numbers(name: str, values: Any) -> np.ndarray:
    """Returns real numbers as an array; raises ValueError for anything else."""
    masked = _count_masked(values)
    if masked:
        raise ValueError(
            f"Expected `{name}` without masked values, got {masked} of them: fill them, or leave "
            "those rows out"
        )
    try:
        array = np.asarray(values)
    # Rows of unequal length, and whatever else a foreign object has in store.
    except Exception as error:
        raise ValueError(f"Expected `{name}` to be an array, got {in_one_line(error)}") from error
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"Expected `{name}` of numbers, got {array.dtype} from {type(values).__name__}"
        )
    return array


def _count_masked(values: Any) -> int:
    """Returns how many values are masked, in an array or in a list of such."""
    if isinstance(values, (list, tuple)):
        return sum(map(_count_masked, values))
    return int(np.ma.count_masked(values)) if isinstance(values, np.ma.MaskedArray) else 0


def _check_finite(name: str, array: np.ndarray) -> None:
    """Raises ValueError, which names the first place at fault, for NaN and infinity."""
    finite = np.isfinite(array)
    if not finite.all():
        place = tuple(np.argwhere(~finite)[0].tolist())
        where = ", ".join(
            f"{axis} {at}" for axis, at in zip(("row", "column"), place, strict=False)
        )
        raise ValueError(f"Expected finite `{name}`, got {array[place]} in {where}")
