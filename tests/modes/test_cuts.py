"""A run that is cut, by reports, by calls into compiled code or by a stop, ends as the whole one.

To the last bit, in both modes: it is the same run.
"""

from typing import Any

import pytest

from lowlevel import experiment, progress
from lowlevel.config import OPTIMIZERS, Config
from lowlevel.experiment import modes
from lowlevel.progress import Progress, State
from tests import wings
from tests.wings import both_modes

# Two batches an epoch, and a last report of one epoch.
SETTINGS: dict[str, Any] = {
    "hidden_units": (2,),
    "activation": "tanh",
    "batch_size": 20,
    "epochs": 11,
    "learning_rate": 0.1,
    "report_every": 5,
}
STOP = 4
TABLE = wings.small_table()


def whole(mode: str, optimizer: str) -> experiment.Run:
    """The run that is not cut."""
    return wings.trained(mode, optimizer=optimizer, **SETTINGS)


def losses(run: experiment.Run) -> list[float]:
    """Each epoch's loss."""
    return [epoch.nll for epoch in run.history]


def assert_goes_on(mode: str, state: State, expected: experiment.Run, report_every: int) -> None:
    """Trains on from a stop, and holds what comes of it to the whole run."""
    settings = {**SETTINGS, "report_every": report_every}
    config = Config(optimizer=expected.config.optimizer, **settings)
    rest = Progress(config)
    modes.load(mode).train(state, config, TABLE, rest)
    assert state.epoch == 11
    found = [(epoch.epoch, epoch.nll) for epoch in rest.history]
    assert found == [(epoch.epoch, epoch.nll) for epoch in expected.history[STOP:]]
    wings.assert_same_bits(wings.named(mode, state.model), expected.weights)


def copied(mode: str, stopped: State, optimizer: str) -> State:
    """A state of a model and an optimizer made anew, with all numbers of a stopped one."""
    fresh = wings.start(mode, TABLE, optimizer=optimizer, **SETTINGS)
    for new, old in ((fresh.model, stopped.model), (fresh.optimizer, stopped.optimizer)):
        for variable, value in zip(new.variables, old.variables, strict=True):
            variable.assign(value)
    fresh.epoch = stopped.epoch
    return fresh


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_whole_run_is_one_in_both_modes(optimizer: str) -> None:
    """So that all that is held to it is, too."""
    by_hand, in_keras = (whole(mode, optimizer) for mode in wings.MODES)
    wings.assert_same_bits(by_hand.weights, in_keras.weights)
    assert losses(by_hand) == pytest.approx(losses(in_keras), rel=1e-12)


@pytest.mark.parametrize(("mode", "optimizer", "report_every"), wings.sampled(OPTIMIZERS, (5, 1)))
def test_a_run_goes_on_from_where_it_was_stopped(
    mode: str, optimizer: str, report_every: int
) -> None:
    """In the middle of a report; in the same objects, and in others that are given its numbers."""
    settings = {**SETTINGS, "report_every": report_every, "epochs": STOP}
    stopped = wings.train(mode, TABLE, optimizer=optimizer, **settings).state
    fresh = copied(mode, stopped, optimizer)
    for state in (stopped, fresh):
        assert_goes_on(mode, state, whole(mode, optimizer), report_every)


@both_modes
@pytest.mark.parametrize("report_every", [1, pytest.param(4, marks=pytest.mark.full), 20])
def test_how_often_is_reported_changes_no_bit(mode: str, report_every: int) -> None:
    settings = {**SETTINGS, "report_every": report_every}
    run = wings.train(mode, TABLE, optimizer="adam", **settings)
    wings.assert_same_bits(run.weights, whole(mode, "adam").weights)
    assert losses(run) == losses(whole(mode, "adam"))


@both_modes
def test_how_long_a_call_into_compiled_code_lasts_changes_no_bit(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cut so that Ctrl-C is heard: here after every step."""
    expected = whole(mode, "adam")
    monkeypatch.setattr(progress, "MOST_STEPS", 1)
    run = wings.train(mode, TABLE, optimizer="adam", **SETTINGS)
    wings.assert_same_bits(run.weights, expected.weights)
    assert losses(run) == losses(expected)
