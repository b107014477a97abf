"""Config: its defaults are the article's, and each field refuses what is out of its range."""

import dataclasses
from typing import Any

import pytest

from lowlevel.config import Config


def test_the_defaults_are_the_articles_experiment() -> None:
    config = Config()
    recipe = (config.epochs, config.batch_size, config.learning_rate, config.optimizer)
    assert recipe == (5, 100, 1e-4, "sgd")
    assert (config.hidden_units, config.activation) == ((4,), "linear")
    assert not config.standardize


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().epochs = 6


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "tensorflow"),
        ("epochs", 0),
        ("epochs", 1.5),
        ("batch_size", 0),
        ("learning_rate", -1.0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("optimizer", "rmsprop"),
        ("hidden_units", (0,)),
        ("hidden_units", ("x",)),
        ("activation", "gelu"),
        ("l2", -0.1),
        ("l2", float("nan")),
        ("seed", -1),
        ("dtype", "float16"),
        ("keras_hook", "fit"),
        ("report_every", 0),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_fields_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field}: expected .*, got "):
        Config(**{field: value})
