"""A run's model, written for other programs, and held to the run's own scores."""

import pathlib
from typing import Any, NamedTuple

import tensorflow as tf

from lowlevel.config import KERAS
from lowlevel.encoder import Encoder
from lowlevel.errors import in_one_line
from lowlevel.experiment import Run
from lowlevel.experiment.tables import Tables
from lowlevel.serving.inputs import input_names
from lowlevel.serving.served import ServedModel
from lowlevel.serving.verification import verify
from lowlevel.storage.contents import KERAS_MODEL, SAVED_MODEL


class Exported(NamedTuple):
    """What was written, and how it was found to be.

    Attributes:
        about: what a manifest says of it.
        rows: how many rows were scored in a fresh process.
        ulp: the largest difference from the run's own scores, in units in the last place of those:
            of `predict`, and of each model by its path as any program would load it.
    """

    about: dict[str, Any]
    rows: int
    ulp: dict[str, float]

    @property
    def verified(self) -> dict[str, Any]:
        """What a report says of it."""
        return {"rows": self.rows, "ulp": self.ulp}


def export(mode: str, run: Run, found: Tables, folder: pathlib.Path) -> Exported:
    """Writes a run's model into a folder, and has a fresh process load it and score rows.

    Args:
        mode: that it was trained in.
        run: the run.
        found: the tables that it was trained on.
        folder: new or empty.

    Raises:
        ValueError: it cannot be written or loaded, or scores otherwise than the run does.
    """
    write(mode, run.model, found.encoder, folder)
    ulp = verify(run, found.encoder, found.raw, folder)
    return Exported(about(found.encoder), found.raw.num_rows, ulp)


def write(mode: str, model: Any, encoder: Encoder, folder: pathlib.Path) -> None:
    """Writes a trained model behind its encoder: a SavedModel, and one of Keras's in its mode."""
    try:
        ServedModel(encoder, model).save(folder / SAVED_MODEL)
    except tf.errors.OpError as error:
        raise ValueError(f"output_dir: cannot write the model: {in_one_line(error)}") from error
    if mode == KERAS:
        from lowlevel.keras_mode.raw_columns import RawColumnsModel

        RawColumnsModel(encoder, model).save(folder / KERAS_MODEL)


def about(encoder: Encoder) -> dict[str, Any]:
    """Returns what a manifest says of a model: what it takes, and of which TensorFlow it is."""
    names = input_names(encoder.schema)
    columns = [
        {"name": column.name, "kind": column.kind, "input": names[column.name]}
        for column in encoder.schema.columns
    ]
    return {"tensorflow": tf.__version__, "columns": columns}
