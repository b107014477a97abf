"""Config: its defaults are the article's, and each field refuses what is out of its range."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from lowlevel.config import (
    KERAS_HOOKS,
    STRATEGIES,
    TRAINING_MODES,
    Config,
    DistributionSettings,
    ModelSettings,
    TrainingSettings,
)
from lowlevel.experiment.settling import SHARDS, number_of_shards

REFUSED = [
    ("epochs", 0),
    ("epochs", 1.5),
    ("epochs", True),
    ("epochs", "5"),
    ("epochs", np.ones((3, 40))),
    ("batch_size", 0),
    ("learning_rate", -1.0),
    ("learning_rate", 0.0),
    ("learning_rate", float("nan")),
    ("learning_rate", float("inf")),
    ("learning_rate", "0.1"),
    ("learning_rate", True),
    ("optimizer", "rmsprop"),
    ("hidden_units", (0,)),
    ("hidden_units", ("x",)),
    ("hidden_units", "4"),
    ("hidden_units", 2.5),
    ("activation", "gelu"),
    ("activation", None),
    ("l2", -0.1),
    ("l2", float("nan")),
    ("standardize", "no"),
    ("standardize", 1),
    ("jit_compile", None),
    ("seed", -1),
    ("dtype", "float16"),
    ("keras_hook", "fit"),
    ("report_every", 0),
    ("threads", -1),
    ("strategy", "central"),
    ("strategy", None),
    ("virtual_devices", 0),
    ("virtual_devices", 65),
    ("shards", -1),
    ("shards", 4097),
    ("shards", True),
    ("worker_timeout", 0),
]


def test_the_defaults_are_the_articles_experiment() -> None:
    config = Config()
    recipe = (config.epochs, config.batch_size, config.learning_rate, config.optimizer)
    assert recipe == (5, 100, 1e-4, "sgd")
    assert (config.hidden_units, config.activation) == ((4,), "linear")
    assert not config.standardize


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().epochs = 6


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_a_value_out_of_range_is_refused_by_the_fields_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field}: expected .*, got ") as caught:
        Config(**{field: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "field", [field.name for field in dataclasses.fields(Config) if field.name != "likelihood"]
)
def test_no_field_takes_whatever_it_is_given(field: str) -> None:
    # A likelihood's users look at it.
    with pytest.raises(ValueError, match=f"^{field}: expected .*, got "):
        Config(**{field: object()})


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("epochs", np.int64(5), 5),
        ("hidden_units", 4, (4,)),
        ("hidden_units", [8, np.int32(4)], (8, 4)),
        ("hidden_units", np.array([8, 4]), (8, 4)),
        ("hidden_units", [], ()),
        ("learning_rate", 1, 1.0),
        ("learning_rate", np.float32(0.5), 0.5),
        ("l2", 0, 0.0),
        ("standardize", np.True_, True),
        ("dtype", None, None),
        ("shards", None, None),
        ("shards", np.int64(0), 0),
    ],
)
def test_a_value_in_range_is_brought_to_the_fields_own_type(
    field: str, value: Any, kept: Any
) -> None:
    found = getattr(Config(**{field: value}), field)
    # What repr shows of a NumPy number is not what it shows of Python's.
    assert repr(found) == repr(kept)


@pytest.mark.parametrize("group", [Config, ModelSettings, TrainingSettings, DistributionSettings])
def test_the_docstring_names_every_field(group: type) -> None:
    attributes = group.__doc__.partition("Attributes:")[2]
    for field in dataclasses.fields(group):
        assert f"\n    {field.name}: " in attributes


@pytest.mark.parametrize("strategy", ["none", "multiworker"])
def test_only_a_mirrored_processor_is_split(strategy: str) -> None:
    assert Config(strategy="mirrored", virtual_devices=2).virtual_devices == 2
    with pytest.raises(ValueError, match=f"^virtual_devices: .*mirrored, got 2 with {strategy}"):
        Config(strategy=strategy, virtual_devices=2)


@pytest.mark.parametrize("mode", TRAINING_MODES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_mode_takes_every_strategy_but_fit_that_of_workers(mode: str, strategy: str) -> None:
    config = Config(strategy=strategy)
    if (mode, strategy) != ("keras", "multiworker"):
        config.check(mode)
        return
    with pytest.raises(
        ValueError, match=r"^strategy: .* got multiworker: .* module mode"
    ) as caught:
        config.check(mode)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"shards": 2}, {"strategy": "mirrored"}])
def test_the_step_that_is_keras_own_takes_no_shards(settings: dict[str, Any]) -> None:
    own = {"keras_hook": KERAS_HOOKS[1]}
    with pytest.raises(ValueError, match=r"^keras_hook: expected train_step .* got compute_loss"):
        Config(**settings, **own).check("keras")
    # By hand there are no hooks, and without shards either will do.
    Config(**settings, **own).check("module")
    Config(**own, shards=1).check("keras")


@pytest.mark.parametrize(
    ("strategy", "shards", "sharded", "cut", "number"),
    [
        ("none", None, False, False, 1),
        ("none", 1, False, False, 1),
        ("none", 3, True, True, 3),
        ("mirrored", None, True, False, SHARDS),
        ("mirrored", 0, True, True, 0),
        ("mirrored", 1, True, False, 1),
    ],
)
def test_shards_that_are_left_out_follow_from_the_strategy(
    strategy: str, shards: int | None, sharded: bool, cut: bool, number: int
) -> None:
    config = Config(strategy=strategy, shards=shards)
    assert (config.sharded, config.cuts_batches) == (sharded, cut)
    assert number_of_shards(config) == number


def test_without_a_strategy_there_is_nobody_to_leave_the_sum_to() -> None:
    assert number_of_shards(Config(shards=0)) == 1
