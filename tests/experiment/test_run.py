"""A run: what it refuses, and what it says of the trained model."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from lowlevel import experiment
from lowlevel.config import Config
from lowlevel.data import Table
from lowlevel.experiment import run as run_file
from tests import wings
from tests.wings import both_modes


@both_modes
def test_a_table_of_another_dtype_is_refused(mode: str) -> None:
    with pytest.raises(ValueError, match="table of the config's dtype, float32, got float64"):
        wings.train(mode, wings.small_table(dtype="float64"), dtype="float32")


@both_modes
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_dtype_left_out_is_that_of_the_table(mode: str, dtype: str) -> None:
    run = wings.trained(mode, dtype=dtype)
    assert run.config.dtype == dtype
    assert {values.dtype.name for values in run.weights.values()} == {dtype}


def test_a_mode_that_does_not_train_is_refused() -> None:
    with pytest.raises(ValueError, match="module or keras, got compare"):
        experiment.train("compare", Config(), wings.small_table())


@both_modes
def test_labels_out_of_the_likelihoods_range_are_refused(mode: str) -> None:
    table = Table(np.ones((3, 1)), np.array([0.0, 1.0, 1.5]))
    with pytest.raises(ValueError, match=r"`labels` from 0 to 1, got 1.5 in row 2"):
        wings.train(mode, table)


@both_modes
def test_the_model_of_a_run_is_the_trained_one(mode: str) -> None:
    table, run = wings.small_table(), wings.trained(mode)
    assert run.state.epoch == len(run.history) == run.config.epochs
    wings.assert_same_bits(wings.named(mode, run.model), run.weights)
    probabilities = np.asarray(run.model(table.features))[:, 0]
    right = (probabilities >= 0.5) == (table.labels == 1)
    assert run.metrics["accuracy"] == np.mean(right)
    expected = metrics.roc_auc_score(table.labels, probabilities)
    assert run.metrics["roc_auc"] == pytest.approx(expected, rel=1e-12)


@both_modes
def test_metrics_do_not_depend_on_how_many_rows_are_taken_at_a_time(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = wings.trained(mode, weighted=True).metrics
    monkeypatch.setattr(run_file, "BLOCK_ROWS", 7)
    # Float64; a product of matrices may be summed in another order.
    table = wings.small_table(weighted=True)
    assert wings.train(mode, table).metrics == pytest.approx(whole, rel=1e-12)


@both_modes
@pytest.mark.parametrize("weighted", [False, True])
def test_the_base_rate_is_scikit_learns_loss_of_a_constant(mode: str, weighted: bool) -> None:
    table, run = wings.small_table(weighted=weighted), wings.trained(mode, weighted=weighted)
    weight: Any = table.sample_weight
    constant = np.full(table.rows, np.average(table.labels, weights=weight))
    expected = metrics.log_loss(table.labels, constant, sample_weight=weight)
    # scikit-learn divides by the sum of the weights, and training, as Keras, by the rows.
    scale = 1.0 if weight is None else weight.mean()
    assert run.base_rate_nll == pytest.approx(scale * expected, rel=1e-12)
