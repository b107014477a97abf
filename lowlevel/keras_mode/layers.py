"""The layers: Standardize, Dense and Logistic as Keras layers."""

from typing import Any

import keras
import tensorflow as tf

from lowlevel import likelihoods


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


# Ready-made: own layers and Keras's mix freely.
Dense = keras.layers.Dense


def linear_predictor(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Returns z = x kernel + bias, `[n]`, for `[n, inputs]`, `[inputs, 1]` and `[1]`."""
    return tf.squeeze(tf.nn.bias_add(tf.matmul(x, kernel), bias), -1)


@keras.saving.register_keras_serializable("lowlevel")
class Logistic(keras.layers.Layer):
    """The output layer: a linear predictor, and the probability that a likelihood makes of it."""

    def __init__(
        self,
        likelihood: str = "logit",
        kernel_initializer: Any = "random_normal",
        kernel_regularizer: Any = None,
        name: str = "logistic",
        **kwargs: Any,
    ) -> None:
        """Keeps what `build` needs.

        Args:
            likelihood: a member of `likelihoods.LIKELIHOODS`, or FILE.py:NAME.
            kernel_initializer: anything that `keras.initializers.get` takes.
            kernel_regularizer: anything that `keras.regularizers.get` takes.
            name: of the layer.
            **kwargs: for `keras.layers.Layer`.
        """
        super().__init__(name=name, **kwargs)
        self.likelihood_name = likelihood
        self.likelihood = likelihoods.load(likelihood)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def get_config(self) -> dict[str, Any]:
        """Returns what makes this layer anew: without it, it could not be saved."""
        return {
            **super().get_config(),
            "likelihood": self.likelihood_name,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the kernel, `[inputs, 1]`, and the bias, `[1]`, now that the inputs are known."""
        self.kernel = self.add_weight(
            (input_shape[-1], 1),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            name="kernel",
        )
        self.bias = self.add_weight((1,), "zeros", name="bias")

    def linear_predictor(self, x: tf.Tensor) -> tf.Tensor:
        """Returns z = x kernel + bias, `[n]` for `[n, inputs]`."""
        return linear_predictor(x, self.kernel, self.bias)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Returns P(y = 1), `[n, 1]` for `[n, inputs]`, as Keras's metrics know it."""
        return tf.expand_dims(self.likelihood.mean(self.linear_predictor(x)), 1)
