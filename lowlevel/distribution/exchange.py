"""What the workers of a cluster tell each other: bytes of each to all."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from lowlevel.distribution.strategies import connected, first_replica, raising_lost

_WORD = np.dtype(np.int64)


def exchange(content: bytes) -> list[bytes]:
    """Returns what every worker has given, by rank; it waits until all have called it.

    Raises:
        LostWorkerError: one is gone.
    """
    # One more than it takes: TensorFlow's process ends where all have none.
    words = np.frombuffer(content + bytes(_WORD.itemsize - len(content) % _WORD.itemsize), _WORD)
    with raising_lost():
        lengths = gathered(np.array([len(content)])).tolist()
        found = gathered(words).tobytes()
    ends = np.cumsum([length // _WORD.itemsize + 1 for length in lengths]) * _WORD.itemsize
    starts = [0, *ends.tolist()]
    return [found[start : start + n] for start, n in zip(starts, lengths, strict=False)]


def gathered(mine: np.ndarray) -> np.ndarray:
    """Returns the whole numbers of all workers, by rank, for those of this one, `[n]` each."""
    # A worker with several devices says it once.
    first = first_replica()
    values = connected().experimental_distribute_values_from_function(
        lambda context: tf.constant(mine if context.replica_id_in_sync_group == first else mine[:0])
    )
    return _gather()(values).numpy()


@functools.cache
def _gather() -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a compiled function that gathers the vectors of all replicas."""
    strategy = connected()
    return tf.function(lambda values: strategy.gather(values, axis=0), reduce_retracing=True)


def barrier() -> None:
    """Waits until all workers have called it."""
    exchange(b"")
