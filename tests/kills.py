"""Runs that are killed at random instants, and go on until they end, beside one that was not.

    python -m tests.kills --kills=100

TensorFlow is imported once; each attempt is a fork of that process, which has started no device.
"""

import argparse
import csv
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from lowlevel import cli, startup
from lowlevel.data import windows

ROWS = 5000
# The common flags: checkpoints as often as can be, so that many kills hit one that is half written.
FLAGS = (
    "--noexport",
    "--noreport",
    "--checkpoint_every=0.01s",
    "--standardize",
    "--learning_rate=0.01",
)
MODULE = ("--mode=module", "--epochs=3000", "--report_every=100")
KERAS = ("--mode=keras", "--epochs=300", "--report_every=10")
FILE = ("--train=rows.parquet", "--label=label")
STREAM = (*FILE, "--memory_limit=1000", "--batch_size=64")
RUNS: dict[str, tuple[str, ...]] = {
    "module": MODULE,
    "module, momentum, float64": (*MODULE, "--optimizer=momentum", "--dtype=float64"),
    "module, adam, xla": (
        *(*MODULE, "--optimizer=adam", "--jit_compile", "--epochs=20000", "--report_every=500"),
    ),
    "module, adam, patience": (
        *(*MODULE, "--optimizer=adam", "--holdout=0.2", "--patience=1000", "--report_every=7"),
    ),
    "module, adam, stream": ("--mode=module", *STREAM, "--epochs=120", "--optimizer=adam"),
    "keras": KERAS,
    "keras, momentum, float64": (*KERAS, "--optimizer=momentum", "--dtype=float64"),
    "keras, adam, xla": (*KERAS, "--optimizer=adam", "--jit_compile", "--epochs=600"),
    "keras, adam, patience": (
        *(*KERAS, "--optimizer=adam", "--holdout=0.2", "--patience=1000", "--report_every=7"),
    ),
    "keras, adam, stream": ("--mode=keras", *STREAM, "--epochs=40", "--optimizer=adam"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Kills, and says what came of it; exits with 1 where a bit differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10, help="how many, shared by all runs")
    parser.add_argument("--runs", default="", help="those whose names have this in them")
    parser.add_argument("--data_dir", default="", help="of the prepared table")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    given = parser.parse_args(arguments)
    startup.import_tensorflow()
    names = [name for name in RUNS if given.runs in name]
    generator = random.Random(given.seed)
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        write_rows(pathlib.Path("rows.parquet"))
        for number, name in enumerate(names):
            share = given.kills // len(names) + (number < given.kills % len(names))
            flags = (*RUNS[name], *FLAGS, f"--data_dir={given.data_dir}")
            wrong += not survives(name, flags, share, generator)
    sys.exit(bool(wrong))


def survives(name: str, flags: Sequence[str], kills: int, generator: random.Random) -> bool:
    """Whether a run that is killed so many times, and then not, ends with the bits of another."""
    started = time.monotonic()
    attempt(flags, "expected", None)
    longest = time.monotonic() - started
    killed = resumed = finished = 0
    equal = True
    while killed < kills:
        began = len(list(pathlib.Path("killed.checkpoints").glob("*.npz")))
        resumed += began > 0
        killed += attempt(flags, "killed", generator.uniform(0.2, 1) * longest)
        if pathlib.Path("killed/manifest.json").exists():
            # It came to its end first: what is left of the kills is for another.
            finished += 1
            equal &= same(name, "expected", "killed")
            remove("killed")
    attempt(flags, "killed", None)
    equal &= same(name, "expected", "killed")
    print(
        f"{name}: {killed} kills, {resumed} attempts that went on, {finished} runs that ended "
        f"before their kill, {longest:.1f} s; {'the same bits' if equal else 'OTHER BITS'}",
        flush=True,
    )
    for folder in ("expected", "killed"):
        remove(folder)
    return equal


def attempt(flags: Sequence[str], folder: str, after: float | None) -> bool:
    """Runs the program; returns whether it was killed, so many seconds after its start."""
    child = os.fork()
    if not child:
        # Many windows in a small table.
        windows.WINDOW_BYTES, windows.GROUP_BYTES = 2**15, 2**12
        log = os.open(f"{folder}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.argv = ["main.py", *flags, f"--output_dir={folder}"]
        try:
            cli.main()
        except SystemExit as error:
            # What is around this belongs to the parent.
            sys.stdout.flush()
            os._exit(int(error.code or 0))
    if after is not None:
        deadline = time.monotonic() + after
        while time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return check_ended(status, folder)
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) or check_ended(status, folder)


def check_ended(status: int, folder: str) -> bool:
    """Raises RuntimeError unless the program ended well; returns that it was not killed."""
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(pathlib.Path(f"{folder}.log").read_text())
    return False


def same(name: str, first: str, second: str) -> bool:
    """Whether two runs left the same: history, its seconds aside, metrics and all arrays."""
    left, right = results(pathlib.Path(first)), results(pathlib.Path(second))
    others = [key for key in {**left, **right} if not alike(left.get(key), right.get(key))]
    if others:
        print(f"{name}: other {', '.join(others)}", flush=True)
    return not others


def alike(first: Any, second: Any) -> bool:
    """Whether two arrays or texts are the same, to the bit."""
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return first.dtype == second.dtype and first.tobytes() == second.tobytes()
    return bool(first == second)


def results(folder: pathlib.Path) -> dict[str, Any]:
    """Returns what a run left, by name, without times."""
    with (folder / "history.csv").open() as file:
        history = [(row["epoch"], row["nll"]) for row in csv.DictReader(file)]
    with np.load(folder / "weights.npz") as arrays:
        weights = {name: arrays[name] for name in arrays.files}
    with np.load(folder / "checkpoint.npz") as arrays:
        state = {name: arrays[name] for name in arrays.files if name.startswith("state/")}
    metrics = (folder / "metrics.json").read_text()
    return {"history": history, "metrics": metrics, **weights, **state}


def remove(folder: str) -> None:
    """Removes what a run left."""
    for path in (folder, f"{folder}.checkpoints"):
        shutil.rmtree(path, ignore_errors=True)


def write_rows(path: pathlib.Path) -> None:
    """Writes columns of numbers, and a label that depends on them."""
    generator = np.random.default_rng(0)
    columns = {f"x{i}": generator.normal(size=ROWS) for i in range(8)}
    label = columns["x0"] + generator.normal(size=ROWS) > 0
    parquet.write_table(pa.table({**columns, "label": label.astype(np.int64)}), path)


if __name__ == "__main__":
    main()
