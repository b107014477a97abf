"""The batches for Model.fit: a Dataset of every batch of every epoch, and what is in one."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lowlevel.data import Block, Rows

# Rows gathered at a time: few enough to stay in a processor's cache.
STACK_ROWS = 2**14


def dataset(blocks: Iterable[Block], table: Rows, batch_size: int) -> tf.data.Dataset:
    """Returns every batch of every epoch, one after the other.

    It is one stream for all epochs, since `fit` may make an iterator more than once an epoch, and
    an order that is the iterator's state would then be another than a loop's. Rows are gathered
    many batches at a time, which costs tf.data less than one by one.

    Args:
        blocks: of epochs.
        table: that they are of, for the shapes and the dtype of its columns.
        batch_size: rows in a batch; the last one of an epoch may be shorter.
    """

    def stacks() -> Iterator[tuple[np.ndarray, ...]]:
        for block in blocks:
            for order in block.orders[: block.epochs]:
                for numbers in stacked(order, batch_size):
                    yield tuple(np.take(column, numbers, axis=0) for column in block.columns)

    specification = tuple(
        tf.TensorSpec([None, None, *shape], table.dtype) for shape in table.row_shapes
    )
    return tf.data.Dataset.from_generator(stacks, output_signature=specification).unbatch()


def stacked(order: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Yields an order's batches in turn, `[batches, batch size]` at a time, a short one alone."""
    whole, short = np.split(order, [len(order) - len(order) % batch_size])
    together = max(1, STACK_ROWS // batch_size) * batch_size
    for first in range(0, len(whole), together):
        yield whole[first : first + together].reshape(-1, batch_size)
    if len(short):
        yield short.reshape(1, -1)


def unpack(batch: Any, dtype: str) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Returns what `columns_of` does of a batch that is whole.

    Raises:
        ValueError: as for that; or there is more than one replica.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas > 1:
        raise ValueError(
            f"Expected one replica, got a strategy with {replicas}: a row's share of the mean is "
            "known of one replica's batch alone, and every update would be that many times too "
            "large; train by strategy=mirrored, or without"
        )
    return columns_of(batch, dtype)


def columns_of(batch: Any, dtype: str) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Returns features, labels and sample weights or None of a batch from Keras, as vectors.

    Args:
        batch: features, labels, `[n]` or `[n, 1]`, and perhaps sample weights, likewise.
        dtype: of the model, which labels and weights are brought to, integers too.

    Raises:
        ValueError: there are no labels, or they have another shape.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    if y is None:
        raise ValueError("Expected labels as well as features, got no `y`: give both")
    rows = tf.shape(x)[:1]
    y = tf.cast(as_vector("y", y, rows), dtype)
    if sample_weight is not None:
        sample_weight = tf.cast(as_vector("sample_weight", sample_weight, rows), dtype)
    return x, y, sample_weight


def as_vector(name: str, column: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Returns a column `[n]` or `[n, 1]` as `[n]`; Keras hands over either, as it was given.

    Once Keras has traced a step for both, not even the rank is known, and the shape is held in the
    graph.

    Args:
        name: of the column.
        column: from Keras.
        rows: the shape of a vector, `[1]`.

    Raises:
        ValueError: it is known to have another shape.
    """
    if column.shape.rank is None:
        # The elements of [1, n] are as many. No weight is updated before this is known.
        message = f"Expected `{name}` of shape [n] or [n, 1]"
        check = tf.debugging.assert_equal(tf.shape(column)[:1], rows, message)
        with tf.control_dependencies([check]):
            return tf.reshape(column, rows)
    if column.shape[1:].num_elements() != 1:
        raise ValueError(f"Expected `{name}` of shape [n] or [n, 1], got {column.shape}.")
    return tf.reshape(column, rows)
