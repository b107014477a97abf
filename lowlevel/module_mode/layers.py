"""The layers: Standardize, Dense and Logistic as plain tf.Modules over tf.Variables."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from lowlevel.config import ModelSettings
from lowlevel.data import Rows, moments
from lowlevel.likelihoods import Likelihood

ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "linear": tf.identity,
    "relu": tf.nn.relu,
    "tanh": tf.nn.tanh,
    "sigmoid": tf.nn.sigmoid,
}


def glorot_uniform(shape: Sequence[int], seed: int, dtype: str) -> tf.Tensor:
    """Returns initial values, uniform within sqrt(6 / (inputs + outputs)) of 0.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, equation 16.

    Args:
        shape: inputs and outputs.
        seed: from 0 to 2**31 - 3; a pure function of it.
        dtype: "float32" or "float64".
    """
    limit = math.sqrt(6 / sum(shape))
    return tf.random.stateless_uniform(
        shape, [seed, 0], tf.cast(-limit, dtype), tf.cast(limit, dtype), dtype
    )


class Standardize(tf.Module):
    """Takes away each column's mean and divides by its deviation; neither is trained."""

    def __init__(self, mean: np.ndarray, deviation: np.ndarray, name: str = "standardize") -> None:
        """Makes the two variables from `[columns]` arrays."""
        super().__init__(name)
        self.mean = tf.Variable(mean, trainable=False, name="mean")
        self.deviation = tf.Variable(deviation, trainable=False, name="deviation")

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns `[n, columns]` for `[n, columns]`."""
        return (x - self.mean) / self.deviation


class Dense(tf.Module):
    """An affine map and an activation: activation(x kernel + bias)."""

    def __init__(
        self,
        inputs: int,
        units: int,
        activation: str,
        seed: int,
        dtype: str,
        name: str,
        l2: float = 0.0,
    ) -> None:
        """Makes the kernel, `[inputs, units]`, and the bias, `[units]`, zero at first."""
        super().__init__(name)
        self.kernel = tf.Variable(glorot_uniform([inputs, units], seed, dtype), name="kernel")
        self.bias = tf.Variable(tf.zeros([units], dtype), name="bias")
        self.activation = ACTIVATIONS[activation]
        self.l2 = l2

    @property
    def losses(self) -> list[tf.Tensor]:
        """The penalty on the kernel, if there is one."""
        return penalties(self.kernel, self.l2)

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns `[n, units]` for `[n, inputs]`."""
        # As Keras does it: the two give one value, but their gradients sum in another order.
        add = tf.nn.bias_add if self.bias.shape[0] > 1 else tf.add
        return self.activation(add(tf.matmul(x, self.kernel), self.bias))


class Sequential(tf.Module):
    """Layers, one after the other."""

    def __init__(self, layers: Sequence[tf.Module], name: str = "nn_block") -> None:
        """Keeps the layers, first to last."""
        super().__init__(name)
        self.layers = tuple(layers)

    @property
    def losses(self) -> list[tf.Tensor]:
        """The penalties of all layers."""
        return [loss for layer in self.layers for loss in getattr(layer, "losses", [])]

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns `[n, units]` of the last layer for `[n, columns]`."""
        for layer in self.layers:
            x = layer(x, training=training)
        return x


def hidden_layers(settings: ModelSettings, table: Rows, seeds: Sequence[int]) -> Sequential | None:
    """Returns the layers before the output layer, if there are any.

    Args:
        settings: what a run asks for.
        table: of which the first layer's inputs are.
        seeds: one for each hidden layer's initial weights.
    """
    layers: list[tf.Module] = []
    if settings.standardize:
        layers.append(Standardize(*moments(table)))
    inputs = table.width
    for index, units in enumerate(settings.hidden_units):
        name = f"dense_{index}"
        layers.append(
            Dense(inputs, units, settings.activation, seeds[index], table.dtype, name, settings.l2)
        )
        inputs = units
    return Sequential(layers) if layers else None


def penalties(kernel: tf.Variable, l2: float) -> list[tf.Tensor]:
    """Returns the penalty on a kernel, l2 times the sum of its squares; none where l2 is 0."""
    return [tf.cast(l2, kernel.dtype) * tf.reduce_sum(tf.square(kernel))] if l2 else []


def linear_predictor(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Returns z = x kernel + bias, `[n]` for `[n, inputs]`, `[inputs, 1]` and `[1]`.

    With more predictors than one, columns of the kernel, it is `[n, predictors]`.
    """
    z = tf.nn.bias_add(tf.matmul(x, kernel), bias)
    return tf.squeeze(z, -1) if kernel.shape[1] == 1 else z


class Logistic(tf.Module):
    """The output layer: a linear predictor, and the mean that a likelihood makes of it."""

    def __init__(
        self,
        inputs: int,
        likelihood: Likelihood,
        seed: int,
        dtype: str,
        name: str = "logistic",
        l2: float = 0.0,
    ) -> None:
        """Makes the kernel, `[inputs, predictors]`, and the bias, `[predictors]`, zero at first."""
        super().__init__(name)
        self.likelihood = likelihood
        # Small, so that the first probabilities are near 1/2 and the first loss is finite.
        shape = [inputs, likelihood.predictors]
        start = tf.random.stateless_normal(shape, [seed, 0], stddev=0.05, dtype=dtype)
        self.kernel = tf.Variable(start, name="kernel")
        self.bias = tf.Variable(tf.zeros(shape[1:], dtype), name="bias")
        self.l2 = l2

    @property
    def losses(self) -> list[tf.Tensor]:
        """The penalty on the kernel, if there is one."""
        return penalties(self.kernel, self.l2)

    def linear_predictor(self, x: tf.Tensor) -> tf.Tensor:
        """Returns z = x kernel + bias, `[n]` for `[n, inputs]`."""
        return linear_predictor(x, self.kernel, self.bias)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Returns E[y | x], `[n, 1]` for `[n, inputs]`: P(y = 1) of a binary label."""
        return tf.expand_dims(self.likelihood.mean(self.linear_predictor(x)), 1)
