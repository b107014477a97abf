"""What a fresh process does with an export: it loads each model and scores the rows of a file."""

import pathlib
import sys

import numpy as np
from pyarrow import feather

from lowlevel.data.schema import Schema
from lowlevel.encoder import raw
from lowlevel.serving.scoring import SavedScorer
from lowlevel.storage.contents import KERAS_MODEL, SAVED_MODEL

# The name of a run's scores as its loaded model gives them here.
PREDICT = "predict"


def main(folder: str, schema: str, rows: str, scores: str) -> None:
    """Writes scores, `[rows]`, of each model by its path, and as `predict` gives them.

    Args:
        folder: of the models.
        schema: the path of the columns' schema, as JSON.
        rows: the path of the rows, as Arrow has them.
        scores: the path to write to, of NumPy's.
    """
    known = Schema.from_json(pathlib.Path(schema).read_text())
    columns = raw(known, feather.read_table(rows))
    saved = SavedScorer(pathlib.Path(folder, SAVED_MODEL), known)
    found = {PREDICT: saved.score(columns), SAVED_MODEL: saved.served(columns)}
    if pathlib.Path(folder, KERAS_MODEL).exists():
        from lowlevel.keras_mode.saving import load_model

        # The run has trusted a likelihood's file already.
        model = load_model(pathlib.Path(folder, KERAS_MODEL), safe_mode=False)
        found[KERAS_MODEL] = model(columns).numpy()[:, 0]
    np.savez(scores, **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
