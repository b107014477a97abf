"""What is refused before training, in one line."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lowlevel import experiment
from lowlevel.config import Config
from lowlevel.likelihoods import Logit
from lowlevel.module_mode import training
from tests import wings

TABLE = wings.small_table(rows=12, dtype="float32")


class OtherMetrics(Logit):
    """Names a metric that is not there."""

    metrics = ("f1",)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 1e-50}, "learning_rate: expected a number that float32 can hold"),
        ({"l2": 1e39}, "l2: expected a number that float32 can hold"),
        ({"hidden_units": 10**11}, "hidden_units: expected a model that fits into"),
        ({"likelihood": OtherMetrics()}, "Expected `metrics` of the likelihood among accuracy"),
        ({"threads": 1023}, r"threads: expected \d+, with which TensorFlow has begun"),
    ],
)
def test_settings_that_cannot_be_trained_by_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        experiment.train("module", Config(**settings), TABLE)


@pytest.mark.parametrize(
    ("config", "table", "message"),
    [
        ({}, TABLE, "`config` to be a lowlevel.Config, got a dict"),
        (Config(), (TABLE.features, TABLE.labels), "`table` to be a lowlevel.Table, got a tuple"),
    ],
)
def test_other_objects_are_refused(config: Any, table: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        experiment.train("module", config, table)


def test_observers_that_are_no_functions_are_refused_before_training() -> None:
    with pytest.raises(ValueError, match="Expected observers to be functions"):
        experiment.train("module", Config(), TABLE, [1])
    with pytest.raises(ValueError, match="Expected observers to be functions"):
        experiment.train("module", Config(), TABLE, 3)


class NoBase(Logit):
    """Fails where the labels are looked at."""

    def base_rate_nll(self, labels: np.ndarray, sample_weight: np.ndarray | None) -> float:
        return 1 / 0


def test_a_base_rate_that_fails_does_so_before_training() -> None:
    seen: list[int] = []
    with pytest.raises(ValueError, match="base_rate_nll fails: ZeroDivisionError"):
        experiment.train(
            "module", Config(likelihood=NoBase()), TABLE, lambda epochs, state: seen.append(1)
        )
    assert not seen


def test_one_observer_need_not_be_in_a_list() -> None:
    seen: list[int] = []
    experiment.train("module", Config(), TABLE, lambda epochs, state: seen.append(state.epoch))
    assert seen == [1, 2, 3, 4, 5]


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Functions that run eagerly, for as long as a test takes."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("mode", wings.MODES)
def test_functions_that_run_eagerly_are_refused(mode: str, eagerly: None) -> None:
    with pytest.raises(ValueError, match=r"run_functions_eagerly\(True\)"):
        experiment.train(mode, Config(), TABLE)


@pytest.mark.parametrize("mode", wings.MODES)
def test_the_scope_of_a_strategy_is_refused(mode: str) -> None:
    # With one replica, too: `fit` would read its one stream of batches ahead.
    with (
        tf.distribute.OneDeviceStrategy("/cpu:0").scope(),
        pytest.raises(ValueError, match="no distribution strategy, got OneDeviceStrategy"),
    ):
        experiment.train(mode, Config(), TABLE)


def test_a_run_that_ends_early_is_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "train", lambda *given: None)
    with pytest.raises(ValueError, match="Expected 5 epochs, got 0"):
        experiment.train("module", Config(), TABLE)


@pytest.mark.parametrize("scale", [1e200, 1e-170])
@pytest.mark.parametrize("mode", wings.MODES)
def test_features_whose_squares_overflow_are_standardized_all_the_same(
    mode: str, scale: float
) -> None:
    table = wings.small_table()
    # A power of 2, so that only the exponents differ.
    scaled = type(table)(table.features * 2.0 ** np.round(np.log2(scale)), table.labels)
    settings = {"standardize": True, "optimizer": "adam", "learning_rate": 0.1}
    expected, found = (wings.train(mode, t, **settings).metrics for t in (table, scaled))
    assert found == expected


def test_a_deviation_that_the_dtype_cannot_hold_is_refused_by_its_column() -> None:
    table = wings.small_table(dtype="float32")
    features = table.features.copy()
    features[:, 2] *= 1e-42
    with pytest.raises(ValueError, match=r"standardize: .* in column 2: rescale it"):
        wings.train("module", type(table)(features, table.labels), standardize=True)
