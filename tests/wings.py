"""Both modes' models from the same start, for tests that hold for either."""

from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel import modes
from lowlevel.config import Config
from lowlevel.data import Table

MODES = ("module", "keras")


def small_table(rows: int = 40, dtype: str = "float64", weighted: bool = False) -> Table:
    """A table of three columns whose labels depend on them."""
    random = np.random.default_rng(0)
    features = random.normal(size=(rows, 3))
    labels = (features.sum(axis=1) + random.normal(size=rows) > 0).astype(dtype)
    weights = random.uniform(0.5, 2, rows).astype(dtype) if weighted else None
    return Table(features.astype(dtype), labels, weights)


def make(mode: str, table: Table, **settings: Any) -> Any:
    """An untrained model of a mode."""
    config = Config(**{"dtype": str(table.features.dtype), **settings})
    return modes.load(mode).build(config, table)


def train(mode: str, table: Table, **settings: Any) -> modes.Run:
    """A run of a mode."""
    config = Config(**{"dtype": str(table.features.dtype), **settings})
    return modes.run(mode, config, table, lambda epochs, model: None)


def trainable(model: Any) -> list[tf.Variable]:
    """The variables that a model trains; those of Keras wrap one of TensorFlow."""
    variables = model.trainable_variables
    return [v if isinstance(v, tf.Variable) else v.value for v in variables]
