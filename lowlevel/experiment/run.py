"""A run: a model built, trained and evaluated, in either mode."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.config import NO_STRATEGY, Config
from lowlevel.data import Rows, Table
from lowlevel.data.columns import BLOCK_ROWS
from lowlevel.distribution import strategies
from lowlevel.experiment import metrics, modes
from lowlevel.experiment.early_stopping import EarlyStopping
from lowlevel.experiment.settling import base_rate, check_test, settled
from lowlevel.experiment.snapshots import Course, Keeper, keeping
from lowlevel.experiment.workers import shared
from lowlevel.likelihoods import Likelihood
from lowlevel.progress import Epoch, Follower, Observer, Progress, State, check_finite


class Run(NamedTuple):
    """What is left of a run.

    Attributes:
        config: its settings, with the dtype and the number of threads that were used.
        history: a record for every epoch.
        metrics: of the trained model on the **training rows**: "nll", what `loss_fn` gives there,
          and what the likelihood names, on a sample of them where they do not fit into memory. With
          sample weights, "nll" is the weighted sum over the number of rows, as in training and as
          in Keras; the others are weighted means.
        base_rate_nll: what a model that predicts the labels' mean for every row would score; None
          where the likelihood has no such thing.
        weights: every array of the trained model by name, `layer/variable`.
        state: the model, the optimizer and the epoch, as they were at the end.
        best_epoch: of which the weights are, where they were chosen by the rows held out.
    """

    config: Config
    history: list[Epoch]
    metrics: dict[str, float]
    base_rate_nll: float | None
    weights: dict[str, np.ndarray]
    state: State
    best_epoch: int | None = None

    @property
    def model(self) -> Any:
        """The trained model; called with features `[rows, columns]` it gives probabilities."""
        return self.state.model


def train(
    mode: str,
    config: Config,
    table: Rows,
    observers: Observer | Sequence[Observer] = (),
    test: Table | None = None,
    keeper: Keeper | None = None,
    followers: Sequence[Follower] = (),
) -> Run:
    """Builds a model, trains it and evaluates it.

    Args:
        mode: "module" or "keras".
        config: the run's settings.
        table: the rows to train on.
        observers: one, or several; each is called after every `report_every` epochs, and at the
          end, with the records of the epochs since its last call, and the state.
        test: rows held out, by which `patience` stops the training; nothing else looks at them.
        keeper: of snapshots of the run, and of what it is to go on from, if it is:
          `storage.checkpoints.Checkpoints`, say.
        followers: each is called with the latest record whenever there is one, as soon as the mode
          has it.

    Raises:
        ValueError: there is no such mode; the loss is not finite; the likelihood cannot be used or
          does not take the table's labels; the table is of another dtype than the config says; a
          number does not fit into it, or the model into memory; the process has begun with another
          number of threads, runs functions eagerly, or is in the scope of a strategy.
    """
    wing = modes.load(mode)
    config, likelihood = settled(mode, config, table)
    check_test(config, table, test)
    keeper = shared(keeper, mode, config, table)
    base_rate_nll = base_rate(likelihood, table)
    with strategies.scope(config):
        state = wing.start(config, likelihood, table)
    progress = Progress(config, observers, followers)
    progress.view = undistributed(wing, config, likelihood, table)
    stopping = EarlyStopping(wing, progress, test, mean_loss) if config.patience and test else None
    if stopping:
        progress.observers = (*progress.observers, stopping)
    course = Course(wing, state, progress, stopping)
    with keeping(keeper, course, config, table, test):
        train_on(course, config, table)
        end = course.take() if keeper else None
        state = progress.view(state)
        if stopping:
            stopping.restore(state)
        found = evaluate(wing, state.model, likelihood, table)
        if keeper and end:
            keeper.finish(end)
    return Run(
        config,
        progress.history,
        found,
        base_rate_nll,
        wing.named_weights(state.model),
        state,
        stopping.best_epoch if stopping else None,
    )


def train_on(course: Course, config: Config, table: Rows) -> None:
    """Trains from where a run is to its end.

    Raises:
        ValueError: the loss is not finite, or it did not come to its end.
    """
    wing, state, progress, _ = course
    if not progress.stopped:
        with strategies.scope(config):
            wing.train(state, config, table, progress)
    if state.epoch != config.epochs and not progress.stopped:
        raise ValueError(f"Expected {config.epochs} epochs, got {state.epoch}: rows ran out")


def undistributed(
    wing: modes.Mode, config: Config, likelihood: Likelihood, table: Rows
) -> Callable[[State], State]:
    """Returns a function that gives a state like another, of a plain model on one device.

    It is always the same one, brought up to date; where nothing is shared, the state itself.
    """
    if not config.sharded:
        return lambda state: state
    alone = dataclasses.replace(config, strategy=NO_STRATEGY, virtual_devices=1, shards=1)
    made = wing.start(alone, likelihood, table)

    def view(state: State) -> State:
        values = wing.named_variables(state)
        for name, variable in wing.named_variables(made).items():
            variable.assign(values[name].numpy())
        return dataclasses.replace(state, model=made.model, optimizer=made.optimizer)

    return view


def evaluate(wing: modes.Mode, model: Any, likelihood: Likelihood, table: Rows) -> dict[str, float]:
    """Returns a model's metrics on a table: its own loss, and what the likelihood names.

    Raises:
        ValueError: the loss or a prediction is not finite.
    """
    nll = mean_loss(model, table)
    # The last update may be the one that diverges: no loss of the history is from after it.
    check_finite(nll, "after training")
    sample = table.sample
    z = in_blocks(functools.partial(wing.linear_predictor, model), sample.features)
    mean = in_blocks(likelihood.mean, z)
    if not np.isfinite(mean).all():
        raise ValueError(
            f"Expected finite predictions, got {mean[~np.isfinite(mean)][0]} after training: see "
            "what mode=check says of the likelihood's mean"
        )
    named = {
        name: metrics.METRICS[name](sample.labels, z, mean, sample.sample_weight)
        for name in likelihood.metrics
    }
    return {"nll": nll, **named}


def mean_loss(model: Any, table: Rows) -> float:
    """Returns a model's own mean loss on a table: what it is trained on, whatever that is."""
    total = 0.0
    for block in table.row_blocks():
        x, y, *weight = map(tf.constant, block)
        share = tf.cast(weight[0] if weight else 1, x.dtype) / table.rows
        total += float(model.loss_fn(x, y, share))
    return total


def in_blocks(function: Callable[[tf.Tensor], tf.Tensor], column: np.ndarray) -> np.ndarray:
    """Returns a function's `[rows]` for a column `[rows, ...]`, from blocks of `BLOCK_ROWS`."""
    starts = range(0, len(column), BLOCK_ROWS)
    parts = (column[start : start + BLOCK_ROWS] for start in starts)
    return np.concatenate([function(tf.constant(part)) for part in parts])
