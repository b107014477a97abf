"""The split: stratified, by the seed alone, and of every row once."""

from collections.abc import Iterator

import numpy as np
import pytest

from lowlevel.data.splits import hold_out, hold_out_rows, sample

LABELS = (np.arange(1000) % 10 == 0).astype(float)


def test_every_row_is_in_one_part() -> None:
    train, test = hold_out_rows(LABELS, 0.2, 0)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(1000))


def test_each_label_is_split_alike() -> None:
    train, test = hold_out_rows(LABELS, 0.2, 0)
    assert (LABELS[train].sum(), LABELS[test].sum()) == (80, 20)
    assert len(test) == 200


def test_the_seed_alone_decides() -> None:
    first, again, other = (hold_out_rows(LABELS, 0.3, seed)[1] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_labels_of_many_values_are_split_as_one() -> None:
    _, test = hold_out_rows(np.linspace(0, 1, 500), 0.1, 0)
    assert len(test) == 50


def test_a_part_of_one_label_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves 2 hold-out rows, of 1 label values"):
        hold_out_rows(np.array([1.0] + [0.0] * 9), 0.25, 0)


LONG = (np.arange(150_000) % 10 == 0).astype(float)


def blocks() -> Iterator[np.ndarray]:
    """The labels of more than two blocks."""
    return (LONG[first : first + 2**16] for first in range(0, len(LONG), 2**16))


def test_each_label_is_split_alike_over_several_blocks() -> None:
    held = np.concatenate(hold_out(blocks, 0.2, 0))
    assert (held.sum(), LONG[held].sum()) == (30_000, 3_000)


def test_blocks_are_drawn_from_alike() -> None:
    shares = np.array([part.mean() for part in hold_out(blocks, 0.2, 0)])
    # Four standard deviations of a share of the smallest block.
    assert np.abs(shares - 0.2).max() < 4 * np.sqrt(0.2 * 0.8 / 2**14)


def test_a_sample_has_its_share_of_each_label() -> None:
    drawn = np.concatenate(sample(blocks, 1000, 0))
    assert (drawn.sum(), LONG[drawn].sum()) == (1000, 100)


def test_a_rare_label_is_in_a_sample() -> None:
    labels = np.zeros(5000)
    labels[17] = 1
    (drawn,) = sample(lambda: [labels], 10, 0)
    assert drawn[17]
