"""What all tests share: a quiet TensorFlow, the table, and a run in a process of its own."""

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from lowlevel import startup

startup.import_tensorflow()

from lowlevel import data  # noqa: E402

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of the tests' own for the prepared table."""
    return str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def credit(data_dir: str) -> Callable[[str], data.Table]:
    """The German credit table, by dtype."""
    tables = {dtype: data.load_german_credit(dtype, data_dir) for dtype in ("float32", "float64")}
    return tables.__getitem__


@pytest.fixture
def run_main(data_dir: str, tmp_path: pathlib.Path) -> Callable[..., subprocess.CompletedProcess]:
    """Runs main.py in a fresh process, in an empty folder, with the given flags."""

    def run(
        *arguments: str, program: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess:
        start = ["-c", program] if program else [str(ROOT / "main.py")]
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
