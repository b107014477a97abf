"""Rows that do not fit into memory: encoded into a file, and samples of them to judge by."""

from typing import TYPE_CHECKING

import numpy as np

from lowlevel.data.columns import Source
from lowlevel.data.row_file import RowFile
from lowlevel.data.schema import Schema
from lowlevel.data.sources import Part
from lowlevel.data.splits import sample
from lowlevel.data.table import check_range
from lowlevel.encoder import Encoder, encode
from lowlevel.experiment.targets import label_blocks, targets_of, weighted

if TYPE_CHECKING:
    import pyarrow as pa

# Rows of a sample, and the numbers in them, so that it is small beside any memory.
SAMPLE_ROWS, SAMPLE_NUMBERS = 2**18, 2**23


def in_memory(rows: "pa.Table | Source", schema: Schema, seed: int) -> "pa.Table":
    """Returns rows in memory; of a source that has many a sample, of each label its share."""
    import pyarrow as pa

    if isinstance(rows, pa.Table):
        return rows
    most = min(SAMPLE_ROWS, SAMPLE_NUMBERS // len(rows.column_names))
    if rows.num_rows <= most:
        return pa.concat_tables(rows.blocks(rows.column_names))
    return Part(
        rows, sample(lambda: label_blocks(rows, schema.label, schema.positive), most, seed)
    ).read()


def encoded(encoder: Encoder, source: Source, by_class: tuple[float, float] | None) -> RowFile:
    """Returns the rows of a source as features, labels and weights, in a file.

    Args:
        encoder: of the columns.
        source: of the rows.
        by_class: what a negative row and a positive one count; None where every row counts 1.

    Raises:
        ValueError: one line, for a number that is not finite, or a weight below 0; or the folder
            for temporary files has no room.
    """
    schema, dtype = encoder.schema, np.dtype(encoder.dtype.as_numpy_dtype)
    weighs = bool(schema.weight or by_class)
    file = RowFile(source.num_rows, [(len(schema.features),), (), *([()] * weighs)], dtype)
    largest = float(np.finfo(dtype).max)
    first, total = 0, 0.0
    for block in source.blocks(schema.needed):
        features, _ = encode(encoder, block, first)
        targets = targets_of(encoder, block)
        for name, column, least in zip(
            ("labels", "sample_weight"), targets, (-largest, 0), strict=False
        ):
            check_range(name, column, least, largest, first)
        total += float(targets[-1].sum())
        file.write(first, [features, *weighted(targets, by_class)])
        first += len(features)
    if schema.weight and not total:
        raise ValueError("Expected a `sample_weight` above 0 in some row, got 0 in all")
    return file
