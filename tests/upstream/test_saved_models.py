"""Traps of saved models: Keras's variables, arrays of text, and what a graph rounds."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.upstream import mended, with_pinned_versions_only

pytestmark = with_pinned_versions_only


@pytest.mark.parametrize("tracked", [False, True])
def test_what_is_not_python_does_not_find_keras_variables_in_a_module(
    tracked: bool, tmp_path: pathlib.Path
) -> None:
    layer = keras.layers.Dense(1)
    layer.build((None, 2))
    module = tf.Module()
    module.layer = layer
    if tracked:
        module.weights = [variable.value for variable in layer.variables]
    function = tf.function(layer.call, [tf.TensorSpec([None, 2], name="x")], autograph=False)
    tf.saved_model.save(module, str(tmp_path), signatures=function)
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path))
        signature = loaded.signature_def["serving_default"]
        (output,) = (info.name for info in signature.outputs.values())
        feed = {signature.inputs["x"].name: np.ones((1, 2), np.float32)}
        if tracked:
            session.run(output, feed)
            return
        try:
            session.run(output, feed)
        except tf.errors.FailedPreconditionError:
            return
    pytest.fail(
        mended("a SavedModel has Keras's variables for all", "serving/served.py need not list them")
    )


def test_keras_does_not_predict_from_arrays_of_text() -> None:
    length = keras.layers.Lambda(lambda x: tf.strings.length(x)[:, None])
    model = keras.Sequential([keras.Input((), dtype="string"), length])
    with pytest.raises(ValueError, match="Invalid dtype"):
        model.predict(np.array(["a", "bc"]), verbose=0)
        pytest.fail(
            mended("Keras takes arrays of text", "RawColumnsModel.predict may be keras.Model's")
        )


def test_a_signature_does_not_keep_names_apart() -> None:
    columns = {name: tf.TensorSpec([None], name=name) for name in ("a b", "a_b")}
    function = tf.function(lambda columns: columns["a b"] + columns["a_b"], [columns])
    module = tf.Module()
    with pytest.raises(ValueError, match="Name collision after sanitization"):
        tf.saved_model.save(module, "ram://unused", signatures=function)
        pytest.fail(mended("a signature takes any name", "serving/inputs.py need not make others"))


def test_a_graph_rounds_otherwise_than_its_operations_do() -> None:
    random = np.random.default_rng(0)
    x = tf.constant(random.normal(size=(400, 4)), tf.float32)
    kernel = tf.Variable(random.normal(size=(4, 1)).astype(np.float32))
    bias = tf.Variable([0.1])

    def affine(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(tf.matmul(x, kernel), bias)

    apart = affine(x) != tf.function(affine, autograph=False)(x)
    assert apart.numpy().any(), mended(
        "one operation for a product and a bias rounds as the two do",
        "serving/scoring.py may leave TensorFlow's optimizer on",
    )
