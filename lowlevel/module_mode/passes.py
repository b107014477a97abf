"""A pass over a table's rows, in shards that the workers of a strategy share."""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lowlevel.data import Rows
from lowlevel.data.shards import cuts
from lowlevel.distribution.sums import Shards
from lowlevel.likelihoods import Likelihood
from lowlevel.regression import design as designs
from lowlevel.regression.design import Block, Design
from lowlevel.regression.totals import Totals, total


class Share(NamedTuple):
    """What a process has of the rows.

    A shard is some of the table's blocks, one after another, and some have none where the shards
    are more than the blocks.

    Attributes:
        shards: all of them.
        blocks: of this process's shards, in the table's order.
        sizes: how many blocks each of these has.
    """

    shards: Shards
    blocks: Iterable[Block]
    sizes: tuple[int, ...]

    def total(self, likelihood: Likelihood, point: np.ndarray, jit_compile: bool) -> Totals:
        """Returns the sums over all rows, in one pass, to bits that depend on the shards alone.

        All workers call it, at one point, and each has the sums of all.

        Args:
            likelihood: of one predictor.
            point: the coefficients, `[coefficients]`, the intercept last.
            jit_compile: whether XLA compiles what is done with a block.
        """
        # One pass, and not one for each shard: the rows of a stream are read ahead.
        blocks = iter(self.blocks)
        parts = [
            total(likelihood, itertools.islice(blocks, size), point, jit_compile)
            for size in self.sizes
        ]
        return Totals.unpacked(self.shards.sum_of([part.packed for part in parts]), len(point))


def make_share(shards: Shards, design: Design, table: Rows) -> Share:
    """Returns what a process has of a table, whose rows by a scaling there are already."""
    parts = cuts(len(table.block_starts), shards.number)[shards.own.start : shards.own.stop]
    blocks = design.blocks
    if shards.among_workers:
        which = slice(parts[0].start, parts[-1].stop) if parts else slice(0)
        blocks = designs.make_blocks(table, design.scaling, which)
    return Share(shards, blocks, tuple(map(len, parts)))
