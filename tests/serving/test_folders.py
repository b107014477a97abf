"""Which folders are loaded, and that one with a model is replaced whole or not at all."""

import errno
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import NoReturn

import numpy as np
import pytest
import tensorflow as tf

import lowlevel
from lowlevel.serving import exporting, verification
from lowlevel.serving.served import ServedModel
from lowlevel.storage import manifest, run_folder
from tests import wings
from tests.conftest import ROOT
from tests.serving import runs


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of a run's folder."""
    return pathlib.Path(shutil.copytree(runs.kept("keras").folder, tmp_path / "run"))


def refusal(folder: pathlib.Path) -> str:
    """The one line that loading a folder fails with."""
    with pytest.raises(ValueError, match=r"^model: ") as caught:
        lowlevel.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """Every file in a folder, hidden or not, by its path in it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_flipped_bit_is_found_in_every_file(folder: pathlib.Path) -> None:
    names = contents(folder)
    assert {"export/1/saved_model.pb", "model.keras", "schema.json"} <= names.keys()
    for name, content in names.items():
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 1
        (folder / name).write_bytes(flipped)
        assert f"is damaged: {name} is not what the run wrote" in refusal(folder)
        (folder / name).write_bytes(content)
    lowlevel.load(folder)


def test_a_file_that_is_gone_is_named(folder: pathlib.Path) -> None:
    (folder / "schema.json").unlink()
    assert "is damaged: schema.json" in refusal(folder)


def test_a_foreign_folder_is_refused(tmp_path: pathlib.Path) -> None:
    assert "which holds no manifest.json" in refusal(tmp_path)
    assert "where there is none" in refusal(tmp_path / "none")
    assert "cannot read" in refusal(tmp_path / ("n" * 300))
    (tmp_path / "manifest.json").write_text("[1]")
    assert "is damaged: manifest.json" in refusal(tmp_path)


def test_a_folder_of_both_modes_says_which_to_name(folder: pathlib.Path) -> None:
    both = folder.parent / "both"
    both.mkdir()
    folder.rename(both / "keras")
    assert f"holds one of each mode: name {both / 'module'} or {both / 'keras'}" in refusal(both)


def test_a_folder_of_another_version_is_refused(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "manifest.json").unlink()
    monkeypatch.setattr(manifest, "FORMAT", 2)
    monkeypatch.setattr(manifest, "VERSION", "9.0.0")
    (folder / "manifest.json").write_bytes(manifest.make(folder, {}))
    monkeypatch.undo()
    assert "of format 2, by lowlevel 9.0.0: this is lowlevel " in refusal(folder)


def test_a_run_without_a_model_is_refused(folder: pathlib.Path) -> None:
    shutil.rmtree(folder / "export")
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_bytes(manifest.make(folder, {}))
    assert "holds no export/1: train with --export" in refusal(folder)


def test_the_manifest_says_what_is_needed() -> None:
    found = exporting.about(runs.kept("module").tables.encoder)
    assert found["tensorflow"] == tf.__version__
    assert found["columns"] == [
        {"name": "mean age", "kind": "number", "input": "mean_age"},
        {"name": "member", "kind": "number", "input": "member"},
        {"name": "city", "kind": "text", "input": "city"},
    ]


# All of it, or nothing.


@pytest.mark.parametrize(
    ("failure", "wanted"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "(No space left on device)"),
        (tf.errors.ResourceExhaustedError(None, None, "no space"), "cannot write the model: "),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_an_export_that_fails_half_way_keeps_the_former_run(
    failure: BaseException,
    wanted: str,
    folder: pathlib.Path,
    main_in_process: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def half(self: ServedModel, path: pathlib.Path) -> NoReturn:
        path.mkdir(parents=True)
        (path / "saved_model.pb").write_bytes(b"half")
        raise failure

    before = contents(folder)
    monkeypatch.setattr(ServedModel, "save", half)
    ended = main_in_process(f"--output_dir={folder}", "--overwrite", "--epochs=1", "--noreport")
    assert ended.returncode in (1, 130)
    assert wanted in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert contents(folder) == before


KILLED = """
import os, pathlib, signal, sys
from lowlevel.storage import run_folder
with run_folder.staging(sys.argv[1]) as stage:
    (stage / "export" / "1").mkdir(parents=True)
    (stage / "export" / "1" / "saved_model.pb").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_while_exporting_keeps_the_former_run(folder: pathlib.Path) -> None:
    before = contents(folder)
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert contents(folder) == before
    lowlevel.load(folder)


def test_a_run_with_a_model_may_be_replaced_and_one_with_notes_in_it_not(
    folder: pathlib.Path, main_in_process: Callable
) -> None:
    flags = (f"--output_dir={folder}", "--overwrite", "--epochs=1", "--noexport", "--noreport")
    (folder / "export" / "1" / "notes.txt").touch()
    refused = main_in_process(*flags)
    assert "which holds export/1/notes.txt" in refused.stderr
    (folder / "export" / "1" / "notes.txt").unlink()
    assert main_in_process(*flags).returncode == 0
    assert not (folder / "export").exists()


@wings.both_modes
def test_a_run_with_a_model_takes_no_more_room_than_is_asked_for(mode: str) -> None:
    kept = runs.kept(mode)
    numbers = sum(array.size for array in kept.run.weights.values())
    needed = run_folder.bytes_needed(kept.run.config, numbers, exported=True)
    assert sum(map(len, contents(kept.folder).values())) <= needed


# Held to the run's own scores.


def test_an_export_that_scores_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = runs.kept("module")
    own = runs.own_scores(kept)
    for wrong in (own[::-1], np.full_like(own, np.nan)):
        monkeypatch.setattr(verification, "score", lambda *given, wrong=wrong: {"export/1": wrong})
        with pytest.raises(
            ValueError, match=r"^output_dir: expected the exported export/1 to score"
        ):
            verification.verify(
                kept.run, kept.tables.encoder, kept.tables.raw, pathlib.Path("unused")
            )


def test_an_export_that_cannot_be_loaded_says_why(tmp_path: pathlib.Path) -> None:
    kept = runs.kept("module")
    with pytest.raises(ValueError, match=r"^output_dir: the exported model cannot be loaded .*pb"):
        verification.score(kept.tables.encoder, kept.tables.raw, tmp_path, threads=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_difference_is_measured_in_units_in_the_last_place(dtype: type) -> None:
    own = np.array([1e-30, 0.25, 0.999, 0.0], dtype)
    assert verification.largest_ulp(own, own) == 0
    other = np.nextafter(own, dtype(2))
    assert verification.largest_ulp(own, other) == 1
