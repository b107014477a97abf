"""Judging a model on rows: metrics of its probabilities, with intervals. No TensorFlow here."""

from lowlevel.judging.costs import best_threshold
from lowlevel.judging.judging import Interval, Judgement, judge

__all__ = ["Interval", "Judgement", "best_threshold", "judge"]
