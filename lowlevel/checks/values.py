"""The values of a likelihood's formulas at logits, and how precise they have to be."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from lowlevel.errors import in_one_line


def values(
    formula: Callable[..., tf.Tensor], z: np.ndarray, label: float | np.ndarray | None
) -> np.ndarray:
    """Returns a formula's values at logits, `[n]`; raises ValueError if it raises."""
    labels = [] if label is None else [tf.constant(np.broadcast_to(label, z.shape), z.dtype)]
    try:
        return formula(tf.constant(z), *labels).numpy()
    except Exception as error:
        name = getattr(formula, "__name__", "a derivative")
        raise ValueError(f"{name} fails: {in_one_line(error)}") from error


def precise(dtype: np.dtype) -> float:
    """Returns seven bits of rounding: what is worse than that was lost, not rounded away."""
    return float(2**7 * np.finfo(dtype).eps)
