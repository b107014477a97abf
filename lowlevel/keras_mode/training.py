"""Training with Model.fit, over the same batches in the same order as by hand."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lowlevel import data
from lowlevel.config import Config, ModelSettings
from lowlevel.keras_mode import batches, sharding
from lowlevel.keras_mode.base import floatx
from lowlevel.keras_mode.compute_loss import MODELS
from lowlevel.keras_mode.layers import Logistic, hidden_layers, penalty
from lowlevel.keras_mode.model import CustomModel
from lowlevel.keras_mode.optimizers import kept, make_optimizer
from lowlevel.likelihoods import Likelihood
from lowlevel.progress import Progress, State, steps_per_call


def build(
    settings: ModelSettings,
    likelihood: Likelihood,
    table: data.Rows,
    kind: type[CustomModel] | None = None,
) -> CustomModel:
    """Returns the untrained model that a run asks for; the table gives its inputs' moments."""
    seeds = data.layer_seeds(settings.seed, len(settings.hidden_units) + 1)
    nn_block = hidden_layers(settings, table, seeds)
    output_seed = seeds[len(settings.hidden_units)]
    start = keras.initializers.RandomNormal(stddev=0.05, seed=output_seed)
    logistic = Logistic(likelihood, start, penalty(settings.l2), dtype=table.dtype)
    model = (kind or MODELS[settings.keras_hook])(nn_block, logistic, dtype=table.dtype)
    model.build((None, table.width))
    return model


def start(config: Config, likelihood: Likelihood, table: data.Rows) -> State:
    """Returns the state before the first epoch."""
    kind = sharding.model_class(config) if config.sharded else None
    model = build(config, likelihood, table, kind)
    with floatx(table.dtype):
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
    if state.batch:
        # The rest of an epoch has fewer steps than the others, and `fit` takes one number of them.
        fit(state, config, table, progress, [range(state.epoch, state.epoch + 1)])
    if state.epoch < config.epochs and not progress.stopped:
        fit(state, config, table, progress, progress.spans(state.epoch))


def fit(
    state: State, config: Config, table: data.Rows, progress: Progress, spans: Iterable[range]
) -> None:
    """Has `fit` train for some epochs; the arguments are those of `train`."""
    batch_size = min(config.batch_size, table.rows)
    steps = -(-table.rows // batch_size) - state.batch
    callback = WatchedCallback if progress.watch else ProgressCallback
    blocks = table.blocks(config, spans, progress.longest_span, state.batch)
    state.model.compile(
        optimizer=state.optimizer,
        steps_per_execution=steps_per_execution(state.model, batch_size, steps),
        jit_compile=config.jit_compile and not config.sharded,
    )
    rows = batches.dataset(blocks, table, batch_size)
    state.model.fit(
        sharding.for_every_replica(rows) if config.distributed else rows,
        initial_epoch=state.epoch,
        epochs=state.epoch + 1 if state.batch else config.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[callback(progress, state, batch_size)],
    )


def steps_per_execution(model: CustomModel, batch_size: int, steps: int) -> int:
    """Returns how many steps of an epoch `fit` may take in one call into compiled code.

    They divide the epoch: Keras would take as many in its last call, from the next epoch's rows.
    """
    weights = sum(weight.shape.num_elements() for weight in model.trainable_variables)
    most = min(steps, steps_per_call(batch_size, weights))
    return next(count for count in range(most, 0, -1) if steps % count == 0)


class ProgressCallback(keras.callbacks.Callback):
    """Tells a run's progress of each epoch's loss."""

    def __init__(self, progress: Progress, state: State, batch_size: int) -> None:
        """Keeps the progress, the state that goes with it, and the number of rows in a batch."""
        super().__init__()
        self.progress = progress
        self.state = state
        self.batch_size = batch_size

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Takes up the mean of an epoch that is half done, which `fit` has begun anew."""
        tracker = self.model.loss_tracker
        tracker.total.assign(self.state.total)
        tracker.count.assign(self.state.batch * self.batch_size)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Adds a record."""
        self.state.batch, self.state.total = 0, 0.0
        self.progress.add([logs["loss"]], self.state)
        if self.progress.stopped:
            self.model.stop_training = True


class WatchedCallback(ProgressCallback):
    """Tells what is done of an epoch as well, where somebody watches: it takes time."""

    def __init__(self, progress: Progress, state: State, batch_size: int) -> None:
        """Keeps how many batches of the epoch were done before."""
        super().__init__(progress, state, batch_size)
        self.before = state.batch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Says how far it is, but at the end of an epoch, which comes next."""
        if batch + 1 < self.params["steps"]:
            self.state.batch = self.before + batch + 1
            self.state.total = float(self.model.loss_tracker.total.numpy())
            self.progress.add([], self.state)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Adds a record."""
        self.before = 0
        super().on_epoch_end(epoch, logs)


def named_weights(model: CustomModel, trainable_only: bool = False) -> dict[str, np.ndarray]:
    """Returns every array of the model by name, `layer/variable`, first layer first."""
    weights = model.trainable_weights if trainable_only else model.weights
    return {name_of(weight): weight.numpy() for weight in weights}


def named_variables(state: State) -> dict[str, keras.Variable]:
    """Returns all that training changes, by names that both modes share."""
    trained = [name_of(variable) for variable in state.model.trainable_variables]
    found = {name_of(variable): variable for variable in state.model.weights}
    return {**found, **kept(state.optimizer, trained)}


def name_of(variable: keras.Variable) -> str:
    """Returns a variable's name, `layer/variable`."""
    return "/".join(variable.path.split("/")[-2:])


def linear_predictor(model: CustomModel, features: tf.Tensor) -> tf.Tensor:
    """Returns the model's z, `[rows]`, for features `[rows, columns]`."""
    return model.logistic.linear_predictor(model.latent(features))
