"""What the article claims of custom losses with custom gradients, claim by claim."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlevel import data
from lowlevel.config import Config
from lowlevel.data import Table
from lowlevel.experiment import modes
from lowlevel.progress import Epoch, Progress, State
from tests import wings
from tests.wings import both_modes

TABLE = wings.small_table()
X, Y = wings.arguments(TABLE)
SMALL: dict[str, Any] = {"hidden_units": (2,), "learning_rate": 0.5, "epochs": 3}

# Both sides add up 40 terms of size 1 in float64, in orders of their own.
ROUNDING = 1e-12
# Keras's own metrics add up in float32.
FLOAT32_ROUNDING = 1e-6


def article_nll(z: np.ndarray, y: np.ndarray) -> float:
    """The mean NLL by the article's formulas: 1 / (1 + exp(-z)), and the logarithm of it."""
    p = 1 / (1 + np.exp(-z))
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def network_z(weights: Sequence[Any], x: Any) -> Any:
    """The linear predictor, `[n]`, of a linear dense layer and a logistic one."""
    kernel, bias, last_kernel, last_bias = weights
    return ((x @ kernel + bias) @ last_kernel + last_bias)[:, 0]


def numbers(model: Any) -> list[np.ndarray]:
    """Kernel and bias of each layer, first layer first."""
    return [weight.numpy() for weight in wings.variables(model)]


def test_claim_1_the_nll_cannot_be_handed_to_compile() -> None:
    """It is a function of the features and the labels, and Keras's losses get no features."""
    model = wings.make("keras", TABLE, **SMALL)
    plain = keras.Sequential([keras.layers.Dense(1, "sigmoid")])
    plain.compile("sgd", loss=lambda y_true, y_pred: model.loss_fn(y_true, y_pred))
    with pytest.raises(ValueError, match="axis -1 of input shape to have value 3"):
        plain.fit(TABLE.features, TABLE.labels[:, None], verbose=0)

    model.compile("sgd")
    model.fit(TABLE.features, TABLE.labels, verbose=0)


@both_modes
def test_claim_2_the_rule_covers_the_output_layer_and_autodiff_the_rest(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule owes a gradient to every weight in the decorator's scope, and to no other."""
    scope: list[tf.Variable] = []
    decorate = tf.custom_gradient

    def spy(function: Callable) -> Callable:
        def watched(*arguments: Any) -> tuple:
            value, rule = function(*arguments)

            def watched_rule(upstream: tf.Tensor, variables: Sequence = ()) -> Any:
                scope.extend(v for v in (*arguments, *variables) if isinstance(v, tf.Variable))
                return rule(upstream, variables=variables) if variables else rule(upstream)

            return value, watched_rule

        return decorate(watched)

    model = wings.make(mode, TABLE, **SMALL)
    monkeypatch.setattr(tf, "custom_gradient", spy)
    found = wings.gradient(model, X, Y)
    variables = wings.variables(model)
    assert {id(v) for v in scope} == {id(v) for v in variables[2:]}

    with tf.GradientTape() as tape:
        z = network_z(variables, X)
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(Y, z))
    for ours, plain in zip(found, tape.gradient(loss, variables), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=ROUNDING, atol=ROUNDING)


def test_claim_2_a_rule_that_leaves_a_weight_out_is_an_error() -> None:
    """TensorFlow counts the gradients that a rule gives for the weights in its scope."""
    kernel, bias = tf.Variable(2.0), tf.Variable(3.0)

    @tf.custom_gradient
    def line(x: tf.Tensor) -> tuple:
        return x * kernel + bias, lambda upstream, variables: (None, [upstream * x])

    with tf.GradientTape() as tape:
        value = line(tf.constant(1.0))
    with pytest.raises(ValueError, match="Must return gradient for each variable"):
        tape.gradient(value, [kernel, bias])


def all_in_one_loss(
    self: Any,
    x: tf.Tensor,
    y: tf.Tensor,
    share: tf.Tensor | None = None,
    training: bool = False,
) -> tf.Tensor:
    """The loss without the outer function: the dense layer's work, too, is under the rule."""

    @tf.custom_gradient
    def logistic_loss(x: tf.Tensor, y: tf.Tensor, /) -> tuple:
        h = self.latent(x)
        labels = tf.cast(y, h.dtype)
        z = self.logistic.linear_predictor(h)

        def gradient(upstream: tf.Tensor, variables: Sequence[tf.Variable]) -> tuple:
            slope = upstream * (tf.sigmoid(z) - labels)[:, None] / tf.cast(tf.shape(z)[0], z.dtype)
            known = {
                wings.variable(self.logistic.kernel).ref(): tf.matmul(h, slope, transpose_a=True),
                wings.variable(self.logistic.bias).ref(): tf.reduce_sum(slope, 0),
            }
            return (None, None), [known.get(v.ref()) for v in variables]

        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, z)), gradient

    return logistic_loss(x, y)


def test_claim_3_without_the_outer_function_the_dense_layer_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The logistic weights train, the dense ones stay where they began; Keras only warns."""
    model = wings.make("keras", TABLE, **SMALL)
    monkeypatch.setattr(type(model), "loss_fn", all_in_one_loss)
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(0.5))
    with pytest.warns(UserWarning, match="Gradients do not exist for variables"):
        model.fit(TABLE.features, TABLE.labels, epochs=3, verbose=0)
    stayed = [(old == new).all() for old, new in zip(before, model.get_weights(), strict=True)]
    assert stayed == [True, True, False, False]


def test_claim_3_without_the_outer_function_the_loop_refuses_to_train(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By hand, a weight that would stay where it began is an error."""
    monkeypatch.setattr(type(wings.make("module", TABLE)), "loss_fn", all_in_one_loss)
    with pytest.raises(ValueError, match="got None"):
        wings.train("module", TABLE, **SMALL)


def test_claim_4_the_comforts_of_fit_stay() -> None:
    """Validation, metrics, callbacks and the history work on a custom train_step."""
    model = wings.make("keras", TABLE, **SMALL)
    model.compile(keras.optimizers.SGD(0.5), metrics=[keras.metrics.BinaryAccuracy()])
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1))
    # Only the first epoch is an improvement by that much; two others use up the patience.
    stop = keras.callbacks.EarlyStopping("val_loss", min_delta=10.0, patience=2)
    columns = TABLE.features, TABLE.labels
    fitted = model.fit(
        *columns, epochs=9, validation_data=columns, verbose=0, callbacks=[rates, stop]
    )
    history = fitted.history
    assert history["learning_rate"] == pytest.approx([0.5, 0.25, 0.5 / 3], rel=FLOAT32_ROUNDING)
    z = network_z(model.get_weights(), TABLE.features)
    assert history["val_loss"][-1] == pytest.approx(
        article_nll(z, TABLE.labels), rel=FLOAT32_ROUNDING
    )
    accuracy = np.mean((z > 0) == (TABLE.labels == 1))
    assert history["val_binary_accuracy"][-1] == pytest.approx(accuracy, rel=FLOAT32_ROUNDING)


class LogisticOfBoth(keras.layers.Layer):
    """A logistic layer that takes features and labels, and gives the loss of each row."""

    def build(self, input_shape: Sequence[tuple]) -> None:
        """Makes the weights, for two inputs."""
        self.kernel = self.add_weight((input_shape[0][-1], 1), name="kernel")

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns the NLL of each row, `[n, 1]`."""
        x, y = inputs
        return tf.nn.sigmoid_cross_entropy_with_logits(y, x @ self.kernel)


def test_claim_5_a_layer_of_features_and_labels_fails_in_use() -> None:
    """It trains, but there are no labels at inference."""
    inputs = [keras.Input((3,)), keras.Input((1,))]
    model = keras.Model(inputs, LogisticOfBoth()(inputs))
    model.compile(keras.optimizers.SGD(0.5), loss=lambda _, nll: nll)
    labels = TABLE.labels[:, None]
    losses = model.fit([TABLE.features, labels], labels, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    with pytest.raises(ValueError, match="expects 2 named input"):
        model.predict(TABLE.features, verbose=0)


@both_modes
def test_claim_5_a_model_trains_on_labels_and_predicts_from_features_alone(mode: str) -> None:
    """Loss with labels in training, probabilities without them in use."""
    model = wings.trained(mode, **SMALL).model
    expected = 1 / (1 + np.exp(-network_z(numbers(model), TABLE.features)))
    np.testing.assert_allclose(model(X)[:, 0], expected, rtol=ROUNDING)


@both_modes
def test_where_the_article_gets_nan_the_loss_is_finite(
    mode: str, credit: Callable[[str], Table]
) -> None:
    """From Keras's own start (Glorot), the article's first batch of raw features gives NaN.

    Some |z| is above 17, where p rounds to 1 in float32; so it is from most other seeds.
    """
    table, config = credit("float32"), Config(epochs=1)
    state = wings.start(mode, table, epochs=1)
    kernel, _, last_kernel, _ = wings.variables(state.model)
    for weight, seed in ((kernel, 0), (last_kernel, 1)):
        weight.assign(keras.initializers.GlorotUniform(seed)(weight.shape))

    batch = data.batch_order(config.seed, 0, table.rows)[: config.batch_size]
    with np.errstate(all="ignore"):
        z = network_z(numbers(state.model), table.features[batch])
        assert z.dtype == np.float32
        assert np.isnan(article_nll(z, table.labels[batch]))

    modes.load(mode).train(state, config, table, Progress(config))  # Raises on NaN.
    assert all(np.isfinite(weight).all() for weight in numbers(state.model))


@both_modes
def test_every_trainable_weight_changes_in_every_epoch(
    mode: str, credit: Callable[[str], Table]
) -> None:
    """What the article prints the weights for: to see that they move, dense and logistic."""
    # In float64: in float32 a step can be too small to change the weight that it is added to.
    table = credit("float64")
    seen = [numbers(wings.make(mode, table))]

    def keep(epochs: Sequence[Epoch], state: State) -> None:
        seen.append(numbers(state.model))

    wings.train(mode, table, [keep])
    assert len(seen) == 1 + Config().epochs
    for before, after in itertools.pairwise(seen):
        assert all((old != new).all() for old, new in zip(before, after, strict=True))
