"""A batch in shards: the run of whole batches but for rounding, to bits that nobody changes."""

import pathlib
import re
from typing import Any

import numpy as np
import pytest

from lowlevel import experiment
from lowlevel.config import OPTIMIZERS, Config
from lowlevel.experiment import Run
from lowlevel.storage.checkpoints import Checkpoints
from tests import wings
from tests.storage.stopping import Stopped
from tests.wings import both_modes

# Both sides compute in float64, and add up a dozen terms of size 1 in orders of their own.
ROUNDING = 1e-12

# With 43 rows, a short last batch of 3: fewer than the shards.
SETTINGS: dict[str, Any] = {
    "hidden_units": (2,),
    "activation": "tanh",
    "batch_size": 20,
    "epochs": 3,
    "learning_rate": 0.1,
    "l2": 0.01,
}
TABLE = wings.small_table(rows=43, weighted=True)


def trained(mode: str, **settings: Any) -> Run:
    """A run on the weighted table, made once."""
    return wings.trained(mode, rows=43, weighted=True, **SETTINGS, **settings)


def assert_close(found: Run, expected: Run, relative: float) -> None:
    """Fails unless two runs have the same weights, reports and metrics but for rounding."""
    assert [e.nll for e in found.history] == pytest.approx(
        [e.nll for e in expected.history], rel=relative
    )
    assert found.metrics == pytest.approx(expected.metrics, rel=relative)
    for name, values in expected.weights.items():
        np.testing.assert_allclose(found.weights[name], values, rtol=relative, err_msg=name)


def assert_same(found: Run, expected: Run) -> None:
    """Fails unless two runs have the same bits."""
    wings.assert_same_bits(found.weights, expected.weights)
    assert [e.nll for e in found.history] == [e.nll for e in expected.history]
    assert found.metrics == expected.metrics


@pytest.mark.parametrize(("mode", "optimizer"), wings.sampled(OPTIMIZERS))
def test_shards_train_to_the_weights_of_whole_batches(mode: str, optimizer: str) -> None:
    """Each row with its share of the whole batch, and the penalty once."""
    found, expected = (trained(mode, optimizer=optimizer, shards=number) for number in (8, 1))
    assert_close(found, expected, ROUNDING)


@both_modes
def test_shards_have_other_bits_than_whole_batches(mode: str) -> None:
    """The test above would hold of shards that nobody cuts."""
    found, expected = (trained(mode, optimizer="momentum", shards=number) for number in (8, 1))
    assert [e.nll for e in found.history] != [e.nll for e in expected.history]


@pytest.mark.parametrize("rows", [2, 43])
def test_both_modes_have_the_same_bits_in_shards(rows: int) -> None:
    settings = {**SETTINGS, "optimizer": "momentum", "shards": 3}
    by_hand, in_keras = (
        wings.trained(mode, rows, "float32", **settings) for mode in ("module", "keras")
    )
    wings.assert_same_bits(by_hand.weights, in_keras.weights)
    # Keras adds an epoch's losses up in float32.
    assert [e.nll for e in by_hand.history] == pytest.approx(
        [e.nll for e in in_keras.history], rel=1e-6
    )


@both_modes
@pytest.mark.parametrize("shards", [8, 1])
def test_who_shares_the_shards_leaves_the_bits_alone(mode: str, shards: int) -> None:
    settings = {"optimizer": "adam", "shards": shards}
    assert_same(trained(mode, strategy="mirrored", **settings), trained(mode, **settings))


@both_modes
def test_a_strategy_may_sum_in_its_own_order(mode: str) -> None:
    found = trained(mode, optimizer="adam", strategy="mirrored", shards=0)
    assert_close(found, trained(mode, optimizer="adam", shards=1), ROUNDING)


@both_modes
def test_xla_compiles_shards_to_the_same_weights(mode: str) -> None:
    plain, compiled = (trained(mode, shards=4, jit_compile=jit) for jit in (False, True))
    assert_close(compiled, plain, ROUNDING)


def train(mode: str, keeper: Checkpoints, **settings: Any) -> Run:
    """A run on the weighted table, whose batches come by windows, that a keeper sees."""
    config = Config(**SETTINGS, optimizer="adam", shuffle="window", **settings)
    try:
        return experiment.train(mode, config, TABLE, keeper=keeper)
    finally:
        keeper.close()


@pytest.mark.parametrize(
    ("mode", "strategies"), wings.sampled([("none", "mirrored"), ("mirrored", "none")])
)
def test_a_stopped_run_goes_on_under_another_strategy_to_the_same_bits(
    mode: str,
    strategies: tuple[str, str],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of an epoch's three steps: a run is seen in the middle of one, in either mode.
    monkeypatch.setattr("lowlevel.progress.MOST_STEPS", 2)
    folder, said = str(tmp_path / "run"), list[str]()
    first, second = strategies
    with pytest.raises(KeyboardInterrupt):
        train(mode, Stopped(5, folder), shards=8, strategy=first)
    found = train(mode, Checkpoints(folder, say=said.append), shards=8, strategy=second)
    assert re.fullmatch("goes on after epoch [12], batch 2 of the next", *said)
    assert_same(found, trained(mode, optimizer="adam", shards=8, shuffle="window"))


def test_a_run_in_other_shards_is_another_run(tmp_path: pathlib.Path) -> None:
    folder = str(tmp_path / "run")
    train("module", Checkpoints(folder), shards=8)
    with pytest.raises(ValueError, match="shards=8 in place of 4"):
        train("module", Checkpoints(folder), shards=4)
