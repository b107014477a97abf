"""Summaries of a run for TensorBoard, under the same names in both modes."""

import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.config import Config
from lowlevel.data import Rows, Table
from lowlevel.errors import in_one_line
from lowlevel.experiment import metrics, modes
from lowlevel.experiment.run import in_blocks, mean_loss
from lowlevel.likelihoods import loading
from lowlevel.progress import Epoch, State
from lowlevel.shares import row_shares

# Of the training rows, for gradients and metrics: enough to see which way they go.
MOST_ROWS = 1000


class Summaries:
    """An observer that writes event files; their steps are epochs.

    `nll/training` is of every epoch, as in the history. At each report come `nll/held_out`; the
    likelihood's metrics, `accuracy/training` say, on a fixed sample of at most `MOST_ROWS` training
    rows, and likewise held out; and histograms of every trained array, `weights/dense_0/kernel`
    say, and of the gradient in it of the model's own loss on that sample, `gradients/...`. No
    penalty is in any of them.
    """

    def __init__(
        self,
        mode: str,
        config: Config,
        table: Rows,
        test: Table | None,
        begin: Callable[[bool], pathlib.Path],
    ) -> None:
        """Writes nothing yet.

        Args:
            mode: "module" or "keras".
            config: the run's settings.
            table: the rows to train on.
            test: rows held out, or None.
            begin: is told whether the run begins with its first epoch, and returns the folder for
              the files; what it raises comes out of the first report.
        """
        self.wing, self.likelihood = modes.load(mode), loading.load(config.likelihood)
        self.sample, self.test = drawn(table.sample, config.seed), test
        self.begin = begin
        self.writer: Any = None

    def __call__(self, epochs: Sequence[Epoch], state: State) -> None:
        """Writes what is known by now, down to the disk, where TensorBoard sees it.

        Raises:
            ValueError: it cannot be written.
        """
        scalars = [("nll/training", record.nll, record.epoch) for record in epochs]
        scalars += [(*measured, state.epoch) for measured in self._metrics(state.model)]
        arrays = {
            "weights": self.wing.named_weights(state.model, trainable_only=True),
            "gradients": gradients(self.wing, state, self.sample),
        }
        try:
            if self.writer is None:
                folder = self.begin(epochs[0].epoch == 1)
                self.writer = tf.summary.create_file_writer(str(folder))
            with self.writer.as_default():
                for name, value, epoch in scalars:
                    tf.summary.scalar(name, value, epoch)
                for kind, named in arrays.items():
                    for name, values in named.items():
                        tf.summary.histogram(f"{kind}/{name}", finite(values), state.epoch)
            self.writer.flush()
        except tf.errors.OpError as error:
            raise ValueError(f"tensorboard: cannot write events ({in_one_line(error)})") from error

    def _metrics(self, model: Any) -> Iterator[tuple[str, float]]:
        """Yields the metrics of a report by name."""
        tables = {"training": self.sample}
        if self.test is not None:
            tables["held_out"] = self.test
            yield "nll/held_out", mean_loss(model, self.test)
        for kind, rows in tables.items():
            z = in_blocks(functools.partial(self.wing.linear_predictor, model), rows.features)
            mean = in_blocks(self.likelihood.mean, z)
            # The last update may be the one that diverges; the run's end says so.
            for name in self.likelihood.metrics if np.isfinite(mean).all() else ():
                value = metrics.METRICS[name](rows.labels, z, mean, rows.sample_weight)
                yield f"{name}/{kind}", value


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
