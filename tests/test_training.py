"""Training in both modes: one experiment, whatever the settings."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from lowlevel import data, modes
from lowlevel.config import Config
from lowlevel.keras_mode import training as keras_training
from lowlevel.module_mode import optimizers
from lowlevel.module_mode import training as module_training
from tests import wings


@pytest.mark.parametrize("mode", wings.MODES)
@pytest.mark.parametrize("batch_size", [7, 40, 64])
def test_the_reported_loss_is_the_mean_over_the_rows(mode: str, batch_size: int) -> None:
    table = wings.small_table()
    # So small a step that no weight moves by more than 1e-15.
    run = wings.train(mode, table, epochs=2, batch_size=batch_size, learning_rate=1e-16)
    expected = run.metrics["nll"]
    assert [epoch.nll for epoch in run.history] == pytest.approx([expected] * 2, rel=1e-13)


@pytest.mark.parametrize("mode", wings.MODES)
def test_sgd_of_one_batch_is_gradient_descent_by_numpy(mode: str) -> None:
    table = wings.small_table(weighted=True)
    start = wings.train(mode, table, epochs=1, hidden_units=(), learning_rate=1e-300)
    run = wings.train(mode, table, epochs=3, hidden_units=(), learning_rate=0.5, l2=0.01)
    kernel, bias = start.weights["logistic/kernel"][:, 0], 0.0
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


@pytest.mark.parametrize("mode", wings.MODES)
@pytest.mark.parametrize("report_every", [1, 2, 5, 9])
def test_a_watcher_sees_every_epoch_once_however_seldom(mode: str, report_every: int) -> None:
    table = wings.small_table()
    config = Config(dtype="float64", epochs=5, report_every=report_every)
    seen: list[list[int]] = []
    run = modes.run(
        mode, config, table, lambda epochs, model: seen.append([e.epoch for e in epochs])
    )
    assert list(itertools.chain(*seen)) == [1, 2, 3, 4, 5] == [epoch.epoch for epoch in run.history]
    assert all(len(epochs) == report_every for epochs in seen[:-1])


@pytest.mark.parametrize("mode", wings.MODES)
def test_how_often_is_reported_changes_no_bit(mode: str) -> None:
    table = wings.small_table()
    often, seldom = (
        wings.train(mode, table, epochs=6, report_every=every, optimizer="adam") for every in (1, 4)
    )
    for name, values in often.weights.items():
        np.testing.assert_array_equal(values, seldom.weights[name])
    assert [e.nll for e in often.history] == [e.nll for e in seldom.history]


@pytest.mark.parametrize("mode", wings.MODES)
def test_a_divergence_ends_the_run(mode: str) -> None:
    with pytest.raises(ValueError, match=r"Expected a finite mean NLL, got (inf|nan) in epoch"):
        wings.train(mode, wings.small_table(dtype="float32"), epochs=50, learning_rate=1e30)


@pytest.mark.parametrize("hook", ["train_step", "compute_loss"])
def test_both_keras_hooks_train_as_module_mode_does(hook: str) -> None:
    table = wings.small_table(dtype="float32", weighted=True)
    settings = {"optimizer": "adam", "l2": 0.01, "batch_size": 16, "epochs": 10}
    expected = wings.train("module", table, **settings)
    found = wings.train("keras", table, keras_hook=hook, **settings)
    for name, values in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], values, err_msg=name)


def test_fit_gets_the_batches_of_the_pure_order() -> None:
    table = wings.small_table()
    config = Config(seed=3, epochs=3, batch_size=16)
    batches = [x.numpy() for x, _ in keras_training.batches(config, table)]
    orders = [data.batch_order(3, epoch, table.rows) for epoch in range(3)]
    assert [len(batch) for batch in batches] == [16, 16, 8] * 3
    np.testing.assert_array_equal(np.concatenate(batches), table.features[np.concatenate(orders)])


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("batch_size", [16, 40, 100])
def test_the_compiled_loop_is_traced_once(jit_compile: bool, batch_size: int) -> None:
    table = wings.small_table()
    config = Config(
        dtype="float64", epochs=7, report_every=3, batch_size=batch_size, jit_compile=jit_compile
    )
    model = module_training.build(config, table)
    traces: list[Any] = []
    # The loss is Python: it runs when it is traced, for whole batches and for a short one.
    loss_fn = model.loss_fn
    model.loss_fn = lambda *columns: traces.append(columns[0].shape) or loss_fn(*columns)
    module_training.train(model, config, table, lambda epochs, model: None)
    assert len(traces) == len({tuple(shape) for shape in traces}) <= 2, traces


def test_a_wrong_slope_reaches_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    table = wings.small_table()
    config = Config(dtype="float64", hidden_units=())
    for mode in wings.MODES:
        model = modes.load(mode).build(config, table)
        right = type(model.logistic.likelihood)

        class Wrong(right):
            def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
                return tf.ones_like(z)

        model.logistic.likelihood = Wrong()
        with tf.GradientTape() as tape:
            loss = model.loss_fn(tf.constant(table.features), tf.constant(table.labels))
        gradient = tape.gradient(loss, wings.trainable(model))
        expected = table.features.mean(axis=0)
        kernel = next(g for g in gradient if g.shape.rank == 2)
        np.testing.assert_allclose(kernel[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("mode", wings.MODES)
def test_reported_weights_are_the_trained_ones_layer_by_layer(
    mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = wings.train(mode, wings.small_table(), epochs=1, report_weights=True, standardize=True)
    printed = capsys.readouterr().out
    names = ["dense_0/kernel", "dense_0/bias", "logistic/kernel", "logistic/bias"]
    assert printed == "".join(f"{name}\n{run.weights[name]}\n" for name in names)


@pytest.mark.parametrize("mode", wings.MODES)
@pytest.mark.parametrize("name", list(optimizers.OPTIMIZERS))
def test_training_lowers_the_loss(mode: str, name: str, credit: Callable) -> None:
    run = modes.run(
        mode,
        Config(optimizer=name, standardize=True, learning_rate=0.1, epochs=10),
        credit("float32"),
        lambda epochs, model: None,
    )
    # The base rate's loss: 0.7 log(1 / 0.7) + 0.3 log(1 / 0.3).
    assert run.metrics["nll"] < 0.6109


@pytest.mark.parametrize("mode", wings.MODES)
def test_a_table_of_another_dtype_is_refused(mode: str) -> None:
    with pytest.raises(ValueError, match="table of the config's dtype, float32, got float64"):
        modes.run(mode, Config(), wings.small_table(dtype="float64"), lambda epochs, model: None)


def test_a_mode_that_does_not_train_is_refused() -> None:
    with pytest.raises(ValueError, match="module or keras, got compare"):
        modes.run("compare", Config(), wings.small_table(), lambda epochs, model: None)


@pytest.mark.parametrize("mode", wings.MODES)
def test_the_model_of_a_run_is_the_trained_one(mode: str) -> None:
    table = wings.small_table()
    run = wings.train(mode, table, epochs=3)
    right = (run.model(table.features).numpy()[:, 0] >= 0.5) == (table.labels == 1)
    assert run.metrics["accuracy"] == np.mean(right)
    expected = roc_auc_score(table.labels, run.model(table.features))
    assert run.metrics["roc_auc"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("mode", wings.MODES)
def test_metrics_do_not_depend_on_how_many_rows_are_taken_at_a_time(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = wings.small_table(weighted=True)
    whole = wings.train(mode, table).metrics
    monkeypatch.setattr(modes, "BLOCK_ROWS", 7)
    # Float64; a product of matrices may be summed in another order.
    assert wings.train(mode, table).metrics == pytest.approx(whole, rel=1e-12)
