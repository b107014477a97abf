"""SIGKILL at random instants: the same bits as without; `python -m tests.kills` takes more."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def test_killed_runs_go_on_to_the_bits_of_those_that_were_not(data_dir: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "tests.kills", "--kills=10", f"--data_dir={data_dir}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.count("the same bits") == 10
