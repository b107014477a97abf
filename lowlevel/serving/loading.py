"""From a run's folder to its model, ready to score rows."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from lowlevel.data.schema import Schema
from lowlevel.errors import in_one_line
from lowlevel.serving.scoring import Predictor
from lowlevel.storage import manifest
from lowlevel.storage.contents import CONFIG, SAVED_MODEL, SCHEMA


def load(folder: str | os.PathLike[str]) -> Predictor:
    """Returns the model of a run, of either mode, which scores rows as they are in a table.

    Args:
        folder: that `--output_dir` named, or that of one mode in it after `--mode=compare`.

    Raises:
        ValueError: one line: it is no run's folder, that of another version, damaged, or without a
            model.
    """
    return opened(folder, manifest.read(folder))


def opened(folder: str | os.PathLike[str], about: Mapping[str, Any]) -> Predictor:
    """Returns the same of a folder whose manifest has been read."""
    path = pathlib.Path(folder).expanduser()
    if f"{SAVED_MODEL}/saved_model.pb" not in about["files"]:
        raise ValueError(f"model: {folder} holds no {SAVED_MODEL}: train with --export")
    schema = Schema.from_json((path / SCHEMA).read_text())
    dtype = json.loads((path / CONFIG).read_text())["dtype"]
    try:
        return Predictor(path / SAVED_MODEL, schema, dtype)
    except (OSError, tf.errors.OpError) as error:
        raise ValueError(f"model: cannot load {folder}: {in_one_line(error)}") from error
