"""What sharing a run costs and gains: microseconds a step, alone and with workers on this machine.

    python benchmarks/distribution.py --repeats=3

Each process has one processor of its own, so that two workers have two. Times include what the
workers exchange, and neither tracing nor the first epoch.
"""

import argparse
import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from lowlevel.cli.loopback import clusters  # noqa: E402

# Columns, hidden units, rows in a batch, and batches in an epoch.
PROBLEMS: dict[str, tuple[int, tuple[int, ...], int, int]] = {
    "24 columns, 4 units, batches of 100": (24, (4,), 100, 200),
    "100 columns, 64 and 32 units, batches of 10,000": (100, (64, 32), 10_000, 8),
    "500 columns, 500 units, batches of 10,000": (500, (500,), 10_000, 4),
}
# Settings, and how many workers.
WAYS: dict[str, tuple[dict[str, Any], int]] = {
    "alone": ({"shards": 1}, 1),
    "alone, 8 shards": ({"shards": 8}, 1),
    "2 workers, 8 shards": ({"strategy": "multiworker", "shards": 8}, 2),
    "2 workers, the strategy's sum": ({"strategy": "multiworker", "shards": 0}, 2),
}
EPOCHS = 6


def main() -> None:
    """Times every way, in turn, and prints medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--worker", nargs=2, metavar=("PROBLEM", "WAY"), help="is one of them")
    given = parser.parse_args()
    if given.worker:
        print(json.dumps(time_steps(*given.worker)))
        return
    for problem in PROBLEMS:
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(given.repeats):
            for way in WAYS:
                times[way] += run(problem, way)
        print(f"{problem}: microseconds a step")
        alone = statistics.median(times["alone"])
        for way, found in times.items():
            median = statistics.median(found)
            print(f"  {way:30} {median:10.1f}  {alone / median:5.2f}x", flush=True)


def run(problem: str, way: str) -> list[float]:
    """Returns the chief's microseconds a step in each epoch but the first."""
    _, count = WAYS[way]
    environments = clusters(count) if count > 1 else [{}]
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, "--worker", problem, way],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=functools.partial(os.sched_setaffinity, 0, {processor}),
        )
        for processor, environment in zip(os.sched_getaffinity(0), environments, strict=False)
    ]
    outputs = [worker.communicate() for worker in workers]
    for worker, (_, errors) in zip(workers, outputs, strict=True):
        if worker.returncode:
            raise RuntimeError(errors)
    return list(json.loads(outputs[0][0]))


def time_steps(problem: str, way: str) -> Sequence[float]:
    """Trains, and returns the microseconds a step in each epoch but the first."""
    import lowlevel

    columns, units, batch_size, steps = PROBLEMS[problem]
    settings, _ = WAYS[way]
    config = lowlevel.Config(hidden_units=units, batch_size=batch_size, epochs=EPOCHS, **settings)
    from lowlevel.distribution import strategies

    strategies.start(config)
    run = lowlevel.train("module", config, table_of(batch_size * steps, columns))
    return [epoch.seconds / steps * 1e6 for epoch in run.history[1:]]


def table_of(rows: int, columns: int) -> Any:
    """Returns rows of random numbers in float32, whose labels depend on them."""
    import numpy as np

    import lowlevel

    random = np.random.default_rng(0)
    features = random.standard_normal((rows, columns), np.float32)
    return lowlevel.Table(features, features[:, 0] + random.logistic(size=rows) > 0)


if __name__ == "__main__":
    main()
