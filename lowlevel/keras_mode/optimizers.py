"""The optimizers: Keras's own, by the names that module mode gives its."""

import keras

from lowlevel.config import Config


def make_optimizer(config: Config) -> keras.optimizers.Optimizer:
    """Returns the optimizer that a run asks for."""
    if config.optimizer == "adam":
        return keras.optimizers.Adam(config.learning_rate)
    momentum = {"sgd": 0.0, "momentum": 0.9}[config.optimizer]
    return keras.optimizers.SGD(config.learning_rate, momentum)
