"""What the commands print, write and answer, in this process."""

import csv
import dataclasses
import json
import pathlib
import shlex
from collections.abc import Callable

import numpy as np
import pytest

from lowlevel import config
from lowlevel.config import Config
from lowlevel.experiment import comparison


def test_compare_prints_every_epoch_and_a_verdict(main_in_process: Callable) -> None:
    lines = main_in_process("--mode=compare", "--epochs=3").stdout.splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["1", "2", "3"]
    assert lines[-1].startswith("the same experiment, bit for bit")


def test_compare_fails_when_the_modes_differ_by_more_than_is_promised(
    main_in_process: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "largest_differences", lambda first, second: (1e-9, 1e-9))
    finished = main_in_process("--mode=compare", "--epochs=1")
    assert finished.returncode == 1
    assert finished.stdout.splitlines()[-1].startswith("NOT the same experiment")


def test_metrics_say_that_they_are_of_the_training_rows(main_in_process: Callable) -> None:
    lines = main_in_process("--mode=module").stdout.splitlines()
    assert any(line.startswith("trained, on the training rows: nll ") for line in lines)


def test_a_model_that_is_worse_than_a_guess_is_called_so_and_no_other(
    main_in_process: Callable,
) -> None:
    learns = ("--standardize", "--optimizer=adam", "--learning_rate=0.05", "--epochs=20")
    worse, better = (main_in_process(*flags).stdout for flags in ((), learns))
    # The entropy of the labels: 700 of 1,000 are good.
    assert "worse than a guess" in worse and "0.610864" in worse
    assert "worse than a guess" not in better


def test_both_modes_write_the_same_files_in_the_same_form(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    finished = main_in_process(
        "--mode=compare",
        "--output_dir=out",
        "--noexport",
        "--noreport",
        "--epochs=3",
        "--standardize",
    )
    assert finished.returncode == 0
    for mode in ("module", "keras"):
        folder = tmp_path / "out" / mode
        assert sorted(path.name for path in folder.iterdir()) == [
            "config.json",
            "history.csv",
            "manifest.json",
            "metrics.json",
            "schema.json",
            "weights.npz",
        ]
        settings = json.loads((folder / "config.json").read_text())
        assert (settings["epochs"], settings["dtype"]) == (3, "float32")
        assert settings["threads"] >= 1
        assert set(json.loads((folder / "metrics.json").read_text())["training"]) == {
            "nll",
            "accuracy",
            "roc_auc",
        }
        with (folder / "history.csv").open(newline="") as file:
            assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3"]
        with np.load(folder / "weights.npz") as arrays:
            assert set(arrays.files) == {
                "standardize/mean",
                "standardize/deviation",
                "dense_0/kernel",
                "dense_0/bias",
                "logistic/kernel",
                "logistic/bias",
            }


def test_the_metrics_are_those_of_the_written_weights(
    main_in_process: Callable, tmp_path: pathlib.Path, credit: Callable
) -> None:
    main_in_process("--output_dir=out", "--noexport", "--noreport", "--dtype=float64")
    with np.load(tmp_path / "out" / "weights.npz") as arrays:
        weights = dict(arrays)
    table = credit("float64")
    hidden = table.features @ weights["dense_0/kernel"] + weights["dense_0/bias"]
    z = (hidden @ weights["logistic/kernel"] + weights["logistic/bias"])[:, 0]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())["training"]
    # A mean of 1,000 terms in float64.
    assert metrics["nll"] == pytest.approx(np.mean(np.logaddexp(0, z) - table.labels * z), 1e-12)
    assert metrics["accuracy"] == pytest.approx(np.mean((z >= 0) == table.labels))


def test_a_second_run_does_not_replace_the_first_unasked(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    flags = ("--output_dir=out", "--noexport", "--noreport")
    assert main_in_process(*flags, "--epochs=1").returncode == 0
    refused = main_in_process(*flags, "--epochs=1")
    assert refused.returncode == 1
    assert "which holds a run" in refused.stderr and "--overwrite" in refused.stderr
    assert json.loads((tmp_path / "out" / "config.json").read_text())["epochs"] == 1
    assert main_in_process(*flags, "--epochs=2", "--overwrite").returncode == 0
    assert json.loads((tmp_path / "out" / "config.json").read_text())["epochs"] == 2


def test_more_epochs_train_a_finished_run_on(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    flags = ("--output_dir=out", "--noexport")
    assert main_in_process(*flags, "--epochs=1").returncode == 0
    finished = main_in_process(*flags, "--epochs=2", "--mode=keras")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "out: goes on after epoch 1\n    2  " in finished.stdout
    assert json.loads((tmp_path / "out" / "config.json").read_text())["epochs"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_run_of_other_settings_is_not_trained_on(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    flags = ("--output_dir=out", "--noexport")
    assert main_in_process(*flags, "--epochs=1").returncode == 0
    before = (tmp_path / "out" / "manifest.json").read_bytes()
    refused = main_in_process(*flags, "--epochs=2", "--batch_size=7")
    assert refused.returncode == 1
    assert "the checkpoint of another run, with batch_size=100 in place of 7" in refused.stderr
    assert (tmp_path / "out" / "manifest.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("mode", config.TRAINING_MODES)
def test_weights_are_shown_as_often_as_losses_the_trained_ones_alone(
    mode: str, main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "flags").write_text("--epochs=2\n--hidden_units=\n--report_weights\n--standardize")
    lines = main_in_process("--flagfile=flags", f"--mode={mode}").stdout.splitlines()
    assert lines[1].split() == ["epoch", "nll", "seconds"]
    assert "standardize/mean" not in lines
    assert lines.count("logistic/kernel") == lines.count("logistic/bias") == 2


@pytest.mark.parametrize("mode", config.TRAINING_MODES)
def test_the_weights_shown_are_those_written(
    mode: str, main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    flags = (
        "--epochs=1",
        "--report_weights",
        "--output_dir=out",
        "--noexport",
        "--noreport",
        f"--mode={mode}",
    )
    printed = main_in_process(*flags).stdout
    names = ["dense_0/kernel", "dense_0/bias", "logistic/kernel", "logistic/bias"]
    with np.load(tmp_path / "out" / "weights.npz") as arrays:
        assert "".join(f"{name}\n{arrays[name]}\n" for name in names) in printed


@pytest.mark.parametrize(
    ("flag", "wanted"),
    [
        ("--mode=tensorflow", "module|keras|compare"),
        ("--epochs=0", "--epochs: expected a whole number of at least 1, got 0"),
        ("--epochs=many", "--epochs wants: passes over the rows, at least 1"),
        ("--learning_rate=-0.1", "--learning_rate: expected a positive number, got -0.1"),
        ("--batch_size=0", "--batch_size: expected a whole number of at least 1, got 0"),
        ("--hidden_units=0", "--hidden_units: expected whole numbers of at least 1, got 0"),
        ("--hidden_units=4,x", "--hidden_units: expected whole numbers of at least 1, got 4,x"),
        ("--output_dir=/dev/null/out", "output_dir: expected a folder that can be written"),
        (f"--output_dir={'n' * 5000}", "output_dir: expected a folder that can be written"),
        ("--data_dir=/dev/null/data", "data_dir: expected a folder that can be written"),
        ("--data_dir=flags.txt", "a table of your own goes through lowlevel.train"),
        (f"--data_dir={'n' * 5000}", "data_dir: expected a folder that can be written"),
        ("--likelihood=logot", "Unknown likelihood 'logot': give one of logit, "),
        (f"--likelihood={'n' * 5000}.py:M", "likelihood: cannot read that file"),
        ("--threads=-1", "--threads: expected a whole number of at least 0 and at most 1024, got"),
        (f"--threads={10**9}", "at least 0 and at most 1024, got 1000000000"),
        (f"--epochs={10**15}", "output_dir: expected room for the "),
        ("--flagfile", "--flagfile with no argument"),
        ("--epoch=3", "Unknown command line flag 'epoch'"),
        ("keras", "expected flags only, got keras"),
        ("--nostandardize=true", "--nostandardize=true does not take an argument"),
        ("--flagfile=missing", "missing"),
    ],
    ids=lambda text: text[:40],
)
def test_a_bad_flag_gets_one_clear_line_and_leaves_nothing(
    flag: str, wanted: str, main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "flags.txt").touch()
    finished = main_in_process("--output_dir=out", flag)
    assert finished.returncode == 1
    assert len(finished.stderr.splitlines()) == 1
    assert len(finished.stderr) < 500
    assert wanted in finished.stderr
    assert finished.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["flags.txt"]


def test_a_divergence_gets_one_clear_line_and_leaves_nothing(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    finished = main_in_process("--output_dir=out", "--learning_rate=1e30")
    assert finished.returncode == 1
    assert len(finished.stderr.splitlines()) == 1
    assert "lower learning_rate, or set standardize" in finished.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [*config.TRAINING_MODES, "compare"])
def test_a_divergence_in_the_last_step_is_found_too(
    mode: str, main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    recipe = ("--epochs=1", "--batch_size=1000", "--learning_rate=1e38")
    finished = main_in_process(f"--mode={mode}", "--output_dir=out", *recipe)
    assert finished.returncode == 1
    assert "Expected a finite mean NLL, got nan after training" in finished.stderr
    assert not list(tmp_path.iterdir())


def test_help_names_every_setting(run_main: Callable) -> None:
    text = run_main("--helpshort").stdout
    names = [field.name for field in dataclasses.fields(Config)]
    for name in (
        *names,
        "mode",
        "output_dir",
        "overwrite",
        "data_dir",
        "report_weights",
        "export",
        "report",
        "input",
    ):
        assert f"--{name}:" in text or f"--[no]{name}:" in text


def mine(base: str, quantity: str, formula: str) -> str:
    """A file of the user's with one formula, over one of the project's classes."""
    return (
        "import tensorflow as tf\n"
        f"from lowlevel.likelihoods import {base}\n"
        f"class Mine({base}):\n"
        f"    def {quantity}(self, z, y=None):\n"
        f"        return {formula}\n"
        "MINE = Mine()\n"
    )


def test_the_check_passes_for_a_right_likelihood_and_fails_for_a_wrong_one(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "mine.py").write_text(mine("Logit", "slope", "2 * super().slope(z, y)"))
    right, wrong = (
        main_in_process("--mode=check", f"--likelihood={name}")
        for name in ("logit", "mine.py:MINE")
    )
    assert (right.returncode, right.stderr) == (0, "")
    assert right.stdout.startswith("logit: all is right, in 23 rows")
    assert len(right.stdout.splitlines()) == 1
    assert (wrong.returncode, wrong.stderr) == (1, "")
    assert wrong.stdout.startswith("mine.py:MINE: 12 of 23 rows are NOT right")
    assert "wrong everywhere: 2 times the right one" in wrong.stdout
    assert "right\n" not in wrong.stdout.partition("\n")[2]


@pytest.mark.parametrize("mode", config.TRAINING_MODES)
def test_a_likelihood_from_a_file_trains_in_either_mode(
    mode: str, main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    formula = "(1 - y) * tf.nn.softplus(z) + y * tf.nn.softplus(-z)"
    (tmp_path / "mine.py").write_text(mine("Likelihood", "nll", formula))
    own, logit = (
        main_in_process(f"--mode={mode}", f"--likelihood={name}", "--epochs=2").stdout
        for name in ("mine.py:MINE", "logit")
    )
    assert own.splitlines()[-2:] == logit.splitlines()[-2:]
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("OTHER = 1\n", "defines no 'MINE'"),
        ("MINE = 1\n", "MINE is no Likelihood"),
        (mine("Likelihood", "nll", "z[:1]"), "expected the same dtype and shape"),
        (mine("Likelihood", "nll", "z * float('nan')"), "expected a finite number"),
        (mine("Logit", "mean", "z * float('nan')"), "mean is nan at z = -3"),
        (mine("Logit", "slope", "super().slope(z, y) + tf.zeros(z.shape, z.dtype)"), "slope fails"),
        # Passes every trial, and not a batch of a hundred.
        (mine("Logit", "nll", "1 / 0 if z.shape[0] == 100 else super().nll(z, y)"), "by zero"),
        (mine("Logit", "nll", "z.none if z.shape[0] == 100 else super().nll(z, y)"), "'none'"),
    ],
)
def test_a_faulty_likelihood_gets_one_clear_line_and_leaves_nothing(
    program: str, reason: str, main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "mine.py").write_text(program)
    finished = main_in_process("--likelihood=mine.py:MINE", "--output_dir=out")
    assert finished.returncode == 1
    assert len(finished.stderr.splitlines()) == 1
    assert reason in finished.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_likelihood_that_xla_cannot_compile_gets_one_clear_line(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    formula = "tf.ensure_shape(tf.numpy_function(lambda z: z * z, [z], z.dtype), z.shape)"
    (tmp_path / "mine.py").write_text(mine("Logit", "nll", formula))
    finished = main_in_process("--likelihood=mine.py:MINE", "--jit_compile", "--output_dir=out")
    assert finished.returncode == 1
    assert len(finished.stderr.splitlines()) == 1
    assert "TensorFlow cannot run this: InvalidArgumentError" in finished.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_the_flag_that_a_message_offers_leaves_out_all_that_it_names(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    names = [f'"no {i}, constant"' for i in range(500)]
    rows = "".join(f"{i * i % 7},{i % 2}{',3' * len(names)}\n" for i in range(20))
    (tmp_path / "t.csv").write_text(",".join(["a", "label", *names]) + "\n" + rows)
    flags = ("--train=t.csv", "--label=label")
    refused = main_in_process(*flags)
    assert refused.returncode == 1
    offered = shlex.split(refused.stderr.partition("leave them out with ")[2])
    finished = main_in_process(*flags, *offered)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "20 rows, 1 features" in finished.stdout
