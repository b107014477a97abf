"""Targets: the labels and the weights of rows, and what the rows of a class count."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from lowlevel.data.columns import NUMBER, Source, blocks, kind_of, numbers
from lowlevel.data.labels import labels
from lowlevel.data.settings import BALANCED
from lowlevel.encoder import Encoder

if TYPE_CHECKING:
    import pyarrow as pa


def label_blocks(
    table: "pa.Table | Source", label: str, positive: str | None
) -> Iterator[np.ndarray]:
    """Yields the labels in float64, block by block."""
    return (labels(block, label, positive) for block in blocks(table, [label]))


def target_blocks(encoder: Encoder, table: "pa.Table | Source") -> Iterator[tuple[np.ndarray, ...]]:
    """Yields the labels and, where there are any, the weights, block by block."""
    names = [name for name in (encoder.schema.label, encoder.schema.weight) if name]
    return (targets_of(encoder, block) for block in blocks(table, names))


def targets_of(encoder: Encoder, table: "pa.Table") -> tuple[np.ndarray, ...]:
    """Returns the labels and, where there are any, the weights, `[rows]`, in the model's dtype.

    Raises:
        ValueError: a label is missing or not known, or the weights are no numbers.
    """
    schema = encoder.schema
    found = [labels(table, schema.label, schema.positive, schema.label_values)]
    if schema.weight:
        if kind_of(table, schema.weight) != NUMBER:
            raise ValueError(f"expected numbers in the weight {schema.weight}, got others")
        found.append(numbers(table, schema.weight))
    # What is too large is told later, with its row.
    with np.errstate(over="ignore"):
        return tuple(column.astype(encoder.dtype.as_numpy_dtype) for column in found)


def class_weights(
    given: str, targets: Iterable[tuple[np.ndarray, ...]]
) -> tuple[float, float] | None:
    """Returns what a negative row and a positive one count; None where every row counts 1.

    Args:
        given: as `DataSettings.class_weight` has it.
        targets: labels and perhaps weights, block by block.

    Raises:
        ValueError: the rows are to be balanced, and all are of one class.
    """
    if given != BALANCED:
        return (1.0, float(given)) if given else None
    sums = np.zeros(2)
    for y, *weights in targets:
        weight = weights[0] if weights else np.ones(len(y))
        sums += [weight[part].sum(dtype=np.float64) for part in (y < 0.5, y >= 0.5)]
    if not sums.all():
        raise ValueError("class_weight: expected rows of both labels to balance, got of one")
    negative, positive = sums.sum() / (2 * sums)
    return float(negative), float(positive)


def weighted(
    targets: tuple[np.ndarray, ...], by_class: tuple[float, float] | None
) -> tuple[np.ndarray, ...]:
    """Returns labels and weights, which count by the class of each row as well."""
    if by_class is None:
        return targets
    y, *weights = targets
    scale = np.where(y >= 0.5, by_class[1], by_class[0])
    return y, (weights[0] * scale if weights else scale)
