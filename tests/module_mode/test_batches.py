"""The batches by hand: which rows a step takes, and what an epoch's mean is."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from lowlevel import data
from lowlevel.data import order
from lowlevel.module_mode import batches


def make_orders(rows: int) -> tf.Tensor:
    """The orders of three epochs."""
    return tf.constant([data.batch_order(0, epoch, rows) for epoch in range(3)], tf.int32)


@pytest.mark.parametrize(("rows", "batch_size"), [(10, 5), (11, 5), (3, 3), (7, 4)])
def test_the_steps_of_a_block_take_its_orders_in_turn(rows: int, batch_size: int) -> None:
    orders = make_orders(rows)
    cut = batches.cut(orders, batch_size)
    steps = range(3 * len(batches.sizes(rows, batch_size)))
    taken = [cut.on_step(tf.constant(step), tf.identity) for step in steps]
    np.testing.assert_array_equal(np.concatenate(taken), np.ravel(orders))
    assert [len(numbers) for numbers in taken] == batches.sizes(rows, batch_size) * 3


@pytest.mark.parametrize("batch_size", [4, 5])
def test_a_compiled_loop_takes_the_same_rows(batch_size: int) -> None:
    orders = make_orders(18)
    steps = 3 * len(batches.sizes(18, batch_size))

    # A batch is known by the sum of one power of 2 for each of its rows.
    def batch_sum(numbers: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.bitwise.left_shift(1, numbers))

    @tf.function(jit_compile=True)
    def loop(orders: tf.Tensor) -> tf.Tensor:
        cut = batches.cut(orders, batch_size)
        found = tf.TensorArray(tf.int32, steps, element_shape=[])
        for step in tf.range(steps):
            found = found.write(step, cut.on_step(step, batch_sum))
        return found.stack()

    cut = batches.cut(orders, batch_size)
    expected = [cut.on_step(tf.constant(step), batch_sum) for step in range(steps)]
    np.testing.assert_array_equal(loop(orders), expected)


def test_a_short_last_batch_counts_by_its_rows() -> None:
    # Two epochs of 4 + 4 + 2 rows.
    losses = np.array([1.0, 2.0, 8.0, 0.0, 0.0, 5.0], np.float32)
    assert batches.sizes(10, 4) == [4, 4, 2]
    expected = [(4 + 8 + 16) / 10, 10 / 10]
    means, batch, total = batches.epoch_means(losses, [4, 4, 2])
    np.testing.assert_allclose(means, expected, rtol=1e-15)
    assert (batch, total) == (0, 0)


@pytest.mark.parametrize("cuts", [[1], [3, 4, 8], [2, 2, 7], [9]])
def test_means_have_the_same_bits_wherever_calls_begin(cuts: list[int]) -> None:
    losses = np.random.default_rng(0).uniform(size=9).astype(np.float32)
    expected, _, _ = batches.epoch_means(losses, [4, 4, 2])
    found, batch, total = [], 0, 0.0
    for part in np.split(losses, cuts):
        means, batch, total = batches.epoch_means(part, [4, 4, 2], batch, total)
        found += means.tolist()
    assert found == expected.tolist()
    assert (batch, total) == (0, 0)


def test_tensors_share_the_memory_of_a_block() -> None:
    column = data.aligned(np.arange(6.0))
    orders_from = functools.partial(order.orders, 0, 6)
    (block,) = data.blocks((column,), orders_from, [range(2)], 2)
    orders, features = batches.tensors(block)
    np.testing.assert_array_equal(orders, block.orders)
    assert np.shares_memory(np.from_dlpack(features), column)
