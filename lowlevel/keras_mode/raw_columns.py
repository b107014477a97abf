"""A Keras model of raw columns: the encoder and the trained model, in one that can be saved."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from lowlevel.data.schema import Schema
from lowlevel.encoder import Encoder
from lowlevel.keras_mode.model import CustomModel


def _plain(columns: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Returns columns as tensors, text as it is and everything else, booleans say, as float64."""
    tensors = {name: tf.convert_to_tensor(values) for name, values in columns.items()}
    return {
        name: values if values.dtype == tf.string else tf.cast(values, tf.float64)
        for name, values in tensors.items()
    }


@keras.saving.register_keras_serializable("lowlevel")
class RawColumnsModel(keras.Model):
    """Scores rows as they are in a table; what it was made of is `encoder` and `trained`."""

    def __init__(self, encoder: Encoder, trained: CustomModel, **kwargs: Any) -> None:
        """Keeps both; further arguments are `keras.Model`'s."""
        # Numbers come in float64, whatever the model's dtype: Keras would round them.
        super().__init__(**{**kwargs, "autocast": False, "dtype": trained.variable_dtype})
        self.encoder, self.trained = encoder, trained
        # The trained model is.
        self.built = True

    def call(self, columns: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns E[y | x], `[n, 1]`, for columns `[n]` by name, float64 or string."""
        return self.trained(self.encoder(_plain(columns)), training=training)

    def predict(self, x: Any, batch_size: int | None = None, **kwargs: Any) -> Any:
        """Returns the same as an array, as `keras.Model` does.

        Keras takes no arrays of text, and rounds those of numbers; what tf.data hands over stays.
        """
        if isinstance(x, Mapping):
            x, batch_size = (
                tf.data.Dataset.from_tensor_slices(_plain(x)).batch(batch_size or 32),
                None,
            )
        return super().predict(x, batch_size, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns what makes this model anew: without it, it could not be saved."""
        return {
            **super().get_config(),
            "schema": self.encoder.schema.to_json(),
            "trained": keras.saving.serialize_keras_object(self.trained),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RawColumnsModel":
        """Returns the model that `get_config` described."""
        trained = keras.saving.deserialize_keras_object(config.pop("trained"))
        schema = Schema.from_json(config.pop("schema"))
        return cls(Encoder(schema, trained.variable_dtype), trained, **config)
