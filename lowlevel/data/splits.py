"""Rows drawn by their labels, a block at a time: those held out, and samples."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

import numpy as np

from lowlevel.data.columns import BLOCK_ROWS

# Labels, block by block, as often as they are asked for.
Blocks: TypeAlias = Callable[[], Iterable[np.ndarray]]
# How many rows there are of each label, ascending; of any, None, where labels have many values.
Strata: TypeAlias = dict[float | None, int]

# Keep what is drawn apart from the orders of the batches, which are drawn from the same seed.
HOLDOUT, SAMPLE = 0x5B117, 0x5A3B1
MOST_VALUES = 1000


def hold_out(blocks: Blocks, share: float, seed: int) -> list[np.ndarray]:
    """Returns which rows of each block are held out, bool.

    Where the labels have few values each is split alike, as far as whole rows allow.

    Args:
        blocks: of labels, `[rows]` each.
        share: of the rows that are held out, between 0 and 1.
        seed: of the draw.

    Raises:
        ValueError: a part would be left without rows, or with one label only.
    """
    found = count_strata(blocks())
    wanted = {value: round(share * count) for value, count in found.items()}
    rest = {value: found[value] - wanted[value] for value in found}
    rows = sum(found.values())
    for part, name in ((wanted, "hold-out"), (rest, "training")):
        there = sum(part.values())
        values = min(there, 2) if None in part else sum(count > 0 for count in part.values())
        if not there or values < min(2, rows if None in part else len(part)):
            raise ValueError(
                f"holdout: a share of {share:g} of {rows} rows leaves {there} {name} rows, of "
                f"{values} label values: change the share, or give more rows"
            )
    return list(draw(blocks(), found, wanted, np.random.default_rng([seed, HOLDOUT])))


def hold_out_rows(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the numbers of the training rows and of those held out, ascending, int64.

    Args:
        labels: `[rows]`; the rest as for `hold_out`.
        share: likewise.
        seed: likewise.
    """
    starts = range(0, len(labels), BLOCK_ROWS)
    parts = hold_out(lambda: (labels[i : i + BLOCK_ROWS] for i in starts), share, seed)
    held = np.concatenate(parts)
    return np.flatnonzero(~held), np.flatnonzero(held)


def sample(blocks: Blocks, rows: int, seed: int) -> list[np.ndarray]:
    """Returns which rows of each block are in a sample of about so many, of each label its share.

    Of a label that has rows at least one is in it.
    """
    found = count_strata(blocks())
    share = rows / sum(found.values())
    wanted = {v: min(count, max(1, round(share * count))) for v, count in found.items()}
    return list(draw(blocks(), found, wanted, np.random.default_rng([seed, SAMPLE])))


def count_strata(blocks: Iterable[np.ndarray]) -> Strata:
    """Returns how many rows there are of each label, or of any."""
    counted: Counter[float] = Counter()
    rows = 0
    for labels in blocks:
        rows += len(labels)
        if len(counted) <= MOST_VALUES:
            values, counts = np.unique(labels, return_counts=True)
            counted.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    if len(counted) > max(2, min(rows // 100, MOST_VALUES)):
        return {None: rows}
    return {value: counted[value] for value in sorted(counted)}


def draw(
    blocks: Iterable[np.ndarray],
    strata: Strata,
    wanted: Mapping[float | None, int],
    generator: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Yields which rows of each block are drawn: so many of each stratum, all sets as likely.

    Of a stratum's rows in one block a hypergeometric number is drawn, as many as a draw of whole
    rows without replacement has among them.
    """
    left, wanted = dict(strata), dict(wanted)
    for labels in blocks:
        drawn = np.zeros(len(labels), bool)
        for value in left:
            rows = np.arange(len(labels)) if value is None else np.flatnonzero(labels == value)
            count = wanted[value]
            if len(rows) < left[value]:
                others = left[value] - count
                count = int(generator.hypergeometric(count, others, len(rows)))
            drawn[generator.permutation(rows)[:count]] = True
            left[value] -= len(rows)
            wanted[value] -= count
        yield drawn
