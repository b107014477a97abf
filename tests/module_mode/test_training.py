"""The compiled loop: how often it is traced, how it is called, and what it refuses."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lowlevel import progress
from lowlevel.config import Config
from lowlevel.likelihoods import Logit
from lowlevel.module_mode import training
from lowlevel.module_mode.layers import Logistic
from lowlevel.module_mode.model import CustomModel
from lowlevel.module_mode.optimizers import make_optimizer
from lowlevel.progress import Progress, State
from tests import wings

full = pytest.mark.full
TABLE = wings.small_table()


def train(state: State, config: Config) -> None:
    """Trains on `TABLE`."""
    training.train(state, config, TABLE, Progress(config))


@pytest.mark.parametrize(
    ("batch_size", "jit_compile"),
    [
        (16, False),
        (40, False),
        (100, False),
        (16, True),
        pytest.param(40, True, marks=full),
        pytest.param(100, True, marks=full),
    ],
)
def test_the_compiled_loop_is_traced_once(batch_size: int, jit_compile: bool) -> None:
    config = Config(epochs=7, report_every=3, batch_size=batch_size, jit_compile=jit_compile)
    state = training.start(config, Logit(), TABLE)
    traces: list[Any] = []
    # The loss is Python: it runs when it is traced, for whole batches and for a short one.
    loss_fn = state.model.loss_fn

    def spy(*columns: Any, **named: Any) -> tf.Tensor:
        traces.append(tuple(columns[0].shape))
        return loss_fn(*columns, **named)

    state.model.loss_fn = spy
    train(state, config)
    assert 1 <= len(traces) == len(set(traces)) <= 2, traces


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_calls_take_every_step_once_and_no_more_than_they_may(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "MOST_STEPS", most)
    state = training.start(Config(), Logit(), TABLE)
    asked: list[range] = []

    def run_steps(first: tf.Tensor, last: tf.Tensor, *tensors: tf.Tensor) -> tf.Tensor:
        asked.append(range(int(first), int(last)))
        return tf.range(8.0)

    orders = tf.zeros([2, 40], tf.int32)
    losses = list(training.call_for_all(run_steps, state, 2, 10, [orders]))
    assert [step for call in asked for step in call] == list(range(8))
    assert max(map(len, asked)) == min(most, 8)
    # Of each call, the losses of its own steps.
    np.testing.assert_array_equal(np.concatenate(losses), np.arange(8.0))


class Unused(tf.Module):
    """A layer with a weight that nothing depends on."""

    def __init__(self) -> None:
        """Makes the weight."""
        super().__init__()
        self.weight = tf.Variable(tf.constant(1.0, tf.float64))

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns what it is given."""
        return x


def test_a_weight_without_gradient_is_refused() -> None:
    """Keras would warn, and leave it where it began."""
    model = CustomModel(Unused(), Logistic(3, Logit(), seed=0, dtype="float64"))
    config = Config()
    with pytest.raises(ValueError, match="got None"):
        train(State(model, make_optimizer(config, model.trainable_variables)), config)
