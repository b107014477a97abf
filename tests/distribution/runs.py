"""Runs that end with the same bits wherever they are shared; as a program, all in one process.

    python -m tests.distribution.runs mirrored 4
    TF_CONFIG=... python -m tests.distribution.runs multiworker 1

prints what each came to, as JSON.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from lowlevel import startup

startup.import_tensorflow()

from lowlevel import experiment  # noqa: E402
from lowlevel.config import MULTIWORKER, TRAINING_MODES, Config  # noqa: E402
from lowlevel.data import Rows, Stream, Table, stream, windows  # noqa: E402
from lowlevel.data.row_file import RowFile  # noqa: E402
from lowlevel.experiment import modes  # noqa: E402

NEWTON = {"optimizer": "newton", "hidden_units": (), "epochs": 25}
# Rows, dtype, whether they are weighted and whether they are in a file; and what else is set.
Case = tuple[int, str, bool, bool, dict[str, Any]]
# 103 and 205 rows leave a short last batch of other sizes than the rest; of two rows, most shards
# have none.
CASES: dict[str, Case] = {
    "sgd": (103, "float32", False, False, {"optimizer": "sgd"}),
    "momentum, weighted": (103, "float64", True, False, {"optimizer": "momentum", "l2": 0.01}),
    "adam, two rows": (2, "float32", False, False, {"optimizer": "adam"}),
    "adam, a stream, weighted": (205, "float32", True, True, {"optimizer": "adam"}),
    "sgd, a stream of few rows": (3, "float64", False, True, {"optimizer": "sgd"}),
    "newton, a stream": (205, "float32", True, True, {**NEWTON, "l2": 0.01}),
}


def table_of(case: Case) -> Rows:
    """Returns a case's rows, whose labels depend on them."""
    rows, dtype, weighted, streamed, _ = case
    random = np.random.default_rng(0)
    features = random.normal(size=(rows, 5)).astype(dtype)
    labels = np.arange(rows) % 2 == (features[:, 0] > 0)
    table = Table(features, labels, random.uniform(0.5, 2, rows) if weighted else None)
    if not streamed:
        return table
    file = RowFile(rows, table.row_shapes, np.dtype(dtype))
    file.write(0, table.columns)
    return Stream(file, (), table)


def outcome(mode: str, case: Case, **distribution: Any) -> str:
    """Returns a digest of all that a run leaves: weights, optimizer, history and metrics."""
    # A stream is read in several windows of a few batches, and by Newton's method in blocks.
    windows.WINDOW_BYTES, windows.GROUP_BYTES, stream.BLOCK_ROWS = 2**11, 2**7, 20
    settings = {"epochs": 3, "batch_size": 20, "learning_rate": 0.1, "activation": "tanh"}
    config = Config(**{**settings, "hidden_units": (6,), **case[-1], **distribution})
    run = experiment.train(mode, config, table_of(case))
    found = hashlib.sha256()
    for name, variable in modes.load(mode).named_variables(run.state).items():
        found.update(name.encode() + np.asarray(variable.numpy()).tobytes())
    found.update(repr([(epoch.epoch, epoch.nll) for epoch in run.history]).encode())
    found.update(repr(run.metrics).encode())
    return found.hexdigest()


def outcomes(trained: Sequence[str], **distribution: Any) -> dict[str, str]:
    """Returns what every run comes to in some modes, by mode and name."""
    return {
        f"{mode}: {name}": outcome(mode, case, **distribution)
        for mode in trained
        for name, case in CASES.items()
        # Which Keras mode does not have.
        if mode == "module" or not name.startswith("newton")
    }


def main(strategy: str, devices: str) -> None:
    """Prints what each run comes to, shared by this process's devices, or with other workers."""
    shared = {"strategy": strategy, "virtual_devices": int(devices), "worker_timeout": 60}
    print(
        json.dumps(outcomes(("module",) if strategy == MULTIWORKER else TRAINING_MODES, **shared))
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
