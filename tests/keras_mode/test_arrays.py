"""What a Keras user may hand over: labels and weights of other dtypes and shapes, and metrics."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlevel.keras_mode.compute_loss import MODELS
from lowlevel.keras_mode.layers import Dense
from tests import wings

TABLE = wings.small_table(rows=12, dtype="float32", weighted=True)
X, Y, WEIGHT = TABLE.columns

every_hook = pytest.mark.parametrize("hook", MODELS)


def make(hook: str, **kwargs: Any) -> keras.Model:
    """A model from a fixed start."""
    keras.utils.set_random_seed(0)
    model = MODELS[hook](Dense(2))
    model.compile(keras.optimizers.SGD(0.5), **kwargs)
    return model


def plain(model: keras.Model, **kwargs: Any) -> keras.Model:
    """Keras's own model of the same weights, and of the same loss."""
    own = keras.Sequential([keras.Input((3,)), Dense(2), Dense(1, "sigmoid")])
    own.set_weights(model.get_weights())
    own.compile(keras.optimizers.SGD(0.5), "binary_crossentropy", **kwargs)
    return own


@every_hook
@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "float64"])
def test_weights_count_in_full_whatever_the_labels_dtype(hook: str, dtype: str) -> None:
    expected = make(hook).evaluate(X, Y, sample_weight=WEIGHT, verbose=0)
    labels = Y.astype(dtype)
    assert make(hook).evaluate(X, labels, sample_weight=WEIGHT, verbose=0) == expected


@every_hook
def test_class_weights_below_1_train_integer_labels(hook: str) -> None:
    classes = {0: 0.5, 1: 0.7}
    losses = [
        make(hook).fit(X, y, class_weight=classes, shuffle=False, verbose=0).history["loss"]
        for y in (Y, Y.astype(int))
    ]
    assert losses[0] == losses[1] != [0.0]


@every_hook
@pytest.mark.parametrize("labels", [Y, Y[:, None]], ids=["[n]", "[n, 1]"])
def test_metrics_are_those_of_keras_on_labels_of_the_predictions_shape(
    hook: str, labels: np.ndarray
) -> None:
    def distance(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return tf.abs(y_true - y_pred)

    settings = {"metrics": [distance, "hinge", "binary_crossentropy", "accuracy"]}
    model = make(hook, **settings)
    found = model.evaluate(X, labels, verbose=0, return_dict=True)
    expected = plain(model, **settings).evaluate(X, Y[:, None], verbose=0, return_dict=True)
    # float32, and Keras clips its probabilities at 1e-7.
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_loaded_model_of_float64_goes_on_in_float64(tmp_path: Any) -> None:
    table = wings.small_table(rows=12)
    model = wings.train("keras", table, optimizer="adam", epochs=2).model
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for one in (model, again):
        one.fit(table.features, table.labels, epochs=2, shuffle=False, verbose=0)
    for before, after in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
