"""The layers of both modes: what they compute, where they start, and that each has its twin."""

import inspect
from types import ModuleType

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlevel.config import ACTIVATIONS
from lowlevel.keras_mode import layers as keras_layers
from lowlevel.keras_mode.model import CustomModel as KerasModel
from lowlevel.likelihoods import Logit
from lowlevel.module_mode import layers as module_layers
from lowlevel.module_mode.model import CustomModel as ModuleModel
from tests import wings
from tests.wings import both_modes

TABLE = wings.small_table()


def classes(module: ModuleType, base: type) -> dict[str, type]:
    """The classes of a kind that a file holds, by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base) and value is not base
    }


IN_MODULE = classes(module_layers, tf.Module)
IN_KERAS = classes(keras_layers, keras.layers.Layer)


@pytest.mark.parametrize("name", sorted(IN_MODULE.keys() | IN_KERAS.keys()))
def test_a_layer_has_a_twin_of_its_name_in_the_other_mode(name: str) -> None:
    assert name in IN_MODULE, f"module_mode/layers.py: add a class {name}, a tf.Module"
    assert name in IN_KERAS, f"keras_mode/layers.py: add a class {name}, a keras.layers.Layer"


@both_modes
def test_the_layers_compute_what_numpy_does(mode: str) -> None:
    model = wings.make(mode, TABLE, standardize=True, activation="tanh", hidden_units=(2,))
    scaled = (TABLE.features - TABLE.features.mean(0)) / TABLE.features.std(0)
    z = wings.numpy_z(wings.named(mode, model), scaled)
    # Sums of a few products in float64.
    expected = 1 / (1 + np.exp(-z[:, None]))
    np.testing.assert_allclose(model(tf.constant(TABLE.features)), expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", [False, True])
def test_both_modes_start_from_the_same_bits(dtype: str, standardize: bool) -> None:
    table = wings.small_table(dtype=dtype)
    first, second = (
        wings.named(mode, wings.make(mode, table, hidden_units=(4, 1), standardize=standardize))
        for mode in wings.MODES
    )
    wings.assert_same_bits(first, second)


@both_modes
def test_hidden_kernels_fill_glorots_interval(mode: str) -> None:
    model = wings.make(mode, TABLE, hidden_units=(2000,))
    kernel = wings.named(mode, model)["dense_0/kernel"]
    limit = np.sqrt(6 / (3 + 2000))
    assert np.abs(kernel).max() <= limit
    # The deviation of a uniform variable; 6,000 draws, five standard errors.
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=5 * np.sqrt(0.2 / 6000))


@both_modes
def test_another_seed_gives_another_start(mode: str) -> None:
    first, second = (wings.named(mode, wings.make(mode, TABLE, seed=seed)) for seed in (0, 1))
    for name in ("dense_0/kernel", "logistic/kernel"):
        assert (first[name] != second[name]).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_is_keras_activation_of_that_name(activation: str) -> None:
    ours, theirs = (
        wings.make(mode, TABLE, hidden_units=(5,), activation=activation) for mode in wings.MODES
    )
    x = tf.constant(TABLE.features)
    expected = keras.activations.get(activation)(x @ theirs.nn_block.layers[0].kernel.value)
    np.testing.assert_array_equal(ours.latent(x), theirs.latent(x))
    np.testing.assert_array_equal(theirs.latent(x), expected)


class ModuleSpy(tf.Module):
    """Keeps how it was called; a layer of module mode."""

    def __init__(self) -> None:
        """Starts with nothing seen."""
        super().__init__()
        self.seen: list[bool] = []

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns what it is given."""
        self.seen.append(training)
        return x


class KerasSpy(keras.layers.Layer):
    """Keeps how it was called; a layer of keras mode."""

    def __init__(self) -> None:
        """Starts with nothing seen."""
        super().__init__()
        self.seen: list[bool] = []

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns what it is given."""
        self.seen.append(training)
        return x

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the shape of what it is given."""
        return input_shape


@both_modes
@pytest.mark.parametrize("alone", [False, True])
def test_any_layer_can_be_the_block_and_knows_that_it_is_in_training(
    mode: str, alone: bool
) -> None:
    if mode == "module":
        spy = ModuleSpy()
        block = spy if alone else module_layers.Sequential([spy, spy])
        model = ModuleModel(block, module_layers.Logistic(3, Logit(), 0, "float64"))
    else:
        spy = KerasSpy()
        block = spy if alone else keras_layers.Sequential([spy, KerasSpy()])
        model = KerasModel(block, keras_layers.Logistic(), dtype="float64")
        model.build((None, 3))
    x, y = wings.arguments(TABLE)
    for training in (True, False):
        spy.seen.clear()
        model.loss_fn(x, y, training=training)
        assert set(spy.seen) == {training}


@pytest.mark.parametrize("name", sorted(IN_MODULE.keys() - {"Logistic"}))
def test_a_layer_that_may_stand_in_a_sequential_takes_training(name: str) -> None:
    """By hand, that is; Keras looks for itself. Logistic is the last, and stands in none."""
    parameters = inspect.signature(IN_MODULE[name].__call__).parameters
    assert parameters["training"].default is False, f"module_mode/layers.py: {name}.__call__"
