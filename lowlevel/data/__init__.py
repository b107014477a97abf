"""What a row is, and the order in which rows come. No TensorFlow here."""

from lowlevel.data.order import Block, aligned, batch_order, blocks
from lowlevel.data.seeds import layer_seeds
from lowlevel.data.stream import Rows, Stream
from lowlevel.data.summaries import moments
from lowlevel.data.table import Table

__all__ = [
    "Block",
    "Rows",
    "Stream",
    "Table",
    "aligned",
    "batch_order",
    "blocks",
    "layer_seeds",
    "moments",
]
