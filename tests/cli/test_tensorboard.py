"""--tensorboard: event files next to the run's folder while it trains, and then in it."""

import importlib.util
import pathlib
from collections.abc import Callable

import pytest

from lowlevel.config import TRAINING_MODES
from lowlevel.storage import checkpoints
from tests import event_files

FLAGS = ("--tensorboard", "--output_dir=run", "--noexport", "--noreport", "--report_every=2")


@pytest.fixture(autouse=True)
def installed() -> None:
    """Only where it is installed."""
    pytest.importorskip("tensorboard")


def steps(folder: pathlib.Path) -> list[int]:
    """The epochs whose loss is known, in whatever order the files of one second are read."""
    return sorted(event_files.read(folder)["nll/training"])


@pytest.mark.parametrize("mode", TRAINING_MODES)
def test_a_run_leaves_its_event_files_in_its_folder_which_may_be_replaced(
    mode: str, main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    for more in ("", "--overwrite"):
        flags = (f"--mode={mode}", "--epochs=3", *FLAGS, *filter(None, [more]))
        assert main_in_process(*flags).returncode == 0
        assert [path.name for path in tmp_path.iterdir()] == ["run"]
        assert steps(tmp_path / "run" / "tensorboard") == [1, 2, 3]
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1


def test_a_comparison_leaves_those_of_both_modes(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    assert main_in_process("--mode=compare", "--epochs=3", "--holdout=0.2", *FLAGS).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    module, keras = (event_files.read(tmp_path / "run" / m / "tensorboard") for m in TRAINING_MODES)
    assert module.keys() == keras.keys() and "nll/held_out" in module
    assert module["gradients/dense_0/kernel"][3].tolist() == (
        keras["gradients/dense_0/kernel"][3].tolist()
    )


@pytest.mark.parametrize("mode", TRAINING_MODES)
def test_a_run_that_is_stopped_shows_what_it_has_and_goes_on_with_it(
    mode: str, main_in_process: Callable, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = (f"--mode={mode}", "--epochs=7", "--checkpoint_every=2", *FLAGS)
    with monkeypatch.context() as patched:
        see = checkpoints.Checkpoints.see

        def stopped(
            keeper: checkpoints.Checkpoints, take: Callable, epoch: int, *rest: bool
        ) -> None:
            see(keeper, take, epoch, *rest)
            if epoch == 4:
                raise KeyboardInterrupt

        patched.setattr(checkpoints.Checkpoints, "see", stopped)
        assert main_in_process(*flags).returncode == 130
    assert not (tmp_path / "run").exists()
    seen = steps(tmp_path / "run.tensorboard")
    assert seen == list(range(1, 1 + len(seen))) and len(seen) >= 2
    assert main_in_process(*flags).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert steps(tmp_path / "run" / "tensorboard") == [1, 2, 3, 4, 5, 6, 7]
    # And on, when it was finished.
    assert main_in_process(*flags, "--epochs=9").returncode == 0
    assert steps(tmp_path / "run" / "tensorboard") == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_run_that_fails_can_be_looked_at_until_another_begins(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    flags = ("--report_every=1", *FLAGS[:4], "--batch_size=1000", "--optimizer=adam")
    failed = main_in_process(*flags, "--epochs=9", "--learning_rate=1e37")
    assert failed.returncode == 1 and "lower learning_rate" in failed.stderr
    assert len(steps(tmp_path / "run.tensorboard")) >= 1
    assert main_in_process(*flags, "--epochs=1").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert steps(tmp_path / "run" / "tensorboard") == [1]


def test_where_it_is_not_installed_one_line_says_how_to_have_it(
    main_in_process: Callable, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    refused = main_in_process(*FLAGS)
    assert refused.returncode == 1 and refused.stdout == ""
    assert refused.stderr.endswith(
        "--tensorboard: TensorBoard is not installed: pip install tensorboard\n"
    )
    assert len(refused.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flags", [(), ("--mode=check", "--output_dir=run")])
def test_it_is_refused_where_there_is_no_run_to_write(
    flags: tuple[str, ...], main_in_process: Callable
) -> None:
    refused = main_in_process("--tensorboard", *flags)
    assert refused.returncode == 1
    assert "--tensorboard: expected with --output_dir" in refused.stderr
