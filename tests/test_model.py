"""The model of both wings: its loss, its gradient, and what Keras does with it."""

import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from lowlevel import modes
from lowlevel.keras_mode.layers import Dense, Logistic
from lowlevel.keras_mode.model import MODELS, CustomModel
from tests import wings


def loss_by_scipy(weights: dict[str, np.ndarray], table: Any) -> float:
    """The mean NLL of Dense -> Logistic, by SciPy in float64."""
    hidden = table.features @ weights["dense_0/kernel"] + weights["dense_0/bias"]
    z = (hidden @ weights["logistic/kernel"] + weights["logistic/bias"])[:, 0]
    nll = -table.labels * special.log_expit(z) - (1 - table.labels) * special.log_expit(-z)
    return float(np.mean(nll if table.sample_weight is None else table.sample_weight * nll))


@pytest.mark.parametrize("mode", wings.MODES)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_the_mean_negative_log_likelihood(mode: str, weighted: bool) -> None:
    table = wings.small_table(weighted=weighted)
    model = wings.make(mode, table)
    loss = model.loss_fn(*(tf.constant(column) for column in table.columns))
    expected = loss_by_scipy(modes.load(mode).named_weights(model), table)
    # A sum of 40 terms in float64.
    assert float(loss) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("mode", wings.MODES)
@pytest.mark.parametrize("compiled", ["eager", "graph", "xla"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_is_that_of_finite_differences(
    mode: str, compiled: str, weighted: bool
) -> None:
    table = wings.small_table(weighted=weighted)
    model = wings.make(mode, table, hidden_units=(2,), activation="linear")
    variables = wings.trainable(model)
    columns = [tf.constant(column) for column in table.columns]

    def gradient() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = model.loss_fn(*columns)
        return tape.gradient(loss, variables)

    wrapped = {
        "eager": gradient,
        "graph": tf.function(gradient),
        "xla": tf.function(gradient, jit_compile=True),
    }
    mode_of = modes.load(mode)
    step = 1e-6
    for variable, found in zip(variables, wrapped[compiled](), strict=True):
        for index in np.ndindex(*variable.shape):
            losses = []
            for sign in (1, -1):
                moved = variable.numpy()
                moved[index] += sign * step
                before = variable.numpy()
                variable.assign(moved)
                losses.append(loss_by_scipy(mode_of.named_weights(model), table))
                variable.assign(before)
            # Central differences: an error of step^2 from the third derivative, and of
            # 1e-16 / step from rounding.
            expected = (losses[0] - losses[1]) / (2 * step)
            assert float(found.numpy()[index]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("mode", wings.MODES)
def test_the_penalty_is_the_sum_of_the_squares_of_every_kernel(mode: str) -> None:
    model = wings.make(mode, wings.small_table(), l2=0.25)
    weights = modes.load(mode).named_weights(model)
    kernels = [values for name, values in weights.items() if name.endswith("kernel")]
    penalty = model.penalty() if mode == "module" else sum(model.losses)
    assert float(penalty) == pytest.approx(0.25 * sum(np.sum(kernel**2) for kernel in kernels))


@pytest.mark.parametrize("mode", wings.MODES)
@pytest.mark.parametrize("shape", [(40, 1), (1, 40), (39,), ()])
def test_labels_of_another_shape_are_refused(mode: str, shape: tuple[int, ...]) -> None:
    table = wings.small_table()
    model = wings.make(mode, table)
    with pytest.raises(ValueError, match="Expected `y` of the same shape as `z`"):
        model.loss_fn(tf.constant(table.features), tf.ones(shape, tf.float64))


@pytest.mark.parametrize("mode", wings.MODES)
def test_weights_of_another_shape_are_refused(mode: str) -> None:
    table = wings.small_table()
    model = wings.make(mode, table)
    x, y = tf.constant(table.features), tf.constant(table.labels)
    with pytest.raises(ValueError, match="Expected `sample_weight` of the same shape as `y`"):
        model.loss_fn(x, y, tf.ones((40, 1), tf.float64))


@pytest.mark.parametrize("mode", wings.MODES)
def test_labels_may_be_integers(mode: str) -> None:
    table = wings.small_table()
    model = wings.make(mode, table)
    x, y = tf.constant(table.features), tf.constant(table.labels)
    assert model.loss_fn(x, tf.cast(y, tf.int64)) == model.loss_fn(x, y)


def fitted(hook: str) -> CustomModel:
    """A Keras model trained a little, as its users do it."""
    table = wings.small_table(dtype="float32")
    keras.utils.set_random_seed(0)
    model = MODELS[hook](Dense(4, name="dense_layer"))
    model.compile(optimizer=keras.optimizers.SGD(0.1), metrics=["accuracy"])
    model.fit(*table.columns, epochs=2, verbose=0, validation_data=table.columns)
    return model


@pytest.mark.parametrize("hook", MODELS)
def test_fit_reports_loss_and_compiled_metrics_of_training_and_validation(hook: str) -> None:
    assert set(fitted(hook).history.history) == {
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
    }


@pytest.mark.parametrize("hook", MODELS)
def test_evaluate_gives_the_loss_first_and_then_keras_metrics(hook: str) -> None:
    table = wings.small_table(dtype="float32")
    model = fitted(hook)
    by_name = model.evaluate(*table.columns, verbose=0, return_dict=True)
    loss, accuracy = model.evaluate(*table.columns, verbose=0)
    assert (loss, accuracy) == (by_name["loss"], by_name["accuracy"])
    predicted = model.predict(table.features, verbose=0)[:, 0] >= 0.5
    assert accuracy == pytest.approx(np.mean(predicted == (table.labels == 1)))


@pytest.mark.parametrize("hook", MODELS)
def test_evaluate_is_the_recomputed_loss(hook: str) -> None:
    table = wings.small_table(dtype="float32")
    model = fitted(hook)
    # Batches of 32 and of 8: the short one must count by its rows.
    found = model.evaluate(*table.columns, verbose=0, return_dict=True)["loss"]
    z = special.logit(model.predict(table.features, verbose=0)[:, 0].astype(np.float64))
    expected = np.mean(np.logaddexp(0, z) - table.labels * z)
    # The probabilities are float32.
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("hook", MODELS)
def test_a_saved_model_predicts_and_trains_on_as_before(hook: str, tmp_path: pathlib.Path) -> None:
    table = wings.small_table(dtype="float32")
    model = fitted(hook)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one in (model, again):
        one.fit(*table.columns, epochs=3, shuffle=False, verbose=0)
    assert type(again) is type(model)
    np.testing.assert_array_equal(
        again.predict(table.features, verbose=0), model.predict(table.features, verbose=0)
    )


@pytest.mark.parametrize("hook", MODELS)
def test_steps_per_execution_changes_nothing(hook: str) -> None:
    table = wings.small_table(dtype="float32")
    predictions = []
    for steps in (1, 3):
        keras.utils.set_random_seed(0)
        model = MODELS[hook](Dense(4))
        model.compile(optimizer="adam", steps_per_execution=steps)
        model.fit(*table.columns, batch_size=16, epochs=4, shuffle=False, verbose=0)
        predictions.append(model.predict(table.features, verbose=0))
    np.testing.assert_array_equal(*predictions)


def test_without_a_block_it_is_a_plain_logistic_regression() -> None:
    model = CustomModel()
    model.build((None, 3))
    assert [tuple(weight.shape) for weight in model.weights] == [(3, 1), (1,)]


def test_any_layer_can_be_the_block_and_knows_that_it_is_in_training() -> None:
    table = wings.small_table(dtype="float32")
    model = CustomModel(keras.layers.Dropout(0.999, seed=0), Logistic())
    model.build((None, 3))
    x, y = (tf.constant(column) for column in table.columns)
    # All but all of the features are dropped: every z is the bias, 0, or next to it.
    assert float(model.loss_fn(x, y, training=True)) == pytest.approx(np.log(2), rel=1e-6)
    assert float(model.loss_fn(x, y)) != pytest.approx(np.log(2), rel=1e-4)


@pytest.mark.parametrize("block", [Dense, None])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_features_of_another_dtype_are_cast_to_that_of_the_weights(block: Any, dtype: str) -> None:
    table = wings.small_table(dtype="float32")
    model = CustomModel(block and block(4))
    model.build((None, 3))
    x = tf.cast(table.features, dtype)
    expected = model.loss_fn(tf.cast(x, tf.float32), tf.constant(table.labels))
    assert model.loss_fn(x, tf.constant(table.labels)) == expected
