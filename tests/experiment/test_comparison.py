"""The two modes are the same experiment: bit for bit, over many settings; and a liar is found."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from lowlevel import experiment
from lowlevel.cli import output
from lowlevel.config import OPTIMIZERS, Config
from lowlevel.data import Table
from lowlevel.experiment import comparison, modes
from tests import wings

HIDDEN = ((), (4,), (16, 8), (1,))


def compare(table: Table, **settings: Any) -> experiment.Comparison:
    """Both modes by one config."""
    return experiment.compare(Config(**settings), table)


def diagonal(first: Any, second: Any) -> list[Any]:
    """Every pair of two choices; all but one of each second choice's in full runs only."""
    return [
        pytest.param(one, other, marks=[] if i == j % len(first) else [pytest.mark.full])
        for j, other in enumerate(second)
        for i, one in enumerate(first)
    ]


@pytest.mark.parametrize(("optimizer", "hidden_units"), diagonal(OPTIMIZERS, HIDDEN))
def test_float32_is_bit_for_bit_over_fifty_epochs(
    optimizer: str, hidden_units: tuple[int, ...], credit: Callable[[str], Table]
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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [11, 40])
def test_sample_weights_count_alike_to_the_bit(dtype: str, batch_size: int) -> None:
    # Batches whose sizes have no exact inverse, and a short one.
    table = wings.small_table(rows=53, dtype=dtype, weighted=True)
    result = compare(table, batch_size=batch_size, learning_rate=0.05, optimizer="adam")
    assert result.relative == 0.0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_float64_agrees_after_every_epoch(optimizer: str, credit: Callable[[str], Table]) -> None:
    result = compare(credit("float64"), optimizer=optimizer, dtype="float64")
    assert len(result.rows) == 5
    assert result.relative <= 1e-12
    # More is promised: the same operations give the same bits in float64, too.
    assert result.agrees


@pytest.mark.parametrize(("activation", "optimizer"), diagonal(("linear", "tanh"), OPTIMIZERS))
def test_xla_differs_by_rounding_alone(
    optimizer: str, activation: str, credit: Callable[[str], Table]
) -> None:
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


# The logarithms of P(y = 1 | z) and P(y = 0 | z) by SciPy and NumPy.
LOG_PROBABILITIES: dict[str, tuple[Callable, Callable]] = {
    "logit": (special.log_expit, lambda z: special.log_expit(-z)),
    "probit": (special.log_ndtr, lambda z: special.log_ndtr(-z)),
    "cloglog": (lambda z: np.log(-np.expm1(-np.exp(z))), lambda z: -np.exp(z)),
}


@functools.cache
def maximum_likelihood(likelihood: str, load: Callable[[str], Table]) -> float:
    """The least mean NLL that any weights have on a table, by SciPy's BFGS and its functions."""
    table = load("float64")
    features = (table.features - table.features.mean(0)) / table.features.std(0)
    inputs = np.column_stack([features, np.ones(table.rows)])
    one, zero = LOG_PROBABILITIES[likelihood]

    def mean_nll(weights: np.ndarray) -> float:
        z = inputs @ weights
        return -float(np.mean(np.where(table.labels == 1, one(z), zero(z))))

    return optimize.minimize(mean_nll, np.zeros(inputs.shape[1]), method="BFGS").fun


@pytest.mark.parametrize(("mode", "likelihood"), wings.sampled(LOG_PROBABILITIES))
def test_every_likelihood_trains_to_its_maximum(
    mode: str, likelihood: str, credit: Callable[[str], Table]
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
    run = experiment.train(mode, config, credit("float32"))
    expected = maximum_likelihood(likelihood, credit)
    assert run.metrics["nll"] == pytest.approx(expected, abs=1e-5)


def test_the_maximum_for_the_logit_is_scikit_learns(credit: Callable[[str], Table]) -> None:
    table = credit("float64")
    features = (table.features - table.features.mean(0)) / table.features.std(0)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(features, table.labels)
    expected = metrics.log_loss(table.labels, model.predict_proba(features))
    # BFGS stops at a gradient of 1e-5.
    assert maximum_likelihood("logit", credit) == pytest.approx(expected, abs=1e-8)


def test_a_mode_that_goes_its_own_way_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = modes.load("keras")
    build = keras.build

    def build_another(*arguments: Any) -> Any:
        model = build(*arguments)
        kernel = model.logistic.kernel
        kernel.assign(np.nextafter(kernel.numpy(), np.float32(1)))
        return model

    monkeypatch.setattr(keras, "build", build_another)
    assert not compare(wings.small_table(dtype="float32"), epochs=1).agrees


@pytest.mark.parametrize("end", ["first", "last"])
def test_a_mode_that_is_off_at_one_report_alone_is_found(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras = modes.load("keras")
    named_weights = keras.named_weights
    calls = []

    def off_once(model: Any) -> dict[str, np.ndarray]:
        calls.append(model)
        weights = named_weights(model)
        if len(calls) == {"first": 1, "last": 3}[end]:
            weights["dense_0/bias"] = np.nextafter(weights["dense_0/bias"], np.float32(1))
        return weights

    monkeypatch.setattr(keras, "named_weights", off_once)
    result = compare(wings.small_table(dtype="float32"), epochs=3)
    assert [row.relative > 0 for row in result.rows].count(True) == 1
    assert not result.agrees


def test_each_row_is_shown_as_it_comes() -> None:
    seen: list[experiment.Row] = []
    config = Config(epochs=5, report_every=2, hidden_units=())
    result = experiment.compare(config, wings.small_table(), seen.append)
    assert seen == result.rows
    assert [(row.module.epoch, row.keras.epoch) for row in seen] == [(2, 2), (4, 4), (5, 5)]


def test_differences_are_the_largest_of_any_element() -> None:
    first = {"a": np.array([1.0, 2.0]), "b": np.array([0.0, 4.0])}
    second = {"a": np.array([1.0, 2.5]), "b": np.array([0.0, 3.0])}
    assert comparison.largest_differences(first, second) == (1.0, 0.25)
    assert comparison.largest_differences(first, first) == (0.0, 0.0)


def test_a_relative_difference_is_a_share_of_the_largest_number_in_the_array() -> None:
    """One weight that happens to be near 0 says nothing of how far apart two arrays are."""
    first, second = ({"a": np.array([1e-9 * k, 4.0])} for k in (1, 2))
    assert comparison.largest_differences(first, second) == pytest.approx((1e-9, 0.25e-9))


def test_weights_of_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match="Expected the same weights"):
        comparison.largest_differences({"a": np.ones(1)}, {"b": np.ones(1)})


@pytest.mark.parametrize("other", [np.ones(2), np.ones(1, np.float32)])
def test_weights_of_another_shape_or_dtype_are_refused(other: np.ndarray) -> None:
    with pytest.raises(ValueError, match="Expected the same weights"):
        comparison.largest_differences({"a": np.ones(1)}, {"a": other})


def test_modes_that_do_not_stop_together_are_not_the_same_experiment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def train(mode: str, config: Config, *given: Any, **options: Any) -> experiment.Run:
        longer = dataclasses.replace(config, epochs=3 if mode == "keras" else 2)
        return experiment.train(mode, longer, *given, **options)

    monkeypatch.setattr(comparison, "train", train)
    result = compare(wings.small_table(), epochs=2)
    assert result.relative == 0
    assert not result.agrees
    assert output.verdict(result).endswith("module mode after 2 and keras mode after 3 epochs")
