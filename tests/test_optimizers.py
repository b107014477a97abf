"""Each optimizer's updates, against Keras's of the same name."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlevel.module_mode import optimizers

RATE = 0.01
KERAS = {
    "sgd": lambda: keras.optimizers.SGD(RATE),
    "momentum": lambda: keras.optimizers.SGD(RATE, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(RATE),
}


def gradients(step: int) -> list[tf.Tensor]:
    """Gradients for a matrix and a vector, of very different sizes."""
    random = np.random.default_rng(step)
    return [
        tf.constant(random.normal(size=shape) * 10.0 ** random.integers(-6, 3, shape), tf.float32)
        for shape in ((3, 2), (2,))
    ]


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_a_hundred_updates_are_keras_updates_to_the_bit(name: str) -> None:
    ours, theirs = ([tf.Variable(tf.ones([3, 2])), tf.Variable(tf.zeros([2]))] for _ in range(2))
    optimizer, reference = optimizers.OPTIMIZERS[name](ours, RATE), KERAS[name]()
    for step in range(100):
        optimizer.apply(gradients(step))
        reference.apply(gradients(step), theirs)
    for variable, expected in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(variable, expected)


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_a_missing_gradient_is_refused(name: str) -> None:
    optimizer = optimizers.OPTIMIZERS[name]([tf.Variable([1.0], name="bias")], RATE)
    with pytest.raises(ValueError, match=r"of shape \(1,\) for bias:0, got None"):
        optimizer.apply([None])


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_a_gradient_of_another_shape_is_refused_not_broadcast(name: str) -> None:
    optimizer = optimizers.OPTIMIZERS[name]([tf.Variable([1.0, 1.0], name="bias")], RATE)
    with pytest.raises(ValueError, match=r"shape \(2,\) for bias:0, got one of shape \(\)"):
        optimizer.apply([tf.constant(1.0)])
