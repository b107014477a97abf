"""What a row is, and the order in which rows come. No TensorFlow here."""

from lowlevel.data.order import Block, aligned, batch_order, blocks
from lowlevel.data.seeds import layer_seeds
from lowlevel.data.table import Table, moments

__all__ = ["Block", "Table", "aligned", "batch_order", "blocks", "layer_seeds", "moments"]
