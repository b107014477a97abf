"""What module mode's optimizers refuse; Keras's own let it pass."""

import pytest
import tensorflow as tf

from lowlevel.config import OPTIMIZERS, Config
from lowlevel.module_mode.optimizers import Optimizer, make_optimizer

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def of_two(name: str) -> tuple[Optimizer, tf.Variable]:
    """An optimizer of a variable of two elements, and that."""
    variable = tf.Variable([1.0, 1.0], name="bias")
    return make_optimizer(Config(optimizer=name), [variable]), variable


@every_optimizer
def test_a_missing_gradient_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"of shape \(2,\) for bias:0, got None"):
        of_two(name)[0].apply([None])


@every_optimizer
def test_a_gradient_of_another_shape_is_refused_not_broadcast(name: str) -> None:
    optimizer, variable = of_two(name)
    with pytest.raises(ValueError, match=r"shape \(2,\) for bias:0, got one of shape \(\)"):
        optimizer.apply([tf.constant(1.0)])
    assert variable.numpy().tolist() == [1.0, 1.0]


@every_optimizer
def test_too_few_gradients_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="shorter"):
        of_two(name)[0].apply([])
