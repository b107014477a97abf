"""A step by hand whose batch is cut into shards, which the replicas of a strategy share."""

from collections.abc import Sequence

import tensorflow as tf

from lowlevel.config import Config
from lowlevel.distribution.sums import shards_of
from lowlevel.progress import State
from lowlevel.shares import row_shares


def train_on(
    state: State, config: Config, columns: Sequence[tf.Tensor], numbers: tf.Tensor
) -> tf.Tensor:
    """Updates the weights by one batch, as `CustomModel.train_step` does; returns its mean NLL.

    Args:
        state: whose model and optimizer were made in the strategy's scope.
        config: says how many shards there are.
        columns: features, labels and, where there are any, sample weights.
        numbers: of the batch's rows, all workers', `[n]`.
    """
    model, optimizer = state.model, state.optimizer
    shards = shards_of(config)
    rows = numbers.shape[0]

    def loss_and_gradient(shard: int) -> tf.Tensor:
        own = numbers[slice(*shards.ends(shard, rows))]
        x, y, *weight = (tf.gather(column, own) for column in columns)
        share = row_shares(y, weight[0] if weight else None, rows)
        return of_shard(x, y, share, penalized=shard == 0)

    @tf.function(jit_compile=config.jit_compile, autograph=False)
    def of_shard(x: tf.Tensor, y: tf.Tensor, share: tf.Tensor, penalized: bool) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = model.loss_fn(x, y, share, training=True)
            objective = loss + sum(model.losses) if penalized else loss
        gradient = tape.gradient(objective, optimizer.trained)
        optimizer.check(gradient)
        return tf.concat([tf.reshape(part, [-1]) for part in (loss, *gradient)], 0)

    shapes = [variable.shape for variable in optimizer.trained]
    sizes = [1, *(shape.num_elements() for shape in shapes)]
    loss, *parts = tf.split(shards.total(loss_and_gradient, sum(sizes), columns[0].dtype), sizes)
    # Out of the replicas, where an update is one of all their variables.
    optimizer.apply([tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)])
    return loss[0]
