"""A table as blocks of rows for one linear predictor: scaled columns, and one of ones, in float64.

With the coefficients in the same units, z is one product a block, the intercept included.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.data import Rows, Table, moments
from lowlevel.data.order import aligned_empty
from lowlevel.data.table import EVERY

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


def of_first_block(table: Rows) -> Scaling:
    """Returns the scaling by the moments of the first block, which a stream of rows has at once."""
    features, labels, *_ = next(iter(table.row_blocks()))
    return of_layer(*moments(Table(features, labels)))


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
        blocks: all rows, in the table's order; made anew in every pass over them where the table
          does not fit into memory, or they are not to be copied.
        scaling: of the columns.
        rows: how many there are.
        weight: the sum of what they count.
        precision: the relative rounding of the table's own dtype.
        names: of the columns, for messages, or none.
    """

    blocks: Iterable[Block]
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


@dataclasses.dataclass(frozen=True)
class Blocks:
    """A table's rows by a scaling, all or some of them, in blocks.

    They are cut as the table says and nowhere else, so that sums over the blocks, in their order,
    have the same bits wherever the rows come from.
    """

    table: Rows
    scaling: Scaling
    which: slice

    def __iter__(self) -> Iterator[Block]:
        """Yields them, made now."""
        for features, labels, *weights in self.table.row_blocks(self.which):
            x = aligned_empty((len(features), self.table.width + 1), np.dtype(np.float64))
            np.subtract(features, self.scaling.center, out=x[:, :-1])
            x[:, :-1] /= self.scaling.scale
            x[:, -1] = 1
            weight = weights[0] if weights else np.ones(len(features))
            yield Block(*map(_tensor, (x, _column(labels), _column(weight))))


def make_blocks(table: Rows, scaling: Scaling, which: slice = EVERY) -> Iterable[Block]:
    """Returns a table's rows, or some blocks of them, copied once if they are in memory."""
    blocks = Blocks(table, scaling, which)
    return tuple(blocks) if isinstance(table, Table) else blocks


def make_design(
    table: Rows, scaling: Scaling, names: Sequence[str] = (), copied: bool = True
) -> Design:
    """Returns a table's rows by a scaling.

    Args:
        table: the rows.
        scaling: of the columns.
        names: of the columns.
        copied: whether rows in memory are copied once, and not anew in every pass.
    """
    return Design(
        blocks=make_blocks(table, scaling) if copied else Blocks(table, scaling, EVERY),
        scaling=scaling,
        rows=table.rows,
        weight=sum(float(block[-1].sum(dtype=np.float64)) for block in table.target_blocks())
        if len(table.row_shapes) > 2
        else float(table.rows),
        precision=float(np.finfo(table.dtype).eps),
        names=names,
    )


def _column(values: np.ndarray) -> np.ndarray:
    """Returns an aligned copy of a column, in float64."""
    copy = aligned_empty(values.shape, np.dtype(np.float64))
    copy[...] = values
    return copy


def _tensor(array: np.ndarray) -> tf.Tensor:
    """Returns a tensor over an aligned array's memory, which is not to be written to any more."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
