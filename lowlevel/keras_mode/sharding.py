"""A step of fit whose batch is cut into shards, which the replicas of a strategy share."""

from typing import Any

import keras
import tensorflow as tf

from lowlevel.config import Config
from lowlevel.distribution.sums import Shards, shards_of
from lowlevel.keras_mode.batches import columns_of
from lowlevel.keras_mode.model import CustomModel
from lowlevel.shares import row_shares


class ShardedModel(CustomModel):
    """A `CustomModel` whose `train_step` takes the gradient of each shard alone.

    It is made in the strategy's scope, and each replica is handed the whole batch.
    """

    shards: Shards
    jit_shards: bool

    def __init__(self, *arguments: Any, **kwargs: Any) -> None:
        """Makes a metric that each replica updates by the loss of the whole batch."""
        super().__init__(*arguments, **kwargs)
        self.loss_tracker = MeanOfAll(name="loss", dtype=self.variable_dtype)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Updates the weights by one batch; returns the metrics from before the update."""
        x, y, sample_weight = columns_of(data, self.variable_dtype)
        y_pred = self(x)
        share = row_shares(y, sample_weight)
        rows, variables = tf.shape(y)[0], self.trainable_variables
        sizes = [1, *(variable.shape.num_elements() for variable in variables)]

        def loss_and_gradient(shard: int) -> tf.Tensor:
            own = slice(*self.shards.ends(shard, rows))
            part = share if sample_weight is None else share[own]
            return of_shard(x[own], y[own], part, penalized=shard == 0)

        @tf.function(jit_compile=self.jit_shards, autograph=False)
        def of_shard(x: tf.Tensor, y: tf.Tensor, share: tf.Tensor, penalized: bool) -> tf.Tensor:
            with tf.GradientTape() as tape:
                loss = self.loss_fn(x, y, share, training=True)
                objective = loss + sum(self.losses) if penalized else loss
            gradient = tape.gradient(objective, variables)
            return tf.concat([tf.reshape(part, [-1]) for part in (loss, *gradient)], 0)

        total = self.shards.total(loss_and_gradient, sum(sizes), self.variable_dtype)
        loss, *parts = tf.split(total, sizes)
        gradient = [tf.reshape(g, v.shape) for g, v in zip(parts, variables, strict=True)]
        self.optimizer.apply(self.of_one_replica(gradient), variables)
        return self.report(loss[0], x, y, y_pred, sample_weight)

    def _maybe_symbolic_build(self, *arguments: Any, **kwargs: Any) -> None:
        """Leaves the rows alone: under a strategy Keras's own takes a batch, and drops it.

        That is to build a model, and this one is built.
        """

    def of_one_replica(self, gradient: list[tf.Tensor]) -> list[tf.Tensor]:
        """Returns a gradient that all replicas have, so that Keras, which adds them up, has it too.

        What the others give is -0.0, which added to any number leaves its bits.
        """
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        if tf.get_static_value(number) == 0:
            return gradient
        return [tf.fill(part.shape, tf.constant(-0.0, part.dtype)) for part in gradient]


class MeanOfAll(keras.metrics.Mean):
    """A mean that every replica knows; Keras's own would add up what they know."""

    def add_variable(self, *arguments: Any, **kwargs: Any) -> keras.Variable:
        """Makes a variable of which the first replica's value counts."""
        return super().add_variable(*arguments, **{**kwargs, "aggregation": "only_first_replica"})


def model_class(config: Config) -> type[ShardedModel]:
    """Returns the model's class for a run's shards, in the strategy's scope."""
    known = {"shards": shards_of(config), "jit_shards": config.jit_compile}
    return type("ShardedModel", (ShardedModel,), known)


def for_every_replica(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns batches so that each replica of the strategy in scope gets all of each."""
    strategy = tf.distribute.get_strategy()
    count = strategy.num_replicas_in_sync
    repeated = batches.flat_map(lambda *batch: tf.data.Dataset.from_tensors(batch).repeat(count))
    return strategy.distribute_datasets_from_function(lambda context: repeated)
