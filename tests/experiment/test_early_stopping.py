"""Early stopping: a run ends when the rows held out get no better, with the best weights."""

import dataclasses

import numpy as np
import pytest

from lowlevel import experiment
from lowlevel.config import TRAINING_MODES, Config
from lowlevel.data import Table
from lowlevel.experiment.run import mean_loss

RANDOM = np.random.default_rng(0)
# More columns than the few rows can bear: the rows held out get worse before long.
FEATURES = RANDOM.normal(size=(90, 30))
LABELS = (FEATURES[:, 0] + 2 * RANDOM.logistic(size=90) > 0).astype(float)
TRAIN, TEST = (Table(FEATURES[part], LABELS[part]) for part in (slice(40), slice(40, 90)))
CONFIG = Config(
    hidden_units=(), optimizer="adam", learning_rate=0.05, epochs=60, batch_size=8, patience=3
)


@pytest.mark.parametrize("mode", TRAINING_MODES)
def test_a_run_ends_after_so_many_worse_reports_with_the_best_weights(mode: str) -> None:
    losses: list[float] = []

    def look(epochs: object, state: object) -> None:
        losses.append(mean_loss(state.model, TEST))  # type: ignore[attr-defined]

    run = experiment.train(mode, CONFIG, TRAIN, look, TEST)
    best = int(np.argmin(losses))
    assert run.best_epoch == best + 1
    assert len(losses) == len(run.history) == best + 1 + CONFIG.patience < CONFIG.epochs
    assert mean_loss(run.model, TEST) == losses[best]


@pytest.mark.parametrize("mode", TRAINING_MODES)
def test_the_best_weights_are_those_of_a_run_of_as_many_epochs(mode: str) -> None:
    stopped = experiment.train(mode, CONFIG, TRAIN, (), TEST)
    assert stopped.best_epoch is not None
    config = dataclasses.replace(CONFIG, epochs=stopped.best_epoch, patience=0)
    whole = experiment.train(mode, config, TRAIN)
    for name, values in whole.weights.items():
        np.testing.assert_array_equal(stopped.weights[name], values)


def test_both_modes_stop_at_the_same_epoch_to_the_same_bits() -> None:
    result = experiment.compare(CONFIG, TRAIN, None, TEST)
    assert result.agrees
    module, keras = result.runs.values()
    assert module.best_epoch == keras.best_epoch
    for name, values in module.weights.items():
        np.testing.assert_array_equal(keras.weights[name], values)


def test_patience_without_rows_held_out_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^patience: expected rows held out to judge by"):
        experiment.train("module", CONFIG, TRAIN)


def test_rows_of_other_columns_are_refused() -> None:
    other = Table(FEATURES[:, :3], LABELS)
    with pytest.raises(ValueError, match=r"^Expected `test` of 30 columns, as `table` has, got 3"):
        experiment.train("module", CONFIG, TRAIN, (), other)
