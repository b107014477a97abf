"""Packing: a snapshot comes back as it was, and no byte of it may be another."""

import numpy as np
import pytest

from lowlevel.packing import packed, unpacked
from lowlevel.progress import Snapshot

ARRAYS = {
    "state/dense_0/kernel": np.array([[0.1, -0.0], [np.nan, np.inf]], np.float32),
    "state/logistic/bias": np.array([1 / 3, 5e-324]),
    "state/iterations": np.array(2**62),
    "seen/reports": np.empty(0),
    "history": np.empty((0, 3)),
    "best/\u00fcber": np.array([True, False]),
    "state/seeds": np.arange(6, dtype=np.uint8).reshape(3, 2).T,
}
FACTS = {"epoch": 3, "total": 0.1 + 0.2, "stopped": False, "best": None, "shown": [1, "\u00e9"]}


def test_a_snapshot_comes_back_as_it_was() -> None:
    found = unpacked(packed(Snapshot(ARRAYS, FACTS)))
    assert found.facts == FACTS
    assert found.arrays.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        array = found.arrays[name]
        assert (array.dtype, array.shape) == (values.dtype, values.shape)
        # NaN equals nothing, and -0.0 equals 0.0.
        assert array.tobytes() == values.tobytes()


def test_a_snapshot_of_nothing_comes_back() -> None:
    assert unpacked(packed(Snapshot({}, {}))) == Snapshot({}, {})


WHOLE = packed(Snapshot({"history": np.zeros((2, 3))}, {"epoch": 1}))


def test_any_byte_that_is_another_is_refused() -> None:
    for place in range(len(WHOLE)):
        changed = bytearray(WHOLE)
        changed[place] ^= 1
        with pytest.raises(ValueError, match="it is cut short, or changed"):
            unpacked(bytes(changed))


@pytest.mark.parametrize(
    "content", [b"", b"short", WHOLE[:-1], WHOLE[1:], WHOLE + b"\0", WHOLE * 2], ids=len
)
def test_what_is_cut_or_goes_on_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="it is cut short, or changed"):
        unpacked(content)
