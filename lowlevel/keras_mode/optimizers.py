"""The optimizers: Keras's own, by the names that module mode gives its."""

from collections.abc import Callable, Sequence

import keras

from lowlevel.config import TrainingSettings

OPTIMIZERS: dict[str, Callable[[TrainingSettings], keras.optimizers.Optimizer]] = {
    "sgd": lambda settings: keras.optimizers.SGD(settings.learning_rate),
    "momentum": lambda settings: keras.optimizers.SGD(settings.learning_rate, momentum=0.9),
    "adam": lambda settings: keras.optimizers.Adam(settings.learning_rate),
}


def make_optimizer(
    settings: TrainingSettings, variables: Sequence[keras.Variable]
) -> keras.optimizers.Optimizer:
    """Returns the optimizer that a run asks for, with slots for what it is to train.

    Raises:
        ValueError: it is one that Keras cannot have.
    """
    if settings.optimizer not in OPTIMIZERS:
        raise ValueError(
            f"optimizer: expected one of {', '.join(OPTIMIZERS)} in keras mode, got "
            f"{settings.optimizer}: it takes all rows at once, and fit a batch at a time; use "
            "module mode"
        )
    optimizer = OPTIMIZERS[settings.optimizer](settings)
    optimizer.build(variables)
    return optimizer


def kept(optimizer: keras.optimizers.Optimizer, names: Sequence[str]) -> dict[str, keras.Variable]:
    """Returns what goes from one step to the next, by the names that module mode has for it.

    Args:
        optimizer: one of the above.
        names: of the trained variables.
    """
    found = {"iterations": optimizer.iterations}
    for kind in ("momentum", "velocity"):
        slots = [slot for slot in optimizer.variables if slot.name.endswith(f"_{kind}")]
        found |= {f"{kind}/{name}": slot for name, slot in zip(names, slots, strict=bool(slots))}
    return found
