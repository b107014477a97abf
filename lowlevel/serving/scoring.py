"""Scores of rows by a saved model: one a row, in their order, a block of rows at a time."""

import contextlib
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.data import reading
from lowlevel.data.schema import Schema
from lowlevel.encoder import Encoder, encode, raw
from lowlevel.serving.inputs import input_names


class Predictions(NamedTuple):
    """What a model says of rows.

    Attributes:
        scores: of each row, `[rows]`, the probability of the label that counts as 1, or the mean of
            another label; in the model's dtype.
        unknown: how many rows have a level that the training rows lack, by column; its indicators
            are 0 there.
        ignored: the columns that the model does not know.
    """

    scores: np.ndarray
    unknown: dict[str, int]
    ignored: tuple[str, ...]


class SavedScorer:
    """A SavedModel and the schema of its columns."""

    def __init__(self, path: str | os.PathLike[str], schema: Schema) -> None:
        """Loads it, which takes TensorFlow alone."""
        with _quiet():
            self._loaded = tf.saved_model.load(os.fspath(path))
        self._function = self._loaded.signatures["serving_default"]
        self._names = input_names(schema)

    def score(self, columns: Mapping[str, tf.Tensor]) -> np.ndarray:
        """Returns the scores `[n]` of columns `[n]`, float64 or string, by name: the run's bits."""
        with _one_by_one():
            return self.served(columns)

    def served(self, columns: Mapping[str, tf.Tensor]) -> np.ndarray:
        """Returns the same as TensorFlow gives them to any program."""
        inputs = {self._names[name]: values for name, values in columns.items()}
        return self._function(**inputs)["score"].numpy()


class Predictor:
    """A run's model, loaded; what its columns become is `schema`."""

    def __init__(self, path: str | os.PathLike[str], schema: Schema, dtype: str) -> None:
        """Loads a SavedModel.

        Args:
            path: of its folder.
            schema: of its columns.
            dtype: of the model.
        """
        self.schema = schema
        self._encoder = Encoder(schema, dtype)
        self._scorer = SavedScorer(path, schema)

    def predict(self, given: Any) -> Predictions:
        """Returns what the model says of rows, all at once.

        Args:
            given: the path of a CSV or Parquet file, of a folder of them, or a glob; or a pyarrow
                table, a pandas or polars frame, or arrays by name. Its columns may be in any order.

        Raises:
            ValueError: as for `stream`.
        """
        parts = list(self.stream(given))
        unknown: Counter[str] = Counter()
        for part in parts:
            unknown.update(part.unknown)
        scores = np.concatenate([part.scores for part in parts])
        return Predictions(scores, dict(unknown), parts[0].ignored)

    def stream(self, given: Any) -> Iterator[Predictions]:
        """Yields the same a block of rows at a time, so that a table need not fit into memory.

        Blocks are of `data.columns.BLOCK_ROWS` rows, the last of fewer: of the bits of a score
        nothing is promised in a block of another size.

        Raises:
            ValueError: one line: a file cannot be read, a column is missing or of another kind, a
                value is missing that the schema has no place for, or a number is too large.
        """
        first = 0
        for table, ignored in reading.blocks(given, self.schema.columns, "input"):
            place = f"input, from row {first} on: " if first else "input: "
            try:
                # What the model would take for NaN or for 0 is refused, or counted.
                _, unknown = encode(self._encoder, table)
            except ValueError as error:
                raise ValueError(f"{place}{error}") from error
            yield Predictions(self._scorer.score(raw(self.schema, table)), unknown, ignored)
            first += table.num_rows


@contextlib.contextmanager
def _one_by_one() -> Iterator[None]:
    """Has TensorFlow run the operations that a model has, as it does where there is no graph.

    By itself it would put others in their place, a multiplication for a division, say, or one for a
    product and the bias after it, with other last digits.
    """
    options, name = tf.config.optimizer, "disable_meta_optimizer"
    before = options.get_experimental_options().get(name, False)
    options.set_experimental_options({name: True})
    try:
        yield
    finally:
        options.set_experimental_options({name: before})


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leaves out what TensorFlow says of second derivatives, which a SavedModel does not keep."""

    def others(record: logging.LogRecord) -> bool:
        return "unsaved custom gradients" not in record.getMessage()

    logger = logging.getLogger("absl")
    logger.addFilter(others)
    try:
        yield
    finally:
        logger.removeFilter(others)
