"""Early stopping: training ends when the rows held out get no better, with the best weights."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lowlevel.data import Table
from lowlevel.progress import Epoch, Progress, State


class EarlyStopping:
    """An observer that stops a run after some reports without a lower loss.

    Attributes:
        best: the lowest loss of the rows held out, at any report.
        best_epoch: after which epoch.
    """

    def __init__(
        self, progress: Progress, test: Table, mean_loss: Callable[[Any, Table], float]
    ) -> None:
        """Takes the rows held out, and what gives a model's mean loss on rows."""
        self.progress, self.test, self.mean_loss = progress, test, mean_loss
        self.best, self.best_epoch = np.inf, 0
        self.weights: list[np.ndarray] = []
        self.worse = 0

    def __call__(self, epochs: Sequence[Epoch], state: State) -> None:
        """Keeps the weights if they are the best so far; stops if they were so too long ago."""
        loss = self.mean_loss(state.model, self.test)
        if loss < self.best:
            self.best, self.best_epoch, self.worse = loss, state.epoch, 0
            self.weights = [variable.numpy() for variable in state.model.trainable_variables]
            return
        self.worse += 1
        if self.worse >= self.progress.settings.patience:
            self.progress.stopped = True

    def restore(self, state: State) -> None:
        """Gives the model its best weights back."""
        # None where no report had a loss that is a number: evaluation says so.
        if self.weights:
            pairs = zip(state.model.trainable_variables, self.weights, strict=True)
            for variable, values in pairs:
                variable.assign(values)
