"""Training in both modes: by NumPy, by its own records, and from mode to mode."""

import gc
import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from lowlevel import experiment
from lowlevel.config import OPTIMIZERS, Config
from lowlevel.data import Table
from lowlevel.experiment import modes
from lowlevel.keras_mode.compute_loss import MODELS
from lowlevel.progress import Epoch, State
from tests import wings
from tests.wings import both_modes

# Both sides compute in float64 and sum a few dozen terms of size 1 in orders of their own.
ROUNDING = 1e-12

full = pytest.mark.full

# With twelve rows, a short last batch of two.
SMALL: dict[str, Any] = {
    "hidden_units": (2,),
    "activation": "tanh",
    "batch_size": 5,
    "epochs": 3,
    "learning_rate": 0.5,
}
TABLE = wings.small_table(rows=12)


@both_modes
@pytest.mark.parametrize("batch_size", [7, pytest.param(40, marks=full), 64])
def test_the_reported_loss_is_the_mean_over_all_rows(mode: str, batch_size: int) -> None:
    table = wings.small_table()
    # So small a step that no weight moves by more than 1e-15.
    run = wings.train(mode, table, epochs=2, batch_size=batch_size, learning_rate=1e-16)
    expected = wings.numpy_nll(run.weights, table, lambda x: x)
    assert [epoch.nll for epoch in run.history] == pytest.approx([expected] * 2, rel=1e-13)
    assert run.metrics["nll"] == pytest.approx(expected, rel=1e-13)


@both_modes
def test_metrics_of_a_run_are_those_of_the_trained_weights(mode: str) -> None:
    """Not the loss of the last epoch, whose batches are each from before their update."""
    run = wings.trained(mode, rows=12, **SMALL)
    expected = wings.numpy_nll(run.weights, TABLE)
    assert run.metrics["nll"] == pytest.approx(expected, rel=ROUNDING)
    assert abs(run.history[-1].nll - expected) > 1e-3


@pytest.mark.parametrize(
    ("mode", "hook"), [("module", "train_step"), *(("keras", hook) for hook in MODELS)]
)
def test_what_is_trained_is_what_is_reported(
    mode: str, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the loss at half the rate: the same steps to the bit, and every report doubled."""
    expected = wings.trained(mode, rows=12, **SMALL)
    kind = type(wings.make(mode, TABLE))
    loss_fn = kind.loss_fn
    monkeypatch.setattr(kind, "loss_fn", lambda *given, **named: 2 * loss_fn(*given, **named))
    found = wings.train(mode, TABLE, **{**SMALL, "learning_rate": 0.25}, keras_hook=hook)
    wings.assert_same_bits(found.weights, expected.weights)
    assert [e.nll for e in found.history] == [2 * e.nll for e in expected.history]
    assert found.metrics["nll"] == 2 * expected.metrics["nll"]


@both_modes
def test_sgd_of_one_batch_is_gradient_descent_by_numpy(mode: str) -> None:
    table = wings.small_table(weighted=True)
    settings = {"hidden_units": (), "learning_rate": 0.5, "l2": 0.01}
    kernel = wings.named(mode, wings.make(mode, table, **settings))["logistic/kernel"][:, 0]
    run = wings.train(mode, table, epochs=3, **settings)
    bias = 0.0
    for _ in range(3):
        z = table.features @ kernel + bias
        slope = table.sample_weight * (1 / (1 + np.exp(-z)) - table.labels) / table.rows
        # l2 goes through float32, as in Keras.
        pull = 2 * float(np.float32(0.01)) * kernel
        kernel = kernel - 0.5 * (table.features.T @ slope + pull)
        bias = bias - 0.5 * slope.sum()
    # Three steps, each a sum of 40 terms in another order.
    np.testing.assert_allclose(run.weights["logistic/kernel"][:, 0], kernel, rtol=1e-13)
    np.testing.assert_allclose(run.weights["logistic/bias"], [bias], rtol=1e-12)


@both_modes
def test_sample_weights_count_as_repeated_rows_do(mode: str) -> None:
    # Full batches: neither the order of the rows nor where a batch ends makes a difference.
    settings = {"learning_rate": 0.5, "batch_size": 12}
    weight = np.tile([0.0, 1.0, 2.0], 4)
    repeated = np.repeat(np.arange(12), weight.astype(int))
    weighted = Table(TABLE.features, TABLE.labels, weight)
    expected = Table(TABLE.features[repeated], TABLE.labels[repeated])
    ends = [wings.train(mode, t, **settings).weights for t in (weighted, expected)]
    without = wings.trained(mode, rows=12, **settings).weights
    for name, values in ends[0].items():
        # Near-zero elements are sums that cancel, hence the absolute bound as well.
        np.testing.assert_allclose(values, ends[1][name], rtol=ROUNDING, atol=ROUNDING)
        assert (abs(values - without[name]) > 1e-3).any()


@both_modes
def test_the_penalty_pulls_on_every_kernel_and_no_bias(mode: str) -> None:
    settings = {"learning_rate": 0.5, "batch_size": 12, "epochs": 1}
    before = wings.named(mode, wings.make(mode, TABLE, **settings))
    free = wings.train(mode, TABLE, **settings).weights
    pulled = wings.train(mode, TABLE, **settings, l2=0.125).weights
    for name, values in before.items():
        # One step of SGD: rate * l2 * d(w^2)/dw.
        pull = 0.5 * 0.125 * 2 * values if name.endswith("kernel") else 0.0
        np.testing.assert_allclose(pulled[name], free[name] - pull, rtol=ROUNDING, atol=ROUNDING)


@both_modes
def test_every_trainable_weight_moves(mode: str) -> None:
    before = wings.named(mode, wings.make(mode, TABLE, **SMALL))
    after = wings.trained(mode, rows=12, **SMALL).weights
    assert all((before[name] != after[name]).all() for name in before)


@both_modes
def test_trainable_weights_are_named_layer_by_layer(mode: str) -> None:
    run = wings.train(mode, wings.small_table(), epochs=1, standardize=True)
    found = modes.load(mode).named_weights(run.model, trainable_only=True)
    assert list(found) == ["dense_0/kernel", "dense_0/bias", "logistic/kernel", "logistic/bias"]
    wings.assert_same_bits(found, {name: run.weights[name] for name in found})
    assert list(run.weights) == ["standardize/mean", "standardize/deviation", *found]


@both_modes
@pytest.mark.parametrize("every", [pytest.param(1, marks=full), 2, pytest.param(5, marks=full), 9])
def test_an_observer_sees_every_epoch_once_however_seldom(mode: str, every: int) -> None:
    seen: list[tuple[list[int], int]] = []

    def observe(epochs: Sequence[Epoch], state: State) -> None:
        seen.append(([epoch.epoch for epoch in epochs], state.epoch))

    run = wings.train(mode, TABLE, [observe], epochs=5, report_every=every, hidden_units=())
    numbers = [epochs for epochs, _ in seen]
    assert list(itertools.chain(*numbers)) == [1, 2, 3, 4, 5]
    assert [epoch.epoch for epoch in run.history] == [1, 2, 3, 4, 5]
    assert all(len(epochs) == every for epochs in numbers[:-1])
    assert all(epochs[-1] == reached for epochs, reached in seen)


@both_modes
def test_a_divergence_ends_the_run(mode: str) -> None:
    with pytest.raises(ValueError, match=r"Expected a finite mean NLL, got (inf|nan) in epoch"):
        wings.train(mode, wings.small_table(dtype="float32"), epochs=50, learning_rate=1e30)


@both_modes
def test_no_epoch_is_traced_again(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def spy(self: Any, *args: Any) -> Any:
        calls.append(args)
        return original(self, *args)

    kind = type(wings.make(mode, TABLE))
    original = kind.train_step
    monkeypatch.setattr(kind, "train_step", spy)
    wings.train(mode, TABLE, **{**SMALL, "epochs": 6})
    # One trace holds the step at most twice: for a whole batch and for the short last one.
    assert 1 <= len(calls) <= 2


@both_modes
def test_the_model_of_a_run_is_freed_with_it(mode: str) -> None:
    """A sweep would otherwise keep every model that it ever trained."""
    run = wings.train(mode, TABLE, epochs=1)
    model = weakref.ref(run.model)
    del run
    gc.collect()
    assert model() is None


def test_both_modes_have_the_same_bits_after_every_epoch(credit: Callable[[str], Table]) -> None:
    reports: dict[str, list[tuple[float, dict[str, np.ndarray]]]] = {"module": [], "keras": []}
    for mode, seen in reports.items():

        def keep(
            epochs: Sequence[Epoch], state: State, mode: str = mode, seen: list = seen
        ) -> None:
            seen.append((epochs[-1].nll, wings.named(mode, state.model)))

        wings.train(mode, credit("float32"), [keep], batch_size=96)
    assert len(reports["module"]) == Config().epochs
    for (nll, weights), (keras_nll, keras_weights) in zip(*reports.values(), strict=True):
        wings.assert_same_bits(weights, keras_weights)
        # Keras adds an epoch's losses up in float32.
        assert nll == pytest.approx(keras_nll, rel=1e-6)


@pytest.mark.parametrize(("mode", "optimizer"), wings.sampled(OPTIMIZERS))
def test_training_lowers_the_loss(
    mode: str, optimizer: str, credit: Callable[[str], Table]
) -> None:
    config = Config(optimizer=optimizer, standardize=True, learning_rate=0.1, epochs=10)
    run = experiment.train(mode, config, credit("float32"))
    # The base rate's loss: 0.7 log(1 / 0.7) + 0.3 log(1 / 0.3).
    assert run.metrics["nll"] < 0.6109
