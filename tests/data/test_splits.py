"""The split: stratified, by the seed alone, and of every row once."""

import numpy as np
import pytest

from lowlevel.data.splits import hold_out

LABELS = (np.arange(1000) % 10 == 0).astype(float)


def test_every_row_is_in_one_part() -> None:
    train, test = hold_out(LABELS, 0.2, 0)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(1000))


def test_each_label_is_split_alike() -> None:
    train, test = hold_out(LABELS, 0.2, 0)
    assert (LABELS[train].sum(), LABELS[test].sum()) == (80, 20)
    assert len(test) == 200


def test_the_seed_alone_decides() -> None:
    first, again, other = (hold_out(LABELS, 0.3, seed)[1] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_labels_of_many_values_are_split_as_one() -> None:
    _, test = hold_out(np.linspace(0, 1, 500), 0.1, 0)
    assert len(test) == 50


def test_a_part_of_one_label_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves 2 hold-out rows, of 1 label values"):
        hold_out(np.array([1.0] + [0.0] * 9), 0.25, 0)
