"""Config: its defaults are the article's, and each field refuses what is out of its range."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from lowlevel.config import Config, ModelSettings, TrainingSettings

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
    ],
)
def test_a_value_in_range_is_brought_to_the_fields_own_type(
    field: str, value: Any, kept: Any
) -> None:
    found = getattr(Config(**{field: value}), field)
    # What repr shows of a NumPy number is not what it shows of Python's.
    assert repr(found) == repr(kept)


@pytest.mark.parametrize("group", [Config, ModelSettings, TrainingSettings])
def test_the_docstring_names_every_field(group: type) -> None:
    attributes = group.__doc__.partition("Attributes:")[2]
    for field in dataclasses.fields(group):
        assert f"\n    {field.name}: " in attributes
