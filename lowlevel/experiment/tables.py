"""The tables of a run: read, split into rows to train on and rows to judge by, and encoded."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lowlevel.config import Config
from lowlevel.data import Rows, Stream, Table, files, german_credit, schema, sources, tfds_tables
from lowlevel.data.columns import BLOCK_ROWS, Source
from lowlevel.data.labels import settle_positive
from lowlevel.data.number_columns import check_sizes
from lowlevel.data.settings import DataSettings
from lowlevel.data.splits import hold_out, hold_out_rows
from lowlevel.data.stream import check_shuffle
from lowlevel.distribution import strategies
from lowlevel.encoder import Encoder, encode, of_numbers
from lowlevel.experiment.settling import total_memory
from lowlevel.experiment.streaming import encoded, in_memory
from lowlevel.experiment.targets import (
    class_weights,
    label_blocks,
    target_blocks,
    targets_of,
    weighted,
)
from lowlevel.likelihoods import Likelihood, loading

if TYPE_CHECKING:
    import pyarrow as pa


class Tables(NamedTuple):
    """What a run is trained on and judged by.

    Attributes:
        train: the rows to train on, weighted by class if that was asked for.
        test: the rows held out, or a sample where they do not fit into memory; None for none.
        plain: the rows to train on with their own weights, to judge by; or a sample likewise.
        held: how many rows are held out.
        encoder: what made features of a table's columns.
        unknown: how many rows held out have a level that the training rows lack, by column.
        name: of the table.
        raw: up to `BLOCK_ROWS` rows as they were given, of those held out, or else of those
            trained on: an exported model is tried on them.
    """

    train: Rows
    test: Table | None
    plain: Table
    held: int
    encoder: Encoder
    unknown: dict[str, int]
    name: str
    raw: "pa.Table"


def load(
    settings: DataSettings,
    config: Config,
    likelihood: Likelihood,
    data_dir: str = "",
    train: Any = None,
    test: Any = None,
) -> Tables:
    """Returns the tables that settings ask for.

    Args:
        settings: which rows.
        config: the run's settings, of which seed, dtype and standardize count.
        likelihood: of the labels.
        data_dir: where TFDS keeps what it prepares; empty for its own.
        train: the rows themselves in place of `settings.train`: a pyarrow table, a frame, or
            arrays by name.
        test: the same in place of `settings.test`.

    Raises:
        ValueError: one line that names the file or the setting, the column or the row, and what to
            do.
    """
    import pyarrow as pa

    # Before the first operation, so that it is quiet, and on as many threads as were asked for.
    strategies.start(config)
    dtype = config.dtype or "float32"
    if train is None and not settings.train and not settings.dataset:
        return _german_credit(settings, config, dtype, data_dir)
    if settings.dataset:
        train = tfds_tables.read(settings.dataset, data_dir)
    limit = settings.memory_limit or total_memory() // 2
    given = sources.read(settings.train if train is None else train, "train", limit)
    if not isinstance(given, pa.Table):
        check_shuffle(config)
    named = [name for name in (settings.label, settings.weight, *settings.drop) if name]
    files.require(given, named, "train")
    binary = tuple(likelihood.label_range) == (0, 1)
    positive = settle_positive(given, settings.label, settings.positive or None, binary)
    given, held = _split(settings, given, positive, test, config.seed, limit, dtype)
    learnt = schema.learn(
        given,
        label=settings.label,
        positive=positive,
        weight=settings.weight,
        drop=settings.drop,
        missing=settings.missing,
        center=config.standardize,
        dtype=dtype,
    )
    return _encoded(settings, config.seed, Encoder(learnt, dtype), given, held)


def read_tables(
    train: Any, config: Config | None = None, *, test: Any = None, **settings: Any
) -> Tables:
    """Returns the tables to train on and to judge by, of a file or of what is in memory.

    Args:
        train: the path of a CSV or Parquet file, of a folder of them, or a glob; or a pyarrow
            table, a pandas or polars frame, or arrays by name.
        config: the run's settings, of which seed, dtype, likelihood and standardize count.
        test: the same as train, to judge by; None for none, or for `holdout=0.2` of the rows.
        **settings: `label`, and others of `data.settings.DataSettings`.

    Raises:
        ValueError: as for `load`.
    """
    config = config or Config()
    # A path says where messages are about; whatever else is read as it is.
    name = str(train) if isinstance(train, (str, pathlib.Path)) else "table"
    given = DataSettings(train=name, **settings)
    return load(given, config, loading.load(config.likelihood), train=train, test=test)


def table_of(encoder: Encoder, given: "pa.Table", what: str) -> tuple[Table, dict[str, int]]:
    """Returns rows as a table of features, and how many levels in them are not known, by column."""
    with _of(what):
        features, unknown = encode(encoder, given)
        y, *weights = targets_of(encoder, given)
        names = tuple(encoder.schema.features)
        return Table(features, y, weights[0] if weights else None, names), unknown


def first_rows(given: "pa.Table") -> "pa.Table":
    """Returns a copy of a table's first `BLOCK_ROWS` rows, which keeps none of the others alive."""
    return given.take(np.arange(min(given.num_rows, BLOCK_ROWS)))


def with_class_weight(table: Table, by_class: tuple[float, float] | None) -> Table:
    """Returns a table in which the rows of each class count more, or less."""
    if by_class is None:
        return table
    y, weight = weighted(table.columns[1:], by_class)
    return Table(table.features, y, weight, table.names)


def _split(
    settings: DataSettings,
    given: "pa.Table | Source",
    positive: str | None,
    test: Any,
    seed: int,
    limit: int,
    dtype: str,
) -> "tuple[pa.Table | Source, pa.Table | Source | None]":
    """Returns the rows to train on, and those held out, if there are any."""
    import pyarrow as pa

    if settings.test or test is not None:
        held = sources.read(settings.test if test is None else test, "test", limit)
        files.require(held, [name for name in (settings.label, settings.weight) if name], "test")
        return given, held
    if not settings.holdout:
        return given, None
    names = [name for name in given.column_names if name not in settings.drop]
    check_sizes(given, names, settings.weight, float(np.finfo(dtype).max))
    drawn = hold_out(lambda: label_blocks(given, settings.label, positive), settings.holdout, seed)
    if isinstance(given, pa.Table):
        rows = np.concatenate(drawn)
        return given.filter(~rows), given.filter(rows)
    return sources.Part(given, drawn, others=True), sources.Part(given, drawn)


def _encoded(
    settings: DataSettings,
    seed: int,
    encoder: Encoder,
    given: "pa.Table | Source",
    held: "pa.Table | Source | None",
) -> Tables:
    """Returns rows as tables of features, those to train on and those held out."""
    import pyarrow as pa

    by_class = class_weights(settings.class_weight, target_blocks(encoder, given))
    file = None
    if not isinstance(given, pa.Table):
        with _of("train"):
            file = encoded(encoder, given, by_class)
    tried = in_memory(given, encoder.schema, seed)
    plain, _ = table_of(encoder, tried, "train")
    train = with_class_weight(plain, by_class)
    test, unknown = None, dict[str, int]()
    if held is not None:
        tried = in_memory(held, encoder.schema, seed)
        test, unknown = table_of(encoder, tried, "test")
    name = settings.train or settings.dataset or "table"
    rows = Stream(file, train.names, train) if file else train
    count = held.num_rows if held else 0
    raw = first_rows(tried.select([column.name for column in encoder.schema.columns]))
    return Tables(rows, test, plain, count, encoder, unknown, name, raw)


def _german_credit(settings: DataSettings, config: Config, dtype: str, data_dir: str) -> Tables:
    """Returns the German credit table, split if that was asked for."""
    import pyarrow as pa

    whole = german_credit.load_german_credit(dtype, data_dir)
    test = None
    if settings.holdout:
        parts = hold_out_rows(whole.labels, settings.holdout, config.seed)
        whole, test = (whole.rows_at(part) for part in parts)
    by_class = class_weights(settings.class_weight, whole.target_blocks())
    rows = with_class_weight(whole, by_class)
    held = test.rows if test is not None else 0
    tried = whole if test is None else test
    raw = pa.table(dict(zip(tried.names, tried.features.T, strict=True)))
    encoder = of_numbers(tried.names, german_credit.LABEL, dtype)
    return Tables(rows, test, whole, held, encoder, {}, german_credit.NAME, raw)


@contextlib.contextmanager
def _of(what: str) -> Iterator[None]:
    """Has each message begin with the setting that it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error
