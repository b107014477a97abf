"""TensorFlow's traps: of custom gradients, tapes, tf.functions and broadcasting."""

import pathlib
import sys
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.upstream import mended, with_pinned_versions_only

pytestmark = with_pinned_versions_only


def test_a_rule_gets_its_variables_in_an_order_of_tensorflows_own() -> None:
    """tensorflow/tensorflow#47266."""
    first, second = tf.Variable(2.0, name="b"), tf.Variable(3.0, name="a")

    @tf.custom_gradient
    def line(x: tf.Tensor) -> tuple:
        return x * first + second, lambda upstream, variables: (None, [upstream * x, upstream])

    @tf.function
    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            value = line(tf.constant(5.0))
        return tape.gradient(value, [first, second])

    # They should be 5 and 1.
    assert [float(gradient) for gradient in gradients()] == [1.0, 5.0], mended(
        "`variables` come in order of use",
        "keras_mode/model.py need not match them by identity",
    )


def test_a_keyword_makes_a_custom_gradient_be_ignored() -> None:
    """tensorflow/tensorflow#65839."""
    seven = tf.custom_gradient(lambda x: (x * 1.0, lambda upstream: upstream * 7.0))
    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = seven(x=x)
    assert tape.gradient(value, x) == 1.0, mended(
        "a custom gradient holds for keywords too",
        "the `/` in the custom gradients of model.py and of likelihoods/differentiable.py",
    )


def test_a_keyword_is_refused_in_a_graph_alone() -> None:
    """tensorflow/tensorflow#77559."""
    triple = tf.custom_gradient(lambda x: (x * 3.0, lambda upstream: upstream))
    assert triple(x=tf.constant(1.0)) == 3.0, mended(
        "a custom gradient refuses keywords in eager mode",
        "the `/` in the custom gradients of model.py and of likelihoods/differentiable.py",
    )
    with pytest.raises(ValueError, match="keyword"):
        tf.function(lambda x: triple(x=x))(tf.constant(1.0))


def in_branch(x: tf.Tensor, weight: tf.Variable) -> tf.Tensor:
    """Returns the gradient of weight * x in x, by a rule in one of two branches."""

    @tf.custom_gradient
    def scaled(x: tf.Tensor) -> tuple:
        return weight * x, lambda upstream, variables: (upstream * weight, [upstream * x])

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.cond(x > 0, lambda: scaled(x), lambda: x)
    return tape.gradient(value, x)


def test_a_rule_that_reads_a_variable_breaks_in_a_branch_of_a_graph() -> None:
    """tensorflow/tensorflow#50170."""
    weight = tf.Variable(2.0)
    assert in_branch(tf.constant(1.0), weight) == 2.0
    with pytest.raises(AttributeError, match="undefined when eager"):
        tf.function(in_branch)(tf.constant(1.0), weight)
        pytest.fail(
            mended(
                "a rule may read a variable in a graph's tf.cond",
                "the rules of model.py may read the weights themselves",
            )
        )


def test_a_tape_takes_a_gradient_of_any_shape_from_a_rule() -> None:
    """tensorflow/tensorflow#26270 and #26048."""
    total = tf.custom_gradient(lambda x: (tf.reduce_sum(x), lambda upstream: upstream))
    one = tf.custom_gradient(lambda x: (x[0] * 1.0, lambda upstream: tf.fill([3, 3], upstream)))
    x = tf.ones([2])
    for function, shape in ((total, []), (one, [3, 3])):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        assert tape.gradient(value, x).shape == shape, mended(
            "the tape checks a custom gradient's shape",
            "the check of shapes in module_mode/optimizers.py:Optimizer.apply",
        )


def test_a_tape_answers_none_for_a_weight_without_gradient() -> None:
    """tensorflow/tensorflow#36168."""
    used, unused = tf.Variable(1.0), tf.Variable(1.0)
    with tf.GradientTape() as tape:
        loss = used * 2.0
    assert tape.gradient(loss, [used, unused])[1] is None, mended(
        "the tape refuses a variable without gradient",
        "the check of None in module_mode/optimizers.py:Optimizer.apply",
    )


def test_a_rule_with_stop_gradient_has_no_second_derivative() -> None:
    """tensorflow/tensorflow#34503."""
    square = tf.custom_gradient(lambda x: (x * x, lambda up: up * tf.stop_gradient(2.0 * x)))
    x = tf.constant(3.0)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = square(x)
        slope = inner.gradient(value, x)
    assert outer.gradient(slope, x) is None, mended(
        "stop_gradient in a rule is refused", "nothing else: no rule here has one"
    )


def test_labels_against_a_column_are_broadcast() -> None:
    """tensorflow/tensorflow#28901."""
    nll = tf.ones([12]) * tf.math.log(tf.fill([12, 1], 0.5))
    assert nll.shape == [12, 12], mended(
        "arithmetic of [n] and [n, 1] raises",
        "the check of shapes in likelihoods/base.py:check_labels",
    )


def test_a_tf_function_is_traced_for_every_python_number() -> None:
    """tensorflow/tensorflow#34025."""
    double = tf.function(lambda number: number * 2)
    for number in range(3):
        double(number)
    assert double.experimental_get_tracing_count() == 3, mended(
        "a tf.function takes Python numbers without a trace for each",
        "the tf.constants in module_mode/training.py:call_for_all",
    )


def test_a_tf_module_does_not_see_keras_variables() -> None:
    """tensorflow/tensorflow#84019."""
    layer = keras.layers.Dense(1)
    layer.build((None, 3))
    module = tf.Module()
    module.layer = layer
    assert not module.trainable_variables, mended(
        "a tf.Module sees a Keras layer's variables",
        "module mode might take Keras's layers",
    )


@pytest.mark.parametrize("convert", [tf.cast, keras.ops.cast])
def test_a_python_number_goes_through_float32_on_its_way_to_float64(convert: Callable) -> None:
    """So both modes make their constants by tf.cast, and agree."""
    assert float(convert(0.1, "float64")) == float(np.float32(0.1)) != 0.1, mended(
        "tf.cast keeps a Python float's digits",
        "tf.constant will do where module mode has tf.cast",
    )


def test_in_a_loop_under_xla_a_slice_begins_at_the_wrong_end() -> None:
    """It takes `x[row, :2]` for `x[row, 2:]`, where the row moves with the loop."""

    def tails(x: tf.Tensor) -> tf.Tensor:
        found = tf.zeros([3], tf.int32)
        for row in tf.range(3):
            found = tf.tensor_scatter_nd_update(found, [[row]], [tf.reduce_sum(x[row, 2:])])
        return found

    x = tf.reshape(tf.range(12), [3, 4])
    assert tf.function(tails)(x).numpy().tolist() == [5, 13, 21]
    assert tf.function(tails, jit_compile=True)(x).numpy().tolist() == [1, 9, 17], mended(
        "a slice is the same under XLA",
        "module_mode/batches.py:Rows may be slices of the orders, if they are as fast",
    )


def test_a_summary_needs_tensorboard_which_does_not_come_with_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for somebody who has not installed it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    gone = mended("it writes summaries itself", "cli/tensorboard.py need not look for TensorBoard")
    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        try:
            tf.summary.scalar("loss", 0.5, step=1)
        except Exception as error:
            assert "TensorBoard is not installed" in str(error)
        else:
            pytest.fail(gone)
