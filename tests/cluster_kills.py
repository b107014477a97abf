"""Workers of a cluster that are killed at random instants, and start again, until their run ends.

    python -m tests.cluster_kills --kills=10

Half of the kills hit the chief, the others the other workers. What is left is compared with what a
run of one process leaves that was not killed. Each worker is a process of its own, on this machine.
"""

import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

from lowlevel.cli.loopback import clusters
from tests.kills import remove, same, write_rows

ROOT = pathlib.Path(__file__).parent.parent
FLAGS = (
    *("--noexport", "--noreport", "--checkpoint_every=0.1s", "--standardize", "--shards=8"),
    *("--learning_rate=0.01", "--worker_timeout=60", "--optimizer=adam"),
)
STREAM = ("--train=rows.parquet", "--label=label", "--memory_limit=1000", "--batch_size=64")
RUNS: dict[str, tuple[str, ...]] = {
    "in memory": ("--epochs=400", "--report_every=100"),
    "a stream": (*STREAM, "--epochs=12"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Kills, and says what came of it; exits with 1 where a bit differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10, help="of the chief, and of the others")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", default="", help="those whose names have this in them")
    parser.add_argument("--data_dir", default="", help="of the prepared table")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    given = parser.parse_args(arguments)
    generator = random.Random(given.seed)
    equal = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        write_rows(folder / "rows.parquet")
        for name, flags in RUNS.items():
            if given.runs in name:
                run = (*flags, *FLAGS, f"--data_dir={given.data_dir}")
                equal &= survives(name, run, folder, given.workers, given.kills, generator)
    sys.exit(not equal)


def survives(
    name: str,
    flags: Sequence[str],
    folder: pathlib.Path,
    workers: int,
    kills: int,
    generator: random.Random,
) -> bool:
    """Whether a run whose workers are killed ends, again and again, with the bits of another."""
    expected = begin(flags, folder, "expected", {})
    if expected.wait():
        raise RuntimeError((folder / "expected.log").read_text())
    started = time.monotonic()
    Cluster(flags, folder, workers).finish()
    longest = time.monotonic() - started
    equal = same(name, str(folder / "expected"), str(folder / "shared"))
    victims = [0] * kills + [1 + number % (workers - 1) for number in range(kills)]
    generator.shuffle(victims)
    runs, waiting = 1, victims
    while waiting:
        remove(str(folder / "shared"))
        cluster = Cluster(flags, folder, workers)
        runs += 1
        # As many as this run takes before it ends.
        while waiting and cluster.kill(waiting[0], generator.uniform(0, 1.2) * longest):
            waiting = waiting[1:]
        cluster.finish()
        equal &= same(name, str(folder / "expected"), str(folder / "shared"))
    print(
        f"{name}, {workers} workers: {len(victims)} kills, {kills} of the chief, in {runs - 1} "
        f"runs of {longest:.1f} s; {'the same bits' if equal else 'OTHER BITS'}",
        flush=True,
    )
    for left in ("expected", "shared"):
        remove(str(folder / left))
    return equal


class Cluster:
    """The workers of one run, each started again when it has been killed."""

    def __init__(self, flags: Sequence[str], folder: pathlib.Path, workers: int) -> None:
        """Starts them."""
        self.flags = ("--strategy=multiworker", *flags)
        self.folder = folder
        self.environments = clusters(workers)
        self.over = False
        self.processes = [self.begin(rank) for rank in range(workers)]

    def begin(self, rank: int) -> subprocess.Popen[bytes]:
        """Starts one of them."""
        return begin(self.flags, self.folder, "shared", self.environments[rank], f"-{rank}")

    def kill(self, rank: int, after: float) -> bool:
        """Kills one after some seconds and starts it again; returns False if all ended before."""
        deadline = time.monotonic() + after
        while time.monotonic() < deadline:
            if self.ended():
                return False
            time.sleep(0.01)
        if self.processes[rank].poll() is not None or self.processes[0].poll() is not None:
            return False
        self.processes[rank].kill()
        self.processes[rank].wait()
        if (self.folder / "shared" / "manifest.json").exists():
            # All was written, and whoever starts again would be told so.
            self.stop()
        else:
            self.processes[rank] = self.begin(rank)
        return True

    def stop(self) -> None:
        """Ends them all."""
        self.over = True
        for process in self.processes:
            process.kill()

    def ended(self) -> bool:
        """Whether all have ended; raises RuntimeError if one has failed."""
        codes = [process.poll() for process in self.processes]
        # One that is started when the others are done waits for them in vain.
        if self.over or codes[0] == 0:
            self.stop()
            return True
        for rank, code in enumerate(codes):
            if code:
                self.stop()
                raise RuntimeError(
                    f"worker {rank}: {(self.folder / f'shared-{rank}.log').read_text()}"
                )
        return False

    def finish(self) -> None:
        """Waits until all have ended."""
        while not self.ended():
            time.sleep(0.01)


def begin(
    flags: Sequence[str],
    folder: pathlib.Path,
    output: str,
    environment: Mapping[str, str],
    suffix: str = "",
) -> subprocess.Popen[bytes]:
    """Starts the program, which writes what it says into a file."""
    with (folder / f"{output}{suffix}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), *flags, f"--output_dir={output}"],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )


if __name__ == "__main__":
    main()
