"""From a trained model to scores elsewhere: exports, loaded again and held to the run's scores."""

from lowlevel.serving.loading import load
from lowlevel.serving.scoring import Predictions, Predictor

__all__ = ["Predictions", "Predictor", "load"]
