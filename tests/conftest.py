"""What all tests share: a quiet TensorFlow, the table, and the program, in a process or in two."""

import functools
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest
from absl.testing import flagsaver

from lowlevel import startup

startup.import_tensorflow()
startup.start_devices(threads=0)

from lowlevel.cli import program  # noqa: E402
from lowlevel.data import Table  # noqa: E402
from lowlevel.data.german_credit import load_german_credit  # noqa: E402

ROOT = pathlib.Path(__file__).parent.parent
MAIN = str(ROOT / "main.py")

# What the program left: `returncode`, `stdout` and `stderr`.
Outcome = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of the tests' own for the prepared table."""
    return str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def credit(data_dir: str) -> Callable[[str], Table]:
    """The German credit table, by dtype."""
    return functools.cache(functools.partial(load_german_credit, data_dir=data_dir))


@pytest.fixture
def run_main(data_dir: str, tmp_path: pathlib.Path) -> Callable[..., Outcome]:
    """Runs main.py in a process of its own, in an empty folder, with the given flags."""

    def run(
        *arguments: str, program: str = "", environment: Mapping[str, str] | None = None
    ) -> Outcome:
        start = ["-c", program] if program else [MAIN]
        # PYTHONPATH is for a program given as text, which has no folder of its own.
        surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        return subprocess.run(
            [sys.executable, *start, f"--data_dir={data_dir}", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=surroundings,
            check=False,
        )

    return run


@pytest.fixture
def main_in_process(
    data_dir: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., Outcome]:
    """Does what main.py does, in this process, in an empty folder, with the given flags."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [MAIN])
    define_flags()

    def run(*arguments: str) -> Outcome:
        command = [MAIN, f"--data_dir={data_dir}", *arguments]
        capfd.readouterr()
        terminated = signal.getsignal(signal.SIGTERM)
        try:
            with flagsaver.flagsaver(), pytest.raises(SystemExit) as ended:
                program.run(program.parse_or_exit(command))
        finally:
            signal.signal(signal.SIGTERM, terminated)
        return Outcome(command, ended.value.code, *capfd.readouterr())

    return run


@functools.cache
def define_flags() -> None:
    """Defines the program's flags, which a process can do once."""
    program.define()
