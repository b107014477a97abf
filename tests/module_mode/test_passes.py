"""A pass in shards: the sums that it gives, and which rows a worker takes for it."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from lowlevel import experiment
from lowlevel.config import DistributionSettings
from lowlevel.data import Rows, Stream, Table
from lowlevel.data.row_file import RowFile
from lowlevel.data.shards import cuts
from lowlevel.distribution.sums import shards_of
from lowlevel.likelihoods import Logit
from lowlevel.module_mode import passes
from lowlevel.regression import design as designs
from lowlevel.regression.totals import Totals, total
from tests import wings

# 20 blocks, the last one short.
BLOCK, TABLE = 100, wings.small_table(rows=1950, weighted=True)
SCALING = designs.as_they_are(3)
POINT = np.array([0.5, -0.2, 0.1, 0.3])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few rows."""
    for module in ("data.table", "data.stream", "module_mode.newton"):
        monkeypatch.setattr(f"lowlevel.{module}.BLOCK_ROWS", BLOCK)


def train(table: Rows, **settings: Any) -> experiment.Run:
    """A run by Newton's method."""
    return wings.train("module", table, optimizer="newton", hidden_units=(), epochs=25, **settings)


def stream_of(table: Table) -> Stream:
    """A table's rows in a file."""
    file = RowFile(table.rows, table.row_shapes, np.dtype(table.dtype))
    file.write(0, table.columns)
    return Stream(file, (), table)


def totals(table: Table, **settings: Any) -> Totals:
    """The sums of a pass over a table, in shards."""
    design = designs.make_design(table, SCALING)
    share = passes.make_share(shards_of(DistributionSettings(**settings)), design, table)
    return share.total(Logit(), POINT, jit_compile=False)


class OfWorker(NamedTuple):
    """What `Shards` says in a worker of a cluster."""

    number: int
    own: range
    among_workers: bool = True


def shares(table: Rows, shards: int, workers: int) -> list[passes.Share]:
    """What each worker has of a table."""
    design = designs.make_design(table, SCALING, copied=False)
    every = [OfWorker(shards, own) for own in cuts(shards, workers)]
    return [passes.make_share(worker, design, table) for worker in every]


def test_eight_shards_lead_to_the_coefficients_of_one() -> None:
    found, expected = train(TABLE, shards=8), train(TABLE)
    assert len(found.history) == len(expected.history) > 3
    for name, values in expected.weights.items():
        np.testing.assert_allclose(found.weights[name], values, rtol=1e-12)


def test_the_sums_are_those_of_each_shards_rows_added_in_turn_to_the_bit() -> None:
    ends = [0, 600, 1300, 1950]
    parts = [totals(TABLE.rows_at(np.arange(*run))) for run in itertools.pairwise(ends)]
    for found, *summands in zip(totals(TABLE, shards=3), *parts, strict=True):
        np.testing.assert_array_equal(found, summands[0] + summands[1] + summands[2])


def test_one_shard_has_the_bits_of_a_plain_sum_and_empty_shards_do_not_change_them() -> None:
    design = designs.make_design(TABLE, SCALING)
    for found, expected in zip(totals(TABLE), total(Logit(), design.blocks, POINT), strict=True):
        np.testing.assert_array_equal(found, expected)
    one_block = TABLE.rows_at(np.arange(BLOCK))
    for found, expected in zip(totals(one_block, shards=8), totals(one_block), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("streamed", [False, True])
def test_the_bits_of_a_run_are_those_of_its_shards_whoever_computes_them(streamed: bool) -> None:
    expected = train(TABLE, shards=8)
    found = train(stream_of(TABLE) if streamed else TABLE, strategy="mirrored")
    wings.assert_same_bits(found.weights, expected.weights)
    assert [epoch.nll for epoch in found.history] == [epoch.nll for epoch in expected.history]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("shards", "workers"), [(8, 2), (8, 3), (30, 4), (1, 3)])
def test_workers_have_every_row_once_in_order(streamed: bool, shards: int, workers: int) -> None:
    found = shares(stream_of(TABLE) if streamed else TABLE, shards, workers)
    labels = [block.y for share in found for block in share.blocks]
    np.testing.assert_array_equal(np.concatenate(labels), TABLE.labels)
    assert sum(len(share.sizes) for share in found) == shards
    for share in found:
        assert sum(share.sizes) == len(list(share.blocks))


def test_a_worker_reads_no_rows_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    file_read = RowFile.read

    def counted(self: RowFile, runs: Sequence[range], *rest: Any) -> tuple[np.ndarray, ...]:
        read.extend(number for run in runs for number in run)
        return file_read(self, runs, *rest)

    monkeypatch.setattr(RowFile, "read", counted)
    last = shares(stream_of(TABLE), 8, 3)[-1]
    # The sum of the weights is over all rows.
    read.clear()
    list(last.blocks)
    # Of 20 blocks in 8 shards the last three have those from the twelfth on.
    assert read == list(range(12 * BLOCK, TABLE.rows))
