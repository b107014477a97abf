"""A saved model, and how its likelihood goes into the file and comes out of it."""

import pathlib
import sys
from typing import Any

import keras
import numpy as np
import pytest

from lowlevel.keras_mode.compute_loss import MODELS
from lowlevel.keras_mode.layers import Dense, Logistic
from lowlevel.keras_mode.model import CustomModel
from lowlevel.likelihoods import LIKELIHOODS, Likelihood
from lowlevel.likelihoods.loading import load
from tests import wings

TABLE = wings.small_table(dtype="float32")

# The logit, with every loss and slope doubled.
LIKELIHOOD_FILE = """
from lowlevel.likelihoods import Logit
class Double(Logit):
    def nll(self, z, y):
        return 2 * super().nll(z, y)
    def slope(self, z, y):
        return 2 * super().slope(z, y)
DOUBLE = Double()
"""


def save_fitted(path: pathlib.Path, hook: str = "train_step", **of_output: Any) -> CustomModel:
    """A Keras model, trained a little and saved; Adam has much to remember."""
    keras.utils.set_random_seed(0)
    model = MODELS[hook](Dense(4, name="dense_layer"), Logistic(**of_output))
    model.compile(optimizer=keras.optimizers.Adam(0.1), metrics=["accuracy"])
    model.fit(*TABLE.columns, epochs=2, verbose=0)
    model.save(path)
    return model


def assert_goes_on_as(model: CustomModel, again: CustomModel) -> None:
    """Trains both on, and holds the one to the other."""
    histories = [
        one.fit(*TABLE.columns, epochs=3, shuffle=False, verbose=0).history
        for one in (model, again)
    ]
    assert histories[0] == histories[1]
    assert histories[0].keys() == {"loss", "accuracy"}
    assert type(again) is type(model)
    np.testing.assert_array_equal(
        again.predict(TABLE.features, verbose=0), model.predict(TABLE.features, verbose=0)
    )


@pytest.mark.parametrize("hook", MODELS)
def test_a_saved_model_predicts_and_trains_on_as_before(hook: str, tmp_path: pathlib.Path) -> None:
    model = save_fitted(tmp_path / "model.keras", hook)
    assert_goes_on_as(model, keras.models.load_model(tmp_path / "model.keras"))


def test_a_model_of_a_run_is_saved_like_any_other(tmp_path: pathlib.Path) -> None:
    run = wings.train(
        "keras", wings.small_table(), likelihood="probit", standardize=True, hidden_units=(2,)
    )
    run.model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    wings.assert_same_bits(wings.named("keras", again), run.weights)
    assert again.logistic.likelihood is LIKELIHOODS["probit"]


def test_a_likelihood_from_a_file_is_run_only_where_it_is_trusted(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "double.py"
    file.write_text(LIKELIHOOD_FILE)
    model = save_fitted(tmp_path / "model.keras", likelihood=load(f"{file}:DOUBLE"))

    # This process has run it.
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.logistic.likelihood is model.logistic.likelihood

    # Another has not.
    monkeypatch.delitem(sys.modules, type(model.logistic.likelihood).__module__)
    with pytest.raises(ValueError, match=r"a file that loading the model would run.*safe_mode"):
        keras.models.load_model(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=False)
    assert type(again.logistic.likelihood).__name__ == "Double"
    assert_goes_on_as(model, again)


def test_a_likelihood_that_could_not_be_found_again_is_not_saved() -> None:
    with pytest.raises(ValueError, match="Expected a likelihood that can be found again"):
        Logistic(Likelihood()).get_config()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_logistic_is_made_again_from_its_config(name: str) -> None:
    layer = Logistic(LIKELIHOODS[name], keras.initializers.Zeros(), keras.regularizers.L2(0.5))
    again = Logistic.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.kernel_regularizer.l2 == 0.5
    assert again.likelihood is layer.likelihood


def test_an_unknown_likelihood_is_refused() -> None:
    config = {**Logistic().get_config(), "likelihood": "logot"}
    with pytest.raises(ValueError, match="Unknown likelihood 'logot': give one of logit"):
        Logistic.from_config(config)
