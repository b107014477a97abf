"""Has Keras find this package's classes in saved models, whichever of the two is imported first.

Keras looks a class up in its registry and, but for its own packages, nowhere else. The classes get
there with their modules, which need Keras; until then something smaller stands in for each.
"""

import importlib
from typing import Any

import wrapt

HOMES = {
    "ComputeLossModel": "compute_loss",
    "CustomModel": "model",
    "Logistic": "layers",
    "RawColumnsModel": "raw_columns",
    "Standardize": "layers",
}


class StandIn:
    """Stands in the registry for a class whose module is not imported yet."""

    def __init__(self, name: str) -> None:
        """Keeps the class's name."""
        self.name = name

    def from_config(self, config: dict[str, Any]) -> Any:
        """Imports the class, which takes this object's place, and hands over to it."""
        module = importlib.import_module(f"lowlevel.keras_mode.{HOMES[self.name]}")
        return getattr(module, self.name).from_config(config)


def register(keras: Any) -> None:
    """Puts the stand-ins into Keras's registry, where the classes are not there already."""
    registry = keras.saving.get_custom_objects()
    for name in HOMES:
        registry.setdefault(f"lowlevel>{name}", StandIn(name))


# Now, if Keras has been imported, or else as soon as it is.
wrapt.register_post_import_hook(register, "keras")
