"""The encoder: from a table's columns to a model's features, in training and in serving."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from lowlevel.data.columns import (
    BLOCK_ROWS,
    NO_TEXT,
    NOTHING,
    NUMBER,
    TEXT,
    count_missing,
    kind_of,
    numbers,
    texts,
)
from lowlevel.data.order import aligned_empty
from lowlevel.data.schema import Column, Schema
from lowlevel.data.settings import REFUSE

if TYPE_CHECKING:
    import pyarrow as pa


# Columns of numbers that are handled at once.
TOGETHER = 64


class Encoder(tf.Module):
    """Makes features of columns as a schema says; the one implementation that there is.

    Numbers are handled in float64 and rounded once, at the end. A missing value that the schema has
    no place for is NaN in all features of its column.
    """

    def __init__(self, schema: Schema, dtype: str, name: str = "encoder") -> None:
        """Keeps the schema, and the model's dtype."""
        super().__init__(name)
        self.schema = schema
        self.dtype = tf.as_dtype(dtype)

    def __call__(self, columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns features `[n, features]` for columns `[n]`, float64 or string, by name."""
        parts = [
            self._numbers(run, tf.stack([columns[column.name] for column in run], axis=1))
            if run[0].kind == NUMBER
            else self._indicators(run[0], columns[run[0].name])
            for run in _runs(self.schema.columns)
        ]
        return tf.concat(parts, axis=1)

    def unknown(self, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns how many rows have a level that the schema does not know, by column of text."""
        return {
            column.name: tf.reduce_sum(tf.cast(~_known(column, columns[column.name]), tf.int64))
            for column in self.schema.columns
            if column.kind != NUMBER
        }

    def _indicators(self, column: Column, values: tf.Tensor) -> tf.Tensor:
        """Returns the features of a column of text, `[n, features of it]`."""
        levels = tf.constant(column.indicated, tf.string)
        indicators = tf.cast(values[:, None] == levels, self.dtype)
        if self.schema.missing != REFUSE:
            return indicators
        # Not 0 in all, as a level that is not known is: nobody asked for that.
        return tf.where(values[:, None] == NO_TEXT, tf.cast(np.nan, self.dtype), indicators)

    def _numbers(self, columns: Sequence[Column], values: tf.Tensor) -> tf.Tensor:
        """Returns the features of columns of numbers, `[n, features]` for `[n, columns]`."""
        fill = [np.nan if column.fill is None else column.fill for column in columns]
        center = tf.constant([column.center for column in columns], tf.float64)
        missing = tf.math.is_nan(values)
        filled = tf.where(missing, tf.constant(fill, tf.float64), values)
        features = tf.cast(filled - center, self.dtype)
        if not any(column.indicates for column in columns):
            return features
        both = tf.concat([features, tf.cast(missing, self.dtype)], axis=1)
        places = [[i, len(columns) + i][: len(c.features)] for i, c in enumerate(columns)]
        return tf.gather(both, [place for own in places for place in own], axis=1)


def _runs(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Yields columns of numbers together where they follow each other, and others alone.

    Operations for each would take long to trace and to load; for all of them, much memory.
    """
    for is_number, group in itertools.groupby(columns, lambda column: column.kind == NUMBER):
        run = list(group)
        together = TOGETHER if is_number else 1
        for first in range(0, len(run), together):
            yield run[first : first + together]


def of_numbers(names: Sequence[str], label: str, dtype: str) -> Encoder:
    """Returns the encoder of columns of numbers, each of which is a feature as it is."""
    columns = tuple(Column(name, NUMBER) for name in names)
    return Encoder(Schema(columns, label), dtype)


def encode(
    encoder: Encoder, table: "pa.Table", first_row: int = 0
) -> tuple[np.ndarray, dict[str, int]]:
    """Returns a table's features, `[rows, features]`, and its unknown levels' counts by column.

    Args:
        encoder: of the columns.
        table: that has them, among others.
        first_row: the number of the first row, for messages.

    Raises:
        ValueError: a column is missing, is of another kind, or has missing values that the schema
            has no place for, or a number is too large for the dtype.
    """
    schema = encoder.schema
    check(schema, table)
    shape = (table.num_rows, len(schema.features))
    features = aligned_empty(shape, np.dtype(encoder.dtype.as_numpy_dtype))
    unknown: dict[str, int] = {}
    for first in range(0, table.num_rows, BLOCK_ROWS):
        block = table.slice(first, BLOCK_ROWS)
        columns = raw(schema, block)
        features[first : first + block.num_rows] = encoder(columns)
        for name, count in encoder.unknown(columns).items():
            unknown[name] = unknown.get(name, 0) + int(count)
    _check_features(schema, features, first_row)
    return features, {name: count for name, count in unknown.items() if count}


def raw(schema: Schema, table: "pa.Table") -> dict[str, tf.Tensor]:
    """Returns the columns that a schema takes as tensors, float64, NaN where missing, or string."""
    return {
        column.name: tf.constant(numbers(table, column.name), tf.float64)
        if column.kind == NUMBER
        else tf.constant(texts(table, column.name), tf.string)
        for column in schema.columns
    }


def check(schema: Schema, table: "pa.Table") -> None:
    """Raises ValueError unless a table has the columns of a schema, of their kinds."""
    there = {*table.column_names}
    for column in schema.columns:
        if column.name not in there:
            raise ValueError(f"expected a column {column.name}, got none")
        kind = kind_of(table, column.name)
        if kind not in (column.kind, NOTHING):
            raise ValueError(f"expected {column.name} to be of {column.kind}s, got {kind}")
        # A number is refused where it is filled; a missing text would be a level not known.
        absent = count_missing(table, column.name) if column.kind == TEXT else 0
        if absent and schema.missing == REFUSE:
            raise ValueError(
                f"missing values, {absent} in {column.name}: fill them, or train with "
                "--missing=mean or --missing=indicator"
            )


def _known(column: Column, values: tf.Tensor) -> tf.Tensor:
    """Returns where a level is one of the schema's, `[n]`."""
    return tf.reduce_any(values[:, None] == tf.constant(column.levels, tf.string), axis=1)


def _check_features(schema: Schema, features: np.ndarray, first_row: int) -> None:
    """Raises ValueError, which names column and row, for a feature that is not finite."""
    finite = np.isfinite(features)
    if finite.all():
        return
    row, place = (int(i) for i in np.argwhere(~finite)[0])
    name, value = schema.features[place], features[row, place]
    if np.isnan(value):
        count = int(np.isnan(features[:, place]).sum())
        raise ValueError(
            f"missing values, {count} in {name}, which had none when the schema was made: fill "
            "them, or train with --missing=mean or --missing=indicator"
        )
    raise ValueError(
        f"a number in {name}, row {first_row + row}, is too large for {features.dtype}: rescale "
        "it, or set --dtype=float64"
    )
