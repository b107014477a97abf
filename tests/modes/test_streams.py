"""Rows from a file train either mode to the bits that the same order gives in memory."""

import numpy as np
import pytest

from lowlevel import experiment
from lowlevel.config import Config
from lowlevel.data import Stream, Table
from lowlevel.data.row_file import RowFile
from tests import wings


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows, groups and blocks of a few rows."""
    monkeypatch.setattr("lowlevel.data.windows.WINDOW_BYTES", 2000)
    monkeypatch.setattr("lowlevel.data.windows.GROUP_BYTES", 150)
    monkeypatch.setattr("lowlevel.data.table.BLOCK_ROWS", 64)
    monkeypatch.setattr("lowlevel.data.stream.BLOCK_ROWS", 64)


def stream_of(table: Table) -> Stream:
    """A table's rows in a file."""
    file = RowFile(table.rows, table.row_shapes, np.dtype(table.dtype))
    file.write(0, table.columns)
    return Stream(file, table.names, table)


CONFIGS = {
    "sgd": Config(epochs=3, batch_size=16, shuffle="window"),
    "adam, reports now and then": Config(
        epochs=5, batch_size=7, shuffle="window", optimizer="adam", report_every=2
    ),
    "xla, a batch longer than a window": Config(
        epochs=3, batch_size=150, shuffle="window", jit_compile=True
    ),
    "in shards": Config(epochs=3, batch_size=16, shuffle="window", shards=5),
    "without hidden layers": Config(epochs=3, batch_size=16, shuffle="window", hidden_units=()),
}


@pytest.mark.parametrize("mode", ["module", "keras"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_stream_trains_to_the_bits_of_the_same_order_in_memory(mode: str, config: Config) -> None:
    table = wings.small_table(rows=203)
    stream = stream_of(table)
    assert len(list(stream.blocks(config, [range(1)], 1))) > 1
    in_memory, streamed = (experiment.train(mode, config, rows) for rows in (table, stream))
    assert [epoch.nll for epoch in streamed.history] == [epoch.nll for epoch in in_memory.history]
    for name, values in in_memory.weights.items():
        np.testing.assert_array_equal(streamed.weights[name], values)
    assert streamed.metrics == in_memory.metrics


def test_both_modes_see_the_same_batches_of_a_stream() -> None:
    result = experiment.compare(CONFIGS["sgd"], stream_of(wings.small_table(rows=203)))
    assert result.relative == 0


def test_newton_streams_to_the_bits_of_the_table_in_memory() -> None:
    table = wings.small_table(rows=203)
    config = Config(epochs=20, optimizer="newton", hidden_units=())
    in_memory, streamed = (
        experiment.train("module", config, rows) for rows in (table, stream_of(table))
    )
    for name, values in in_memory.weights.items():
        np.testing.assert_array_equal(streamed.weights[name], values)


def test_a_stream_says_what_a_table_would_of_its_labels() -> None:
    table = wings.small_table(rows=203)
    table.labels[140] = 3
    with pytest.raises(ValueError, match=r"`labels` from 0 to 1, got 3\.0 in row 140"):
        experiment.train("module", CONFIGS["sgd"], stream_of(table))


def test_a_stream_is_worth_what_its_labels_mean_would_score() -> None:
    table = wings.small_table(rows=203)
    found = [
        experiment.train("module", Config(epochs=1, shuffle="window"), rows).base_rate_nll
        for rows in (table, stream_of(table))
    ]
    assert found[1] == pytest.approx(found[0], rel=1e-6)
