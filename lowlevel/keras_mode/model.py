"""The model: its loss of features and labels, and the custom gradient of its output layer."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lowlevel.keras_mode.base import NLLModel
from lowlevel.keras_mode.batches import unpack
from lowlevel.keras_mode.layers import Logistic, linear_predictor
from lowlevel.likelihoods import weighted_nll, weighted_slope
from lowlevel.shares import row_shares


@keras.saving.register_keras_serializable("lowlevel")
class CustomModel(NLLModel):
    """A block of layers, then `Logistic`: a network trained on its own NLL."""

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
            logistic: the output layer; None for that of a logistic regression.
            name: of the model.
            **kwargs: for `keras.Model`.
        """
        super().__init__(name=name, **kwargs)
        self.nn_block = nn_block
        self.logistic = logistic or Logistic()

    def latent(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the output layer's input, `[n, inputs]`, for features `[n, columns]`."""
        return x if self.nn_block is None else self.nn_block(x, training=training)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns E[y | x], `[n, 1]`, for features `[n, columns]`."""
        return self.logistic(self.latent(x, training))

    def loss_fn(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        share: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Returns the mean negative log-likelihood, a scalar in nats, of features and labels.

        It is not decorated: only the output layer, from its input on, is in the scope of the
        custom gradient, and autodiff keeps the layers before it.

        Args:
            x: features, `[n, columns]`.
            y: labels, `[n]`.
            share: what each row's loss is multiplied by in the sum, a scalar or `[n]`; None for
              1 / n.
            training: whether layers such as Dropout are to act as they do in training.

        Raises:
            ValueError: labels or shares are not of the predictions' shape, or a label is known to
              be out of the likelihood's range.
        """
        # The rule is to hold on to none of this model: TensorFlow never forgets a rule.
        likelihood = self.logistic.likelihood
        kernel, bias = self.logistic.kernel.value, self.logistic.bias.value
        y = tf.cast(y, kernel.dtype)
        share = row_shares(y) if share is None else share

        # Keras style: the weights are captured, and TensorFlow hands them to the gradient as
        # `variables`, in an order of its own. They are matched by identity.
        @tf.custom_gradient
        def logistic_loss(x: tf.Tensor, y: tf.Tensor, share: tf.Tensor, /) -> tuple:
            # Read once: a second read could come before or after an update in the loop that
            # steps_per_execution makes.
            weights = tf.convert_to_tensor(kernel)
            z = linear_predictor(x, weights, bias)

            def gradient(upstream: tf.Tensor, variables: Sequence[tf.Variable] = ()) -> tuple:
                # d loss / d z, and then the chain rule of z = x kernel + bias.
                slope = weighted_slope(likelihood, z, y, upstream * share)
                by_variable = {
                    kernel.ref(): tf.matmul(x, slope, transpose_a=True),
                    bias.ref(): tf.reduce_sum(slope, 0),
                }
                return (
                    (tf.matmul(slope, weights, transpose_b=True), None, None),
                    [by_variable[variable.ref()] for variable in variables],
                )

            return weighted_nll(likelihood, z, y, share), gradient

        # Where there is no layer before, the features may be of another dtype.
        latent = tf.cast(self.latent(x, training), y.dtype)
        return logistic_loss(latent, y, share)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Updates the weights by one batch; returns the metrics from before the update."""
        x, y, sample_weight = unpack(data, self.variable_dtype)
        # For the compiled metrics, hence not as in training: without any, no graph has it.
        y_pred = self(x)
        with tf.GradientTape() as tape:
            loss = self.loss_fn(x, y, row_shares(y, sample_weight), training=True)
            objective = self.optimizer.scale_loss(loss + sum(self.losses))
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(objective, variables), variables)
        return self.report(loss, x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Returns the metrics of one batch."""
        x, y, sample_weight = unpack(data, self.variable_dtype)
        y_pred = self(x)
        loss = self.loss_fn(x, y, row_shares(y, sample_weight))
        return self.report(loss, x, y, y_pred, sample_weight)
