"""Reads TensorBoard's event files, as TensorBoard does."""

import pathlib
from typing import Any

import numpy as np
import pytest


def read(folder: pathlib.Path) -> dict[str, dict[int, np.ndarray]]:
    """Returns each tag's values by step; skips the test where TensorBoard is not installed.

    A value is a number, or a histogram `[buckets, 3]`: each bucket's left end, right end and count.
    """
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    found: Any = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {
        tag: {event.step: make_ndarray(event.tensor_proto) for event in found.Tensors(tag)}
        for tag in found.Tags()["tensors"]
    }
