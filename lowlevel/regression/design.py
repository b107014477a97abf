"""A table as blocks of rows for one linear predictor: scaled columns, and one of ones, in float64.

With the coefficients in the same units, z is one product a block, the intercept included.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.data import Table, moments
from lowlevel.data.order import aligned_empty

# Rows are cut here and nowhere else, so that sums over the blocks, in their order, have the same
# bits wherever the rows come from.
BLOCK_ROWS = 2**16
# Of columns, in a message.
MOST_NAMES = 6


class Scaling(NamedTuple):
    """Columns (x - center) / scale, and what that does to their coefficients.

    Coefficients are `[..., columns + 1]`, the intercept last.

    Attributes:
        center: `[columns]`, float64.
        scale: `[columns]`, float64, above 0.
    """

    center: np.ndarray
    scale: np.ndarray

    def to_original(self, coefficients: np.ndarray) -> np.ndarray:
        """Returns the coefficients of the columns as they were: those of the same z."""
        kernel = coefficients[..., :-1] / self.scale
        intercept = coefficients[..., -1:] - (kernel * self.center).sum(-1, keepdims=True)
        return np.concatenate([kernel, intercept], axis=-1)

    def from_original(self, coefficients: np.ndarray) -> np.ndarray:
        """Returns the coefficients of the scaled columns: those of the same z."""
        kernel = coefficients[..., :-1]
        intercept = coefficients[..., -1:] + (kernel * self.center).sum(-1, keepdims=True)
        return np.concatenate([kernel * self.scale, intercept], axis=-1)


def as_they_are(columns: int) -> Scaling:
    """Returns the scaling that changes nothing."""
    return Scaling(np.zeros(columns), np.ones(columns))


def of_layer(mean: np.ndarray, deviation: np.ndarray) -> Scaling:
    """Returns the scaling of a model's Standardize, from its `[columns]` arrays of any dtype."""
    return Scaling(mean.astype(np.float64), deviation.astype(np.float64))


def of_first_block(table: Table) -> Scaling:
    """Returns the scaling by the moments of the first block, which a stream of rows has at once."""
    return of_layer(*moments(table.features[:BLOCK_ROWS]))


class Block(NamedTuple):
    """Some rows, in float64.

    Attributes:
        x: scaled columns, and a last one of ones, `[n, columns + 1]`.
        y: labels, `[n]`.
        weight: what each row counts, `[n]`; 1 where the table says nothing.
    """

    x: tf.Tensor
    y: tf.Tensor
    weight: tf.Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Design:
    """A table's rows, ready for sums over them.

    Attributes:
        blocks: all rows, in the table's order.
        scaling: of the columns.
        rows: how many there are.
        weight: the sum of what they count.
        precision: the relative rounding of the table's own dtype.
        names: of the columns, for messages, or none.
    """

    blocks: tuple[Block, ...]
    scaling: Scaling
    rows: int
    weight: float
    precision: float
    names: Sequence[str] = ()

    @property
    def coefficients(self) -> int:
        """How many there are, the intercept included."""
        return len(self.scaling.center) + 1

    def named(self, columns: Sequence[int]) -> str:
        """Returns columns by name or number, the first few of them."""
        shown = [self.names[c] if self.names else str(c) for c in columns[:MOST_NAMES]]
        more = len(columns) - len(shown)
        rest = f" and {more} more" if more else ""
        return f"column{'s' * (len(columns) > 1)} {', '.join(shown)}{rest}"


def make_design(table: Table, scaling: Scaling, names: Sequence[str] = ()) -> Design:
    """Returns a table's rows by a scaling, copied once."""
    weight = table.sample_weight
    return Design(
        blocks=tuple(_blocks(table, scaling)),
        scaling=scaling,
        rows=table.rows,
        weight=float(table.rows if weight is None else weight.sum(dtype=np.float64)),
        precision=float(np.finfo(table.dtype).eps),
        names=names,
    )


def _blocks(table: Table, scaling: Scaling) -> Iterator[Block]:
    """Yields a table's rows in blocks."""
    columns = len(scaling.center)
    weights = np.ones(table.rows) if table.sample_weight is None else table.sample_weight
    for start in range(0, table.rows, BLOCK_ROWS):
        here = slice(start, start + BLOCK_ROWS)
        features = table.features[here]
        x = aligned_empty((len(features), columns + 1), np.dtype(np.float64))
        np.subtract(features, scaling.center, out=x[:, :-1])
        x[:, :-1] /= scaling.scale
        x[:, -1] = 1
        yield Block(_tensor(x), *(_tensor(_column(c[here])) for c in (table.labels, weights)))


def _column(values: np.ndarray) -> np.ndarray:
    """Returns an aligned copy of a column, in float64."""
    copy = aligned_empty(values.shape, np.dtype(np.float64))
    copy[...] = values
    return copy


def _tensor(array: np.ndarray) -> tf.Tensor:
    """Returns a tensor over an aligned array's memory, which is not to be written to any more."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
