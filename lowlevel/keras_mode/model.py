"""The model: its loss of features and labels, and the custom gradient of its output layer."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lowlevel.keras_mode.layers import Logistic, linear_predictor
from lowlevel.likelihoods import check_labels, differentiable_slope, row_shares


@keras.saving.register_keras_serializable("lowlevel")
class CustomModel(keras.Model):
    """A block of layers, then `Logistic`: a network for one probability, with an NLL of its own.

    `fit` and `evaluate` report that NLL, without penalties, as "loss".
    """

    def __init__(
        self,
        nn_block: keras.layers.Layer | None = None,
        logistic: Logistic | None = None,
        name: str = "nn_logistic_model",
        **kwargs: Any,
    ) -> None:
        """Keeps the layers.

        Args:
            nn_block: any layer, before the output layer; None for a plain logistic regression.
            logistic: the output layer; None for one of its own.
            name: of the model.
            **kwargs: for `keras.Model`.
        """
        super().__init__(name=name, **kwargs)
        self.nn_block = nn_block
        self.logistic = logistic or Logistic()
        self.loss_tracker = keras.metrics.Mean(name="loss", dtype=self.variable_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns what makes this model anew: without it, it could not be saved."""
        return {
            **super().get_config(),
            "nn_block": keras.saving.serialize_keras_object(self.nn_block),
            "logistic": keras.saving.serialize_keras_object(self.logistic),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CustomModel":
        """Returns the model that `get_config` described."""
        layers = ("nn_block", "logistic")
        made = {name: keras.saving.deserialize_keras_object(config[name]) for name in layers}
        return cls(**{**config, **made})

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights, now that the features' shape is known, where they are not there."""
        if self.nn_block is not None:
            build_once(self.nn_block, input_shape)
            input_shape = self.nn_block.compute_output_shape(input_shape)
        build_once(self.logistic, input_shape)

    def latent(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the output layer's input, `[n, inputs]`, for features `[n, columns]`."""
        return x if self.nn_block is None else self.nn_block(x, training=training)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns P(y = 1), `[n, 1]`, for features `[n, columns]`."""
        return self.logistic(self.latent(x, training))

    def loss_fn(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Returns the mean negative log-likelihood, a scalar in nats, of features and labels.

        It is not decorated: only the output layer, from its input on, is in the scope of the
        custom gradient, and autodiff keeps the layers before it.

        Args:
            x: features, `[n, columns]`.
            y: labels, `[n]`, from 0 to 1.
            sample_weight: `[n]`, what each row counts. As in Keras, the weighted sum is divided
              by n.
            training: whether layers such as Dropout are to act as they do in training.

        Raises:
            ValueError: the labels' shape is not that of the predictions, or one is known to be
              outside 0 to 1.
        """
        likelihood = self.logistic.likelihood
        y = tf.cast(y, self.logistic.kernel.dtype)

        # Keras style: the weights are captured, and TensorFlow hands them to the gradient as
        # `variables`, in an order of its own. They are matched by identity.
        @tf.custom_gradient
        def logistic_loss(x: tf.Tensor, y: tf.Tensor, share: tf.Tensor, /) -> tuple:
            # Read once: a second read could come before or after an update in the loop that
            # steps_per_execution makes.
            kernel = tf.convert_to_tensor(self.logistic.kernel)
            z = linear_predictor(x, kernel, self.logistic.bias)
            check_labels(z, y)

            def gradient(upstream: tf.Tensor, variables: Sequence[tf.Variable] = ()) -> tuple:
                # d loss / d z = share * slope; the rest is the chain rule of z = x kernel + bias.
                slope = tf.expand_dims(upstream * share * differentiable_slope(likelihood, z, y), 1)
                by_variable = {
                    self.logistic.kernel.value.ref(): tf.matmul(x, slope, transpose_a=True),
                    self.logistic.bias.value.ref(): tf.reduce_sum(slope, 0),
                }
                return (
                    (tf.matmul(slope, kernel, transpose_b=True), None, None),
                    [by_variable[variable.ref()] for variable in variables],
                )

            return tf.reduce_sum(share * likelihood.nll(z, y)), gradient

        # As the layers cast their inputs: neither features nor latent need be of the same dtype.
        latent = tf.cast(self.latent(x, training), y.dtype)
        return logistic_loss(latent, y, row_shares(y, sample_weight))

    def train_step(self, data: Any) -> dict[str, Any]:
        """Updates the weights by one batch; returns the metrics from before the update."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        y_pred = self(x)
        with tf.GradientTape() as tape:
            loss = self.loss_fn(x, y, sample_weight, training=True)
            objective = self.optimizer.scale_loss(loss + sum(self.losses))
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(objective, variables), variables)
        self.loss_tracker.update_state(loss, sample_weight=tf.shape(y)[0])
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Returns the metrics of one batch."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        y_pred = self(x)
        loss = self.loss_fn(x, y, sample_weight)
        self.loss_tracker.update_state(loss, sample_weight=tf.shape(y)[0])
        return self.compute_metrics(x, y, y_pred, sample_weight)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics; first comes `loss_tracker`, in the place of Keras's own "loss"."""
        others = [metric for metric in super().metrics if metric.name != "loss"]
        return [self.loss_tracker, *others]


@keras.saving.register_keras_serializable("lowlevel")
class ComputeLossModel(CustomModel):
    """The same model by Keras 3's shorter way: Keras's steps, and a `compute_loss` of one's own.

    Keras's step calls the model, as in training, before it asks for the loss, which calls the
    layers again: for layers that keep count of it, such as BatchNormalization, use `CustomModel`,
    whose other call is not as in training.
    """

    train_step = keras.Model.train_step
    test_step = keras.Model.test_step

    def compute_loss(
        self,
        x: tf.Tensor | None = None,
        y: tf.Tensor | None = None,
        y_pred: tf.Tensor | None = None,
        sample_weight: tf.Tensor | None = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Returns the objective, a scalar: the mean NLL and the penalties. `y_pred` is not used."""
        loss = self.loss_fn(x, y, sample_weight, training)
        self.loss_tracker.update_state(loss, sample_weight=tf.shape(y)[0])
        return loss + sum(self.losses)


MODELS = {"train_step": CustomModel, "compute_loss": ComputeLossModel}


def build_once(layer: keras.layers.Layer, input_shape: tuple[int | None, ...]) -> None:
    """Builds a layer unless it is built: one that was read from a file comes with its weights."""
    if not layer.built:
        layer.build(input_shape)
