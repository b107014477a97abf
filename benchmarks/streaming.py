"""What streaming takes: the peak memory of whole runs, and rows a second beside rows in memory.

Writes random tables as Parquet, and trains on them by the command line, each run a process of its
own:

    python benchmarks/streaming.py --gigabytes=4 --memory_limit=512MB
"""

import csv
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from absl import app, flags
from pyarrow import parquet

COLUMNS = 24
FILE_ROWS = 2**20
MAIN = Path(__file__).parents[1] / "main.py"
LIMIT = flags.DEFINE_string("memory_limit", "512MB", "for the runs that stream")
GIGABYTES = flags.DEFINE_float("gigabytes", 4.0, "of Parquet in the largest table")
ROWS = flags.DEFINE_integer("rows", 4_000_000, "of the table that is also trained on in memory")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 10_000, "rows in a batch")


class Measured(NamedTuple):
    """A run.

    Attributes:
        peak: the most memory that the process had at any time, in bytes.
        seconds: of all of it.
        rate: rows a second in training, the median of the epochs.
    """

    peak: int
    seconds: float
    rate: float


def write_table(folder: Path, rows: int) -> None:
    """Writes normal columns, and a label that depends on them, in files of `FILE_ROWS` rows."""
    folder.mkdir()
    names = [f"x{i:02d}" for i in range(COLUMNS)]
    for number, first in enumerate(range(0, rows, FILE_ROWS)):
        random = np.random.default_rng(number)
        x = random.standard_normal((min(FILE_ROWS, rows - first), COLUMNS))
        label = (x[:, 0] + random.standard_normal(len(x)) > 0).astype(np.int64)
        table = pa.table(dict(zip(names, x.T, strict=True)) | {"label": label})
        parquet.write_table(table, folder / f"{number:04d}.parquet")


def measure(mode: str, table: Path, rows: int, *arguments: str, epochs: int = 2) -> Measured:
    """Returns what a run of the command line takes."""
    with tempfile.TemporaryDirectory() as output:
        command = [
            *(sys.executable, str(MAIN), f"--mode={mode}", f"--train={table}", "--label=label"),
            *(f"--batch_size={BATCH_SIZE.value}", f"--epochs={epochs}", "--standardize"),
            *(f"--output_dir={output}/run", *arguments),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
        (history,) = Path(output).rglob("history.csv")
        with history.open() as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    total = usage.ru_utime + usage.ru_stime
    return Measured(usage.ru_maxrss * 1024, total, rows / statistics.median(seconds))


def show(name: str, found: Measured, base: Measured | None = None) -> None:
    """Prints a run's figures, and its memory above another's."""
    above = f"{(found.peak - base.peak) / 1e6:10.0f}" if base else f"{'':10}"
    print(
        f"{name:44} {found.peak / 1e6:8.0f} {above} {found.rate:12,.0f} {found.seconds:9.1f}",
        flush=True,
    )


def main(arguments: list[str]) -> None:
    """Measures, and prints a table."""
    if len(arguments) > 1:
        raise app.UsageError(f"expected flags only, got {arguments[1]}")
    limit = f"--memory_limit={LIMIT.value}"
    large = int(GIGABYTES.value * 1e9 / (8 * COLUMNS + 1))
    with tempfile.TemporaryDirectory() as scratch:
        folders = {rows: Path(scratch) / str(rows) for rows in (1000, ROWS.value, large)}
        for rows, folder in folders.items():
            # In a process of its own: a run's peak is at least what its parent took.
            writer = multiprocessing.get_context("spawn").Process(
                target=write_table, args=(folder, rows)
            )
            writer.start()
            writer.join()
        print(f"{'':44} {'peak MB':>8} {'above base':>10} {'rows/s':>12} {'CPU s':>9}")
        for mode in ("module", "keras"):
            base = measure(mode, folders[1000], 1000)
            show(f"{mode}, 1,000 rows in memory", base)
            for rows in (ROWS.value, large):
                found = measure(mode, folders[rows], rows, limit)
                show(f"{mode}, {rows:,} rows streamed", found, base)
            for shuffle in ("full", "window"):
                rows = ROWS.value
                found = measure(mode, folders[rows], rows, f"--shuffle={shuffle}")
                show(f"{mode}, {rows:,} rows in memory, {shuffle}", found, base)


if __name__ == "__main__":
    app.run(main)
