"""The model: its loss of features and labels, and the custom gradient of its output layer."""

from collections.abc import Sequence

import tensorflow as tf

from lowlevel.likelihoods import check_labels, differentiable_slope, row_shares
from lowlevel.module_mode.layers import Logistic, linear_predictor
from lowlevel.module_mode.optimizers import Optimizer


class CustomModel(tf.Module):
    """Layers, then `Logistic`: a network for one probability, trained on its own NLL."""

    def __init__(
        self,
        nn_block: Sequence[tf.Module],
        logistic: Logistic,
        l2: float = 0.0,
        name: str = "nn_logistic_model",
    ) -> None:
        """Keeps the layers.

        Args:
            nn_block: the layers before the output layer, first to last; none for a plain logistic
              regression.
            logistic: the output layer.
            l2: weight of the penalty, the sum of the squares of every kernel.
            name: of the module.
        """
        super().__init__(name)
        self.nn_block = tuple(nn_block)
        self.logistic = logistic
        self.l2 = l2

    def latent(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the output layer's input, `[n, inputs]`, for features `[n, columns]`."""
        for layer in self.nn_block:
            x = layer(x)
        return x

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Returns P(y = 1), `[n, 1]`, for features `[n, columns]`."""
        return self.logistic(self.latent(x))

    def loss_fn(
        self, x: tf.Tensor, y: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns the mean negative log-likelihood, a scalar in nats, of features and labels.

        It is not decorated: only the output layer, from its input on, is in the scope of the
        custom gradient, and autodiff keeps the layers before it.

        Args:
            x: features, `[n, columns]`.
            y: labels, `[n]`, from 0 to 1.
            sample_weight: `[n]`, what each row counts. As in Keras, the weighted sum is divided
              by n.

        Raises:
            ValueError: the labels' shape is not that of the predictions, or one is known to be
              outside 0 to 1.
        """
        likelihood = self.logistic.likelihood
        y = tf.cast(y, self.logistic.kernel.dtype)

        # Functional style: the weights are arguments, so that a gradient cannot reach the wrong
        # one. They are positional-only: passed by keyword, the rule would silently be ignored.
        @tf.custom_gradient
        def logistic_loss(
            x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, y: tf.Tensor, share: tf.Tensor, /
        ) -> tuple:
            z = linear_predictor(x, kernel, bias)
            check_labels(z, y)

            def gradient(upstream: tf.Tensor) -> tuple:
                # d loss / d z = share * slope; the rest is the chain rule of z = x kernel + bias.
                slope = tf.expand_dims(upstream * share * differentiable_slope(likelihood, z, y), 1)
                return (
                    tf.matmul(slope, kernel, transpose_b=True),
                    tf.matmul(x, slope, transpose_a=True),
                    tf.reduce_sum(slope, 0),
                    None,
                    None,
                )

            return tf.reduce_sum(share * likelihood.nll(z, y)), gradient

        share = row_shares(y, sample_weight)
        return logistic_loss(self.latent(x), self.logistic.kernel, self.logistic.bias, y, share)

    def penalty(self) -> tf.Tensor | float:
        """Returns the penalty on the kernels, a scalar; 0 where there is none."""
        if not self.l2:
            return 0.0
        layers = [layer for layer in (*self.nn_block, self.logistic) if hasattr(layer, "kernel")]
        squares = [tf.reduce_sum(tf.square(layer.kernel)) for layer in layers]
        return sum(tf.cast(self.l2, square.dtype) * square for square in squares)

    def train_step(
        self,
        optimizer: Optimizer,
        x: tf.Tensor,
        y: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Updates the weights by one batch; returns its mean NLL from before the update."""
        with tf.GradientTape() as tape:
            loss = self.loss_fn(x, y, sample_weight)
            objective = loss + self.penalty()
        optimizer.apply(tape.gradient(objective, optimizer.trained))
        return loss
