"""The one interface that both modes serve, and a run of either."""

import functools
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from lowlevel import evaluation, likelihoods
from lowlevel.config import TRAINING_MODES, Config
from lowlevel.data import Table
from lowlevel.runs import Epoch, Watch, check_finite

# Rows that are evaluated at a time: the arrays on the way are small beside a large table.
BLOCK_ROWS = 2**16


class Mode(Protocol):
    """What `module_mode.training` and `keras_mode.training` both are; they say what each does."""

    def build(self, config: Config, table: Table) -> Any:
        """Returns the untrained model."""

    def train(self, model: Any, config: Config, table: Table, watch: Watch) -> list[Epoch]:
        """Trains a model and returns a record for every epoch."""

    def named_weights(self, model: Any) -> dict[str, np.ndarray]:
        """Returns every array of the model by name, `layer/variable`."""

    def linear_predictor(self, model: Any, features: tf.Tensor) -> tf.Tensor:
        """Returns the model's z, `[rows]`, for features `[rows, columns]`."""


class Run(NamedTuple):
    """What is left of a run.

    Attributes:
        history: a record for every epoch.
        metrics: "nll", "accuracy" and "roc_auc" of the trained model on the training rows. With
          sample weights, "nll" is the weighted sum over the number of rows, as in training and as
          in Keras; the others are weighted means.
        weights: every array of the trained model by name, `layer/variable`.
        model: the trained model; called with features `[rows, columns]` it gives probabilities.
    """

    history: list[Epoch]
    metrics: dict[str, float]
    weights: dict[str, np.ndarray]
    model: Any


def load(name: str) -> Mode:
    """Returns a mode; only then is what it needs imported.

    Args:
        name: "module" or "keras"; it names the folder.
    """
    return importlib.import_module(f"lowlevel.{name}_mode.training")


def run(name: str, config: Config, table: Table, watch: Watch) -> Run:
    """Builds a model, trains it and evaluates it.

    Args:
        name: of the mode, "module" or "keras".
        config: the run's settings; its `mode`, `output_dir` and `data_dir` do not matter.
        table: the rows to train on, of the config's dtype.
        watch: called after every `report_every` epochs, and at the end, with the records of the
          epochs since its last call, and the model.

    Raises:
        ValueError: there is no such mode, the loss is not finite, the likelihood cannot be used,
          or the table is of another dtype.
    """
    if name not in TRAINING_MODES:
        expected = " or ".join(TRAINING_MODES)
        raise ValueError(f"Expected a mode to train in, {expected}, got {name}")
    if table.features.dtype != config.dtype:
        raise ValueError(
            f"Expected a table of the config's dtype, {config.dtype}, got {table.features.dtype}: "
            "set one to the other"
        )
    mode = load(name)
    model = mode.build(config, table)
    history = mode.train(model, config, table, watch)
    predict = functools.partial(mode.linear_predictor, model)
    metrics = evaluate(config.likelihood, in_blocks(predict, table.features), table)
    # The last update may be the one that diverges: no loss of the history is from after it.
    check_finite(metrics["nll"], "after training")
    return Run(history, metrics, mode.named_weights(model), model)


def evaluate(likelihood: str, z: np.ndarray, table: Table) -> dict[str, float]:
    """Returns "nll", "accuracy" and "roc_auc" of linear predictors `[rows]` on a table's labels."""
    member = likelihoods.load(likelihood)
    losses = in_blocks(member.nll, z, table.labels).astype(np.float64)
    probabilities = in_blocks(member.mean, z)
    weight = table.sample_weight
    return {
        "nll": float(np.mean(losses if weight is None else weight * losses)),
        "accuracy": evaluation.accuracy(table.labels, probabilities, weight),
        "roc_auc": evaluation.roc_auc(table.labels, z, weight),
    }


def in_blocks(function: Callable[..., tf.Tensor], *columns: np.ndarray) -> np.ndarray:
    """Returns a function's `[rows]` for columns `[rows, ...]`, from blocks of `BLOCK_ROWS`."""
    starts = range(0, len(columns[0]), BLOCK_ROWS)
    blocks = ([column[start : start + BLOCK_ROWS] for column in columns] for start in starts)
    return np.concatenate([function(*map(tf.constant, block)) for block in blocks])
