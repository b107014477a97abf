"""Summaries for TensorBoard: what was trained, under the same names in both modes, to the bit."""

import pathlib
import resource
from collections.abc import Sequence

import numpy as np
import pytest

from lowlevel.config import Config
from lowlevel.data import Table
from lowlevel.experiment import summaries
from lowlevel.progress import Epoch, State
from tests import event_files, wings
from tests.wings import both_modes

METRICS = ("nll", "accuracy", "roc_auc")
TEST = wings.small_table(rows=30)
SETTINGS = {"epochs": 5, "report_every": 2, "batch_size": 16, "learning_rate": 0.1}


def written(
    mode: str, folder: pathlib.Path, table: Table, test: Table | None = None, **settings: object
) -> tuple:
    """A run, and what its event files hold."""
    pytest.importorskip("tensorboard")
    given = {**SETTINGS, **settings}
    observer = summaries.Summaries(mode, Config(**given), table, test, lambda anew: folder)
    run = wings.train(mode, table, [observer], **given)
    return run, event_files.read(folder)


@both_modes
def test_every_epoch_and_every_report_is_there_and_no_bit_of_the_run_is_another(
    mode: str, tmp_path: pathlib.Path
) -> None:
    run, found = written(mode, tmp_path, wings.small_table(), TEST)
    arrays = [f"{layer}/{name}" for layer in ("dense_0", "logistic") for name in ("kernel", "bias")]
    assert set(found) == {
        *(f"{name}/{rows}" for name in METRICS for rows in ("training", "held_out")),
        *(f"{kind}/{name}" for kind in ("weights", "gradients") for name in arrays),
    }
    # Summaries hold float32.
    nll = {record.epoch: np.float32(record.nll) for record in run.history}
    assert found.pop("nll/training") == nll
    assert all(list(steps) == [2, 4, 5] for steps in found.values())
    wings.assert_same_bits(run.weights, wings.train(mode, wings.small_table(), **SETTINGS).weights)


@both_modes
def test_what_is_measured_is_of_the_rows_that_it_is_said_to_be(
    mode: str, tmp_path: pathlib.Path
) -> None:
    table = wings.small_table()
    run, found = written(mode, tmp_path, table, TEST, activation="tanh")
    assert found["nll/held_out"][5] == pytest.approx(wings.numpy_nll(run.weights, TEST))
    for name, rows in (("training", table), ("held_out", TEST)):
        right = (wings.numpy_z(run.weights, rows.features) >= 0) == rows.labels
        assert found[f"accuracy/{name}"][5] == pytest.approx(right.mean())


@both_modes
@pytest.mark.parametrize("weighted", [False, True])
def test_the_histograms_are_of_the_weights_and_of_the_losss_gradient(
    mode: str, weighted: bool, tmp_path: pathlib.Path
) -> None:
    table = wings.small_table(weighted=weighted)
    run, found = written(mode, tmp_path, table, hidden_units=(), l2=0.1)
    kernel, bias = run.weights["logistic/kernel"], run.weights["logistic/bias"]
    # The gradient of log(1 + exp(z)) - y z is (p - y) x, in the mean.
    off = 1 / (1 + np.exp(-(table.features @ kernel + bias)[:, 0])) - table.labels
    off *= 1 if table.sample_weight is None else table.sample_weight
    expected = {
        "weights/logistic/kernel": kernel,
        "weights/logistic/bias": bias,
        "gradients/logistic/kernel": table.features.T @ off / table.rows,
        "gradients/logistic/bias": [off.mean()],
    }
    for name, values in expected.items():
        left, right, count = found[name][5].T
        assert count.sum() == np.size(values)
        ends = (left[0], right[-1])
        np.testing.assert_allclose(ends, (np.min(values), np.max(values)), 1e-6, 1e-9)


def test_of_many_rows_the_same_few_are_drawn() -> None:
    table = wings.small_table(rows=3 * summaries.MOST_ROWS, weighted=True)
    one, other, another = (summaries.drawn(table, seed) for seed in (0, 0, 1))
    assert one.rows == summaries.MOST_ROWS and one.sample_weight is not None
    np.testing.assert_array_equal(one.features, other.features)
    assert (one.features != another.features).any()


def test_newtons_method_is_seen_to_come_to_a_gradient_of_zero(tmp_path: pathlib.Path) -> None:
    settings = {"optimizer": "newton", "hidden_units": (), "epochs": 10, "report_every": 1}
    _, found = written("module", tmp_path, wings.small_table(), **settings)
    steps = found["gradients/logistic/kernel"]
    assert np.abs(steps[max(steps)][:, :2]).max() < 1e-6


def test_what_is_not_finite_is_left_out_of_a_histogram() -> None:
    found = summaries.finite(np.array([[1.0, np.nan], [np.inf, -2.0]]))
    assert found.tolist() == [1.0, -2.0]


@both_modes
def test_events_that_cannot_be_written_end_the_run_in_one_line(
    mode: str, tmp_path: pathlib.Path
) -> None:
    pytest.importorskip("tensorboard")
    table = wings.small_table()
    observer = summaries.Summaries(mode, Config(**SETTINGS), table, None, lambda anew: tmp_path)

    def on_a_full_disk(epochs: Sequence[Epoch], state: State) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
        try:
            observer(epochs, state)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    with pytest.raises(ValueError, match=r"^tensorboard: cannot write events \(") as caught:
        wings.train(mode, table, [on_a_full_disk], **SETTINGS)
    assert "\n" not in str(caught.value)
