"""Two ways to train in TensorFlow with a custom loss and a custom gradient, to the same bits.

TensorFlow is imported when one of the names below is first used, and quietly.
"""

import importlib
from typing import TYPE_CHECKING, Any

from lowlevel import saved_classes  # noqa: F401
from lowlevel.config import Config

if TYPE_CHECKING:
    from lowlevel.data import Table
    from lowlevel.experiment import Comparison, Run, compare, train
    from lowlevel.experiment.judgements import judge
    from lowlevel.experiment.tables import read_tables
    from lowlevel.keras_mode.saving import load_model
    from lowlevel.likelihoods import Likelihood
    from lowlevel.serving import load

_HOMES = {
    "Comparison": "lowlevel.experiment",
    "Likelihood": "lowlevel.likelihoods",
    "Run": "lowlevel.experiment",
    "Table": "lowlevel.data",
    "compare": "lowlevel.experiment",
    "judge": "lowlevel.experiment.judgements",
    "load": "lowlevel.serving",
    "load_model": "lowlevel.keras_mode.saving",
    "read_tables": "lowlevel.experiment.tables",
    "train": "lowlevel.experiment",
}

__all__ = [
    "Comparison",
    "Config",
    "Likelihood",
    "Run",
    "Table",
    "compare",
    "judge",
    "load",
    "load_model",
    "read_tables",
    "train",
]


def __getattr__(name: str) -> Any:
    """Returns a public name, imported now."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _HOMES[name] != "lowlevel.data":
        from lowlevel import startup

        startup.import_tensorflow()
    return getattr(importlib.import_module(_HOMES[name]), name)
