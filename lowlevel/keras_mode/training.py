"""Training with Model.fit, over the same batches in the same order as by hand."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lowlevel import data
from lowlevel.config import Config, ModelSettings
from lowlevel.keras_mode import batches
from lowlevel.keras_mode.base import floatx
from lowlevel.keras_mode.compute_loss import MODELS
from lowlevel.keras_mode.layers import Logistic, hidden_layers, penalty
from lowlevel.keras_mode.model import CustomModel
from lowlevel.keras_mode.optimizers import make_optimizer
from lowlevel.likelihoods import Likelihood
from lowlevel.progress import Progress, State, steps_per_call


def build(settings: ModelSettings, likelihood: Likelihood, table: data.Rows) -> CustomModel:
    """Returns the untrained model that a run asks for; the table gives its inputs' moments."""
    seeds = data.layer_seeds(settings.seed, len(settings.hidden_units) + 1)
    nn_block = hidden_layers(settings, table, seeds)
    output_seed = seeds[len(settings.hidden_units)]
    start = keras.initializers.RandomNormal(stddev=0.05, seed=output_seed)
    logistic = Logistic(likelihood, start, penalty(settings.l2), dtype=table.dtype)
    model = MODELS[settings.keras_hook](nn_block, logistic, dtype=table.dtype)
    model.build((None, table.width))
    return model


def start(config: Config, likelihood: Likelihood, table: data.Rows) -> State:
    """Returns the state before the first epoch."""
    model = build(config, likelihood, table)
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
    batch_size = min(config.batch_size, table.rows)
    steps = -(-table.rows // batch_size)
    spans = progress.spans(state.epoch)
    blocks = table.blocks(config, spans, progress.longest_span)
    state.model.compile(
        optimizer=state.optimizer,
        steps_per_execution=steps_per_execution(state.model, batch_size, steps),
        jit_compile=config.jit_compile,
    )
    state.model.fit(
        batches.dataset(blocks, table, batch_size),
        initial_epoch=state.epoch,
        epochs=config.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[ProgressCallback(progress, state)],
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

    def __init__(self, progress: Progress, state: State) -> None:
        """Keeps the progress, and the state that goes with it."""
        super().__init__()
        self.progress = progress
        self.state = state

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Adds a record."""
        self.progress.add([logs["loss"]], self.state)
        if self.progress.stopped:
            self.model.stop_training = True


def named_weights(model: CustomModel, trainable_only: bool = False) -> dict[str, np.ndarray]:
    """Returns every array of the model by name, `layer/variable`, first layer first."""
    weights = model.trainable_weights if trainable_only else model.weights
    return {"/".join(weight.path.split("/")[-2:]): weight.numpy() for weight in weights}


def linear_predictor(model: CustomModel, features: tf.Tensor) -> tf.Tensor:
    """Returns the model's z, `[rows]`, for features `[rows, columns]`."""
    return model.logistic.linear_predictor(model.latent(features))
