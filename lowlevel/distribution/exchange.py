"""What the workers of a cluster tell each other: bytes of each to all."""

import numpy as np
import tensorflow as tf

from lowlevel.config import MULTIWORKER
from lowlevel.distribution.cluster import from_environment
from lowlevel.distribution.strategies import raising_lost, strategy_of

_WORD = np.dtype(np.int64)


def exchange(content: bytes) -> list[bytes]:
    """Returns what every worker has given, by rank; it waits until all have called it.

    Raises:
        LostWorkerError: one is gone.
    """
    strategy = strategy_of(MULTIWORKER)
    local = len(strategy.extended.worker_devices)
    first = local * from_environment().rank
    # One more than it takes: TensorFlow's process ends where all have none.
    words = np.frombuffer(content + bytes(_WORD.itemsize - len(content) % _WORD.itemsize), _WORD)

    def gathered(mine: np.ndarray) -> np.ndarray:
        def of_replica() -> tf.Tensor:
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            return tf.constant(mine if tf.get_static_value(number) == first else mine[:0])

        return strategy.gather(strategy.run(of_replica), axis=0).numpy()

    with raising_lost():
        lengths = gathered(np.array([len(content)])).tolist()
        found = gathered(words).tobytes()
    ends = np.cumsum([length // _WORD.itemsize + 1 for length in lengths]) * _WORD.itemsize
    starts = [0, *ends.tolist()]
    return [found[start : start + n] for start, n in zip(starts, lengths, strict=False)]


def barrier() -> None:
    """Waits until all workers have called it."""
    exchange(b"")
