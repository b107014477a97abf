"""Training with fit: the batches that it takes, in which order, and how many in a call."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlevel import data, progress
from lowlevel.config import Config
from lowlevel.keras_mode import batches, training
from tests import wings

TABLE = wings.small_table()


def stream(seed: int, batch_size: int, epochs: int = 3) -> tf.data.Dataset:
    """The batches of some epochs of `TABLE`."""
    spans = [range(start, min(start + 2, epochs)) for start in range(0, epochs, 2)]
    blocks = TABLE.blocks(Config(seed=seed), spans, 2)
    return batches.dataset(blocks, TABLE, batch_size)


def in_order(seed: int) -> np.ndarray:
    """The features of three epochs in the pure order."""
    orders = [data.batch_order(seed, epoch, TABLE.rows) for epoch in range(3)]
    return TABLE.features[np.concatenate(orders)]


@pytest.mark.parametrize("stack_rows", [1, 2**14])
def test_the_batches_are_those_of_the_pure_order(
    stack_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "STACK_ROWS", stack_rows)
    found = [x.numpy() for x, _ in stream(seed=3, batch_size=16)]
    assert [len(batch) for batch in found] == [16, 16, 8] * 3
    np.testing.assert_array_equal(np.concatenate(found), in_order(3))


class Recorder(keras.Model):
    """Trains nothing; keeps the features of every batch that `fit` hands it."""

    def __init__(self) -> None:
        """Starts with nothing seen."""
        super().__init__()
        self.scale = self.add_weight(())
        self.seen: list[np.ndarray] = []

    def train_step(self, batch: tuple[tf.Tensor, ...]) -> dict[str, float]:
        """Keeps the batch."""
        self.seen.append(batch[0].numpy())
        return {"nothing": 0.0}


def test_fit_takes_the_rows_in_the_order_that_seed_and_epoch_say() -> None:
    """It makes an iterator more than once an epoch, which must not skip an order."""
    recorder = Recorder()
    recorder.compile("sgd", run_eagerly=True)
    settings = {"epochs": 3, "steps_per_epoch": 3, "shuffle": False, "verbose": 0}
    recorder.fit(stream(seed=0, batch_size=16), **settings)
    np.testing.assert_array_equal(np.concatenate(recorder.seen), in_order(0))


@pytest.mark.parametrize("hook", ["train_step", "compute_loss"])
def test_both_hooks_train_as_module_mode_does(hook: str) -> None:
    settings: dict[str, Any] = {"optimizer": "adam", "l2": 0.01, "batch_size": 16, "epochs": 10}
    rows = {"dtype": "float32", "weighted": True}
    expected = wings.trained("module", **rows, **settings)
    found = wings.train("keras", wings.small_table(**rows), keras_hook=hook, **settings)
    wings.assert_same_bits(found.weights, expected.weights)


@pytest.mark.parametrize(
    ("most", "steps", "expected"), [(1000, 12, 12), (5, 12, 4), (7, 7, 7), (6, 7, 1), (1, 12, 1)]
)
def test_a_call_takes_a_divisor_of_an_epochs_steps(
    most: int, steps: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest of which it may take so many."""
    monkeypatch.setattr(progress, "MOST_STEPS", most)
    model = wings.make("keras", TABLE)
    assert training.steps_per_execution(model, 10, steps) == expected
