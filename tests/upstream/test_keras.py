"""Keras's traps: of training steps and losses as its guides write them, of fit and its batches."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import wings
from tests.upstream import mended, with_pinned_versions_only

pytestmark = with_pinned_versions_only

TABLE = wings.small_table(rows=12)
# Keras's metrics add up in float32, and arrays handed to Keras are rounded to that.
FLOAT32_ROUNDING = 1e-6


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


def fitted_guide(regularizer: str | None = None, **arguments: Any) -> np.ndarray:
    """Returns the kernel of a trained `GuideModel`."""
    model = GuideModel(regularizer=regularizer)
    model.compile("sgd")
    model.fit(TABLE.features, TABLE.labels, shuffle=False, verbose=0, **arguments)
    return model.dense.kernel.numpy()


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    """The kernel of a `GuideModel` that is given features and labels alone."""
    return fitted_guide()


def test_a_bare_variable_on_a_model_is_not_trained() -> None:
    """tensorflow/tensorflow#97599."""
    model = keras.Sequential()
    model.bare = tf.Variable(1.0)
    assert not model.trainable_variables, mended(
        "a Keras model tracks a bare tf.Variable",
        "keras_mode/layers.py may make its weights without add_weight",
    )


def test_a_model_does_not_see_the_variables_of_a_tf_module() -> None:
    """tensorflow/tensorflow#84019."""
    inner = tf.Module()
    inner.weight = tf.Variable(1.0)
    model = keras.Sequential()
    model.inner = inner
    assert not model.trainable_variables, mended(
        "a Keras model sees a tf.Module's variables", "keras mode might take module mode's layers"
    )


def guide_trained_by(way: str) -> np.ndarray:
    """Returns the kernel after one epoch of `fit` or of a loop, from the same seed."""
    keras.utils.set_random_seed(1)
    model = GuideModel()
    model.compile("sgd")
    if way == "fit":
        model.fit(*TABLE.columns, batch_size=5, verbose=0)
    else:
        rows = tf.data.Dataset.from_tensor_slices(TABLE.columns).shuffle(12, seed=1)
        for batch in rows.batch(5):
            model.train_step([tf.cast(column, tf.float32) for column in batch])
    return model.dense.kernel.numpy()


def test_fit_and_a_loop_of_one_seed_end_apart() -> None:
    """keras-team/keras#19341."""
    assert (guide_trained_by("fit") != guide_trained_by("loop")).any(), mended(
        "fit takes arrays in the order of a loop",
        "data/order.py might leave the order to a seed",
    )


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


def test_fit_skips_every_second_order_of_a_reshuffling_dataset() -> None:
    """It makes an iterator twice an epoch."""

    def shuffled() -> tf.data.Dataset:
        rows = np.arange(50.0).reshape(50, 1)
        return tf.data.Dataset.from_tensor_slices((rows,)).shuffle(50, seed=1).batch(10)

    recorder, again = Recorder(), shuffled()
    recorder.compile("sgd", run_eagerly=True)
    recorder.fit(shuffled(), epochs=2, shuffle=False, verbose=0)
    by_loop = [float(x) for _ in range(2) for batch in again for x in batch[0][:, 0]]
    assert recorder.seen != by_loop, mended(
        "fit starts a Dataset once an epoch",
        "keras_mode/batches.py:dataset may be one epoch's, and not all epochs' in one stream",
    )


def test_adam_broadcasts_a_gradient_of_another_shape() -> None:
    """tensorflow/tensorflow#26270."""
    weight = keras.Variable(tf.zeros([2]))
    keras.optimizers.Adam(0.1).apply([tf.constant(1.0)], [weight])
    assert (weight.numpy() != 0).all(), mended(
        "Adam does not broadcast a gradient",
        "the check of shapes in module_mode/optimizers.py:Optimizer.apply",
    )


def test_an_optimizer_only_warns_of_a_weight_without_gradient() -> None:
    """tensorflow/tensorflow#36168."""
    used, unused = keras.Variable(1.0), keras.Variable(1.0)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        keras.optimizers.SGD(1.0).apply([tf.constant(2.0), None], [used, unused])
    assert float(used) == -1.0, mended(
        "Keras's optimizer refuses None", "claim 3 of tests/test_article.py is no warning any more"
    )


def test_a_loss_is_given_no_features() -> None:
    """keras-team/keras#5682."""
    shapes: list[int] = []

    def loss(*given: tf.Tensor) -> tf.Tensor:
        shapes.extend(argument.shape[-1] for argument in given)
        return tf.reduce_sum(given[-1])

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", loss)
    model.fit(TABLE.features, TABLE.labels[:, None], verbose=0)
    assert shapes and set(shapes) == {1}, mended(
        "Keras gives a loss the features", "keras_mode/base.py:compile may take loss_fn"
    )


@pytest.mark.parametrize(
    ("what", "arguments"),
    [
        # tensorflow/tensorflow#43902.
        ("sample_weight", {"sample_weight": np.tile([0.0, 1.0, 2.0], 4)}),
        # tensorflow/tensorflow#51127.
        ("class_weight", {"class_weight": {0: 1.0, 1: 3.0}}),
        # keras-team/keras#19740.
        ("regularizers", {"regularizer": "l2"}),
    ],
)
def test_a_training_step_of_its_own_drops(
    what: str, arguments: dict[str, Any], plain: np.ndarray
) -> None:
    assert (fitted_guide(**arguments) == plain).all(), mended(
        f"Keras adds {what} to a training step that leaves it out",
        "keras_mode/model.py:train_step must not add it once more",
    )


def test_evaluate_has_no_loss_where_train_step_alone_is_overridden() -> None:
    """tensorflow/tensorflow#33844."""
    guide = GuideModel()
    guide.compile("sgd")
    guide.fit(*TABLE.columns, verbose=0)
    with pytest.raises(ValueError, match="No loss to compute"):
        guide.evaluate(*TABLE.columns, verbose=0)
        pytest.fail(mended("evaluate goes with an own train_step", "keras_mode/model.py:test_step"))


def test_the_loss_of_an_epoch_is_not_that_of_the_weights_at_its_end() -> None:
    guide = keras.Sequential([keras.layers.Dense(1)])
    guide.compile(keras.optimizers.SGD(0.1), "mse")
    reported = guide.fit(*TABLE.columns, batch_size=5, verbose=0).history["loss"][-1]
    recomputed = guide.evaluate(*TABLE.columns, verbose=0)
    assert abs(reported - recomputed) > 1e-3, mended(
        "fit reports the loss after an epoch", "progress.py:Epoch must say so"
    )


def test_what_a_step_reports_is_taken_as_0_or_as_the_last_batchs() -> None:
    """keras-team/keras#17690."""
    reported = {}
    for name in ("loss", "mse"):
        guide = GuideModel(report=name)
        guide.compile(keras.optimizers.SGD(0.0))
        fitted = guide.fit(*TABLE.columns, batch_size=5, shuffle=False, verbose=0)
        reported[name] = fitted.history[name][-1]
    errors = (guide.predict(TABLE.features, verbose=0) - TABLE.labels) ** 2
    then = "keras_mode/base.py:loss_tracker"
    assert reported["loss"] == 0.0, mended("a loss returned by train_step is reported", then)
    last = pytest.approx(errors[10:].mean(), rel=FLOAT32_ROUNDING)
    assert reported["mse"] == last, mended("what train_step returns is averaged", then)


def test_labels_are_reshaped_to_the_predictions_unasked() -> None:
    """By Keras's own losses: [n] meets [n, 1]."""
    guide = keras.Sequential([keras.layers.Dense(1)])
    guide.compile("sgd", "mse")
    loss = guide.evaluate(*TABLE.columns, verbose=0)
    errors = (guide.predict(TABLE.features, verbose=0)[:, 0] - TABLE.labels) ** 2
    assert loss == pytest.approx(errors.mean(), rel=FLOAT32_ROUNDING), mended(
        "fit leaves shapes as they are", "nothing else: keras_mode/batches.py:as_vector is stricter"
    )


def test_fit_rounds_float64_arrays_to_float32() -> None:
    """Whatever the dtype of the model: to Keras's default."""
    model = keras.Sequential([keras.layers.Dense(1, dtype="float64")])
    x = TABLE.features + 1e-9
    assert (model.predict(x, verbose=0) != model(x).numpy()).any(), mended(
        "Keras keeps float64 arrays for a float64 model",
        "fit, evaluate and predict in keras_mode/base.py",
    )
