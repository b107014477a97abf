"""Columns of numbers: what there is to know of one, a block of rows at a time."""

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lowlevel.data.columns import BLOCK_ROWS, NUMBER, Source, blocks, kind_of, numbers
from lowlevel.data.merging import Moments

if TYPE_CHECKING:
    import pyarrow as pa

# Of a column's deviation, what float32 may round its numbers by.
MOST_ROUNDING = 0.01


class Numbers(NamedTuple):
    """What a column of numbers holds.

    Attributes:
        moments: of those that are there, less the pivot.
        pivot: one of them.
        absent: how many are missing.
        places: which, in a digest; none where none are.
        rounding: the most that float32 changes one by.
    """

    moments: Moments
    pivot: float
    absent: int
    places: bytes
    rounding: float

    @property
    def mean(self) -> float:
        """Of those that are there."""
        return self.pivot + self.moments.mean

    @property
    def empty(self) -> bool:
        """Whether all are missing."""
        return not self.moments.count

    @property
    def constant(self) -> bool:
        """Whether all that are there are the same."""
        return self.moments.squares == 0

    @property
    def rounded(self) -> bool:
        """Whether float32 holds them, and loses what differs in them."""
        differs = MOST_ROUNDING * self.moments.deviation
        return not self.constant and differs < self.rounding < math.inf


def look_at(table: "pa.Table | Source", name: str) -> Numbers:
    """Returns what a column holds; raises ValueError, which names the row, for infinity."""
    total, pivot, rounding = Moments(), 0.0, 0.0
    missing = Missing()
    for number, block in enumerate(blocks(table, [name])):
        values = numbers(block, name)
        absent = np.isnan(values)
        missing.add(absent)
        there = values[~absent]
        if not np.isfinite(there).all():
            row = number * BLOCK_ROWS + int(np.argmax(np.isinf(values)))
            raise ValueError(f"train: expected finite numbers, got infinity in {name}, row {row}")
        pivot = float(there[0]) if there.size and not total.count else pivot
        total = total.merged(Moments.of(there, pivot))
        with np.errstate(over="ignore"):
            rounding = max(rounding, np.abs(there - there.astype(np.float32)).max(initial=0.0))
    return Numbers(total, pivot, missing.count, missing.places, float(rounding))


def check_sizes(
    table: "pa.Table | Source", names: Sequence[str], weight: str, largest: float
) -> None:
    """Raises ValueError for a number that cannot be used, by the row that it is in.

    For rows that are about to be split, and so to be numbered otherwise.

    Args:
        table: the rows.
        names: of the columns that are looked at, where they are of numbers; missing ones will do.
        weight: of the column of the weights, which are not below 0; or "".
        largest: number of the model's dtype.
    """
    for name in names:
        if kind_of(table, name) != NUMBER:
            continue
        for number, block in enumerate(blocks(table, [name])):
            values = numbers(block, name)
            bad = (np.abs(values) > largest) | ((values < 0) & (name == weight))
            if bad.any():
                place = int(bad.argmax())
                wanted = "from 0 " if name == weight else ""
                raise ValueError(
                    f"train: expected numbers {wanted}of at most {largest:g} in {name}, got "
                    f"{values[place]:g} in row {number * BLOCK_ROWS + place}: mend that row, or "
                    "leave it out"
                )


class Missing:
    """Which rows lack a value: how many, and a digest by which columns are compared."""

    def __init__(self) -> None:
        """Has seen no rows yet."""
        self.count = 0
        self._digest = hashlib.blake2b(digest_size=16)

    def add(self, absent: np.ndarray) -> None:
        """Takes the next rows, `[n]` of bool, n a multiple of 8 but for the last."""
        self.count += int(absent.sum())
        self._digest.update(np.packbits(absent).tobytes())

    @property
    def places(self) -> bytes:
        """The same for columns that lack the same rows' values; nothing where none is lacking."""
        return self._digest.digest() if self.count else b""
