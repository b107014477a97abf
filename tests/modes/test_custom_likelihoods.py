"""Likelihoods of labels that are not binary: of two predictors, and of counts."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lowlevel import experiment
from lowlevel.config import Config
from lowlevel.data import Table
from lowlevel.likelihoods import Likelihood
from tests import wings
from tests.wings import both_modes

BASE: dict[str, Any] = {"hidden_units": (2,), "activation": "tanh", "batch_size": 16}


class Gaussian(Likelihood):
    """A normal label: its mean is z0, and the logarithm of its deviation z1."""

    label_range = (-np.inf, np.inf)
    predictors = 2
    metrics = ()

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Half the squared deviation, and the logarithms."""
        mean, log_deviation = tf.unstack(z, axis=-1)
        deviations = (y - mean) * tf.exp(-log_deviation)
        return 0.5 * tf.square(deviations) + log_deviation + 0.5 * float(np.log(2 * np.pi))

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        """The first predictor."""
        return z[..., 0]

    def base_rate_nll(self, labels: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """None is known."""


LIKELIHOODS: dict[str, Likelihood] = {"gaussian": Gaussian(), "poisson": wings.Poisson()}
every_likelihood = pytest.mark.parametrize("name", LIKELIHOODS)


def table(name: str) -> Table:
    """Rows whose labels have the distribution, with weights."""
    random = np.random.default_rng(0)
    features = random.normal(size=(40, 3))
    z = features.sum(axis=1) / 2
    labels = {
        "gaussian": random.normal(z, np.exp(features[:, 0] / 2)),
        "poisson": random.poisson(np.exp(z)),
    }
    return Table(features, labels[name], random.uniform(0.5, 2, 40))


def numpy_nll(name: str, weights: dict[str, np.ndarray], rows: Table) -> float:
    """The weighted mean NLL of `BASE`'s network by NumPy, from the definitions."""
    hidden = np.tanh(rows.features @ weights["dense_0/kernel"] + weights["dense_0/bias"])
    z = hidden @ weights["logistic/kernel"] + weights["logistic/bias"]
    y = rows.labels
    if name == "gaussian":
        variance = np.exp(z[:, 1]) ** 2
        nll = (y - z[:, 0]) ** 2 / (2 * variance) + np.log(2 * np.pi * variance) / 2
    else:
        nll = np.exp(z[:, 0]) - y * z[:, 0]
    return float(np.mean(rows.sample_weight * nll))


@both_modes
@every_likelihood
@pytest.mark.parametrize("execution", ["eager", "graph"])
def test_its_gradient_is_that_of_finite_differences(mode: str, name: str, execution: str) -> None:
    rows = table(name)
    model = wings.make(mode, rows, likelihood=LIKELIHOODS[name], **BASE)
    columns = wings.arguments(rows)
    found = wings.EXECUTIONS[execution](lambda: wings.gradient(model, *columns))()

    def loss() -> float:
        return numpy_nll(name, wings.named(mode, model), rows)

    for variable, gradient in zip(wings.variables(model), found, strict=True):
        expected = wings.central_differences(variable, loss)
        # Losses of size 1 to 10, rounded to 1e-15.
        assert gradient.numpy() == pytest.approx(expected, abs=1e-8)


@every_likelihood
def test_both_modes_train_it_to_the_same_bits_and_report_its_loss(name: str) -> None:
    rows = table(name)
    config = Config(likelihood=LIKELIHOODS[name], epochs=5, learning_rate=0.1, **BASE)
    result = experiment.compare(config, rows)
    assert result.tolerance == 0
    assert result.agrees
    for run in result.runs.values():
        expected = numpy_nll(name, run.weights, rows)
        assert run.metrics == {"nll": pytest.approx(expected, rel=1e-12)}
        assert run.history[-1].nll < run.history[0].nll
        assert run.base_rate_nll is None


@both_modes
@every_likelihood
def test_its_model_predicts_its_mean(mode: str, name: str) -> None:
    rows = table(name)
    model = wings.make(mode, rows, likelihood=LIKELIHOODS[name], hidden_units=())
    weights = wings.named(mode, model)
    z = rows.features @ weights["logistic/kernel"] + weights["logistic/bias"]
    expected = z[:, :1] if name == "gaussian" else np.exp(z)
    np.testing.assert_allclose(model(tf.constant(rows.features)), expected, rtol=1e-12)


@both_modes
def test_labels_out_of_its_range_are_refused(mode: str) -> None:
    rows = table("gaussian")
    with pytest.raises(ValueError, match="Expected finite `labels` from 0 to inf, got -"):
        wings.train(mode, rows, likelihood=LIKELIHOODS["poisson"], **BASE)
