"""Small runs on columns of every kind, kept in folders with their models."""

import functools
import pathlib
import tempfile
from typing import Any, NamedTuple

import numpy as np

from lowlevel import experiment
from lowlevel.config import Config
from lowlevel.experiment.tables import Tables, read_tables
from lowlevel.serving import exporting
from lowlevel.storage import run_folder
from lowlevel.storage.run_folder import Results

RANDOM = np.random.default_rng(0)
ROWS = 200
COLUMNS = {
    "mean age": RANDOM.uniform(20, 70, ROWS),
    "member": RANDOM.choice([True, False], ROWS),
    "city": RANDOM.choice(["bern", "oslo", "rome"], ROWS),
    "label": RANDOM.integers(0, 2, ROWS),
}
# Rows to score: a level that no training row has, and none missing.
NEW = {
    "city": np.array(["oslo", "paris", "bern"]),
    "mean age": np.array([30.0, 40.0, 40.0]),
    "member": np.array([True, False, False]),
}
# Removed when the tests end.
_FOLDERS = tempfile.TemporaryDirectory()


class Kept(NamedTuple):
    """A run, its tables, and the folder that holds it."""

    run: experiment.Run
    tables: Tables
    folder: pathlib.Path


def keep(mode: str, folder: pathlib.Path, columns: Any = None, **settings: Any) -> Kept:
    """Trains on columns and puts run and model into a folder; no fresh process looks at them."""
    data = {"holdout": 0.3, **{k: settings.pop(k) for k in ("missing", "drop") if k in settings}}
    config = Config(epochs=2, standardize=True, hidden_units=(3,), activation="tanh", **settings)
    found = read_tables(COLUMNS if columns is None else columns, config, label="label", **data)
    run = experiment.train(mode, config, found.train)
    with run_folder.staging(str(folder)) as stage:
        exporting.write(mode, run.model, found.encoder, stage)
        schema = found.encoder.schema.to_json()
        results = Results(run.config, run.history, {}, run.weights, schema, exported=stage)
        run_folder.write(str(folder), {"": results})
    return Kept(run, found, folder)


@functools.cache
def kept(mode: str, **settings: Any) -> Kept:
    """A run kept for all tests, which are only to look at it."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=_FOLDERS.name)) / "run"
    return keep(mode, folder, **settings)


def own_scores(kept: Kept) -> np.ndarray:
    """The run's own scores of the rows held out, by its model on their features, `[rows]`."""
    return np.asarray(kept.run.model(kept.tables.test.features))[:, 0]
