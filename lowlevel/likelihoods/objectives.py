"""A likelihood as the objective of boosted trees: gradient and Hessian of each row, in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.likelihoods.base import Likelihood

LIBRARIES = ("xgboost", "lightgbm")
# Trees divide by sums of Hessians. XGBoost's own logistic objective has the same floor.
_FLOOR = 1e-16

Objective = Callable[[np.ndarray, Any], tuple[np.ndarray, np.ndarray]]


def as_objective(likelihood: Likelihood, library: str) -> Objective:
    """Returns an objective that a library's `train` takes, made of `slope` and `curvature`.

    `xgboost.train({"base_score": 0}, data, obj=...)`, whose raw predictions would otherwise begin
    at 0.5, and `lightgbm.train({"objective": ...}, data)`. Both give raw predictions z back;
    `likelihood.mean(z)` is what they mean. Both want sums, not means, and leave the weights of the
    rows to the objective. A curvature below 0, as some likelihoods have far from the maximum, is
    taken for 0: such a row has a gradient, and no say in how far a leaf goes.

    Args:
        likelihood: of one predictor.
        library: "xgboost" or "lightgbm".

    Raises:
        ValueError: there is no such library, or more predictors; the objective raises it for a
            label out of the likelihood's range.
    """
    if library not in LIBRARIES:
        raise ValueError(f"library: expected one of {', '.join(LIBRARIES)}, got {library}")
    if likelihood.predictors > 1:
        raise ValueError(
            f"Expected a likelihood of one predictor, got one of {likelihood.predictors}: trees "
            "want the Hessian of each row as one number"
        )

    def objective(predictions: np.ndarray, data: Any) -> tuple[np.ndarray, np.ndarray]:
        """Returns gradient and Hessian, `[rows]` each, for raw predictions `[rows]`."""
        z = np.asarray(predictions, np.float64)
        labels = np.asarray(data.get_label(), np.float64)
        lowest, highest = likelihood.label_range
        if not ((labels >= lowest) & (labels <= highest)).all():
            raise ValueError(
                f"Expected labels from {lowest:g} to {highest:g}, got some from {labels.min():g} "
                f"to {labels.max():g}"
            )
        given = tf.constant(z), tf.constant(labels)
        gradient, hessian = likelihood.slope(*given).numpy(), likelihood.curvature(*given).numpy()
        weight = data.get_weight()
        # XGBoost has an empty array where there are none, LightGBM None.
        counts = np.ones_like(z) if weight is None or not len(weight) else np.asarray(weight)
        return counts * gradient, counts * np.maximum(hessian, _FLOOR)

    return objective
