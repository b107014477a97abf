"""The batches by hand: rows of tensors, gathered inside the compiled loop."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.data import Block


def sizes(rows: int, batch_size: int) -> list[int]:
    """Returns how many rows each step of an epoch takes; the last one may take fewer."""
    whole, short = divmod(rows, batch_size)
    return [batch_size] * whole + [short] * (short > 0)


def tensors(block: Block) -> list[tf.Tensor]:
    """Returns a block's orders and columns as tensors over the same memory.

    `tf.constant` would copy them twice. They must not be written to any more.
    """
    arrays = (block.orders, *block.columns)
    return [tf.experimental.dlpack.from_dlpack(array.__dlpack__()) for array in arrays]


class Rows(NamedTuple):
    """The numbers of the rows of each batch, of many epochs in turn.

    Attributes:
        whole: of the whole batches, `[batches, batch size]`.
        short: of each epoch's last and short one, `[epochs, fewer]`; of no rows where all are
          whole.
    """

    whole: tf.Tensor
    short: tf.Tensor

    def on_step(self, step: tf.Tensor, function: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        """Returns what a function gives for the row numbers of one step, counted over all epochs.

        Their shape is static, which that of a slice that moves with the loop would not be.
        """
        if not self.short.shape[1]:
            return function(self.whole[step])
        whole = self.whole.shape[0] // self.short.shape[0]
        epoch, number = step // (whole + 1), step % (whole + 1)
        return tf.cond(
            number < whole,
            lambda: function(self.whole[epoch * whole + number]),
            lambda: function(self.short[epoch]),
        )


def cut(orders: tf.Tensor, batch_size: int) -> Rows:
    """Returns orders, `[epochs, rows]`, cut into batches.

    It is for use outside the loop. Inside, XLA would copy all orders in every step, and it takes
    the wrong end of a row for `orders[epoch, first:]`.
    """
    whole = orders.shape[1] - orders.shape[1] % batch_size
    return Rows(tf.reshape(orders[:, :whole], [-1, batch_size]), orders[:, whole:])


def epoch_means(losses: np.ndarray, rows: int, batch_size: int) -> np.ndarray:
    """Returns the mean over the rows of each epoch, `[epochs]`, of the mean of each step."""
    weights = sizes(rows, batch_size)
    by_epoch = losses.astype(np.float64).reshape(-1, len(weights))
    return np.average(by_epoch, axis=1, weights=weights)
