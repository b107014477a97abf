"""The one interface that both modes serve."""

import importlib
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from lowlevel.config import TRAINING_MODES, Config, ModelSettings
from lowlevel.data import Rows
from lowlevel.likelihoods import Likelihood
from lowlevel.progress import Progress, State


class Mode(Protocol):
    """What `module_mode.training` and `keras_mode.training` both are; they say what each does."""

    def build(self, settings: ModelSettings, likelihood: Likelihood, table: Rows) -> Any:
        """Returns the untrained model."""

    def start(self, config: Config, likelihood: Likelihood, table: Rows) -> State:
        """Returns the state before the first epoch."""

    def train(self, state: State, config: Config, table: Rows, progress: Progress) -> None:
        """Trains from a state to the config's last epoch."""

    def named_weights(self, model: Any, trainable_only: bool = False) -> dict[str, np.ndarray]:
        """Returns every array of the model by name, `layer/variable`."""

    def named_variables(self, state: State) -> dict[str, Any]:
        """Returns all that training changes, by names that both modes share."""

    def linear_predictor(self, model: Any, features: tf.Tensor) -> tf.Tensor:
        """Returns the model's z, `[rows]`, for features `[rows, columns]`."""


def load(name: str) -> Mode:
    """Returns a mode; only then is what it needs imported.

    Args:
        name: "module" or "keras"; it names the folder.

    Raises:
        ValueError: there is no such mode, or its library is not as it needs it.
    """
    if name not in TRAINING_MODES:
        expected = " or ".join(TRAINING_MODES)
        raise ValueError(f"Expected a mode to train in, {expected}, got {name}")
    wing: Any = importlib.import_module(f"lowlevel.{name}_mode.training")
    return wing
