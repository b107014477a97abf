"""What a row counts in the mean."""

import numpy as np
import pytest
import tensorflow as tf

from lowlevel.shares import row_shares


def test_rows_without_weights_count_alike_and_sum_to_one() -> None:
    assert float(row_shares(tf.zeros([8]))) == 1 / 8


def test_weights_are_divided_by_the_number_of_rows_not_by_their_sum() -> None:
    share = row_shares(tf.zeros([4]), tf.constant([0.0, 1.0, 2.0, 5.0]))
    np.testing.assert_array_equal(share, [0.0, 0.25, 0.5, 1.25])


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_shares_have_the_dtype_of_the_labels(dtype: tf.DType) -> None:
    y = tf.zeros([2], dtype)
    assert row_shares(y).dtype == row_shares(y, tf.ones([2], tf.int32)).dtype == dtype


@pytest.mark.parametrize("shape", [(4, 1), (1, 4), (3,), ()])
def test_weights_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Expected `sample_weight` of the same shape as `y`"):
        row_shares(tf.zeros([4]), tf.ones(shape))
