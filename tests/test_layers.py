"""The layers of both wings: what they compute, and where they start."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlevel import modes
from lowlevel.keras_mode import layers as keras_layers
from tests import wings


@pytest.mark.parametrize("mode", wings.MODES)
def test_the_layers_compute_what_numpy_does(mode: str) -> None:
    table = wings.small_table()
    model = wings.make(mode, table, standardize=True, activation="tanh", hidden_units=(2,))
    weights = modes.load(mode).named_weights(model)
    scaled = (table.features - table.features.mean(0)) / table.features.std(0)
    hidden = np.tanh(scaled @ weights["dense_0/kernel"] + weights["dense_0/bias"])
    z = (hidden @ weights["logistic/kernel"] + weights["logistic/bias"])[:, 0]
    # Sums of a few products in float64.
    expected = 1 / (1 + np.exp(-z[:, None]))
    np.testing.assert_allclose(model(tf.constant(table.features)), expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", [False, True])
def test_both_modes_start_from_the_same_bits(dtype: str, standardize: bool) -> None:
    table = wings.small_table(dtype=dtype)
    first, second = (
        modes.load(mode).named_weights(
            wings.make(mode, table, hidden_units=(4, 1), standardize=standardize)
        )
        for mode in wings.MODES
    )
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name, strict=True)


@pytest.mark.parametrize("mode", wings.MODES)
def test_hidden_kernels_fill_glorots_interval(mode: str) -> None:
    model = wings.make(mode, wings.small_table(), hidden_units=(2000,))
    kernel = modes.load(mode).named_weights(model)["dense_0/kernel"]
    limit = np.sqrt(6 / (3 + 2000))
    assert np.abs(kernel).max() <= limit
    # The deviation of a uniform variable; 6,000 draws, five standard errors.
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=5 * np.sqrt(0.2 / 6000))


@pytest.mark.parametrize("mode", wings.MODES)
def test_another_seed_gives_another_start(mode: str) -> None:
    first, second = (
        modes.load(mode).named_weights(wings.make(mode, wings.small_table(), seed=seed))
        for seed in (0, 1)
    )
    for name in ("dense_0/kernel", "logistic/kernel"):
        assert (first[name] != second[name]).all()


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "sigmoid"])
def test_an_activation_is_keras_activation_of_that_name(activation: str) -> None:
    table = wings.small_table()
    ours, theirs = (
        wings.make(mode, table, hidden_units=(5,), activation=activation) for mode in wings.MODES
    )
    x = tf.constant(table.features)
    np.testing.assert_array_equal(ours.latent(x), theirs.latent(x))


def test_logistic_is_made_again_from_its_config() -> None:
    layer = keras_layers.Logistic("logit", keras.initializers.Zeros(), keras.regularizers.L2(0.5))
    again = keras_layers.Logistic.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.kernel_regularizer.l2 == 0.5


def test_an_unknown_likelihood_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown likelihood 'logot': give one of logit"):
        keras_layers.Logistic("logot")
