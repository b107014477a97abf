"""What a served model takes: raw columns by name, or lines of CSV."""

import re
from collections.abc import Mapping

import tensorflow as tf

from lowlevel.data.columns import NO_TEXT, NUMBER
from lowlevel.data.csv_files import MISSING
from lowlevel.data.reading import FALSE, TRUE
from lowlevel.data.schema import Schema


def input_names(schema: Schema) -> dict[str, str]:
    """Returns the name of each column's input, by column: its own where TensorFlow takes it.

    A signature's inputs are called as Python's arguments are: "mean radius" is `mean_radius`.
    """
    found: dict[str, str] = {}
    for column in schema.columns:
        plain = re.sub(r"\W", "_", column.name, flags=re.ASCII)
        # Nor may one be called as a method's first argument is.
        if not re.match("[A-Za-z]", plain) or plain == "self":
            plain = f"column_{plain}"
        taken, number = {*found.values()}, 2
        name = plain
        while name in taken:
            name, number = f"{plain}_{number}", number + 1
        found[column.name] = name
    return found


def specification(schema: Schema) -> dict[str, tf.TensorSpec]:
    """Returns what each input is, by its name: `[n]`, float64, NaN where missing, or string."""
    names = input_names(schema)
    return {
        names[column.name]: tf.TensorSpec(
            [None], tf.float64 if column.kind == NUMBER else tf.string, names[column.name]
        )
        for column in schema.columns
    }


def by_column(schema: Schema, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns inputs by their columns' names."""
    return {column: inputs[name] for column, name in input_names(schema).items()}


def columns_of_lines(schema: Schema, lines: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the columns in lines of CSV, string `[n]`, with a schema's columns in their order.

    What stands for a missing value, or for a boolean, is what does in a file of CSV.
    """
    fields = tf.io.decode_csv(lines, [[NO_TEXT]] * len(schema.columns))
    found = {c.name: field for c, field in zip(schema.columns, fields, strict=True)}
    numbers = [column.name for column in schema.columns if column.kind == NUMBER]
    if numbers:
        # All at once: operations for each column would take long to trace, and to load.
        values = tf.strings.strip(tf.stack([found[name] for name in numbers]))
        for texts, number in ((("", *MISSING), "nan"), (TRUE, "1"), (FALSE, "0")):
            values = tf.where(_among(values, texts), number, values)
        parsed = tf.unstack(tf.strings.to_number(values, tf.float64), len(numbers))
        found |= dict(zip(numbers, parsed, strict=True))
    for column in schema.columns:
        if column.kind != NUMBER:
            values = found[column.name]
            found[column.name] = tf.where(_among(values, MISSING), NO_TEXT, values)
    return found


def _among(values: tf.Tensor, texts: tuple[str, ...]) -> tf.Tensor:
    """Returns where values are one of some texts."""
    return tf.reduce_any(values[..., None] == tf.constant(texts), axis=-1)
