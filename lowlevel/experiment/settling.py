"""What is known before training: whether settings, table, likelihood and process go together."""

import dataclasses
import os

import numpy as np
import tensorflow as tf

from lowlevel.config import FULL, NEWTON, WINDOW, Config, shown
from lowlevel.data import Rows, Stream, Table
from lowlevel.data.summaries import label_weights
from lowlevel.data.table import check_range
from lowlevel.distribution import strategies
from lowlevel.errors import in_one_line
from lowlevel.experiment.metrics import METRICS
from lowlevel.likelihoods import Likelihood
from lowlevel.likelihoods.loading import load

# Of each batch, where it is shared: enough for eight workers, and few beside what each costs.
SHARDS = 8
# Of every weight: itself, its gradient, and an optimizer's two slots.
COPIES = 4


def settled(mode: str, config: Config, table: Rows) -> tuple[Config, Likelihood]:
    """Returns a config with nothing left open, and its likelihood, both fit for a table.

    Raises:
        ValueError: see `experiment.train`.
    """
    check_types(config, table)
    config.check(mode)
    check_process()
    if config.dtype not in (None, table.dtype):
        raise ValueError(
            f"Expected a table of the config's dtype, {config.dtype}, got {table.dtype}: "
            "set one to the other, or leave the config's out"
        )
    threads = strategies.start(config)
    likelihood = load(config.likelihood)
    for name in likelihood.metrics:
        if name not in METRICS:
            raise ValueError(
                f"Expected `metrics` of the likelihood among {', '.join(METRICS)}, got {name}"
            )
    row = 0
    for labels, *_ in table.target_blocks():
        check_range("labels", labels, *likelihood.label_range, first_row=row)
        row += len(labels)
    shuffle = config.shuffle or (FULL if isinstance(table, Table) else WINDOW)
    config = dataclasses.replace(
        config, dtype=table.dtype, threads=threads, shuffle=shuffle, shards=number_of_shards(config)
    )
    check_numbers(config)
    if config.optimizer == NEWTON:
        check_newton(config, table.width, likelihood.predictors)
    check_memory(config, table.width, likelihood.predictors)
    return config, likelihood


def check_test(config: Config, table: Rows, test: Table | None) -> None:
    """Raises ValueError unless the rows held out go with the others, and are there if needed."""
    if config.patience and test is None:
        raise ValueError("patience: expected rows held out to judge by, got none: give some")
    if test is not None and test.width != table.width:
        raise ValueError(
            f"Expected `test` of {table.width} columns, as `table` has, got {test.width}"
        )


def base_rate(likelihood: Likelihood, table: Rows) -> float | None:
    """Returns the mean NLL of the best constant prediction, or None, as a likelihood has it.

    Raises:
        ValueError: it fails, or gives something else.
    """
    labels, weight = (
        (table.labels, table.sample_weight) if isinstance(table, Table) else label_weights(table)
    )
    try:
        found = likelihood.base_rate_nll(labels, weight)
        return None if found is None else float(found)
    # A user's likelihood may raise anything.
    except Exception as error:
        raise ValueError(f"base_rate_nll fails: {in_one_line(error)}") from error


def check_types(config: Config, table: Rows) -> None:
    """Raises ValueError unless these are a Config and a Table."""
    for name, value, kinds in (("config", config, (Config,)), ("table", table, (Table, Stream))):
        if not isinstance(value, kinds):
            raise ValueError(
                f"Expected `{name}` to be a lowlevel.{kinds[0].__name__}, got a "
                f"{type(value).__name__}"
            )


def check_process() -> None:
    """Raises ValueError where the process is set up so that both modes would not train alike."""
    if tf.config.functions_run_eagerly():
        raise ValueError(
            "Expected compiled functions, got tf.config.run_functions_eagerly(True): the loop "
            "would run a step at a time, and to other bits; set it back"
        )
    if tf.distribute.has_strategy():
        name = type(tf.distribute.get_strategy()).__name__
        raise ValueError(f"Expected no distribution strategy, got {name}: train outside its scope")


def number_of_shards(config: Config) -> int:
    """Returns into how many shards each batch is cut."""
    if config.shards is None:
        return SHARDS if config.distributed else 1
    # Without a strategy there is nobody to leave the sum to.
    return config.shards if config.distributed else max(1, config.shards)


def check_numbers(config: Config) -> None:
    """Raises ValueError for a number that the dtype would round to 0 or to infinity."""
    limits = np.finfo(np.dtype(config.dtype))
    for name in ("learning_rate", "l2"):
        value = getattr(config, name)
        if value and not float(limits.tiny) <= value <= float(limits.max):
            raise ValueError(
                f"{name}: expected a number that {config.dtype} can hold, from {limits.tiny:g} to "
                f"{limits.max:g}, got {value}"
            )


def check_newton(config: Config, inputs: int, predictors: int) -> None:
    """Raises ValueError for a model that Newton's method is not for."""
    if config.hidden_units:
        raise ValueError(
            f"hidden_units: expected none with optimizer {NEWTON}, in module mode, got "
            f"{shown(config.hidden_units)}: leave them empty, or take another optimizer"
        )
    if predictors != 1:
        raise ValueError(
            f"likelihood: expected one of one predictor with optimizer {NEWTON}, got one of "
            f"{predictors}: take another optimizer"
        )
    # Its matrix of second derivatives, and what is made of it.
    needed, there = COPIES * 8 * (inputs + 1) ** 2, total_memory()
    if needed > there:
        raise ValueError(
            f"optimizer: expected, for {NEWTON}, columns whose square fits into "
            f"{there / 2**30:.3g} GiB, got {inputs} columns: take another optimizer"
        )


def total_memory() -> int:
    """Returns the machine's memory in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_memory(config: Config, inputs: int, predictors: int) -> None:
    """Raises ValueError for a model that the machine's memory cannot hold while it trains."""
    item = np.dtype(config.dtype).itemsize
    needed = COPIES * item * config.count_weights(inputs, predictors)
    there = total_memory()
    if needed > there:
        raise ValueError(
            f"hidden_units: expected a model that fits into {there / 2**30:.3g} GiB, got one that "
            f"takes {needed / 2**30:.3g} GiB to train: use fewer"
        )
