"""Summaries of a run for TensorBoard, under the same names in both modes."""

import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from lowlevel.config import Config
from lowlevel.data import Rows, Table
from lowlevel.experiment import metrics, modes
from lowlevel.experiment.run import in_blocks, mean_loss
from lowlevel.likelihoods import loading
from lowlevel.progress import Epoch, Observer, State
from lowlevel.shares import row_shares

# Of the training rows, for gradients and metrics: enough to see which way they go.
MOST_ROWS = 1000


def writer_of(
    mode: str,
    config: Config,
    table: Rows,
    test: Table | None,
    begin: Callable[[bool], pathlib.Path],
) -> Observer:
    """Returns an observer that writes event files; their steps are epochs.

    `nll/training` is of every epoch, as in the history. At each report come `nll/held_out`; the
    likelihood's metrics, `accuracy/training` say, on a fixed sample of at most `MOST_ROWS` training
    rows, and likewise held out; and histograms of every trained array, `weights/dense_0/kernel`
    say, and of the gradient in it of the model's own loss on that sample, `gradients/...`. No
    penalty is in any of them.

    Args:
        mode: "module" or "keras".
        config: the run's settings.
        table: the rows to train on.
        test: rows held out, or None.
        begin: is told whether the run begins with its first epoch, and returns the folder for the
          files.

    Raises:
        ValueError: from the observer, as `begin` does.
    """
    wing, likelihood = modes.load(mode), loading.load(config.likelihood)
    sample = drawn(table.sample, config.seed)
    measured = {"training": sample} if test is None else {"training": sample, "held_out": test}
    writers: list[tf.summary.SummaryWriter] = []

    def scalars(epochs: Sequence[Epoch], state: State) -> Iterator[tuple[str, float, int]]:
        for record in epochs:
            yield "nll/training", record.nll, record.epoch
        if test is not None:
            yield "nll/held_out", mean_loss(state.model, test), state.epoch
        for kind, rows in measured.items():
            z = in_blocks(functools.partial(wing.linear_predictor, state.model), rows.features)
            mean = in_blocks(likelihood.mean, z)
            # The last update may be the one that diverges; the run's end says so.
            for name in likelihood.metrics if np.isfinite(mean).all() else ():
                value = metrics.METRICS[name](rows.labels, z, mean, rows.sample_weight)
                yield f"{name}/{kind}", value, state.epoch

    def write(epochs: Sequence[Epoch], state: State) -> None:
        if not writers:
            writers.append(tf.summary.create_file_writer(str(begin(epochs[0].epoch == 1))))
        arrays = {
            "weights": wing.named_weights(state.model, trainable_only=True),
            "gradients": gradients(wing, state, sample),
        }
        with writers[0].as_default():
            for name, value, epoch in scalars(epochs, state):
                tf.summary.scalar(name, value, epoch)
            for kind, named in arrays.items():
                for name, values in named.items():
                    tf.summary.histogram(f"{kind}/{name}", finite(values), state.epoch)
        writers[0].flush()

    return write


def drawn(table: Table, seed: int) -> Table:
    """Returns at most `MOST_ROWS` of a table's rows, the same ones for a seed."""
    if table.rows <= MOST_ROWS:
        return table
    numbers = np.random.default_rng(seed).choice(table.rows, MOST_ROWS, replace=False)
    return table.rows_at(np.sort(numbers))


def gradients(wing: modes.Mode, state: State, table: Table) -> dict[str, np.ndarray]:
    """Returns the gradient of the model's own loss on a table, by the trained array's name."""
    x, y, *weight = map(tf.constant, table.columns)
    variables = wing.named_variables(state)
    trained = {n: variables[n] for n in wing.named_weights(state.model, trainable_only=True)}
    with tf.GradientTape() as tape:
        loss = state.model.loss_fn(x, y, row_shares(y, *weight))
    return {name: found.numpy() for name, found in tape.gradient(loss, trained).items()}


def finite(values: np.ndarray) -> np.ndarray:
    """Returns what a histogram can hold, `[numbers]`: TensorFlow's has no bucket for NaN."""
    return values[np.isfinite(values)]
