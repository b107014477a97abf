"""The same model by Keras 3's shorter way; module mode has nothing to match it."""

from typing import Any

import keras
import tensorflow as tf

from lowlevel.keras_mode.batches import unpack
from lowlevel.keras_mode.model import CustomModel
from lowlevel.shares import row_shares


@keras.saving.register_keras_serializable("lowlevel")
class ComputeLossModel(CustomModel):
    """Keras's own steps, and a custom `compute_loss`.

    Keras's step calls the model, as in training, before it asks for the loss, which calls the
    layers again. A layer that keeps count of that, such as Dropout, would be a step ahead.
    """

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns E[y | x], never as in training: the one call as in training is the loss's."""
        return super().call(x)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Updates the weights by one batch, as Keras does."""
        return keras.Model.train_step(self, self.for_keras(data))

    def test_step(self, data: Any) -> dict[str, Any]:
        """Returns the metrics of one batch, as Keras does."""
        return keras.Model.test_step(self, self.for_keras(data))

    def for_keras(self, data: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """Returns features, labels `[n, 1]`, as metrics are to get them, and sample weights."""
        x, y, sample_weight = unpack(data, self.variable_dtype)
        return x, tf.expand_dims(y, 1), sample_weight

    def compute_loss(
        self,
        x: tf.Tensor | None = None,
        y: tf.Tensor | None = None,
        y_pred: tf.Tensor | None = None,
        sample_weight: tf.Tensor | None = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Returns the objective, a scalar: the mean NLL and the penalties. `y_pred` is not used."""
        y = tf.reshape(y, [-1])
        loss = self.loss_fn(x, y, row_shares(y, sample_weight), training)
        self.loss_tracker.update_state(loss, sample_weight=tf.shape(y)[0])
        return loss + sum(self.losses)


MODELS = {"train_step": CustomModel, "compute_loss": ComputeLossModel}
