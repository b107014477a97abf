"""The model: its loss of features and labels, and the custom gradient of its output layer."""

import tensorflow as tf

from lowlevel.likelihoods import weighted_nll, weighted_slope
from lowlevel.module_mode.layers import Logistic, linear_predictor
from lowlevel.module_mode.optimizers import Optimizer
from lowlevel.shares import row_shares


class CustomModel(tf.Module):
    """A block of layers, then `Logistic`: a network trained on its own NLL."""

    def __init__(
        self,
        nn_block: tf.Module | None,
        logistic: Logistic,
        name: str = "nn_logistic_model",
    ) -> None:
        """Keeps the layers.

        Args:
            nn_block: any layer, before the output layer; None for a plain logistic regression.
            logistic: the output layer.
            name: of the model.
        """
        super().__init__(name=name)
        self.nn_block = nn_block
        self.logistic = logistic

    def latent(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the output layer's input, `[n, inputs]`, for features `[n, columns]`."""
        return x if self.nn_block is None else self.nn_block(x, training=training)

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
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
        kernel, bias = self.logistic.kernel, self.logistic.bias
        y = tf.cast(y, kernel.dtype)
        share = row_shares(y) if share is None else share

        # Functional style: the weights are arguments, so that a gradient cannot reach the wrong
        # one. They are positional-only: passed by keyword, the rule would silently be ignored.
        @tf.custom_gradient
        def logistic_loss(
            x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, y: tf.Tensor, share: tf.Tensor, /
        ) -> tuple:
            z = linear_predictor(x, kernel, bias)

            def gradient(upstream: tf.Tensor) -> tuple:
                # d loss / d z, and then the chain rule of z = x kernel + bias.
                slope = weighted_slope(likelihood, z, y, upstream * share)
                return (
                    tf.matmul(slope, kernel, transpose_b=True),
                    tf.matmul(x, slope, transpose_a=True),
                    tf.reduce_sum(slope, 0),
                    None,
                    None,
                )

            return weighted_nll(likelihood, z, y, share), gradient

        # Where there is no layer before, the features may be of another dtype.
        latent = tf.cast(self.latent(x, training), y.dtype)
        return logistic_loss(latent, kernel, bias, y, share)

    def train_step(
        self, optimizer: Optimizer, x: tf.Tensor, y: tf.Tensor, share: tf.Tensor
    ) -> tf.Tensor:
        """Updates the weights by one batch; returns its mean NLL from before the update."""
        with tf.GradientTape() as tape:
            loss = self.loss_fn(x, y, share, training=True)
            objective = loss + sum(self.losses)
        optimizer.apply(tape.gradient(objective, optimizer.trained))
        return loss

    @property
    def losses(self) -> list[tf.Tensor]:
        """The penalties, a scalar each; Keras keeps a list of this name itself."""
        layers = (self.nn_block, self.logistic)
        return [loss for layer in layers for loss in getattr(layer, "losses", ())]
