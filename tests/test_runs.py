"""A run's folder: what is in it, and that nothing is there by halves."""

import csv
import json
import pathlib

import numpy as np
import pytest

from lowlevel import runs
from lowlevel.config import Config

HISTORY = [runs.Epoch(1, 0.7, 0.5), runs.Epoch(2, 0.6931471805599453, 0.25)]
WEIGHTS = {"dense_0/kernel": np.ones((3, 2), np.float32), "logistic/bias": np.zeros(1)}


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder that a run was written into."""
    path = tmp_path / "deep" / "run"
    runs.write(str(path), Config(hidden_units=(2,)), HISTORY, {"nll": 0.5}, WEIGHTS)
    return path


def test_the_folder_holds_four_files_and_no_partial_one(folder: pathlib.Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "history.csv", "metrics.json", "weights.npz"}


def test_the_config_can_be_made_again_from_its_file(folder: pathlib.Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    again = Config(**{**values, "hidden_units": tuple(values["hidden_units"])})
    assert again == Config(hidden_units=(2,))


def test_the_history_keeps_every_digit(folder: pathlib.Path) -> None:
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "nll", "seconds"]
    assert [float(row["nll"]) for row in rows] == [0.7, 0.6931471805599453]


def test_the_weights_come_back_as_they_were(folder: pathlib.Path) -> None:
    with np.load(folder / "weights.npz") as arrays:
        assert arrays["dense_0/kernel"].dtype == np.float32
        np.testing.assert_array_equal(arrays["dense_0/kernel"], WEIGHTS["dense_0/kernel"])


@pytest.mark.parametrize("nll", [float("nan"), float("inf")])
def test_a_divergence_is_refused_with_what_to_do(nll: float) -> None:
    history = runs.History(Config(), lambda epochs, model: None)
    with pytest.raises(ValueError, match=r"got (nan|inf) in epoch 2: lower learning_rate"):
        history.add([0.7, nll], None)


def test_checking_a_folder_leaves_nothing_behind(tmp_path: pathlib.Path) -> None:
    runs.check_folder(str(tmp_path / "a" / "b"))
    assert not list(tmp_path.iterdir())


def test_checking_a_folder_keeps_one_that_is_there(tmp_path: pathlib.Path) -> None:
    runs.check_folder(str(tmp_path))
    assert tmp_path.is_dir()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"^output_dir: expected a folder .* got .*/file/run "):
        runs.check_folder(str(tmp_path / "file" / "run"))


@pytest.mark.parametrize("folder", ["n" * 300, "~nobody_of_this_name/run"])
def test_a_folder_that_cannot_be_named_is_refused(folder: str) -> None:
    with pytest.raises(ValueError, match=r"^output_dir: expected a folder .* got [n~]"):
        runs.check_folder(folder)


def test_a_tilde_is_the_users_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    runs.write("~/run", Config(), HISTORY, {}, WEIGHTS)
    assert (tmp_path / "run" / "weights.npz").is_file()
