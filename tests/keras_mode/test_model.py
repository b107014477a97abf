"""What Keras does with the model: fit, evaluate and predict, by either hook."""

import pathlib
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from lowlevel.keras_mode.compute_loss import MODELS
from lowlevel.keras_mode.layers import Dense, Logistic
from lowlevel.keras_mode.model import CustomModel
from tests import wings

ROOT = pathlib.Path(__file__).parents[2]

every_hook = pytest.mark.parametrize("hook", MODELS)

# What Keras's own metrics add up, it adds up in float32.
FLOAT32_ROUNDING = 1e-6

SMALL: dict[str, Any] = {"hidden_units": (2,), "activation": "tanh"}
TABLE = wings.small_table(rows=12, weighted=True)
X, Y, WEIGHT = TABLE.columns
FLOATS = wings.small_table(dtype="float32")


def made(hook: str = "train_step", **compile_arguments: Any) -> CustomModel:
    """A compiled model for `TABLE`, in float64, from one and the same start."""
    model = wings.make("keras", TABLE, keras_hook=hook, **SMALL)
    model.compile(keras.optimizers.SGD(0.5), **compile_arguments)
    return model


def fit(model: CustomModel, *columns: Any, **arguments: Any) -> dict[str, list[float]]:
    """Trains in the order of the rows, in batches of 5, 5 and 2; returns the history."""
    settings = {"batch_size": 5, "shuffle": False, "verbose": 0, **arguments}
    return model.fit(*columns, **settings).history


def fitted(hook: str) -> CustomModel:
    """A Keras model trained a little, as its users do it, in float32."""
    keras.utils.set_random_seed(0)
    model = MODELS[hook](Dense(4, name="dense_layer"))
    model.compile(optimizer=keras.optimizers.SGD(0.1), metrics=["accuracy"])
    model.fit(*FLOATS.columns, epochs=2, verbose=0, validation_data=FLOATS.columns)
    return model


@every_hook
def test_fit_reports_loss_and_compiled_metrics_of_training_and_validation(hook: str) -> None:
    assert set(fitted(hook).history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}


@every_hook
def test_evaluate_gives_the_loss_first_and_then_keras_metrics(hook: str) -> None:
    model = fitted(hook)
    by_name = model.evaluate(*FLOATS.columns, verbose=0, return_dict=True)
    loss, accuracy = model.evaluate(*FLOATS.columns, verbose=0)
    assert (loss, accuracy) == (by_name["loss"], by_name["accuracy"])
    predicted = model.predict(FLOATS.features, verbose=0)[:, 0]
    assert accuracy == pytest.approx(np.mean((predicted >= 0.5) == (FLOATS.labels == 1)))
    # Batches of 32 and of 8: the short one must count by its rows.
    z = special.logit(predicted.astype(np.float64))
    expected = np.mean(np.logaddexp(0, z) - FLOATS.labels * z)
    # The probabilities are float32.
    assert loss == pytest.approx(expected, rel=1e-5)


@every_hook
def test_evaluate_validation_and_predict_are_of_the_trained_weights(hook: str) -> None:
    model = made(hook)
    history = fit(model, X, Y, validation_data=(X, Y))
    weights = wings.named("keras", model)
    z = wings.numpy_z(weights, X)
    expected = pytest.approx(np.mean(np.logaddexp(0, z) - Y * z), rel=FLOAT32_ROUNDING)
    assert history["val_loss"] == [expected]
    assert model.evaluate(X, Y, batch_size=5, verbose=0) == expected
    probabilities = model.predict(X, verbose=0)[:, 0]
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-z)), rtol=1e-12)


@every_hook
def test_float64_stays_float64_on_its_way_through_keras(hook: str) -> None:
    # Features that float32 would round.
    model, x = made(hook), X + 1e-9
    np.testing.assert_allclose(model.predict(x, verbose=0), model(tf.constant(x)), rtol=1e-14)
    assert model.predict(x, verbose=0).dtype == np.float64
    loss = float(model.loss_fn(tf.constant(x), tf.constant(Y)))
    assert model.evaluate(x, Y, verbose=0) == pytest.approx(loss, rel=1e-12)
    assert fit(model, x, Y, batch_size=12)["loss"] == [pytest.approx(loss, rel=1e-12)]
    assert keras.config.floatx() == "float32"


@every_hook
@pytest.mark.parametrize("seen_before", [False, True])
def test_columns_of_one_width_count_as_vectors(hook: str, seen_before: bool) -> None:
    """Labels and weights [n, 1] are [n], the first that a model meets, or after others."""
    vectors = (Y, WEIGHT)
    ends = []
    for labels, weight in (vectors, [column[:, None] for column in vectors]):
        model = made(hook)
        if seen_before:
            fit(model, X, Y, sample_weight=WEIGHT, validation_data=(X, Y, WEIGHT))
            model.evaluate(X, Y, sample_weight=WEIGHT, verbose=0)
        history = fit(model, X, labels, sample_weight=weight, validation_data=(X, labels, weight))
        loss = model.evaluate(X, labels, sample_weight=weight, verbose=0)
        ends.append((wings.named("keras", model), history, loss))
    wings.assert_same_bits(ends[0][0], ends[1][0])
    assert ends[0][1:] == ends[1][1:]


@every_hook
@pytest.mark.parametrize("seen_before", [False, True])
@pytest.mark.parametrize("shape", [(12, 2), (1, 12)])
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_labels_of_another_shape_are_refused(
    hook: str, seen_before: bool, shape: tuple[int, int], method: str
) -> None:
    model = made(hook)
    batch = tf.data.Dataset.from_tensors((X, np.zeros(shape)))
    arguments = {"shuffle": False} if method == "fit" else {}
    if seen_before:
        getattr(model, method)(tf.data.Dataset.from_tensors((X, Y)), verbose=0, **arguments)
    before = model.get_weights()
    # What is known when a graph is made is refused then; what is not, is when it runs.
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        getattr(model, method)(batch, verbose=0, **arguments)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@every_hook
def test_labels_must_be_there(hook: str) -> None:
    with pytest.raises(ValueError, match="Expected labels as well as features"):
        made(hook).fit(X, verbose=0)


def test_class_weights_count_as_sample_weights_do() -> None:
    weight = np.where(Y == 1, 3.0, 1.0)
    ends = []
    for weights in ({"class_weight": {0: 1.0, 1: 3.0}}, {"sample_weight": weight}, {}):
        model = made()
        fit(model, X, Y, **weights)
        ends.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_array_equal(ends[0], ends[1])
    assert (abs(ends[0] - ends[2]) > 1e-3).any()


def test_a_frame_of_pandas_is_taken() -> None:
    pandas = pytest.importorskip("pandas")
    frames = pandas.DataFrame(X), pandas.Series(Y)
    by_frame, by_array = made(), made()
    fit(by_frame, *frames)
    fit(by_array, X, Y)
    wings.assert_same_bits(wings.named("keras", by_frame), wings.named("keras", by_array))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), {"loss": "mse"}),
        (("sgd", "mse"), {}),
        ((), {"loss_weights": [2.0]}),
        (("sgd", None, [2.0]), {}),
    ],
)
def test_a_loss_in_compile_is_refused(arguments: tuple, named: dict[str, Any]) -> None:
    """It would not be used."""
    with pytest.raises(ValueError, match=r"Expected no `loss(_weights)?`, got .*its own loss"):
        made().compile(*arguments, **named)


def test_compile_takes_whatever_else_keras_does() -> None:
    made().compile("adam", None, metrics=["accuracy"], jit_compile=False)


REPLICAS = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from lowlevel.keras_mode.compute_loss import MODELS
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    for model in (MODELS["train_step"](), MODELS["compute_loss"]()):
        model.compile("sgd")
        try:
            model.fit(np.zeros((4, 3)), np.zeros(4), verbose=0)
        except ValueError as error:
            assert "Expected one replica, got a strategy with 2" in str(error), error
        else:
            raise AssertionError("two replicas were taken")
"""


def test_two_replicas_are_refused() -> None:
    """In a process of its own: devices are made once."""
    subprocess.run([sys.executable, "-c", REPLICAS], cwd=ROOT, check=True)


@every_hook
def test_steps_per_execution_changes_nothing(hook: str) -> None:
    predictions = []
    for steps in (1, 3):
        keras.utils.set_random_seed(0)
        model = MODELS[hook](Dense(4))
        model.compile(optimizer="adam", steps_per_execution=steps)
        model.fit(*FLOATS.columns, batch_size=16, epochs=4, shuffle=False, verbose=0)
        predictions.append(model.predict(FLOATS.features, verbose=0))
    np.testing.assert_array_equal(*predictions)


@every_hook
def test_a_model_without_arguments_is_a_plain_logistic_regression(hook: str) -> None:
    model = MODELS[hook]()
    model.build((None, 3))
    assert [tuple(weight.shape) for weight in model.weights] == [(3, 1), (1,)]


@every_hook
def test_dropout_acts_in_training_alone(hook: str) -> None:
    model = MODELS[hook](keras.layers.Dropout(0.999, seed=0), Logistic())
    model.build((None, 3))
    x, y = map(tf.constant, FLOATS.columns)
    # All but all of the features are dropped: every z is the bias, 0, or next to it.
    assert float(model.loss_fn(x, y, training=True)) == pytest.approx(np.log(2), rel=1e-6)
    assert float(model.loss_fn(x, y)) != pytest.approx(np.log(2), rel=1e-4)
    model.compile(keras.optimizers.SGD(1e-30))
    assert fit(model, *FLOATS.columns)["loss"] == [pytest.approx(np.log(2), rel=1e-4)]
    assert model.evaluate(*FLOATS.columns, verbose=0) != pytest.approx(np.log(2), rel=1e-4)


@pytest.mark.parametrize("block", [Dense, None])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_features_of_another_dtype_are_cast_to_that_of_the_weights(block: Any, dtype: str) -> None:
    model = CustomModel(block and block(4))
    model.build((None, 3))
    x, y = tf.cast(FLOATS.features, dtype), tf.constant(FLOATS.labels)
    assert model.loss_fn(x, y) == model.loss_fn(tf.cast(x, tf.float32), y)
