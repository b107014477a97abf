"""What a row counts in the mean: for the loop to say, which knows how many rows there are."""

import tensorflow as tf


def row_shares(
    y: tf.Tensor, sample_weight: tf.Tensor | None = None, rows: int | tf.Tensor | None = None
) -> tf.Tensor:
    """Returns what each row counts in the mean: a scalar, or `[n]` where the rows are weighted.

    Args:
        y: labels, `[n]`, of the model's dtype.
        sample_weight: None, or `[n]`; as in Keras, the weighted sum is divided by the rows.
        rows: of the batch that the labels are a part of; None where they are all of it.

    Raises:
        ValueError: the weights are not `[n]`.
    """
    share = 1 / tf.cast(tf.size(y) if rows is None else rows, y.dtype)
    if sample_weight is None:
        return share
    if not y.shape.is_compatible_with(sample_weight.shape):
        raise ValueError(
            f"Expected `sample_weight` of the same shape as `y`, got {sample_weight.shape} and "
            f"{y.shape}."
        )
    # Not divided by n: where that is known, Grappler would multiply by its inverse, and where it is
    # not, as in Keras, it would not.
    return tf.cast(sample_weight, y.dtype) * share
