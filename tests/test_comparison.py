"""The two modes are the same experiment: bit for bit, over many settings; and a liar is found."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from lowlevel import comparison, modes
from lowlevel.config import Config
from tests import reference, wings

HIDDEN = ((), (4,), (16, 8), (1,))


def compare(table: Any, **settings: Any) -> comparison.Comparison:
    """Both modes by one config."""
    return comparison.compare(Config(**settings), table, lambda row: None)


@pytest.mark.parametrize(
    ("optimizer", "hidden_units"), list(itertools.product(("sgd", "momentum", "adam"), HIDDEN))
)
def test_float32_is_bit_for_bit_over_fifty_epochs(
    optimizer: str, hidden_units: tuple[int, ...], credit: Callable
) -> None:
    result = compare(
        credit("float32"),
        optimizer=optimizer,
        hidden_units=hidden_units,
        activation="relu" if len(hidden_units) > 1 else "linear",
        batch_size=77,
        epochs=50,
    )
    assert len(result.rows) == 50
    assert result.relative == 0.0


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_float64_agrees_after_every_epoch(optimizer: str, credit: Callable) -> None:
    result = compare(credit("float64"), optimizer=optimizer, dtype="float64")
    assert len(result.rows) == 5
    assert result.relative <= 1e-12
    # More is promised: the same operations give the same bits in float64, too.
    assert result.agrees


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_xla_differs_by_rounding_alone(optimizer: str, activation: str, credit: Callable) -> None:
    result = compare(
        credit("float32"),
        optimizer=optimizer,
        activation=activation,
        standardize=activation == "tanh",
        jit_compile=True,
        epochs=50,
        batch_size=77,
    )
    assert result.tolerance == 1e-5
    assert result.agrees


def maximum_likelihood(likelihood: str, table: Any) -> float:
    """The least mean NLL that any weights have on a table, by SciPy's BFGS and its functions."""
    features = (table.features - table.features.mean(0)) / table.features.std(0)
    inputs = np.column_stack([features, np.ones(table.rows)]).astype(np.float64)

    def mean_nll(weights: np.ndarray) -> float:
        one, zero = (reference.rapid(likelihood, inputs @ weights, y).nll for y in (1, 0))
        return float(np.mean(np.where(table.labels == 1, one, zero)))

    return optimize.minimize(mean_nll, np.zeros(inputs.shape[1]), method="BFGS").fun


@pytest.mark.parametrize("mode", wings.MODES)
@pytest.mark.parametrize("likelihood", reference.RAPID)
def test_every_likelihood_trains_to_its_maximum(
    mode: str, likelihood: str, credit: Callable
) -> None:
    config = Config(
        likelihood=likelihood,
        standardize=True,
        optimizer="adam",
        learning_rate=0.01,
        epochs=2000,
        batch_size=1000,
        report_every=2000,
    )
    run = modes.run(mode, config, credit("float32"), lambda epochs, model: None)
    expected = maximum_likelihood(likelihood, credit("float64"))
    assert run.metrics["nll"] == pytest.approx(expected, abs=1e-5)


def test_the_maximum_for_the_logit_is_scikit_learns(credit: Callable) -> None:
    table = credit("float64")
    features = (table.features - table.features.mean(0)) / table.features.std(0)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(features, table.labels)
    expected = metrics.log_loss(table.labels, model.predict_proba(features))
    # BFGS stops at a gradient of 1e-5.
    assert maximum_likelihood("logit", table) == pytest.approx(expected, abs=1e-8)


def test_a_mode_that_goes_its_own_way_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = modes.load("keras")
    build = keras.build

    def build_another(config: Config, table: Any) -> Any:
        model = build(config, table)
        kernel = model.logistic.kernel
        kernel.assign(np.nextafter(kernel.numpy(), np.float32(1)))
        return model

    monkeypatch.setattr(keras, "build", build_another)
    result = compare(wings.small_table(dtype="float32"), epochs=1)
    assert not result.agrees


def test_differences_are_the_largest_of_any_element() -> None:
    first = {"a": np.array([1.0, 2.0]), "b": np.array([0.0, 4.0])}
    second = {"a": np.array([1.0, 2.5]), "b": np.array([0.0, 3.0])}
    assert comparison.largest_differences(first, second) == (1.0, 0.25)
    assert comparison.largest_differences(first, first) == (0.0, 0.0)


def test_weights_of_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match="Expected the same weights"):
        comparison.largest_differences({"a": np.ones(1)}, {"b": np.ones(1)})


@pytest.mark.parametrize("other", [np.ones(2), np.ones(1, np.float32)])
def test_weights_of_another_shape_or_dtype_are_refused(other: np.ndarray) -> None:
    with pytest.raises(ValueError, match="Expected the same weights"):
        comparison.largest_differences({"a": np.ones(1)}, {"a": other})
