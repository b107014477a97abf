"""Training by hand: a compiled loop over batches, from one report to the next."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from lowlevel import data
from lowlevel.config import Config
from lowlevel.module_mode.layers import Dense, Logistic, Standardize
from lowlevel.module_mode.model import CustomModel
from lowlevel.module_mode.optimizers import Optimizer, make_optimizer
from lowlevel.runs import Epoch, History, Watch


def build(config: Config, table: data.Table) -> CustomModel:
    """Returns the untrained model that a run asks for; the table gives its inputs' moments."""
    inputs = table.features.shape[1]
    seeds = data.layer_seeds(config.seed, len(config.hidden_units) + 1)
    layers: list[tf.Module] = []
    if config.standardize:
        layers.append(Standardize(*data.moments(table.features)))
    for index, units in enumerate(config.hidden_units):
        layers.append(
            Dense(inputs, units, config.activation, seeds[index], config.dtype, f"dense_{index}")
        )
        inputs = units
    logistic = Logistic(inputs, config.likelihood, seeds[-1], config.dtype)
    return CustomModel(layers, logistic, config.l2)


def train(model: CustomModel, config: Config, table: data.Table, watch: Watch) -> list[Epoch]:
    """Trains a model on a table.

    Args:
        model: what `build` made; its weights are updated in place.
        config: the run's settings.
        table: rows of the model's dtype.
        watch: called after every `report_every` epochs, and at the end, with the records of the
          epochs since its last call, and the model.

    Returns:
        A record for every epoch.

    Raises:
        ValueError: the loss is not finite.
    """
    history = History(config, watch)
    run_epochs = compile_epochs(model, make_optimizer(config, model.trainable_variables), config)
    columns = [shared(data.aligned(column)) for column in table.columns]
    for epochs, orders in data.order_blocks(config, table.rows):
        losses = run_epochs(tf.constant(epochs), shared(orders), *columns).numpy()
        if history.add(losses[:epochs], model) and config.report_weights:
            report_weights(model)
    return history.epochs


def shared(array: np.ndarray) -> tf.Tensor:
    """Returns an aligned array as a tensor over the same memory; tf.constant would copy it twice.

    The array must not be written to any more.
    """
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def compile_epochs(
    model: CustomModel, optimizer: Optimizer, config: Config
) -> Callable[..., tf.Tensor]:
    """Returns a compiled function that trains for some epochs.

    Its arguments are the number of epochs, the orders of their rows, int32 `[longest, rows]`, and
    the table's columns; it returns the mean NLL of each epoch, `[longest]`, 0 past the last one.
    It is traced once, whatever the number of epochs.
    """
    # Only the loops below are for autograph to convert; the step has none, and it takes long.
    train_step = tf.autograph.experimental.do_not_convert(model.train_step)

    @tf.function(jit_compile=config.jit_compile)
    def run_epochs(epochs: tf.Tensor, orders: tf.Tensor, *columns: tf.Tensor) -> tf.Tensor:
        rows = orders.shape[1]
        batch_size = min(config.batch_size, rows)
        steps, short = divmod(rows, batch_size)
        # Reshaped here, every batch has a static shape, which a slice that moves with the loop
        # has not.
        batches = tf.reshape(orders[:, : rows - short], [-1, steps, batch_size])
        short_batches = orders[:, rows - short :]
        losses = tf.zeros([orders.shape[0]], config.dtype)

        def train_on(batch: tf.Tensor) -> tf.Tensor:
            loss = train_step(optimizer, *(tf.gather(column, batch) for column in columns))
            return loss * batch.shape[0]

        for epoch in tf.range(epochs):
            total = tf.zeros([], config.dtype)
            for step in tf.range(steps):
                total += train_on(batches[epoch, step])
            if short:
                total += train_on(short_batches[epoch])
            losses = tf.tensor_scatter_nd_update(losses, [[epoch]], [total / rows])
        return losses

    return run_epochs


def named_weights(model: CustomModel) -> dict[str, np.ndarray]:
    """Returns every array of the model by name, `layer/variable`, first layer first."""
    return {
        f"{layer.name}/{name}": value.numpy()
        for layer in (*model.nn_block, model.logistic)
        for name, value in vars(layer).items()
        if isinstance(value, tf.Variable)
    }


def linear_predictor(model: CustomModel, features: tf.Tensor) -> tf.Tensor:
    """Returns the model's z, `[rows]`, for features `[rows, columns]`."""
    return model.logistic.linear_predictor(model.latent(features))


def report_weights(model: CustomModel, print_fn: Callable[[str], None] = print) -> None:
    """Prints each layer's trainable arrays, in the order of the network, to see that they move."""
    for layer in (*model.nn_block, model.logistic):
        for name, value in vars(layer).items():
            if isinstance(value, tf.Variable) and value.trainable:
                print_fn(f"{layer.name}/{name}\n{value.numpy()}")
