"""Training with Model.fit, over the same batches in the same order as by hand."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lowlevel import data
from lowlevel.config import Config
from lowlevel.keras_mode.layers import Dense, Logistic, Standardize
from lowlevel.keras_mode.model import MODELS, CustomModel
from lowlevel.keras_mode.optimizers import make_optimizer
from lowlevel.runs import Epoch, History, Watch

# Rows gathered at a time: few enough to stay in a processor's cache.
STACK_ROWS = 2**14


def build(config: Config, table: data.Table) -> CustomModel:
    """Returns the untrained model that a run asks for; the table gives its inputs' moments."""
    seeds = data.layer_seeds(config.seed, len(config.hidden_units) + 1)
    layers: list[keras.layers.Layer] = []
    if config.standardize:
        layers.append(Standardize(name="standardize", dtype=config.dtype))
    common = {
        "kernel_regularizer": keras.regularizers.L2(config.l2) if config.l2 else None,
        "dtype": config.dtype,
    }
    for index, units in enumerate(config.hidden_units):
        start = keras.initializers.GlorotUniform(seeds[index])
        layers.append(
            Dense(
                units, config.activation, kernel_initializer=start, name=f"dense_{index}", **common
            )
        )
    start = keras.initializers.RandomNormal(stddev=0.05, seed=seeds[-1])
    logistic = Logistic(config.likelihood, start, **common)
    nn_block = keras.Sequential(layers, name="nn_block") if layers else None
    model = MODELS[config.keras_hook](nn_block, logistic, dtype=config.dtype)
    model.build((None, table.features.shape[1]))
    if config.standardize:
        layers[0].set_weights(data.moments(table.features))
    return model


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
    steps = -(-table.rows // config.batch_size)
    history = History(config, watch)
    callbacks: list[keras.callbacks.Callback] = [RecordCallback(history)]
    if config.report_weights:
        callbacks.append(ReportWeightsCallback(config.report_every))
    with floatx(config.dtype):
        model.compile(
            optimizer=make_optimizer(config),
            steps_per_execution=steps,
            jit_compile=config.jit_compile,
        )
        model.fit(
            batches(config, table),
            epochs=config.epochs,
            steps_per_epoch=steps,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
    return history.epochs


def batches(config: Config, table: data.Table) -> tf.data.Dataset:
    """Returns every batch of every epoch, one after the other.

    It is one stream for all epochs, since `fit` may make an iterator more than once an epoch, and
    an order that is the iterator's state would then be another than a loop's. Rows are gathered
    many batches at a time, which costs tf.data less than one by one.
    """

    def stacks() -> Iterator[tuple[np.ndarray, ...]]:
        for epoch in range(config.epochs):
            order = data.batch_order(config.seed, epoch, table.rows)
            for indices in stacked(order, config.batch_size):
                yield tuple(np.take(column, indices, axis=0) for column in table.columns)

    specification = tuple(
        tf.TensorSpec([None, None, *column.shape[1:]], column.dtype) for column in table.columns
    )
    return tf.data.Dataset.from_generator(stacks, output_signature=specification).unbatch()


def stacked(order: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Yields an order's batches in turn, `[batches, batch size]` at a time, a short one alone."""
    whole, short = np.split(order, [len(order) - len(order) % batch_size])
    together = max(1, STACK_ROWS // batch_size) * batch_size
    for first in range(0, len(whole), together):
        yield whole[first : first + together].reshape(-1, batch_size)
    if len(short):
        yield short.reshape(1, -1)


@contextlib.contextmanager
def floatx(dtype: str) -> Iterator[None]:
    """Makes a dtype Keras's default: its optimizers keep the learning rate in that."""
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before)


class RecordCallback(keras.callbacks.Callback):
    """Adds each epoch's loss to a history."""

    def __init__(self, history: History) -> None:
        """Keeps the history."""
        super().__init__()
        self.history = history

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Adds a record."""
        self.history.add([logs["loss"]], self.model)


class ReportWeightsCallback(keras.callbacks.Callback):
    """Prints each layer's trainable arrays after each epoch, to see that they move."""

    def __init__(self, every: int = 1, print_fn: Callable[[str], None] = print) -> None:
        """Keeps how many epochs lie between two reports, and what is to print them."""
        super().__init__()
        self.every = every
        self.print_fn = print_fn

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Prints the arrays in the order of the network, weight first, then bias."""
        if (epoch + 1) % self.every == 0 or epoch + 1 == self.params["epochs"]:
            for weight in self.model.trainable_weights:
                self.print_fn(f"{layer_and_name(weight)}\n{weight.numpy()}")


def named_weights(model: CustomModel) -> dict[str, np.ndarray]:
    """Returns every array of the model by name, `layer/variable`."""
    return {layer_and_name(weight): weight.numpy() for weight in model.weights}


def layer_and_name(weight: keras.Variable) -> str:
    """Returns the end of a weight's path, `layer/variable`."""
    return "/".join(weight.path.split("/")[-2:])


def linear_predictor(model: CustomModel, features: tf.Tensor) -> tf.Tensor:
    """Returns the model's z, `[rows]`, for features `[rows, columns]`."""
    return model.logistic.linear_predictor(model.latent(features))
