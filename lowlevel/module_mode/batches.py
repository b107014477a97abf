"""The batches by hand: rows of tensors, gathered inside the compiled loop."""

from collections.abc import Callable, Sequence
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


def epoch_means(
    losses: np.ndarray, sizes: Sequence[int], batch: int = 0, total: float = 0.0
) -> tuple[np.ndarray, int, float]:
    """Returns the mean over the rows of each epoch that ends, and what is left of another.

    The sums are taken step by step, so that their bits do not depend on where calls begin.

    Args:
        losses: the mean of each step's rows, `[steps]`.
        sizes: the rows of each step of an epoch.
        batch: how many steps of the first epoch are done.
        total: of the losses of their rows.

    Returns:
        The means, `[epochs]`; and batch and total of the epoch after these.
    """
    steps = len(sizes)
    places = np.arange(batch, batch + len(losses))
    summands = losses.astype(np.float64) * np.take(sizes, places % steps)
    done = np.zeros(batch)
    # The last step that is done stands for all of them.
    done[-1:] = total
    summands = np.concatenate([done, summands])
    ended, left = divmod(len(summands), steps)
    whole, rest = np.split(summands, [ended * steps])
    means = np.cumsum(whole.reshape(ended, steps), axis=1)[:, -1] / sum(sizes)
    return means, left, float(np.cumsum(rest)[-1]) if left else 0.0
