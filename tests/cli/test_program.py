"""The program from outside, in a process of its own where that is the point."""

import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("flags", [["--mode=compare"], ["--mode=compare", "--jit_compile"]])
def test_a_run_says_nothing_on_standard_error(flags: list[str], run_main: Callable) -> None:
    finished = run_main(*flags)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_the_package_runs_as_the_program_does(run_main: Callable) -> None:
    program = "import runpy; runpy.run_module('lowlevel', run_name='__main__')"
    finished = run_main("--epochs=2", program=program)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "trained, on the training rows: nll" in finished.stdout


def test_two_processes_with_one_seed_give_equal_bits_and_another_seed_does_not(
    run_main: Callable, tmp_path: pathlib.Path
) -> None:
    weights = []
    for folder, seed in (("first", 3), ("second", 3), ("third", 4)):
        assert (
            run_main(
                f"--seed={seed}", f"--output_dir={folder}", "--noexport", "--noreport"
            ).returncode
            == 0
        )
        with np.load(tmp_path / folder / "weights.npz") as arrays:
            weights.append({name: arrays[name].tobytes() for name in arrays.files})
    assert weights[0] == weights[1]
    assert all(weights[0][name] != weights[2][name] for name in weights[0])


def test_the_bits_are_those_of_the_number_of_threads_whatever_the_processors(
    run_main: Callable, tmp_path: pathlib.Path
) -> None:
    # So wide, and so many rows in a batch, that sums are split among threads.
    recipe = ("--hidden_units=64,32", "--batch_size=1000", "--epochs=20", "--standardize")
    one_processor = (
        "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from lowlevel.cli import main; main()\n"
    )
    weights = {}
    for folder, threads, program in (("all", 3, ""), ("one", 3, one_processor), ("other", 1, "")):
        flags = (
            *recipe,
            f"--threads={threads}",
            f"--output_dir={folder}",
            "--noexport",
            "--noreport",
        )
        finished = run_main(*flags, program=program)
        assert (finished.returncode, finished.stderr) == (0, "")
        with np.load(tmp_path / folder / "weights.npz") as arrays:
            weights[folder] = {name: arrays[name].tobytes() for name in arrays.files}
    assert weights["all"] == weights["one"]
    # Were these equal too, the flag would do nothing, and the test above could not fail.
    assert weights["all"] != weights["other"]


def test_a_reader_that_leaves_early_leaves_no_traceback(data_dir: str) -> None:
    command = [sys.executable, str(ROOT / "main.py"), f"--data_dir={data_dir}", "--epochs=2000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_ends_a_long_call_within_two_seconds_and_leaves_a_checkpoint(
    number: int, code: int, word: str, data_dir: str, tmp_path: pathlib.Path
) -> None:
    # One report, at the end, of a network whose epochs take a tenth of a second.
    recipe = ("--hidden_units=1000,1000", "--epochs=100000", "--report_every=100000")
    # A shell has its jobs in the background ignore SIGINT, and theirs inherit that.
    heeding = ("env", "--default-signal=INT")
    command = [*heeding, sys.executable, str(ROOT / "main.py"), f"--data_dir={data_dir}", *recipe]
    with subprocess.Popen(
        [*command, "--output_dir=out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as running:
        while "epoch" not in running.stdout.readline():
            pass
        time.sleep(3)
        assert running.poll() is None
        start = time.monotonic()
        running.send_signal(number)
        error = running.stderr.read()
        assert running.wait() == code
        assert time.monotonic() - start < 2
    assert error.startswith(f"main.py: {word}: the same command goes on after epoch ")
    assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.checkpoints"]


@pytest.mark.parametrize("shell", ["{} > /dev/full", "ulimit -f 0; {} --output_dir=out"])
def test_a_full_disk_gets_one_clear_line(shell: str, data_dir: str, tmp_path: pathlib.Path) -> None:
    command = f"{sys.executable} {ROOT / 'main.py'} --data_dir={data_dir}"
    finished = subprocess.run(
        shell.format(command),
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        executable="/bin/bash",
        check=False,
    )
    assert finished.returncode == 1
    assert len(finished.stderr.splitlines()) == 1
    assert finished.stderr.startswith("main.py: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("shell", "wanted"),
    [
        ("{} --help > /dev/full", "cannot write to standard output: No space left on device"),
        ("{} >&-", "expected an open standard output"),
        ("TF_NUM_INTRAOP_THREADS=-5 {}", "TF_NUM_INTRAOP_THREADS: expected a whole number"),
    ],
)
def test_surroundings_that_do_not_serve_get_one_clear_line(shell: str, wanted: str) -> None:
    command = shell.format(f"{sys.executable} {ROOT / 'main.py'}")
    finished = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"main.py: {wanted}")
    assert len(finished.stderr.splitlines()) == 1


def test_with_standard_error_closed_it_runs_all_the_same(data_dir: str) -> None:
    command = f"{sys.executable} {ROOT / 'main.py'} --data_dir={data_dir} 2>&-"
    finished = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert finished.returncode == 0
    assert "trained, on the training rows" in finished.stdout


def test_another_backend_of_keras_gets_one_clear_line(run_main: Callable) -> None:
    finished = run_main("--mode=keras", environment={"KERAS_BACKEND": "numpy"})
    assert finished.returncode == 1
    assert len(finished.stderr.splitlines()) == 1
    assert "KERAS_BACKEND" in finished.stderr


@pytest.mark.parametrize(
    ("module", "mode"),
    [("tensorflow", "module"), ("tensorflow_datasets", "module"), ("keras", "keras")],
)
def test_what_is_not_installed_is_named(module: str, mode: str, run_main: Callable) -> None:
    program = f"import sys\nsys.modules['{module}'] = None\nfrom lowlevel.cli import main\nmain()\n"
    finished = run_main(f"--mode={mode}", program=program)
    assert finished.returncode == 1
    assert finished.stderr.splitlines() == [
        f"-c: {module} is not installed: pip install -r requirements.txt"
    ]


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


def test_what_was_held_back_is_seen_when_the_import_aborts(run_main: Callable) -> None:
    finished = run_main(environment={"TF_XLA_FLAGS": "--nonsense"})
    assert finished.returncode != 0
    assert "--nonsense" in finished.stderr


def test_a_pid_is_not_left_behind_for_the_shell_to_wait_for(run_main: Callable) -> None:
    program = (
        "import os\n"
        "from lowlevel import startup\n"
        "startup.import_tensorflow()\n"
        "try:\n"
        "    os.waitpid(-1, os.WNOHANG)\n"
        "except ChildProcessError:\n"
        "    print('no children')\n"
    )
    assert run_main(program=program).stdout == "no children\n"
