"""main.py from outside: what it prints and writes, and what it says to a wrong flag."""

import csv
import dataclasses
import json
import pathlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from lowlevel.config import Config

MODES = ("module", "keras", "compare")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_run_says_nothing_on_standard_error(
    mode: str, jit_compile: bool, run_main: Callable
) -> None:
    finished = run_main(f"--mode={mode}", f"--jit_compile={jit_compile}")
    assert (finished.returncode, finished.stderr) == (0, "")


def test_a_failing_import_is_seen_whole(run_main: Callable, tmp_path: pathlib.Path) -> None:
    broken = tmp_path / "site" / "tensorflow"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(
        "import os\nos.write(2, b'cannot load libthing.so\\n')\nraise ImportError('no libthing')\n"
    )
    finished = run_main(environment={"PYTHONPATH": str(broken.parent)})
    assert finished.returncode != 0
    assert "cannot load libthing.so" in finished.stderr
    assert "ImportError: no libthing" in finished.stderr


def test_compare_prints_every_epoch_and_a_verdict(run_main: Callable) -> None:
    lines = run_main("--mode=compare", "--epochs=3").stdout.splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["1", "2", "3"]
    assert lines[-1].startswith("the same experiment, bit for bit")


def test_compare_fails_when_the_modes_differ_by_more_than_is_promised(run_main: Callable) -> None:
    program = (
        "import sys, main\n"
        "from lowlevel import comparison\n"
        "comparison.largest_differences = lambda first, second: (1e-9, 1e-9)\n"
        "main.main(main.parse_flags(sys.argv))\n"
    )
    finished = run_main("--mode=compare", "--epochs=1", program=program)
    assert finished.returncode == 1
    assert finished.stdout.splitlines()[-1].startswith("NOT the same experiment")


def test_two_processes_with_one_seed_give_equal_bits_and_another_seed_does_not(
    run_main: Callable, tmp_path: pathlib.Path
) -> None:
    weights = []
    for folder, seed in (("first", 3), ("second", 3), ("third", 4)):
        assert run_main(f"--seed={seed}", f"--output_dir={folder}").returncode == 0
        with np.load(tmp_path / folder / "weights.npz") as arrays:
            weights.append({name: arrays[name].tobytes() for name in arrays.files})
    assert weights[0] == weights[1]
    assert all(weights[0][name] != weights[2][name] for name in weights[0])


def test_both_modes_write_the_same_files_in_the_same_form(
    run_main: Callable, tmp_path: pathlib.Path
) -> None:
    finished = run_main("--mode=compare", "--output_dir=out", "--epochs=3", "--standardize")
    assert finished.returncode == 0
    for mode in ("module", "keras"):
        folder = tmp_path / "out" / mode
        assert sorted(path.name for path in folder.iterdir()) == [
            "config.json",
            "history.csv",
            "metrics.json",
            "weights.npz",
        ]
        assert json.loads((folder / "config.json").read_text())["epochs"] == 3
        assert set(json.loads((folder / "metrics.json").read_text())) == {
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
    run_main: Callable, tmp_path: pathlib.Path, credit: Callable
) -> None:
    run_main("--output_dir=out", "--dtype=float64")
    with np.load(tmp_path / "out" / "weights.npz") as arrays:
        weights = dict(arrays)
    table = credit("float64")
    hidden = table.features @ weights["dense_0/kernel"] + weights["dense_0/bias"]
    z = (hidden @ weights["logistic/kernel"] + weights["logistic/bias"])[:, 0]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    # A mean of 1,000 terms in float64.
    assert metrics["nll"] == pytest.approx(np.mean(np.logaddexp(0, z) - table.labels * z), 1e-12)
    assert metrics["accuracy"] == pytest.approx(np.mean((z >= 0) == table.labels))


def test_flags_may_come_from_a_file(run_main: Callable, tmp_path: pathlib.Path) -> None:
    (tmp_path / "flags").write_text("--epochs=2\n--hidden_units=\n--report_weights\n")
    lines = run_main("--flagfile=flags").stdout.splitlines()
    assert lines[1].split() == ["epoch", "nll", "seconds"]
    assert "dense_0/kernel" not in lines
    assert lines.count("logistic/kernel") == 2


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
        ("--data_dir=/dev/null/data", "data_dir: expected a folder that can be written"),
        ("--likelihood=logot", "Unknown likelihood 'logot': give one of logit, "),
        ("--epoch=3", "Unknown command line flag 'epoch'"),
        ("keras", "main.py: expected flags only, got keras"),
        ("--nostandardize=true", "main.py: --nostandardize=true does not take an argument"),
        ("--flagfile=missing", "missing"),
    ],
)
def test_a_bad_flag_gets_one_clear_line_and_leaves_nothing(
    flag: str, wanted: str, run_main: Callable, tmp_path: pathlib.Path
) -> None:
    finished = run_main("--output_dir=out", flag)
    assert finished.returncode != 0
    assert len(finished.stderr.splitlines()) == 1
    assert finished.stderr.startswith("main.py: ")
    assert wanted in finished.stderr
    assert finished.stdout == ""
    assert not list(tmp_path.iterdir())


def test_a_divergence_gets_one_clear_line_and_leaves_nothing(
    run_main: Callable, tmp_path: pathlib.Path
) -> None:
    finished = run_main("--output_dir=out", "--learning_rate=1e30")
    assert finished.returncode != 0
    assert len(finished.stderr.splitlines()) == 1
    assert "lower learning_rate, or set standardize" in finished.stderr
    assert not list(tmp_path.iterdir())


def test_help_names_every_setting(run_main: Callable) -> None:
    text = run_main("--helpshort").stdout
    for field in dataclasses.fields(Config):
        assert f"--{field.name}:" in text or f"--[no]{field.name}:" in text


def mine(base: str, quantity: str, formula: str) -> str:
    """A file of one's own with one formula, over one of the project's classes."""
    return (
        "import tensorflow as tf\n"
        f"from lowlevel.likelihoods import {base}\n"
        f"class Mine({base}):\n"
        f"    def {quantity}(self, z, y):\n"
        f"        return {formula}\n"
        "MINE = Mine()\n"
    )


def test_the_check_passes_for_a_right_likelihood_and_fails_for_a_wrong_one(
    run_main: Callable, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "mine.py").write_text(mine("Logit", "slope", "2 * super().slope(z, y)"))
    right, wrong = (
        run_main("--mode=check", f"--likelihood={name}") for name in ("logit", "mine.py:MINE")
    )
    assert (right.returncode, right.stderr) == (0, "")
    assert right.stdout.splitlines()[-1] == "logit: all is right"
    assert (wrong.returncode, wrong.stderr) == (1, "")
    assert "wrong everywhere: 2 times the right one" in wrong.stdout


@pytest.mark.parametrize("mode", ["module", "keras"])
def test_a_likelihood_of_ones_own_trains_in_either_mode(
    mode: str, run_main: Callable, tmp_path: pathlib.Path
) -> None:
    formula = "(1 - y) * tf.nn.softplus(z) + y * tf.nn.softplus(-z)"
    (tmp_path / "mine.py").write_text(mine("Likelihood", "nll", formula))
    own, logit = (
        run_main(f"--mode={mode}", f"--likelihood={name}", "--epochs=2").stdout.splitlines()[-1]
        for name in ("mine.py:MINE", "logit")
    )
    assert own == logit
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("OTHER = 1\n", "defines no 'MINE'"),
        ("MINE = 1\n", "MINE is no Likelihood"),
        (mine("Likelihood", "nll", "z[:1]"), "expected the same dtype and shape"),
        (mine("Likelihood", "nll", "z * float('nan')"), "expected a finite number"),
    ],
)
def test_a_faulty_likelihood_gets_one_clear_line_and_leaves_nothing(
    program: str, reason: str, run_main: Callable, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "mine.py").write_text(program)
    finished = run_main("--likelihood=mine.py:MINE", "--output_dir=out")
    assert finished.returncode != 0
    assert len(finished.stderr.splitlines()) == 1
    assert reason in finished.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_likelihood_that_xla_cannot_compile_gets_one_clear_line(
    run_main: Callable, tmp_path: pathlib.Path
) -> None:
    formula = "tf.numpy_function(lambda z: z * z, [z], z.dtype)"
    (tmp_path / "mine.py").write_text(mine("Logit", "nll", formula))
    finished = run_main("--likelihood=mine.py:MINE", "--jit_compile", "--output_dir=out")
    assert finished.returncode != 0
    assert len(finished.stderr.splitlines()) == 1
    assert finished.stderr.startswith("main.py: TensorFlow cannot run this: InvalidArgumentError")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_reader_that_leaves_early_leaves_no_traceback(data_dir: str) -> None:
    main = pathlib.Path(__file__).parent.parent / "main.py"
    command = [sys.executable, str(main), f"--data_dir={data_dir}", "--epochs=2000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""


@pytest.mark.parametrize("mode", MODES)
def test_a_divergence_in_the_last_step_is_found_too(
    mode: str, run_main: Callable, tmp_path: pathlib.Path
) -> None:
    recipe = ("--epochs=1", "--batch_size=1000", "--learning_rate=1e38")
    finished = run_main(f"--mode={mode}", "--output_dir=out", *recipe)
    assert finished.returncode != 0
    assert "main.py: Expected a finite mean NLL, got nan after training" in finished.stderr
    assert not list(tmp_path.iterdir())
