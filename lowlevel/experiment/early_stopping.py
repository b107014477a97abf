"""Early stopping: training ends when the rows held out get no better, with the best weights."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lowlevel.data import Table
from lowlevel.experiment.modes import Mode
from lowlevel.progress import Epoch, Progress, State


class EarlyStopping:
    """An observer that stops a run after some reports without a lower loss.

    Attributes:
        best: the lowest loss of the rows held out, at any report.
        best_epoch: after which epoch.
    """

    def __init__(
        self,
        wing: Mode,
        progress: Progress,
        test: Table,
        mean_loss: Callable[[Any, Table], float],
    ) -> None:
        """Takes the mode, the rows held out, and what gives a model's mean loss on rows."""
        self.wing, self.progress, self.test, self.mean_loss = wing, progress, test, mean_loss
        self.best, self.best_epoch = np.inf, 0
        self.weights: dict[str, np.ndarray] = {}
        self.worse = 0

    def __call__(self, epochs: Sequence[Epoch], state: State) -> None:
        """Keeps the weights if they are the best so far; stops if they were so too long ago."""
        loss = self.mean_loss(state.model, self.test)
        if loss < self.best:
            self.best, self.best_epoch, self.worse = loss, state.epoch, 0
            self.weights = self.wing.named_weights(state.model, trainable_only=True)
            return
        self.worse += 1
        if self.worse >= self.progress.settings.patience:
            self.progress.stopped = True

    def restore(self, state: State) -> None:
        """Gives the model its best weights back."""
        # None where no report had a loss that is a number: evaluation says so.
        variables = self.wing.named_variables(state)
        for name, values in self.weights.items():
            variables[name].assign(values)
