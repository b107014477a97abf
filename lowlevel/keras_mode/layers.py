"""The layers: Standardize, Dense and Logistic as Keras layers."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lowlevel.config import ModelSettings
from lowlevel.data import Rows, moments
from lowlevel.keras_mode.saving import likelihood_from_config, likelihood_to_config
from lowlevel.likelihoods import LIKELIHOODS, Likelihood


@keras.saving.register_keras_serializable("lowlevel")
class Standardize(keras.layers.Layer):
    """Takes away each column's mean and divides by its deviation; neither is trained."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the two variables, `[columns]`; 0 and 1 until `set_weights` is called."""
        columns = input_shape[-1:]
        self.mean = self.add_weight(columns, "zeros", trainable=False, name="mean")
        self.deviation = self.add_weight(columns, "ones", trainable=False, name="deviation")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Returns `[n, columns]` for `[n, columns]`."""
        return (x - self.mean) / self.deviation


# Ready-made: custom layers and Keras's mix freely.
Dense = keras.layers.Dense
Sequential = keras.Sequential


def hidden_layers(
    settings: ModelSettings, table: Rows, seeds: Sequence[int]
) -> keras.Sequential | None:
    """Returns the layers before the output layer, if there are any.

    Args:
        settings: what a run asks for.
        table: of which the first layer's inputs are.
        seeds: one for each hidden layer's initial weights.
    """
    layers: list[keras.layers.Layer] = []
    if settings.standardize:
        layers.append(Standardize(name="standardize", dtype=table.dtype))
        layers[0].build((None, table.width))
        layers[0].set_weights(moments(table))
    for index, units in enumerate(settings.hidden_units):
        layers.append(
            Dense(
                units,
                settings.activation,
                kernel_initializer=keras.initializers.GlorotUniform(seeds[index]),
                kernel_regularizer=penalty(settings.l2),
                name=f"dense_{index}",
                dtype=table.dtype,
            )
        )
    return Sequential(layers, name="nn_block") if layers else None


def penalty(l2: float) -> keras.regularizers.Regularizer | None:
    """Returns the penalty on a kernel, l2 times the sum of its squares; None where l2 is 0."""
    return keras.regularizers.L2(l2) if l2 else None


def linear_predictor(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Returns z = x kernel + bias, `[n]` for `[n, inputs]`, `[inputs, 1]` and `[1]`.

    With more predictors than one, columns of the kernel, it is `[n, predictors]`.
    """
    z = tf.nn.bias_add(tf.matmul(x, kernel), bias)
    return tf.squeeze(z, -1) if kernel.shape[1] == 1 else z


@keras.saving.register_keras_serializable("lowlevel")
class Logistic(keras.layers.Layer):
    """The output layer: a linear predictor, and the mean that a likelihood makes of it."""

    def __init__(
        self,
        likelihood: Likelihood = LIKELIHOODS["logit"],
        kernel_initializer: Any = "random_normal",
        kernel_regularizer: Any = None,
        name: str = "logistic",
        **kwargs: Any,
    ) -> None:
        """Keeps what `build` needs.

        Args:
            likelihood: of the label.
            kernel_initializer: anything that `keras.initializers.get` takes.
            kernel_regularizer: anything that `keras.regularizers.get` takes.
            name: of the layer.
            **kwargs: for `keras.layers.Layer`.
        """
        super().__init__(name=name, **kwargs)
        self.likelihood = likelihood
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def linear_predictor(self, x: tf.Tensor) -> tf.Tensor:
        """Returns z = x kernel + bias, `[n]` for `[n, inputs]`."""
        return linear_predictor(x, self.kernel, self.bias)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Returns E[y | x], `[n, 1]` for `[n, inputs]`: P(y = 1) of a binary label."""
        return tf.expand_dims(self.likelihood.mean(self.linear_predictor(x)), 1)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes kernel and bias, `[inputs, predictors]` and `[predictors]`."""
        shape = (input_shape[-1], self.likelihood.predictors)
        self.kernel = self.add_weight(
            shape, self.kernel_initializer, regularizer=self.kernel_regularizer, name="kernel"
        )
        self.bias = self.add_weight(shape[1:], "zeros", name="bias")

    def get_config(self) -> dict[str, Any]:
        """Returns what makes this layer anew: without it, it could not be saved."""
        return {
            **super().get_config(),
            "likelihood": likelihood_to_config(self.likelihood),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Logistic":
        """Returns the layer that `get_config` described."""
        return cls(**{**config, "likelihood": likelihood_from_config(config["likelihood"])})
