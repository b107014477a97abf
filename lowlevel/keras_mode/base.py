"""What Keras asks of a model besides its loss: its metrics, arrays of its dtype, and saving."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from lowlevel.keras_mode.layers import Logistic

_floatx_turn = threading.RLock()


@contextlib.contextmanager
def floatx(dtype: str) -> Iterator[None]:
    """Makes a dtype Keras's default: of arrays that it is handed, and of optimizers' rates.

    The default is the whole process's, so that other threads wait for their turn.
    """
    with _floatx_turn:
        before = keras.config.floatx()
        keras.config.set_floatx(dtype)
        try:
            yield
        finally:
            keras.config.set_floatx(before)


def in_own_floatx(method: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a method of `keras.Model` that keeps arrays in the model's dtype.

    Keras rounds them to its default, float32, so that a float64 model would train on, and predict
    from, other numbers than it was given.
    """

    @functools.wraps(method)
    def kept(self: keras.Model, *args: Any, **kwargs: Any) -> Any:
        with floatx(self.variable_dtype):
            return method(self, *args, **kwargs)

    return kept


class NLLModel(keras.Model):
    """A model that reports its own loss, the mean NLL without penalties, as "loss"."""

    nn_block: keras.layers.Layer | None
    logistic: Logistic

    fit, evaluate, predict, train_on_batch, test_on_batch = map(
        in_own_floatx,
        (
            keras.Model.fit,
            keras.Model.evaluate,
            keras.Model.predict,
            keras.Model.train_on_batch,
            keras.Model.test_on_batch,
        ),
    )

    def __init__(self, **kwargs: Any) -> None:
        """Makes the metric; arguments are `keras.Model`'s."""
        super().__init__(**kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss", dtype=self.variable_dtype)

    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, loss_weights: Any = None, **kwargs: Any
    ) -> None:
        """Configures training as `keras.Model` does, but for the loss, which is the model's own.

        Raises:
            ValueError: a loss is given, which would not be used.
        """
        for name, value in {"loss": loss, "loss_weights": loss_weights}.items():
            if value is not None:
                raise ValueError(
                    f"Expected no `{name}`, got {value!r}: this model trains on its own loss, "
                    "`loss_fn`; choose another likelihood, or override that"
                )
        with floatx(self.variable_dtype):
            super().compile(optimizer, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Configures training as it was saved; Keras leaves that to a model with a `compile`."""
        with floatx(self.variable_dtype):
            self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics; first comes `loss_tracker`, in the place of Keras's own "loss"."""
        others = [metric for metric in super().metrics if metric.name != "loss"]
        return [self.loss_tracker, *others]

    def report(
        self,
        loss: tf.Tensor,
        x: tf.Tensor,
        y: tf.Tensor,
        y_pred: tf.Tensor,
        sample_weight: tf.Tensor | None,
    ) -> dict[str, Any]:
        """Takes a batch into the metrics, its mean NLL and its predictions; returns them all.

        Metrics get the labels as the predictions are, `[n, 1]`: some would broadcast `[n]`.
        """
        self.loss_tracker.update_state(loss, sample_weight=tf.shape(y)[0])
        return self.compute_metrics(x, tf.expand_dims(y, 1), y_pred, sample_weight)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights, now that the features' shape is known, where they are not there."""
        if self.nn_block is not None:
            build_once(self.nn_block, input_shape)
            input_shape = self.nn_block.compute_output_shape(input_shape)
        build_once(self.logistic, input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns what makes this model anew: without it, it could not be saved."""
        return {
            **super().get_config(),
            "nn_block": keras.saving.serialize_keras_object(self.nn_block),
            "logistic": keras.saving.serialize_keras_object(self.logistic),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "NLLModel":
        """Returns the model that `get_config` described."""
        layers = ("nn_block", "logistic")
        made = {name: keras.saving.deserialize_keras_object(config[name]) for name in layers}
        return cls(**{**config, **made})


def build_once(layer: keras.layers.Layer, input_shape: tuple[int | None, ...]) -> None:
    """Builds a layer unless it is built: one that was read from a file comes with its weights."""
    if not layer.built:
        layer.build(input_shape)
