"""Training by hand: a compiled loop over batches, from one report to the next."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from lowlevel import data
from lowlevel.config import NEWTON, Config, ModelSettings
from lowlevel.distribution.sums import portion_of
from lowlevel.likelihoods import Likelihood
from lowlevel.module_mode import batches, newton, sharding
from lowlevel.module_mode.layers import Logistic, hidden_layers
from lowlevel.module_mode.model import CustomModel
from lowlevel.module_mode.optimizers import make_optimizer
from lowlevel.progress import Progress, State, steps_per_call
from lowlevel.shares import row_shares


def build(settings: ModelSettings, likelihood: Likelihood, table: data.Rows) -> CustomModel:
    """Returns the untrained model that a run asks for; the table gives its inputs' moments."""
    seeds = data.layer_seeds(settings.seed, len(settings.hidden_units) + 1)
    nn_block = hidden_layers(settings, table, seeds)
    inputs = (table.width, *settings.hidden_units)[-1]
    output_seed = seeds[len(settings.hidden_units)]
    logistic = Logistic(inputs, likelihood, output_seed, table.dtype, l2=settings.l2)
    return CustomModel(nn_block, logistic)


def start(config: Config, likelihood: Likelihood, table: data.Rows) -> State:
    """Returns the state before the first epoch."""
    model = build(config, likelihood, table)
    if config.optimizer == NEWTON:
        return newton.start(model, table)
    return State(model, make_optimizer(config, model.trainable_variables))


def train(state: State, config: Config, table: data.Rows, progress: Progress) -> None:
    """Trains on a table from a state to the config's last epoch.

    Args:
        state: what `start` made, or what was left of a run; it is updated in place.
        config: the run's settings.
        table: rows of the model's dtype.
        progress: is told of every epoch's loss.

    Raises:
        ValueError: the loss is not finite.
    """
    if config.optimizer == NEWTON:
        newton.train(state, config, table, progress)
        return
    batch_size = min(config.batch_size, table.rows)
    sizes = batches.sizes(table.rows, batch_size)
    compiled: dict[int, Callable[..., tf.Tensor]] = {}
    spans = progress.spans(state.epoch)
    portion = portion_of(config)
    for block in table.blocks(config, spans, progress.longest_span, state.batch, portion):
        tensors = batches.tensors(block)
        rows = block.orders.shape[1]
        # An epoch's last block may be shorter than the others, and a run's first one.
        if rows not in compiled:
            compiled[rows] = compile_steps(state, config, tensors)
        for losses in call_for_all(compiled[rows], state, block.epochs, batch_size, tensors):
            means, state.batch, state.total = batches.epoch_means(
                losses, sizes, state.batch, state.total
            )
            progress.add(means, state)
        if progress.stopped:
            break


def compile_steps(
    state: State, config: Config, tensors: Sequence[tf.Tensor]
) -> Callable[..., tf.Tensor]:
    """Returns a compiled function that trains for some steps.

    Its arguments are the first step and the one after the last, counted over a block's epochs, the
    orders of the rows, int32 `[longest, rows]`, and the table's columns; it returns the mean NLL
    of each step, `[steps of the block]`, 0 for those not taken. It is traced once.
    """
    # Only the loop below is for autograph to convert; the step has none, and it takes long.
    train_on = tf.autograph.experimental.do_not_convert(
        sharding.train_on if config.sharded else train_on_batch
    )
    longest, rows = tensors[0].shape
    batch_size = min(config.batch_size, rows)
    steps = longest * len(batches.sizes(rows, batch_size))

    # Of a sharded step XLA compiles each shard's part: it cannot have what replicas exchange.
    @tf.function(jit_compile=config.jit_compile and not config.sharded)
    def run_steps(
        first: tf.Tensor, last: tf.Tensor, orders: tf.Tensor, *columns: tf.Tensor
    ) -> tf.Tensor:
        cut = batches.cut(orders, batch_size)
        losses = tf.TensorArray(columns[0].dtype, steps, element_shape=[])
        for step in tf.range(first, last):
            loss = cut.on_step(step, lambda numbers: train_on(state, config, columns, numbers))
            losses = losses.write(step, loss)
        return losses.stack()

    whole_number = tf.TensorSpec([], tf.int32)
    # Called outright, it would warn of tracing in vain after a few runs, each of which has its own.
    return run_steps.get_concrete_function(
        whole_number, whole_number, *(tf.TensorSpec(x.shape, x.dtype) for x in tensors)
    )


def train_on_batch(
    state: State, config: Config, columns: Sequence[tf.Tensor], numbers: tf.Tensor
) -> tf.Tensor:
    """Updates the weights by the rows of one batch, by their numbers; returns their mean NLL."""
    x, y, *weight = (tf.gather(column, numbers) for column in columns)
    return state.model.train_step(state.optimizer, x, y, row_shares(y, *weight))


def call_for_all(
    run_steps: Callable[..., tf.Tensor],
    state: State,
    epochs: int,
    batch_size: int,
    tensors: Sequence[tf.Tensor],
) -> Iterator[np.ndarray]:
    """Trains for a block's epochs, in calls short enough for Ctrl-C; yields each step's loss."""
    steps = epochs * len(batches.sizes(tensors[0].shape[1], batch_size))
    weights = sum(variable.shape.num_elements() for variable in state.model.trainable_variables)
    most = steps_per_call(batch_size, weights)
    for first in range(0, steps, most):
        last = min(first + most, steps)
        losses = run_steps(tf.constant(first), tf.constant(last), *tensors)
        yield losses.numpy()[first:last]


def named_weights(model: CustomModel, trainable_only: bool = False) -> dict[str, np.ndarray]:
    """Returns every array of the model by name, `layer/variable`, first layer first.

    A whole number is a layer's state, such as a count for its random numbers, and no weight.
    """
    return {
        name: variable.numpy()
        for name, variable in model_variables(model).items()
        if variable.dtype.is_floating and (variable.trainable or not trainable_only)
    }


def named_variables(state: State) -> dict[str, tf.Variable]:
    """Returns all that training changes, by names that both modes share."""
    found = model_variables(state.model)
    names = {id(variable): name for name, variable in found.items()}
    trained = [names[id(variable)] for variable in state.model.trainable_variables]
    return {**found, **state.optimizer.kept(trained)}


def model_variables(model: CustomModel) -> dict[str, tf.Variable]:
    """Returns every variable of the model by name, `layer/variable`, first layer first."""
    layers = (*(model.nn_block.layers if model.nn_block else ()), model.logistic)
    return {
        f"{layer.name}/{name}": value
        for layer in layers
        for name, value in vars(layer).items()
        if isinstance(value, tf.Variable)
    }


def linear_predictor(model: CustomModel, features: tf.Tensor) -> tf.Tensor:
    """Returns the model's z, `[rows]`, for features `[rows, columns]`."""
    return model.logistic.linear_predictor(model.latent(features))
