"""The loss of the rows held out, at every report: a page shows it beside that of training."""

from collections.abc import Sequence

import numpy as np

from lowlevel.data import Table
from lowlevel.experiment.run import mean_loss
from lowlevel.progress import Epoch, State


class HoldoutLosses:
    """An observer that keeps the mean loss of the rows held out, if there are any.

    Attributes:
        memory: `[reports, 2]`, float64: an epoch after which a report came, and the mean NLL a row
            of the model as it stood then. A run that goes on from a snapshot has those before.
    """

    name = "holdout"

    def __init__(self, test: Table | None) -> None:
        """Takes the rows held out."""
        self.test = test
        self.memory = np.empty((0, 2))

    def __call__(self, epochs: Sequence[Epoch], state: State) -> None:
        """Keeps the loss as it is now."""
        if self.test is not None:
            seen = [state.epoch, mean_loss(state.model, self.test)]
            self.memory = np.append(self.memory, [seen], axis=0)
