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
    train_steps = compile_steps(model, make_optimizer(config, model.trainable_variables), config)
    steps_an_epoch = -(-table.rows // config.batch_size)
    sums = np.empty(0)
    for steps, columns in data.batch_stacks(config, table):
        losses = train_steps(tf.constant(steps), *columns).numpy()[:steps]
        sums = np.append(sums, losses * columns[0].shape[1])
        # What of these steps completes an epoch, and what begins one.
        ended, sums = np.split(sums, [len(sums) - len(sums) % steps_an_epoch])
        means = ended.reshape(-1, steps_an_epoch).sum(axis=1) / table.rows
        if history.add(means, model) and config.report_weights:
            report_weights(model)
    return history.epochs


def compile_steps(
    model: CustomModel, optimizer: Optimizer, config: Config
) -> Callable[..., tf.Tensor]:
    """Returns a compiled function that takes a step on each batch of a stack.

    Its arguments are the number of steps and the table's columns, `[stack, batch size, ...]` each;
    it returns the mean NLL of each batch from before its update, `[stack]`, 0 past the last step.
    It is traced once for each batch size.
    """
    # Only the loop below is for autograph to convert; the step has none, and it takes long.
    train_step = tf.autograph.experimental.do_not_convert(model.train_step)

    @tf.function(jit_compile=config.jit_compile)
    def train_steps(steps: tf.Tensor, *columns: tf.Tensor) -> tf.Tensor:
        losses = tf.zeros(columns[0].shape[:1], config.dtype)
        for step in tf.range(steps):
            loss = train_step(optimizer, *(column[step] for column in columns))
            losses = tf.tensor_scatter_nd_update(losses, [[step]], [loss])
        return losses

    return train_steps


def named_weights(model: CustomModel) -> dict[str, np.ndarray]:
    """Returns every array of the model by name, `layer/variable`, first layer first."""
    return {
        f"{layer.name}/{name}": value.numpy()
        for layer in (*model.nn_block, model.logistic)
        for name, value in vars(layer).items()
        if isinstance(value, tf.Variable)
    }


def linear_predictor(model: CustomModel, features: np.ndarray) -> np.ndarray:
    """Returns the model's z, `[rows]`, for features `[rows, columns]`."""
    return model.logistic.linear_predictor(model.latent(tf.constant(features))).numpy()


def report_weights(model: CustomModel, print_fn: Callable[[str], None] = print) -> None:
    """Prints each layer's trainable arrays, in the order of the network, to see that they move."""
    for layer in (*model.nn_block, model.logistic):
        for name, value in vars(layer).items():
            if isinstance(value, tf.Variable) and value.trainable:
                print_fn(f"{layer.name}/{name}\n{value.numpy()}")
