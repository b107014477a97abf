"""A model as it is served: from raw columns to scores, with the loss and its gradient inside."""

import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from lowlevel.encoder import Encoder
from lowlevel.serving.inputs import by_column, columns_of_lines, specification


class ServedModel(tf.Module):
    """An encoder and a model of either mode, in functions that a SavedModel keeps.

    Attributes:
        score: scores `[n]`, a probability or a mean each, of raw columns by their inputs' names.
        score_lines: the same of lines of CSV, string `[n]`.
        encode: features `[n, width]` of raw columns.
        loss: the mean NLL, a scalar, of features and labels `[n]`, with the custom gradient.
        weights: the variables.
    """

    def __init__(self, encoder: Encoder, model: Any) -> None:
        """Makes the functions; nothing is traced before they are called, or saved."""
        super().__init__("served_model")
        self.encoder, self.model = encoder, model
        # TensorFlow's own: where there is no Python, as in TensorFlow Serving, those that are only
        # inside Keras's would not be found.
        self.weights = [v if isinstance(v, tf.Variable) else v.value for v in model.variables]
        schema, dtype = encoder.schema, encoder.dtype
        columns = specification(schema)
        features = tf.TensorSpec([None, len(schema.features)], dtype, "features")
        labels = tf.TensorSpec([None], dtype, "labels")

        def encode(columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
            return encoder(by_column(schema, columns))

        def score(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {"score": tf.squeeze(model(encode(columns)), 1)}

        def score_lines(lines: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"score": tf.squeeze(model(encoder(columns_of_lines(schema, lines))), 1)}

        def loss(features: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return model.loss_fn(features, labels)

        self.encode = tf.function(encode, [columns], autograph=False)
        self.score = tf.function(score, [columns], autograph=False)
        lines = tf.TensorSpec([None], tf.string, "lines")
        self.score_lines = tf.function(score_lines, [lines], autograph=False)
        self.loss = tf.function(loss, [features, labels], autograph=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a SavedModel into a folder, which is made."""
        signatures = {"serving_default": self.score, "csv": self.score_lines}
        tf.saved_model.save(self, os.fspath(path), signatures=signatures)
