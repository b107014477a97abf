"""The model of both modes: its loss, and the gradient that its rule gives."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lowlevel.data import Table
from lowlevel.likelihoods import LIKELIHOODS, Logit
from tests import wings
from tests.wings import both_modes

# Both sides compute in float64 and sum a few dozen terms of size 1 in orders of their own.
ROUNDING = 1e-12

TABLE = wings.small_table(rows=12)
X, Y = wings.arguments(TABLE)
SMALL: dict[str, Any] = {"hidden_units": (2,), "activation": "tanh"}


class Wrong(Logit):
    """A slope that no automatic differentiation would come up with."""

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Seven."""
        return tf.fill(tf.shape(z), tf.constant(7.0, z.dtype))


def made(mode: str, **settings: Any) -> Any:
    """An untrained model for `TABLE`."""
    return wings.make(mode, TABLE, **{**SMALL, **settings})


def plain_nll(weights: list[tf.Tensor], x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The mean NLL of `SMALL`'s network by TensorFlow's own operations, for autodiff."""
    kernel, bias, last_kernel, last_bias = weights
    z = tf.tanh(x @ kernel + bias) @ last_kernel + last_bias
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y[:, None], z))


@both_modes
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("hidden", [(np.tanh, "tanh"), (lambda x: x, "linear")])
def test_the_loss_is_the_mean_negative_log_likelihood(
    mode: str, weighted: bool, hidden: tuple[Callable, str]
) -> None:
    table = wings.small_table(weighted=weighted)
    model = wings.make(mode, table, activation=hidden[1])
    expected = wings.numpy_nll(wings.named(mode, model), table, hidden[0])
    # A sum of 40 terms in float64.
    loss = model.loss_fn(*wings.arguments(table))
    assert float(loss) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("mode", "execution", "weighted"), wings.sampled(wings.EXECUTIONS, [False, True])
)
def test_the_gradient_is_that_of_finite_differences(
    mode: str, execution: str, weighted: bool
) -> None:
    table = wings.small_table(weighted=weighted)
    model = wings.make(mode, table, hidden_units=(2,))
    columns = wings.arguments(table)
    compiled = wings.EXECUTIONS[execution](lambda: wings.gradient(model, *columns))

    def loss() -> float:
        return wings.numpy_nll(wings.named(mode, model), table, lambda x: x)

    for variable, found in zip(wings.variables(model), compiled(), strict=True):
        expected = wings.central_differences(variable, loss)
        # A loss of size 1, rounded to 1e-16.
        assert found.numpy() == pytest.approx(expected, abs=1e-9)


@both_modes
def test_the_gradient_is_one_in_eager_mode_in_a_graph_and_under_xla(mode: str) -> None:
    """And in a branch of a graph, too, where a rule that uses a variable breaks."""
    model = made(mode)

    def of_model(x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.cond(x[0, 0] < 9, lambda: model.loss_fn(x, y), lambda: x[0, 0])
        return tape.gradient(loss, wings.variables(model))

    eager, *compiled = (execute(of_model)(X, Y) for execute in wings.EXECUTIONS.values())
    for found in compiled:
        for one, other in zip(eager, found, strict=True):
            np.testing.assert_allclose(one, other, rtol=ROUNDING)


@both_modes
@pytest.mark.parametrize("compiled", [False, True])
def test_weights_of_one_size_get_each_their_own_gradient(mode: str, compiled: bool) -> None:
    x = TABLE.features[:, 0]
    model = wings.make(mode, Table(x[:, None], TABLE.labels), hidden_units=())

    def of_model(x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
        return wings.gradient(model, x, y)

    kernel, bias = (tf.function(of_model) if compiled else of_model)(X[:, :1], Y)
    weight = float(wings.variables(model)[0][0, 0])
    error = 1 / (1 + np.exp(-x * weight)) - TABLE.labels
    np.testing.assert_allclose(kernel, [[np.mean(error * x)]], rtol=ROUNDING)
    np.testing.assert_allclose(bias, [np.mean(error)], rtol=ROUNDING)


@both_modes
def test_every_weight_gets_a_gradient_of_its_shape(mode: str) -> None:
    model = made(mode)
    found = wings.gradient(model, X, Y)
    assert [g.shape for g in found] == [v.shape for v in wings.variables(model)]


@both_modes
def test_a_wrong_slope_reaches_the_weights(mode: str) -> None:
    """So it is the custom rule that is used, and not what autodiff would find."""
    model = made(mode, hidden_units=(), likelihood=Wrong())
    kernel, bias = wings.gradient(model, X, Y)
    np.testing.assert_allclose(kernel[:, 0], 7 * TABLE.features.mean(axis=0), rtol=ROUNDING)
    np.testing.assert_allclose(bias, [7.0], rtol=ROUNDING)


@both_modes
def test_the_custom_rule_holds_however_the_loss_is_called(mode: str) -> None:
    model = made(mode, likelihood=Wrong())
    with tf.GradientTape() as tape:
        loss = model.loss_fn(x=X, y=Y, share=tf.fill([12], tf.constant(1 / 12, tf.float64)))
    # The wrong rule's gradient in the last bias is the mean of its slopes.
    (bias,) = tape.gradient(loss, wings.variables(model)[-1:])
    assert float(bias[0]) == pytest.approx(7.0, rel=ROUNDING)


@both_modes
def test_the_inner_loss_cannot_be_called_by_keyword(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner: list[Callable] = []
    function_with_gradient = tf.custom_gradient

    def spy(function: Callable) -> Callable:
        inner.append(function)
        return function_with_gradient(function)

    model = made(mode)
    monkeypatch.setattr(tf, "custom_gradient", spy)
    model.loss_fn(X, Y)
    kinds = [p.kind for f in inner for p in inspect.signature(f).parameters.values()]
    assert kinds and set(kinds) == {inspect.Parameter.POSITIONAL_ONLY}


@both_modes
@pytest.mark.parametrize("compiled", [False, True])
def test_second_derivatives_are_right(mode: str, compiled: bool) -> None:
    model = made(mode)
    weights = wings.variables(model)
    run = tf.function if compiled else (lambda function: function)
    found = run(lambda x, y: hessian(lambda: model.loss_fn(x, y), weights))(X, Y)
    expected = hessian(lambda: plain_nll(weights, X, Y), weights)
    # Elements are of size 0.01 to 1; the small ones are sums that cancel.
    np.testing.assert_allclose(found, expected, rtol=ROUNDING, atol=ROUNDING)


def hessian(loss: Callable[[], tf.Tensor], weights: list[tf.Variable]) -> tf.Tensor:
    """Returns all second derivatives by nested tapes, `[parameters, parameters]`."""
    with tf.GradientTape(persistent=True) as outer:
        with tf.GradientTape() as inner:
            value = loss()
        slopes = [tf.reshape(g, [-1]) for g in inner.gradient(value, weights)]
        slopes = tf.concat(slopes, 0)
    blocks = outer.jacobian(slopes, weights, experimental_use_pfor=False)
    return tf.concat([tf.reshape(block, [len(slopes), -1]) for block in blocks], 1)


@both_modes
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_row_that_counts_nothing_changes_nothing_whatever_is_in_it(
    mode: str, likelihood: str
) -> None:
    """Where its loss is infinite, as that of a feature of 1e300 is, infinity times 0 is not 0."""
    found = []
    for value in (1.0, 1e300):
        features = TABLE.features.copy()
        features[0] = value
        weight = np.ones(12)
        weight[0] = 0.0
        table = Table(features, TABLE.labels, weight)
        found.append(
            wings.train(
                mode, table, hidden_units=(), likelihood=likelihood, learning_rate=0.5, epochs=2
            )
        )
    plain, huge = found
    wings.assert_same_bits(plain.weights, huge.weights)
    assert plain.metrics["nll"] == huge.metrics["nll"]


@both_modes
def test_the_penalty_is_the_sum_of_the_squares_of_every_kernel(mode: str) -> None:
    model = wings.make(mode, TABLE, l2=0.25)
    weights = wings.named(mode, model)
    kernels = [values for name, values in weights.items() if name.endswith("kernel")]
    penalty = sum(map(float, model.losses))
    assert penalty == pytest.approx(0.25 * sum(np.sum(kernel**2) for kernel in kernels))


@both_modes
@pytest.mark.parametrize("shape", [(12, 1), (1, 12), (11,), ()])
def test_labels_of_another_shape_are_refused(mode: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Expected `y` of the same shape as `z`"):
        made(mode).loss_fn(X, tf.ones(shape, tf.float64))


@both_modes
@pytest.mark.parametrize("shape", [(12, 1), (1, 12), (11,), (1,)])
def test_shares_of_another_shape_are_refused(mode: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Expected `share` to be a scalar or of the shape of `y`"):
        made(mode).loss_fn(X, Y, tf.ones(shape, tf.float64))


@both_modes
def test_labels_may_be_integers(mode: str) -> None:
    model = made(mode)
    assert model.loss_fn(X, tf.cast(Y, tf.int64)) == model.loss_fn(X, Y)


@both_modes
def test_each_model_sees_all_its_weights(mode: str) -> None:
    model = made(mode)
    seen = wings.trainable(model)
    assert {id(weight) for weight in seen} == {id(weight) for weight in wings.variables(model)}
    assert len(seen) == 4


@both_modes
def test_without_a_block_it_is_a_plain_logistic_regression(mode: str) -> None:
    model = made(mode, hidden_units=())
    assert model.nn_block is None
    shapes = {name: values.shape for name, values in wings.named(mode, model).items()}
    assert shapes == {"logistic/kernel": (3, 1), "logistic/bias": (1,)}
