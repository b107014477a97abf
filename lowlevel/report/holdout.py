"""The loss of the rows held out, at every report: a report shows it beside that of training."""

from collections.abc import Sequence

import numpy as np

from lowlevel.data import Table
from lowlevel.experiment.run import mean_loss
from lowlevel.progress import Epoch, State


class HoldoutLosses:
    """An observer that keeps the mean loss of the rows held out.

    Attributes:
        epochs: after which a report came.
        losses: the mean NLL a row at each, of the model as it stood then.
    """

    def __init__(self, test: Table | None) -> None:
        """Takes the rows held out; it keeps nothing where there are none."""
        self.test = test
        self.epochs: list[int] = []
        self.losses: list[float] = []

    def __call__(self, epochs: Sequence[Epoch], state: State) -> None:
        """Keeps the loss as it is now."""
        if self.test is not None:
            self.epochs.append(state.epoch)
            self.losses.append(mean_loss(state.model, self.test))

    def memory(self) -> np.ndarray:
        """Returns both as an array, `[reports, 2]`, float64."""
        return np.array([self.epochs, self.losses], np.float64).T

    def recall(self, memory: np.ndarray) -> None:
        """Takes up what `memory` gave."""
        self.epochs = memory[:, 0].astype(int).tolist()
        self.losses = memory[:, 1].tolist()
