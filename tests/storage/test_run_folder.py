"""A run's folder: what is in it, that all of it is there or nothing, and which folders will do."""

import csv
import dataclasses
import errno
import json
import os
import pathlib
import signal
from collections.abc import Callable
from typing import NoReturn

import numpy as np
import pytest

from lowlevel.config import Config
from lowlevel.likelihoods import Likelihood
from lowlevel.progress import Epoch
from lowlevel.storage import run_folder
from lowlevel.storage.run_folder import Results, bytes_needed, check_folder, check_room, write

HISTORY = [Epoch(1, 0.7, 0.5), Epoch(2, 0.6931471805599453, 0.25)]
WEIGHTS = {"dense_0/kernel": np.ones((3, 2), np.float32), "logistic/bias": np.zeros(1)}
FILES = {"config.json", "history.csv", "metrics.json", "weights.npz", "manifest.json"}


def results(seed: int = 0, metrics: dict[str, float] | None = None) -> Results:
    """What a run leaves; the seed tells one from another."""
    config = Config(hidden_units=(2,), seed=seed)
    return Results(config, HISTORY, metrics or {"training": {"nll": 0.5}}, WEIGHTS)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """Every file in a folder, hidden or not, by its path in it; a folder is empty."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


def seed_in(folder: pathlib.Path) -> int:
    """The seed of the run that a folder holds."""
    return json.loads((folder / "config.json").read_text())["seed"]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder that a run was written into."""
    path = tmp_path / "deep" / "run"
    write(str(path), {"": results()})
    return path


# What is in it.


def test_the_folder_holds_a_runs_files_and_nothing_stands_next_to_it(folder: pathlib.Path) -> None:
    assert {path.name for path in folder.iterdir()} == FILES
    assert list(folder.parent.iterdir()) == [folder]


def test_several_runs_have_a_folder_each(tmp_path: pathlib.Path) -> None:
    write(str(tmp_path / "run"), {"module": results(1), "keras": results(2)})
    for mode, seed in (("module", 1), ("keras", 2)):
        assert {path.name for path in (tmp_path / "run" / mode).iterdir()} == FILES
        assert seed_in(tmp_path / "run" / mode) == seed


def test_the_config_can_be_made_again_from_its_file(folder: pathlib.Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    assert Config(**values) == results().config


def test_a_custom_likelihood_is_written_as_its_class(tmp_path: pathlib.Path) -> None:
    @dataclasses.dataclass
    class Custom(Likelihood):
        scale: float = 2.0

    custom = results()._replace(config=Config(likelihood=Custom()))
    write(str(tmp_path / "run"), {"": custom})
    assert json.loads((tmp_path / "run" / "config.json").read_text())["likelihood"] == "Custom"


def test_the_history_keeps_every_digit(folder: pathlib.Path) -> None:
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "nll", "seconds"]
    assert [float(row["nll"]) for row in rows] == [0.7, 0.6931471805599453]


def test_the_metrics_say_what_they_are_of_and_one_that_is_not_a_number_is_null(
    tmp_path: pathlib.Path,
) -> None:
    write(
        str(tmp_path / "run"),
        {"": results(metrics={"training": {"nll": 0.5, "roc_auc": float("nan")}})},
    )
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert found == {"training": {"nll": 0.5, "roc_auc": None}}


def test_the_weights_come_back_as_they_were(folder: pathlib.Path) -> None:
    with np.load(folder / "weights.npz") as arrays:
        assert arrays["dense_0/kernel"].dtype == np.float32
        np.testing.assert_array_equal(arrays["dense_0/kernel"], WEIGHTS["dense_0/kernel"])


def test_a_run_takes_no_more_room_than_is_asked_for(folder: pathlib.Path) -> None:
    config = Config(epochs=len(HISTORY), hidden_units=(2,))
    numbers = sum(array.size for array in WEIGHTS.values())
    assert sum(map(len, contents(folder).values())) <= bytes_needed(config, numbers)


# All of it, or nothing.


def ran_out(path: pathlib.Path, **arrays: np.ndarray) -> NoReturn:
    """Writes half a file, and finds the disk full."""
    pathlib.Path(path).write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupted(path: pathlib.Path, **arrays: np.ndarray) -> NoReturn:
    """Writes half a file, and is interrupted."""
    pathlib.Path(path).write_bytes(b"half")
    raise KeyboardInterrupt


every_failure = pytest.mark.parametrize(
    ("savez", "raised", "message"),
    [
        (ran_out, ValueError, r"^output_dir: .* \(No space left on device\)"),
        (interrupted, KeyboardInterrupt, None),
    ],
)


@every_failure
def test_a_write_that_fails_half_way_leaves_nothing(
    savez: Callable,
    raised: type,
    message: str | None,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(raised, match=message):
        write(str(tmp_path / "run"), {"module": results(), "keras": results()})
    assert contents(tmp_path) == {}


@every_failure
def test_a_write_that_fails_half_way_keeps_the_run_that_was_there(
    savez: Callable,
    raised: type,
    message: str | None,
    folder: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = contents(folder.parent)
    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(raised, match=message):
        write(str(folder), {"": results(1)}, overwrite=True)
    assert contents(folder.parent) == before


def test_a_replacement_that_fails_keeps_the_run_that_was_there(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename, calls = contents(folder.parent), pathlib.Path.rename, []

    def second_fails(path: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
        calls.append(path)
        if len(calls) == 2:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return rename(path, target)

    monkeypatch.setattr(pathlib.Path, "rename", second_fails)
    with pytest.raises(ValueError, match=r"^output_dir: .* \(Permission denied\)"):
        write(str(folder), {"": results(1)}, overwrite=True)
    assert len(calls) == 3
    assert contents(folder.parent) == before


def test_a_run_that_came_in_between_is_not_replaced_unasked(folder: pathlib.Path) -> None:
    before = contents(folder.parent)
    with pytest.raises(ValueError, match="which holds a run"):
        write(str(folder), {"": results(1)})
    assert contents(folder.parent) == before


def test_files_that_came_in_between_are_kept(folder: pathlib.Path) -> None:
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"which holds notes\.txt"):
        write(str(folder), {"": results(1)}, overwrite=True)
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_run_takes_the_place_of_another_whole(folder: pathlib.Path) -> None:
    write(str(folder), {"module": results(1), "keras": results(2)}, overwrite=True)
    assert {path.name for path in folder.iterdir()} == {"module", "keras"}
    write(str(folder), {"": results(3)}, overwrite=True)
    assert {path.name for path in folder.iterdir()} == FILES
    assert seed_in(folder) == 3
    assert list(folder.parent.iterdir()) == [folder]


def test_what_a_killed_run_left_behind_is_in_nobodys_way(tmp_path: pathlib.Path) -> None:
    # In a container, every run has the same process id.
    (tmp_path / f".lowlevel-{os.getpid()}").mkdir()
    check_folder(str(tmp_path / "run"), overwrite=False)
    write(str(tmp_path / "run"), {"": results()})
    assert seed_in(tmp_path / "run") == 0


# Which folders will do.


def test_checking_a_folder_leaves_nothing_behind(tmp_path: pathlib.Path) -> None:
    check_folder(str(tmp_path / "a" / "b"), overwrite=False)
    assert not list(tmp_path.iterdir())


def test_checking_a_folder_keeps_one_that_is_there(tmp_path: pathlib.Path) -> None:
    check_folder(str(tmp_path), overwrite=False)
    assert tmp_path.is_dir()


def test_a_folder_that_holds_a_run_will_do_to_overwrite_alone(folder: pathlib.Path) -> None:
    before = contents(folder)
    with pytest.raises(ValueError, match=r"^output_dir: .* holds a run: .* with --overwrite"):
        check_folder(str(folder), overwrite=False)
    check_folder(str(folder), overwrite=True)
    assert contents(folder) == before


def test_a_folder_that_holds_a_comparison_will_do_to_overwrite(tmp_path: pathlib.Path) -> None:
    write(str(tmp_path / "run"), {"module": results(), "keras": results()})
    with pytest.raises(ValueError, match="holds a run"):
        check_folder(str(tmp_path / "run"), overwrite=False)
    check_folder(str(tmp_path / "run"), overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["thesis.tex", ".git/config", "keras/thesis.tex", "module/a/b"])
def test_a_folder_that_holds_something_else_will_not_do(
    name: str, overwrite: bool, folder: pathlib.Path
) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()
    with pytest.raises(
        ValueError, match=r"^output_dir: expected a new or empty folder, got .*/run"
    ):
        check_folder(str(folder), overwrite)


def test_a_folder_where_a_file_stands_will_not_do(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"^output_dir: .* \(a file is in its place\)"):
        check_folder(str(tmp_path / "file"), overwrite=True)
    with pytest.raises(ValueError, match=r"^output_dir: expected a folder .* got .*/file/run "):
        check_folder(str(tmp_path / "file" / "run"), overwrite=True)


def test_a_mount_point_will_not_do(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=r"^output_dir: .* got / \(a disk is mounted there: name"):
        check_folder(tmp_path.anchor, overwrite=True)


@pytest.mark.parametrize("folder", ["n" * 300, "~nobody_of_this_name/run", "n/" * 3_000])
def test_a_folder_that_cannot_be_named_will_not_do(folder: str) -> None:
    with pytest.raises(ValueError, match=r"^output_dir: expected a folder .* got [n~]") as caught:
        check_folder(folder, overwrite=False)
    assert len(str(caught.value)) < 400


def test_links_in_a_circle_will_not_do(tmp_path: pathlib.Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(ValueError, match=r"^output_dir: expected a folder that can be written"):
        check_folder(str(tmp_path / "circle"), overwrite=False)


def test_more_than_the_disk_has_is_refused_by_the_number_of_bytes(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=rf"^output_dir: expected room for the {2**60} bytes"):
        check_room(str(tmp_path / "a" / "run"), 2**60)
    assert contents(tmp_path) == {}


def test_a_disk_without_room_is_refused_and_left_as_it_was(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refuse(descriptor: int, offset: int, length: int) -> NoReturn:
        asked.append(length)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_folder.os, "posix_fallocate", refuse)
    with pytest.raises(ValueError, match=r"^output_dir: .* \(No space left on device\)"):
        check_room(str(tmp_path / "a" / "run"), 2**20)
    assert asked == [2**20]
    assert contents(tmp_path) == {}


def test_a_tilde_is_the_users_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    check_folder("~/run", overwrite=False)
    write("~/run", {"": results()})
    assert (tmp_path / "run" / "weights.npz").is_file()


def test_a_link_to_a_folder_stays_one(tmp_path: pathlib.Path) -> None:
    (tmp_path / "disk" / "runs").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "disk" / "runs")
    for seed in (1, 2):
        check_folder(str(link), overwrite=True)
        write(str(link), {"": results(seed)}, overwrite=True)
        assert link.is_symlink()
        assert seed_in(tmp_path / "disk" / "runs") == seed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_one_run_has_taken_the_place_of_the_other(
    number: int, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    before = signal.signal(number, lambda given, frame: heard.append(seed_in(folder)))
    rename = pathlib.Path.rename

    def interrupted(path: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
        moved = rename(path, target)
        signal.raise_signal(number)
        return moved

    monkeypatch.setattr(pathlib.Path, "rename", interrupted)
    try:
        write(str(folder), {"": results(1)}, overwrite=True)
    finally:
        signal.signal(number, before)
    assert heard == [1]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_keeps_its_permissions(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    write(str(folder), {"": results(1)})
    assert folder.stat().st_mode & 0o777 == 0o700
