"""Every setting, whatever it is set to, gives the same bits in both modes.

The settings are those of `Config`, and what each may be is its range's to say: a new one is taken
up here unasked.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest

from lowlevel import experiment, startup
from lowlevel.config import KERAS_HOOKS, MULTIWORKER, NEWTON, Config
from lowlevel.likelihoods import LIKELIHOODS
from lowlevel.ranges import Choice, Named, Number, Switch, Whole, Wholes
from tests import wings

BASE: dict[str, Any] = {"activation": "tanh", "batch_size": 20, "epochs": 2, "learning_rate": 0.5}


def others(field: dataclasses.Field) -> Iterable[Any]:
    """What else than its default a setting may be: every other name, or some number."""
    match field.metadata["within"]:
        case Choice(names):
            # Newton's method and several workers are module mode's alone.
            barred = (field.default, NEWTON, MULTIWORKER)
            return [name for name in names if name not in barred]
        case Switch():
            return [not field.default]
        case Number():
            return [0.25]
        case Whole() if field.name == "threads":
            # The process has begun; it would refuse another number.
            return [startup.start_devices(0)]
        case Whole() if field.name == "virtual_devices":
            # Likewise.
            return []
        case Whole():
            return [3]
        case Wholes():
            return [(), (3, 2)]
        case Named() if field.name == "likelihood":
            return [name for name in LIKELIHOODS if name != field.default]
    raise NotImplementedError(f"{field.name}: say here what it may be")


@pytest.mark.parametrize("hook", KERAS_HOOKS)
@pytest.mark.parametrize(
    ("name", "value"),
    [(field.name, value) for field in dataclasses.fields(Config) for value in others(field)],
)
def test_a_setting_gives_the_same_bits_in_both_modes(name: str, value: Any, hook: str) -> None:
    table = wings.small_table(dtype=value if name == "dtype" else "float32")
    config = Config(**{**BASE, "keras_hook": hook, name: value})
    if config.sharded and hook != KERAS_HOOKS[0]:
        pytest.skip("Keras's own step takes the gradient of a whole batch")
    result = experiment.compare(config, table, test=table if config.patience else None)
    assert (result.tolerance == 0) == (not config.jit_compile)
    assert result.agrees
    # Weights alone do not tell whether a layer acts in use as it does in training.
    module, keras = (result.runs[mode].metrics for mode in wings.MODES)
    assert module == (keras if result.tolerance == 0 else pytest.approx(keras, rel=1e-5))
