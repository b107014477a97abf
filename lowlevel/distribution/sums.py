"""Sums over the shards of a batch: each is computed alone, and they are added in one order.

The order, and with it the bits, depend on the number of shards and not on that of the replicas,
which only decide who computes what.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.config import DistributionSettings
from lowlevel.data.shards import ALL, Portion, cuts
from lowlevel.distribution.exchange import gathered
from lowlevel.distribution.strategies import first_replica


class Shards(NamedTuple):
    """The shards of every batch, and the replicas that share them.

    Attributes:
        number: how many shards there are.
        fixed: whether they are added in one order; the strategy has its own otherwise.
        strategy: of the replicas.
    """

    number: int
    fixed: bool
    strategy: tf.distribute.Strategy

    def ends(self, shard: int, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns where a shard of a batch begins and ends: `cuts`, of rows that a graph counts."""
        return rows * shard // self.number, rows * (shard + 1) // self.number

    @property
    def by_replica(self) -> list[range]:
        """Each replica's shards, by their numbers."""
        return cuts(self.number, self.strategy.num_replicas_in_sync)

    @property
    def among_workers(self) -> bool:
        """Whether there are others than this process's."""
        return isinstance(self.strategy, tf.distribute.MultiWorkerMirroredStrategy)

    @property
    def own(self) -> range:
        """This process's, by their numbers."""
        if not self.among_workers:
            return range(self.number)
        first = first_replica()
        found = self.by_replica[first : first + len(self.strategy.extended.worker_devices)]
        return range(found[0].start, found[-1].stop)

    def sum_of(self, vectors: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the sum over all shards of their vectors, `[size]`, one after another.

        It is called outside of `tf.function`, by all workers, who exchange theirs at once.

        Args:
            vectors: of this process's shards, `[size]` each, in float64.
        """
        if not self.among_workers:
            return functools.reduce(np.add, vectors)
        # As whole numbers: what is exchanged is bits.
        words = np.array(vectors, np.float64).view(np.int64).ravel()
        return functools.reduce(np.add, gathered(words).view(np.float64).reshape(self.number, -1))

    def total(self, function: Callable[[int], tf.Tensor], size: int, dtype: str) -> tf.Tensor:
        """Returns the sum over all shards of the vectors that a function gives, `[size]`.

        It is called in a `tf.function`, in the strategy's scope or on every replica.

        Args:
            function: gives the vector of one shard, by its number, where that is computed.
            size: of the vectors.
            dtype: of the vectors.
        """
        context = tf.distribute.get_replica_context()

        def own() -> tf.Tensor:
            """Returns the vectors of a replica's shards, and as many rows as any replica has."""
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            found = [function(shard) for shard in self.by_replica[int(tf.get_static_value(number))]]
            missing = tf.zeros([self._most - len(found), size], dtype)
            return tf.concat([tf.stack(found), missing] if found else [missing], 0)

        if context is None:
            return self._sum(self.strategy.run(own))
        return context.merge_call(lambda _, parts: self._sum(parts), (own(),))

    def _sum(self, parts: tf.Tensor) -> tf.Tensor:
        """Returns the sum of all replicas' vectors."""
        strategy = self.strategy
        if not self.fixed:
            return strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)[0]
        local = strategy.experimental_local_results(parts)
        everywhere = len(local) == strategy.num_replicas_in_sync
        found = tf.concat(local, 0) if everywhere else strategy.gather(parts, axis=0)
        places = [
            replica * self._most + place
            for replica, own in enumerate(self.by_replica)
            for place in range(len(own))
        ]
        # One operation on one shape: the order in which it adds is the same wherever it runs.
        return tf.reduce_sum(tf.gather(found, places), axis=0)

    @property
    def _most(self) -> int:
        """The shards of the replica that has most."""
        return max(map(len, self.by_replica))


def portion_of(settings: DistributionSettings) -> Portion:
    """Returns what this process has of each batch, in the strategy in whose scope it is called."""
    shards = shards_of(settings)
    return Portion(shards.number, shards.own) if shards.among_workers else ALL


def shards_of(settings: DistributionSettings) -> Shards:
    """Returns the shards that settings ask for, in the strategy in whose scope this is called."""
    strategy = tf.distribute.get_strategy()
    return Shards(settings.shards or strategy.num_replicas_in_sync, settings.shards != 0, strategy)
