"""What a run is, whichever mode it trains in."""

from lowlevel.experiment.comparison import Comparison, Row, compare
from lowlevel.experiment.run import Run, train

__all__ = ["Comparison", "Row", "Run", "compare", "train"]
