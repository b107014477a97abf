"""The tables of a run: read, split into rows to train on and rows to judge by, and encoded."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lowlevel import startup
from lowlevel.config import Config
from lowlevel.data import Table, files, german_credit, schema, tfds_tables
from lowlevel.data.columns import BLOCK_ROWS, NUMBER, kind_of, numbers
from lowlevel.data.labels import labels, settle_positive
from lowlevel.data.settings import BALANCED, DataSettings
from lowlevel.data.splits import hold_out
from lowlevel.encoder import Encoder, encode, of_numbers
from lowlevel.likelihoods import Likelihood, loading

if TYPE_CHECKING:
    import pyarrow as pa


class Tables(NamedTuple):
    """What a run is trained on and judged by.

    Attributes:
        train: the rows to train on, weighted by class if that was asked for.
        test: the rows held out; None where there are none.
        plain: the rows to train on with their own weights, to judge by.
        encoder: what made features of a table's columns.
        unknown: how many rows held out have a level that the training rows lack, by column.
        name: of the table.
        raw: up to `BLOCK_ROWS` rows as they were given, of those held out, or else of those
            trained on: an exported model is tried on them.
    """

    train: Table
    test: Table | None
    plain: Table
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
    # Before the first operation, so that it is quiet, and on as many threads as were asked for.
    startup.start_devices(config.threads)
    dtype = config.dtype or "float32"
    if train is None and not settings.train and not settings.dataset:
        return _german_credit(settings, config, dtype, data_dir)
    if settings.dataset:
        train = tfds_tables.read(settings.dataset, data_dir)
    given = files.read(settings.train if train is None else train, "train")
    named = [name for name in (settings.label, settings.weight, *settings.drop) if name]
    files.require(given, named, "train")
    binary = tuple(likelihood.label_range) == (0, 1)
    positive = settle_positive(given, settings.label, settings.positive or None, binary)
    given, held = _split(settings, given, positive, test, config.seed)
    learnt = schema.learn(
        given,
        label=settings.label,
        positive=positive,
        weight=settings.weight,
        drop=settings.drop,
        missing=settings.missing,
        center=config.standardize,
    )
    encoder = Encoder(learnt, dtype)
    plain, _ = table_of(encoder, given, "train")
    tested, unknown = (None, {}) if held is None else table_of(encoder, held, "test")
    weighted = with_class_weight(plain, settings.class_weight)
    name = settings.train or settings.dataset or "table"
    names = [column.name for column in learnt.columns]
    raw = first_rows((given if held is None else held).select(names))
    return Tables(weighted, tested, plain, encoder, unknown, name, raw)


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
    found = encoder.schema
    with _of(what):
        features, unknown = encode(encoder, given)
        weight = None
        if found.weight:
            if kind_of(given, found.weight) != NUMBER:
                raise ValueError(f"expected numbers in the weight {found.weight}, got others")
            weight = numbers(given, found.weight)
        y = labels(given, found.label, found.positive, found.label_values)
        return Table(features, y, weight, tuple(found.features)), unknown


def first_rows(given: "pa.Table") -> "pa.Table":
    """Returns a copy of a table's first `BLOCK_ROWS` rows, which keeps none of the others alive."""
    return given.take(np.arange(min(given.num_rows, BLOCK_ROWS)))


def with_class_weight(table: Table, given: str) -> Table:
    """Returns a table in which positive rows count more, or less."""
    if not given:
        return table
    weight = np.ones(table.rows) if table.sample_weight is None else table.sample_weight
    positive = table.labels >= 0.5
    if given == BALANCED:
        sums = [float(weight[part].sum()) for part in (~positive, positive)]
        if not all(sums):
            raise ValueError("class_weight: expected rows of both labels to balance, got of one")
        total = sum(sums)
        scale = np.where(positive, total / (2 * sums[1]), total / (2 * sums[0]))
    else:
        scale = np.where(positive, float(given), 1.0)
    return Table(table.features, table.labels, weight * scale, table.names)


def _split(
    settings: DataSettings, given: "pa.Table", positive: str | None, test: Any, seed: int
) -> "tuple[pa.Table, pa.Table | None]":
    """Returns the rows to train on, and those held out, if there are any."""
    if settings.test or test is not None:
        held = files.read(settings.test if test is None else test, "test")
        files.require(held, [name for name in (settings.label, settings.weight) if name], "test")
        return given, held
    if not settings.holdout:
        return given, None
    parts = hold_out(labels(given, settings.label, positive), settings.holdout, seed)
    return given.take(parts[0]), given.take(parts[1])


def _german_credit(settings: DataSettings, config: Config, dtype: str, data_dir: str) -> Tables:
    """Returns the German credit table, split if that was asked for."""
    whole = german_credit.load_german_credit(dtype, data_dir)
    test = None
    if settings.holdout:
        parts = hold_out(whole.labels, settings.holdout, config.seed)
        whole, test = (whole.rows_at(part) for part in parts)
    weighted = with_class_weight(whole, settings.class_weight)
    import pyarrow as pa

    tried = whole if test is None else test
    raw = pa.table(dict(zip(tried.names, tried.features.T, strict=True)))
    encoder = of_numbers(tried.names, german_credit.LABEL, dtype)
    return Tables(weighted, test, whole, encoder, {}, german_credit.NAME, raw)


@contextlib.contextmanager
def _of(what: str) -> Iterator[None]:
    """Has each message begin with the setting that it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error
