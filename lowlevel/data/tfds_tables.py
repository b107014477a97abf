"""Data sets of TensorFlow Datasets as columns by name."""

import contextlib
import io
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from lowlevel.data.german_credit import DEFAULT_DATA_DIR
from lowlevel.errors import in_one_line, shortened


def read(name: str, data_dir: str) -> dict[str, np.ndarray]:
    """Returns the training split of a data set, downloaded and prepared if need be.

    Args:
        name: of the data set, with its configuration and version if there are several.
        data_dir: where TFDS keeps it; empty for its own folder.

    Returns:
        Columns `[rows]`; a feature that is a vector becomes one for each of its numbers.

    Raises:
        ValueError: there is no such data set, it cannot be had, or it is no table.
    """
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    folder = pathlib.Path(data_dir or DEFAULT_DATA_DIR).expanduser()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            rows = tfds.load(name, split="train", batch_size=-1, data_dir=folder)
        found = tfds.as_numpy(rows)
    # What it raises depends on the data set, and on the network.
    except Exception as error:
        text = shortened(in_one_line(error), 160)
        raise ValueError(f"dataset: cannot load {name}: {text}") from error
    return {
        key: column
        for feature, values in found.items()
        for key, column in _columns(feature, values, name)
    }


def _columns(key: str, values: Any, dataset: str) -> list[tuple[str, np.ndarray]]:
    """Returns a feature as columns with their names."""
    if isinstance(values, Mapping):
        parts = [(f"{key}/{inner}", part) for inner, part in values.items()]
        return [pair for inner, part in parts for pair in _columns(inner, part, dataset)]
    array = np.asarray(values)
    if array.ndim > 2:
        raise ValueError(
            f"dataset: expected a table of columns, got {key} of shape {list(array.shape)} in "
            f"{dataset}: take a data set of numbers and labels"
        )
    if array.dtype == object:
        array = np.array([value.decode(errors="replace") for value in array.ravel()])
    if array.ndim == 1:
        return [(key, array)]
    return [(f"{key}_{i}", column) for i, column in enumerate(array.T)]
