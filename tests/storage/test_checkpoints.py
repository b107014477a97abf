"""Checkpoints: a run that was stopped goes on to the bits of one that was not, or says why not."""

import errno
import fcntl
import itertools
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from lowlevel import experiment
from lowlevel.config import Config
from lowlevel.data import Rows, Stream, Table
from lowlevel.data.row_file import RowFile
from lowlevel.experiment import Run
from lowlevel.progress import State
from lowlevel.storage.checkpoints import Checkpoints
from tests import wings
from tests.storage.stopping import ALWAYS, Stopped

TABLE = wings.small_table(rows=203)
TEST = wings.small_table(rows=50)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows and groups of a few rows."""
    monkeypatch.setattr("lowlevel.data.windows.WINDOW_BYTES", 2000)
    monkeypatch.setattr("lowlevel.data.windows.GROUP_BYTES", 150)
    # Calls of a few steps, so that an epoch is seen half done.
    monkeypatch.setattr("lowlevel.progress.MOST_STEPS", 3)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> str:
    """Of a run."""
    return str(tmp_path / "run")


def stream_of(table: Table) -> Stream:
    """A table's rows in a file."""
    file = RowFile(table.rows, table.row_shapes, np.dtype(table.dtype))
    file.write(0, table.columns)
    return Stream(file, table.names, table)


def train(mode: str, config: Config, table: Rows = TABLE, keeper: Checkpoints | None = None) -> Run:
    """A run; its checkpoints are there for the next."""
    run = experiment.train(mode, config, table, test=TEST, keeper=keeper)
    if keeper:
        keeper.close()
    return run


def interrupted(mode: str, config: Config, folder: str, after: int, table: Rows = TABLE) -> str:
    """What is said of a run that is interrupted."""
    with pytest.raises(KeyboardInterrupt) as caught:
        train(mode, config, table, Stopped(after, folder))
    return str(caught.value)


def assert_same(found: Run, expected: Run, history: bool = True) -> None:
    """Asserts that two runs have the same bits."""
    for name, values in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], values)
    assert found.metrics == expected.metrics
    assert found.best_epoch == expected.best_epoch
    assert [epoch.epoch for epoch in found.history] == [e.epoch for e in expected.history]
    if history:
        assert [epoch.nll for epoch in found.history] == [e.nll for e in expected.history]


CONFIGS = {
    "sgd": Config(epochs=6, batch_size=16),
    "adam, float64": Config(epochs=6, batch_size=16, optimizer="adam"),
    "momentum, patience": Config(
        epochs=6, batch_size=16, optimizer="momentum", patience=2, learning_rate=0.3
    ),
    "adam, xla, windows": Config(
        epochs=6, batch_size=16, optimizer="adam", jit_compile=True, shuffle="window"
    ),
    "reports now and then": Config(epochs=6, batch_size=50, report_every=4),
}


@wings.both_modes
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("after", [2, 9])
def test_a_stopped_run_ends_with_the_bits_of_one_that_was_not(
    mode: str, config: Config, after: int, folder: str
) -> None:
    said = interrupted(mode, config, folder, after)
    assert said.startswith("the same command goes on after epoch ")
    assert_same(train(mode, config, keeper=Checkpoints(folder)), train(mode, config))


@wings.both_modes
def test_a_stream_goes_on_within_an_epoch(mode: str, folder: str) -> None:
    config = Config(epochs=3, batch_size=16, optimizer="adam")
    stream = stream_of(TABLE)
    for after in (2, 5, 4):
        interrupted(mode, config, folder, after, stream)
    assert_same(
        train(mode, config, stream, Checkpoints(folder)), train(mode, config, stream_of(TABLE))
    )


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_run_goes_on_in_the_other_mode(optimizer: str, folder: str) -> None:
    config = Config(epochs=9, batch_size=16, optimizer=optimizer)
    for mode, after in zip(itertools.cycle(["module", "keras"]), (7, 8, 6, 5), strict=False):
        interrupted(mode, config, folder, after)
    found = train("module", config, keeper=Checkpoints(folder))
    # The modes sum an epoch's losses each in their own way.
    assert_same(found, train("module", config), history=False)


class Seen:
    """An observer that keeps the epochs of all reports."""

    name = "reports"

    def __init__(self) -> None:
        """Has seen none."""
        self.memory = np.empty(0)

    def __call__(self, epochs: Any, state: State) -> None:
        """Keeps the epoch."""
        self.memory = np.append(self.memory, state.epoch)


def test_an_observer_knows_what_it_had_seen(folder: str) -> None:
    config = Config(epochs=6, report_every=2)
    with pytest.raises(KeyboardInterrupt):
        experiment.train("module", config, TABLE, [Seen()], keeper=Stopped(4, folder))
    seen = Seen()
    keeper = Checkpoints(folder)
    run = experiment.train("module", config, TABLE, [seen], keeper=keeper)
    keeper.close()
    assert len(run.history) == 6
    assert seen.memory.tolist() == [2, 4, 6]


def test_newton_goes_on(folder: str) -> None:
    config = Config(epochs=20, optimizer="newton", hidden_units=())
    interrupted("module", config, folder, 3)
    assert_same(train("module", config, keeper=Checkpoints(folder)), train("module", config))


def test_more_epochs_train_on(folder: str) -> None:
    short, long = Config(epochs=3, optimizer="adam"), Config(epochs=7, optimizer="adam")
    train("module", short, keeper=Checkpoints(folder))
    assert_same(train("module", long, keeper=Checkpoints(folder)), train("module", long))


def test_the_last_two_are_kept(folder: str) -> None:
    train("module", CONFIGS["sgd"], keeper=Checkpoints(folder, every="1"))
    found = sorted(path.name for path in pathlib.Path(f"{folder}.checkpoints").iterdir())
    assert found == ["epoch-00000005-batch-00000000.npz", "epoch-00000006-batch-00000000.npz"]


def test_a_run_that_fails_before_its_first_checkpoint_leaves_nothing(folder: str) -> None:
    config = Config(epochs=3, learning_rate=1e30)
    with pytest.raises(ValueError, match="finite mean NLL"):
        train("module", config, keeper=Checkpoints(f"{folder}/deep/er"))
    assert not list(pathlib.Path(folder).parent.iterdir())


# What is damaged, or of another run.


def flip(content: bytes) -> bytes:
    """Changes a bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [flip, lambda content: b"", lambda content: content[:-7]], ids=["bit", "empty", "cut"]
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    damage: Callable[[bytes], bytes], folder: str
) -> None:
    interrupted("module", CONFIGS["sgd"], folder, 8)
    newest = max(pathlib.Path(f"{folder}.checkpoints").iterdir())
    newest.write_bytes(damage(newest.read_bytes()))
    said: list[str] = []
    found = train("module", CONFIGS["sgd"], keeper=Checkpoints(folder, say=said.append))
    assert_same(found, train("module", CONFIGS["sgd"]))
    assert len(said) == 2
    assert "cannot be read (it is cut short, or changed): the one before is taken" in said[0]
    assert said[1].startswith("goes on after epoch")


def test_where_no_checkpoint_is_whole_a_run_says_so_and_begins_anew(folder: str) -> None:
    interrupted("module", CONFIGS["sgd"], folder, 8)
    for path in pathlib.Path(f"{folder}.checkpoints").iterdir():
        path.write_bytes(b"")
    said: list[str] = []
    found = train("module", CONFIGS["sgd"], keeper=Checkpoints(folder, say=said.append))
    assert_same(found, train("module", CONFIGS["sgd"]))
    assert said[-1].endswith("cannot be read (it is cut short, or changed): there is no other")


@pytest.fixture
def begun(folder: str) -> str:
    """The folder of a run that was stopped."""
    interrupted("module", CONFIGS["sgd"], folder, 8)
    return folder


def contents(folder: str) -> Mapping[str, bytes]:
    """The files of a run's checkpoints."""
    return {p.name: p.read_bytes() for p in pathlib.Path(f"{folder}.checkpoints").iterdir()}


def refused(folder: str, config: Config, table: Table = TABLE, **options: Any) -> str:
    """What is said of a run that may not go on; what is there stays as it was."""
    before = contents(folder)
    with pytest.raises(ValueError, match=r"^(output_dir|resume): ") as caught:
        train("module", config, table, Checkpoints(folder, **options))
    assert contents(folder) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_runs_checkpoints_are_refused_by_what_differs(begun: str) -> None:
    other = Config(epochs=6, batch_size=32, learning_rate=0.5)
    said = refused(begun, other)
    assert "batch_size=16 in place of 32" in said
    assert "learning_rate=0.0001 in place of 0.5" in said


def test_other_rows_are_refused(begun: str) -> None:
    assert "other rows:" in refused(begun, CONFIGS["sgd"], TABLE.rows_at(np.arange(202)))


MINE = """
import tensorflow as tf
from lowlevel import Likelihood


class Mine(Likelihood):
    def nll(self, z, y):
        return 1.0 * (tf.nn.softplus(z) - y * z)


MINE = Mine()
"""


def test_a_likelihood_whose_file_has_changed_is_refused(folder: str, tmp_path: Any) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    config = Config(epochs=6, batch_size=16, likelihood=f"{path}:MINE")
    interrupted("module", config, folder, 8)
    path.write_text(MINE.replace("1.0", "7.0"))
    assert "with other likelihood's file" in refused(folder, config)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_a_likelihood_of_other_numbers_is_refused(scale: float, folder: str) -> None:
    class Scaled(wings.Poisson):
        def __init__(self, scale: float) -> None:
            self.scale = scale

    interrupted("module", Config(epochs=6, batch_size=16, likelihood=Scaled(1.0)), folder, 8)
    config = Config(epochs=6, batch_size=16, likelihood=Scaled(scale))
    if scale == 1:
        train("module", config, keeper=Checkpoints(folder))
    else:
        said = refused(folder, config)
        assert "likelihood=Scaled scale=1.0 in place of Scaled scale=2.0" in said


def test_what_is_not_ours_in_the_folder_stays(folder: str) -> None:
    path = pathlib.Path(f"{folder}.checkpoints")
    (path / ".hidden").mkdir(parents=True)
    foreign = {path / name for name in ("zz.npz", "notes.txt", ".hidden")}
    for file in foreign - {path / ".hidden"}:
        file.write_text("mine")
    keeper = Checkpoints(folder, every="1")
    experiment.train("module", CONFIGS["sgd"], TABLE, keeper=keeper)
    assert keeper.newest_file().name.startswith("epoch-")
    keeper.close(done=True)
    assert {*path.iterdir()} == foreign


def test_a_file_in_place_of_the_folder_is_named(folder: str) -> None:
    path = pathlib.Path(f"{folder}.checkpoints")
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"got the file .*run\.checkpoints: move it"):
        train("module", CONFIGS["sgd"], keeper=Checkpoints(folder))
    assert path.read_text() == "mine"


def test_a_newer_version_is_refused(begun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowlevel.storage.checkpoints.FORMAT", 0)
    assert "is of a newer version" in refused(begun, CONFIGS["sgd"])


def test_a_folder_that_another_process_trains_into_is_refused(begun: str) -> None:
    lock = os.open(f"{begun}.checkpoints", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert "another process trains into" in refused(begun, CONFIGS["sgd"])
    os.close(lock)


def test_there_must_be_a_checkpoint_where_it_is_said_so(folder: str) -> None:
    with pytest.raises(ValueError, match="resume: expected checkpoints"):
        train("module", CONFIGS["sgd"], keeper=Checkpoints(folder, resume="must"))
    assert not list(pathlib.Path(folder).parent.iterdir())


@pytest.mark.parametrize("options", [{"resume": "never"}, {"overwrite": True}], ids=str)
def test_a_run_begins_anew_if_asked_to(begun: str, options: dict[str, Any]) -> None:
    config = Config(epochs=2)
    said: list[str] = []
    found = train("module", config, keeper=Checkpoints(begun, say=said.append, **options))
    assert_same(found, train("module", config))
    assert said == []


def test_threads_that_differ_are_named(folder: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        train("module", CONFIGS["sgd"], keeper=Stopped(8, folder, environment={"threads": 4}))
    said: list[str] = []
    keeper = Checkpoints(folder, environment={"threads": 2}, say=said.append)
    train("module", CONFIGS["sgd"], keeper=keeper)
    assert said[0].startswith("made with threads=4 in place of 2")


def test_a_full_disk_ends_a_run_and_loses_nothing(
    begun: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fail)
        said = refused(begun, CONFIGS["sgd"], every=ALWAYS)
    assert "(No space left on device): what was written before is there" in said
    found = train("module", CONFIGS["sgd"], keeper=Checkpoints(begun))
    assert_same(found, train("module", CONFIGS["sgd"]))
