"""Traps of TensorFlow and Keras that this project steers around: that each is still there.

A test here fails on the day that its trap is mended, and says what can go then. None says anything
of this project, and each holds for the pinned versions alone: with others they are skipped.
"""

import pathlib

import keras
import pytest
import tensorflow as tf

_REQUIREMENTS = pathlib.Path(__file__).parents[2] / "requirements.txt"
_PINNED = dict(line.split("==") for line in _REQUIREMENTS.read_text().splitlines() if "==" in line)
_USED = {"tensorflow": tf.__version__, "keras": keras.__version__}

# For `pytestmark`.
with_pinned_versions_only = pytest.mark.skipif(
    any(_PINNED[package] != version for package, version in _USED.items()),
    reason=f"the traps are those of the pinned versions; these are {_USED}",
)


def mended(what: str, then: str) -> str:
    """Returns what to say on the day that a trap is gone: what is mended, and what can go."""
    return f"TensorFlow or Keras has mended this: {what}. Then this test can go, and {then}"
