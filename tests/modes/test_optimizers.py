"""Each optimizer's updates, in both modes, against Keras's own of the same settings."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlevel.config import OPTIMIZERS, Config, TrainingSettings
from lowlevel.keras_mode import optimizers as keras_optimizers
from lowlevel.module_mode import optimizers as module_optimizers
from lowlevel.ranges import Number

RATE = 0.01
FILES = {"module_mode": module_optimizers, "keras_mode": keras_optimizers}

# Every other number that training depends on, away from its default.
NUMBERS = {
    field.name: 0.25
    for field in dataclasses.fields(TrainingSettings)
    if isinstance(field.metadata["within"], Number) and field.name != "learning_rate"
}

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def gradients(step: int) -> list[tf.Tensor]:
    """Gradients for a matrix and a vector, of very different sizes."""
    random = np.random.default_rng(step)
    return [
        tf.constant(random.normal(size=shape) * 10.0 ** random.integers(-6, 3, shape), tf.float32)
        for shape in ((3, 2), (2,))
    ]


@every_optimizer
@pytest.mark.parametrize("wing", FILES)
def test_both_modes_have_every_optimizer(name: str, wing: str) -> None:
    assert name in FILES[wing].OPTIMIZERS, (
        f"config.py:OPTIMIZERS has {name!r}: add its line to OPTIMIZERS in {wing}/optimizers.py"
    )
    extra = set(FILES[wing].OPTIMIZERS) - set(OPTIMIZERS)
    assert not extra, f"{wing}/optimizers.py has {extra}: add it to config.py:OPTIMIZERS"


@every_optimizer
def test_a_hundred_updates_are_keras_updates_to_the_bit(name: str) -> None:
    start = [tf.ones([3, 2]), tf.zeros([2])]
    ours, theirs = [tf.Variable(x) for x in start], [keras.Variable(x) for x in start]
    settings = Config(optimizer=name, learning_rate=RATE, **NUMBERS)
    optimizer = module_optimizers.make_optimizer(settings, ours)
    reference = keras_optimizers.make_optimizer(settings, theirs)
    assert type(reference).__module__.startswith("keras."), (
        f"keras_mode/optimizers.py: {name} is not Keras's own, so nothing holds ours to it"
    )
    for step in range(100):
        optimizer.apply(gradients(step))
        reference.apply(gradients(step), theirs)
    for variable, expected in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(variable, expected.value, strict=True)


# What a second step of gradient 1 adds to a first one, in steps of the rate, by the papers.
SECOND_STEPS = {"sgd": 1.0, "momentum": 1.0 + 0.9, "adam": 1.0}


@pytest.mark.parametrize("name", SECOND_STEPS)
@pytest.mark.parametrize("wing", FILES)
def test_two_steps_of_one_gradient_are_those_of_the_papers(name: str, wing: str) -> None:
    kind = {"module_mode": tf.Variable, "keras_mode": keras.Variable}[wing]
    variable = kind(tf.constant([0.0]))
    optimizer = FILES[wing].make_optimizer(Config(optimizer=name, learning_rate=RATE), [variable])
    for _ in range(2):
        more = [[variable]] if wing == "keras_mode" else []
        optimizer.apply([tf.constant([1.0])], *more)
    # Adam divides by 1 - 0.999^2, of which float32 leaves four digits.
    assert float(variable[0]) == pytest.approx(-RATE * (1 + SECOND_STEPS[name]), rel=1e-4)
