"""Known traps of TensorFlow and Keras: that each is still there, and that no mode falls into it.

Where the first half of a test fails, a trap has been mended, and its second half may be all that
needs to stay.
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlevel import data, modes
from lowlevel.config import Config
from lowlevel.data import Table
from lowlevel.keras_mode import training as keras_training
from lowlevel.likelihoods import Logit
from lowlevel.module_mode import optimizers
from lowlevel.module_mode.layers import Logistic
from lowlevel.module_mode.model import CustomModel
from tests import wings

both_modes = pytest.mark.parametrize("mode", wings.MODES)

# Both sides compute in float64 and sum a dozen terms of size 1 in orders of their own.
ROUNDING = 1e-12
# Keras's `Mean`, which its reports come from, adds up in float32, and arrays handed to Keras are
# rounded to that.
FLOAT32_ROUNDING = 1e-6

# With `TABLE`, a short last batch of two rows.
SMALL: dict[str, Any] = {
    "hidden_units": (2,),
    "activation": "tanh",
    "batch_size": 5,
    "epochs": 3,
    "learning_rate": 0.5,
}
TABLE = wings.small_table(rows=12)
X, Y = tf.constant(TABLE.features), tf.constant(TABLE.labels)


def mended(what: str) -> str:
    """Returns what to say on the day that a trap is gone."""
    return f"TensorFlow or Keras has mended this: {what}; this test and the code's comment can go"


def layers(mode: str, model: Any) -> list[Any]:
    """Returns a model's layers, first to last."""
    before = model.nn_block if mode == "module" or not model.nn_block else model.nn_block.layers
    return [*(before or ()), model.logistic]


def variables(mode: str, model: Any) -> list[tf.Variable]:
    """Returns kernel and bias of each layer, first layer first."""
    found = [weight for layer in layers(mode, model) for weight in (layer.kernel, layer.bias)]
    return [weight.value for weight in found] if mode == "keras" else found


def gradients(mode: str, model: Any, x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
    """Returns the loss's gradient in each of `variables`, by the custom rule."""
    with tf.GradientTape() as tape:
        loss = model.loss_fn(x, y)
    return tape.gradient(loss, variables(mode, model))


def plain_nll(weights: list[tf.Tensor], x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The mean NLL of `SMALL`'s network by TensorFlow's own operations, for autodiff."""
    kernel, bias, last_kernel, last_bias = weights
    z = tf.tanh(x @ kernel + bias) @ last_kernel + last_bias
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y[:, None], z))


def numpy_z(weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The linear predictor of `SMALL`'s network, by NumPy."""
    hidden = np.tanh(x @ weights["dense_0/kernel"] + weights["dense_0/bias"])
    return (hidden @ weights["logistic/kernel"] + weights["logistic/bias"])[:, 0]


def numpy_nll(weights: dict[str, np.ndarray]) -> float:
    """The mean NLL of `SMALL`'s network on `TABLE`: log(1 + exp(z)) - y z."""
    z = numpy_z(weights, TABLE.features)
    return float(np.mean(np.logaddexp(0, z) - TABLE.labels * z))


class GuideModel(keras.Model):
    """A Keras model with a training step of its own, as guides write it, and nothing else."""

    def __init__(self, report: str = "mse", regularizer: str | None = None) -> None:
        """Keeps the name under which a step reports its loss."""
        super().__init__()
        self.dense = keras.layers.Dense(1, kernel_initializer="ones")
        self.dense.kernel_regularizer = keras.regularizers.get(regularizer)
        self.report = report

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        self.dense.build(input_shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Returns predictions, `[n]`."""
        return self.dense(x)[:, 0]

    def train_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """Updates the weights by one batch."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(x) - y))
        weights = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        return {self.report: loss}


def fitted_guide(regularizer: str | None = None, **kwargs: Any) -> np.ndarray:
    """Returns the kernel of a trained `GuideModel`."""
    model = GuideModel(regularizer=regularizer)
    model.compile("sgd")
    model.fit(TABLE.features, TABLE.labels, shuffle=False, verbose=0, **kwargs)
    return model.dense.kernel.numpy()


def guide_trained_by(way: str) -> np.ndarray:
    """Returns the kernel after one epoch of `fit` or of a loop, from the same seed."""
    keras.utils.set_random_seed(1)
    model = GuideModel()
    model.compile("sgd")
    if way == "fit":
        model.fit(*TABLE.columns, batch_size=5, verbose=0)
    else:
        rows = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(12, seed=1)
        for batch in rows.batch(5):
            model.train_step([tf.cast(column, tf.float32) for column in batch])
    return model.dense.kernel.numpy()


class Recorder(keras.Model):
    """Trains nothing; keeps the first column of every batch that `fit` hands it."""

    def __init__(self) -> None:
        """Starts with nothing seen."""
        super().__init__()
        self.scale = self.add_weight(())
        self.seen: list[float] = []

    def train_step(self, batch: tuple[tf.Tensor, ...]) -> dict[str, float]:
        """Keeps the batch."""
        self.seen += batch[0].numpy()[:, 0].tolist()
        return {"nothing": 0.0}


def order_in_fit(batches: tf.data.Dataset, **kwargs: Any) -> list[float]:
    """Returns the first column of the features, in the order in which `fit` takes them."""
    recorder = Recorder()
    recorder.compile("sgd", run_eagerly=True)
    recorder.fit(batches, shuffle=False, verbose=0, **kwargs)
    return recorder.seen


@both_modes
def test_every_trainable_weight_moves(mode: str) -> None:
    """A bare tf.Variable on a Keras model is not trained: tensorflow/tensorflow#97599."""
    model = keras.Sequential()
    model.bare = tf.Variable(1.0)
    assert not model.trainable_variables, mended("a Keras model tracks a bare tf.Variable")

    before = modes.load(mode).named_weights(wings.make(mode, TABLE, **SMALL))
    after = wings.train(mode, TABLE, **SMALL).weights
    assert all((before[name] != after[name]).all() for name in before)


def test_fit_and_a_loop_give_the_same_bits_after_every_epoch(
    credit: Callable[[str], Table],
) -> None:
    """One seed, one table, yet fit and a loop end apart: keras-team/keras#19341."""
    by_fit, by_loop = guide_trained_by("fit"), guide_trained_by("loop")
    assert (by_fit != by_loop).any(), mended("fit takes arrays in the order of a loop")

    reports: dict[str, list] = {"module": [], "keras": []}
    for mode, seen in reports.items():
        named = modes.load(mode).named_weights
        modes.run(
            mode,
            Config(batch_size=96),
            credit("float32"),
            lambda records, model, seen=seen, named=named: seen.append(
                (records[-1].nll, {name: w.tobytes() for name, w in named(model).items()})
            ),
        )
    assert len(reports["module"]) == Config().epochs
    for (nll, weights), (keras_nll, keras_weights) in zip(*reports.values(), strict=True):
        assert weights == keras_weights
        assert nll == pytest.approx(keras_nll, rel=FLOAT32_ROUNDING)


def test_fit_takes_the_rows_in_the_order_that_seed_and_epoch_say() -> None:
    """Keras starts a reshuffling Dataset twice an epoch, and so skips every second order."""

    def shuffled() -> tf.data.Dataset:
        rows = np.arange(50.0).reshape(50, 1)
        return tf.data.Dataset.from_tensor_slices((rows,)).shuffle(50, seed=1).batch(10)

    by_fit, again = order_in_fit(shuffled(), epochs=2), shuffled()
    by_loop = [float(x) for _ in range(2) for batch in again for x in batch[0][:, 0]]
    assert by_fit != by_loop, mended("fit starts a Dataset once an epoch")

    seen = order_in_fit(keras_training.batches(Config(**SMALL), TABLE), epochs=3, steps_per_epoch=3)
    orders = [data.batch_order(Config().seed, epoch, TABLE.rows) for epoch in range(3)]
    assert seen == TABLE.features[np.concatenate(orders), 0].tolist()


def swapped_gradients() -> list[float]:
    """Returns what reaches slope and intercept of a line at 5, which should be [5, 1]."""
    first, second = tf.Variable(2.0, name="b"), tf.Variable(3.0, name="a")

    @tf.custom_gradient
    def line(x: tf.Tensor) -> tuple:
        return x * first + second, lambda upstream, variables: (None, [upstream * x, upstream])

    @tf.function
    def swapped() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            value = line(tf.constant(5.0))
        return tape.gradient(value, [first, second])

    return [float(gradient) for gradient in swapped()]


@both_modes
@pytest.mark.parametrize("compiled", [False, True])
def test_weights_of_one_size_get_each_their_own_gradient(mode: str, compiled: bool) -> None:
    """The order of `variables` in a grad_fn is not that of use: tensorflow/tensorflow#47266."""
    assert swapped_gradients() == [1, 5], mended("`variables` come in order of use")

    x = TABLE.features[:, 0]
    model = wings.make(mode, Table(x[:, None], TABLE.labels), hidden_units=())

    def of_model(x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
        return gradients(mode, model, x, y)

    kernel, bias = (tf.function(of_model) if compiled else of_model)(X[:, :1], Y)
    weight = float(variables(mode, model)[0][0, 0])
    error = 1 / (1 + np.exp(-x * weight)) - TABLE.labels
    np.testing.assert_allclose(kernel, [[np.mean(error * x)]], rtol=ROUNDING)
    np.testing.assert_allclose(bias, [np.mean(error)], rtol=ROUNDING)


@both_modes
def test_the_custom_rule_holds_however_the_loss_is_called(mode: str) -> None:
    """By keyword, autodiff silently replaces a custom gradient: tensorflow/tensorflow#65839."""
    seven = tf.custom_gradient(lambda x: (x * 1.0, lambda upstream: upstream * 7.0))
    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = seven(x=x)
    assert tape.gradient(value, x) == 1.0, mended("a custom gradient holds for keywords too")

    class Wrong(Logit):
        def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
            return tf.fill(tf.shape(z), tf.constant(7.0, z.dtype))

    model = wings.make(mode, TABLE, **SMALL)
    model.logistic.likelihood = Wrong()
    with tf.GradientTape() as tape:
        loss = model.loss_fn(x=X, y=Y, sample_weight=tf.ones_like(Y))
    # The wrong rule's gradient in the last bias is the mean of its slopes.
    (bias,) = tape.gradient(loss, variables(mode, model)[-1:])
    assert float(bias[0]) == pytest.approx(7.0, rel=ROUNDING)


@both_modes
def test_the_inner_loss_cannot_be_called_by_keyword(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a graph keywords raise, in eager mode they lose the rule: tensorflow/tensorflow#77559."""
    triple = tf.custom_gradient(lambda x: (x * 3.0, lambda upstream: upstream))
    assert triple(x=tf.constant(1.0)) == 3.0, mended("a custom gradient refuses keywords")

    inner: list[Callable] = []

    def spy(function: Callable) -> Callable:
        inner.append(function)
        return function_with_gradient(function)

    function_with_gradient = tf.custom_gradient
    model = wings.make(mode, TABLE, **SMALL)
    monkeypatch.setattr(tf, "custom_gradient", spy)
    model.loss_fn(X, Y)
    kinds = [p.kind for f in inner for p in inspect.signature(f).parameters.values()]
    assert kinds and set(kinds) == {inspect.Parameter.POSITIONAL_ONLY}


def in_branch(x: tf.Tensor, weight: tf.Variable) -> tf.Tensor:
    """Returns the gradient of weight * x in x, by a rule in one of two branches."""

    @tf.custom_gradient
    def scaled(x: tf.Tensor) -> tuple:
        return weight * x, lambda upstream, variables: (upstream * weight, [upstream * x])

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.cond(x > 0, lambda: scaled(x), lambda: x)
    return tape.gradient(value, x)


@both_modes
def test_the_gradient_is_one_in_eager_mode_in_a_graph_and_under_xla(mode: str) -> None:
    """A rule that uses a variable breaks in a graph's tf.cond: tensorflow/tensorflow#50170."""
    weight = tf.Variable(2.0)
    assert in_branch(tf.constant(1.0), weight) == 2.0
    with pytest.raises(AttributeError, match="undefined when eager"):
        tf.function(in_branch)(tf.constant(1.0), weight)
        pytest.fail(mended("a rule may use a variable in a graph's tf.cond"))

    model = wings.make(mode, TABLE, **SMALL)

    def of_model(x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.cond(x[0, 0] < 9, lambda: model.loss_fn(x, y), lambda: x[0, 0])
        return tape.gradient(loss, variables(mode, model))

    eager = of_model(X, Y)
    for jit_compile in (False, True):
        compiled = tf.function(of_model, jit_compile=jit_compile)(X, Y)
        for one, other in zip(eager, compiled, strict=True):
            np.testing.assert_allclose(one, other, rtol=ROUNDING)


@pytest.mark.parametrize("name", sorted(optimizers.OPTIMIZERS))
def test_a_gradient_of_another_shape_is_refused(name: str) -> None:
    """No tape checks a rule's shapes, and Adam broadcasts: tensorflow/tensorflow#26270."""
    total = tf.custom_gradient(lambda x: (tf.reduce_sum(x), lambda upstream: upstream))
    weight = keras.Variable(tf.zeros([2]))
    with tf.GradientTape() as tape:
        value = total(weight.value)
    gradient = tape.gradient(value, weight.value)
    assert gradient.shape == [], mended("the tape checks a custom gradient's shape")
    keras.optimizers.Adam(0.1).apply([gradient], [weight])
    assert (weight.numpy() != 0).all(), mended("Adam does not broadcast a gradient")

    optimizer = optimizers.OPTIMIZERS[name]([tf.Variable(tf.zeros([2]))], 0.1)
    with pytest.raises(ValueError, match=r"Expected a gradient of shape \(2,\)"):
        optimizer.apply([gradient])


@both_modes
def test_the_custom_rule_gives_every_weight_a_gradient_of_its_shape(mode: str) -> None:
    """Too many gradients, or of a wrong shape, pass unseen: tensorflow/tensorflow#26048."""
    both = tf.custom_gradient(lambda x: (x[0] * 1.0, lambda upstream: tf.fill([3, 3], upstream)))
    x = tf.ones([2])
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = both(x)
    assert tape.gradient(value, x).shape == [3, 3], mended("the tape checks a gradient's shape")

    model = wings.make(mode, TABLE, **SMALL)
    found = gradients(mode, model, X, Y)
    assert [g.shape for g in found] == [v.shape for v in variables(mode, model)]


@both_modes
def test_the_loss_is_given_the_features_and_the_labels(mode: str) -> None:
    """Keras gives a loss (y_true, y_pred), never the features: keras-team/keras#5682."""
    shapes: list[int] = []

    def loss(*given: tf.Tensor) -> tf.Tensor:
        shapes.extend(argument.shape[-1] for argument in given)
        return tf.reduce_sum(given[-1])

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", loss)
    model.fit(TABLE.features, TABLE.labels[:, None], verbose=0)
    assert shapes and set(shapes) == {1}, mended("Keras gives a loss the features")

    model = wings.make(mode, TABLE, **SMALL)
    expected = numpy_nll(modes.load(mode).named_weights(model))
    assert float(model.loss_fn(X, Y)) == pytest.approx(expected, rel=ROUNDING)


@both_modes
def test_sample_weights_count_as_repeated_rows_do(mode: str) -> None:
    """A training step of one's own silently drops `sample_weight`: tensorflow/tensorflow#43902."""
    weight = np.tile([0.0, 1.0, 2.0], 4)
    dropped = fitted_guide(sample_weight=weight)
    assert (dropped == fitted_guide()).all(), mended("Keras applies dropped sample weights")

    # Full batches: neither the order of the rows nor where a batch ends can tell them apart.
    settings = {"learning_rate": 0.5, "batch_size": 12}
    repeated = np.repeat(np.arange(12), weight.astype(int))
    weighted = Table(TABLE.features, TABLE.labels, weight)
    expected = Table(TABLE.features[repeated], TABLE.labels[repeated])
    ends = [wings.train(mode, t, **settings).weights for t in (weighted, expected, TABLE)]
    for name, values in ends[0].items():
        # Near-zero elements are sums that cancel, hence the absolute bound as well.
        np.testing.assert_allclose(values, ends[1][name], rtol=ROUNDING, atol=ROUNDING)
        assert (abs(values - ends[2][name]) > 1e-3).any()


def test_class_weights_count_as_sample_weights_do() -> None:
    """A training step of one's own silently drops `class_weight`: tensorflow/tensorflow#51127."""
    classes = {0: 1.0, 1: 3.0}
    dropped = fitted_guide(class_weight=classes)
    assert (dropped == fitted_guide()).all(), mended("Keras applies dropped class weights")

    ends = []
    weight = np.where(TABLE.labels == 1, 3.0, 1.0)
    for weights in ({"class_weight": classes}, {"sample_weight": weight}, {}):
        model = wings.make("keras", TABLE, **SMALL)
        model.compile(keras.optimizers.SGD(0.5))
        model.fit(TABLE.features, TABLE.labels, shuffle=False, verbose=0, **weights)
        ends.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_array_equal(ends[0], ends[1])
    assert (abs(ends[0] - ends[2]) > 1e-3).any()


@both_modes
def test_the_penalty_pulls_on_every_kernel_and_no_bias(mode: str) -> None:
    """A training step of one's own silently drops regularizers: keras-team/keras#19740."""
    assert (fitted_guide() == fitted_guide(regularizer="l2")).all(), mended(
        "Keras adds a regularizer to a training step that leaves it out"
    )

    settings = {"learning_rate": 0.5, "batch_size": 12, "epochs": 1}
    before = modes.load(mode).named_weights(wings.make(mode, TABLE, **settings))
    free = wings.train(mode, TABLE, **settings).weights
    pulled = wings.train(mode, TABLE, **settings, l2=0.125).weights
    for name, values in before.items():
        # One step of SGD: rate * l2 * d(w^2)/dw.
        pull = 0.5 * 0.125 * 2 * values if name.endswith("kernel") else 0.0
        np.testing.assert_allclose(pulled[name], free[name] - pull, rtol=ROUNDING, atol=ROUNDING)


def test_evaluate_validation_and_predict_go_with_the_training_step() -> None:
    """With train_step alone overridden, evaluate has no loss: tensorflow/tensorflow#33844."""
    guide = GuideModel()
    guide.compile("sgd")
    guide.fit(*TABLE.columns, verbose=0)
    with pytest.raises(ValueError, match="No loss to compute"):
        guide.evaluate(*TABLE.columns, verbose=0)
        pytest.fail(mended("evaluate goes with an own train_step"))

    model = wings.make("keras", TABLE, **SMALL)
    model.compile(keras.optimizers.SGD(0.5))
    history = model.fit(*TABLE.columns, validation_data=TABLE.columns, batch_size=5, verbose=0)
    weights = modes.load("keras").named_weights(model)
    expected = pytest.approx(numpy_nll(weights), rel=FLOAT32_ROUNDING)
    assert history.history["val_loss"] == [expected]
    assert model.evaluate(*TABLE.columns, batch_size=5, verbose=0) == expected
    np.testing.assert_allclose(
        model.predict(TABLE.features, verbose=0)[:, 0],
        1 / (1 + np.exp(-numpy_z(weights, TABLE.features))),
        rtol=FLOAT32_ROUNDING,
    )


@both_modes
def test_metrics_of_a_run_are_those_of_the_trained_weights(mode: str) -> None:
    """The loss that Keras reports of an epoch is not that of the weights at its end."""
    guide = keras.Sequential([keras.layers.Dense(1)])
    guide.compile(keras.optimizers.SGD(0.1), "mse")
    reported = guide.fit(*TABLE.columns, batch_size=5, verbose=0).history["loss"][-1]
    recomputed = guide.evaluate(*TABLE.columns, verbose=0)
    assert abs(reported - recomputed) > 1e-3, mended("fit reports the loss after an epoch")

    finished = wings.train(mode, TABLE, **SMALL)
    expected = pytest.approx(numpy_nll(finished.weights), rel=ROUNDING)
    assert finished.metrics["nll"] == expected


@both_modes
def test_the_reported_loss_is_the_mean_over_all_rows(mode: str) -> None:
    """A step's report is taken as 0.0 or the last batch's: keras-team/keras#17690."""
    reported = {}
    for name in ("loss", "mse"):
        guide = GuideModel(report=name)
        guide.compile(keras.optimizers.SGD(0.0))
        fitted = guide.fit(*TABLE.columns, batch_size=5, shuffle=False, verbose=0)
        reported[name] = fitted.history[name][-1]
    errors = (guide.predict(TABLE.features, verbose=0) - TABLE.labels) ** 2
    assert reported["loss"] == 0.0, mended("a loss returned by train_step is reported")
    last = pytest.approx(errors[10:].mean(), rel=FLOAT32_ROUNDING)
    assert reported["mse"] == last, mended("what train_step returns is averaged over batches")

    # At this rate no weight moves, so every epoch's mean is that of the start.
    finished = wings.train(mode, TABLE, **{**SMALL, "learning_rate": 1e-30})
    expected = pytest.approx(numpy_nll(finished.weights), rel=FLOAT32_ROUNDING)
    assert [record.nll for record in finished.history] == [expected] * 3


@both_modes
def test_labels_of_another_shape_are_refused(mode: str) -> None:
    """Labels [n] against probabilities [n, 1] give [n, n]: tensorflow/tensorflow#28901."""
    p = tf.fill([12, 1], tf.constant(0.5, tf.float64))
    nll = -(TABLE.labels * tf.math.log(p) + (1 - TABLE.labels) * tf.math.log(1 - p))
    assert nll.shape == [12, 12], mended("arithmetic of [n] and [n, 1] raises")

    model = wings.make(mode, TABLE, **SMALL)
    with pytest.raises(ValueError, match="Expected `y` of the same shape as `z`"):
        model.loss_fn(X, Y[:, None])


def test_fit_refuses_labels_of_another_shape() -> None:
    """Keras's own losses let labels [n] meet predictions [n, 1], and reshape them unasked."""
    guide = keras.Sequential([keras.layers.Dense(1)])
    guide.compile("sgd", "mse")
    loss = guide.evaluate(*TABLE.columns, verbose=0)
    errors = (guide.predict(TABLE.features, verbose=0)[:, 0] - TABLE.labels) ** 2
    assert loss == pytest.approx(errors.mean(), rel=FLOAT32_ROUNDING), mended("fit leaves shapes")

    model = wings.make("keras", TABLE, **SMALL)
    model.compile("sgd")
    with pytest.raises(ValueError, match="Expected `y` of the same shape as `z`"):
        model.fit(TABLE.features, TABLE.labels[:, None], verbose=0)


def test_a_weight_without_gradient_does_not_go_unnoticed() -> None:
    """The tape answers None, and Keras's optimizer goes on: tensorflow/tensorflow#36168."""
    used, unused = keras.Variable(1.0), keras.Variable(1.0)
    with tf.GradientTape() as tape:
        loss = used.value * 2.0
    found = tape.gradient(loss, [used.value, unused.value])
    assert found[1] is None, mended("the tape refuses a variable without gradient")
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        keras.optimizers.SGD(1.0).apply(found, [used, unused])
    assert float(used) == -1.0, mended("Keras's optimizer refuses None")

    class Unused(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable(1.0)

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return x

    logistic = Logistic(3, "logit", seed=0, dtype="float64")
    model = CustomModel(nn_block=[Unused()], logistic=logistic)
    with pytest.raises(ValueError, match="got None"):
        modes.load("module").train(
            model, Config(dtype="float64"), TABLE, lambda records, model: None
        )


@both_modes
@pytest.mark.parametrize("compiled", [False, True])
def test_second_derivatives_are_right(mode: str, compiled: bool) -> None:
    """A rule with stop_gradient has no second derivative: tensorflow/tensorflow#34503."""
    square = tf.custom_gradient(lambda x: (x * x, lambda up: up * tf.stop_gradient(2.0 * x)))
    x = tf.constant(3.0)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = square(x)
        slope = inner.gradient(value, x)
    assert outer.gradient(slope, x) is None, mended("stop_gradient in a rule is refused")

    model = wings.make(mode, TABLE, **SMALL)
    weights = variables(mode, model)
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
    blocks = outer.jacobian(slopes, weights)
    return tf.concat([tf.reshape(block, [len(slopes), -1]) for block in blocks], 1)


@both_modes
def test_each_model_sees_all_its_weights(mode: str) -> None:
    """A tf.Module does not see Keras's variables, nor Keras its: tensorflow/tensorflow#84019."""
    layer = keras.layers.Dense(1)
    layer.build((None, 3))
    module = tf.Module()
    module.layer = layer
    assert not module.trainable_variables, mended("a tf.Module sees a Keras layer's variables")
    inner = tf.Module()
    inner.weight = tf.Variable(1.0)
    model = keras.Sequential()
    model.inner = inner
    assert not model.trainable_variables, mended("a Keras model sees a tf.Module's variables")

    model = wings.make(mode, TABLE, **SMALL)
    seen = model.trainable_variables
    seen = [weight.value for weight in seen] if mode == "keras" else seen
    assert {id(weight) for weight in seen} == {id(weight) for weight in variables(mode, model)}
    assert len(seen) == 4


@both_modes
def test_no_epoch_is_traced_again(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tf.function is traced anew for every Python number: tensorflow/tensorflow#34025."""
    double = tf.function(lambda number: number * 2)
    for number in range(3):
        double(number)
    traces = double.experimental_get_tracing_count()
    assert traces == 3, mended("a tf.function takes Python numbers without a trace for each")

    calls = []

    def spy(self: Any, *args: Any) -> Any:
        calls.append(args)
        return original(self, *args)

    kind = type(wings.make(mode, TABLE))
    original = kind.train_step
    monkeypatch.setattr(kind, "train_step", spy)
    wings.train(mode, TABLE, **{**SMALL, "epochs": 6})
    # One trace holds the step at most twice: for a whole batch and for the short last one.
    assert 1 <= len(calls) <= 2
