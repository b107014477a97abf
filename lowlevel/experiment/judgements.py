"""Judgements of a run: on the rows that it was trained on, and on those held out."""

import dataclasses
import functools
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel import judging
from lowlevel.data import Table
from lowlevel.experiment import modes
from lowlevel.experiment.run import Run, in_blocks
from lowlevel.judging import Judgement
from lowlevel.likelihoods import Likelihood, loading

TRAINING, HOLDOUT = "training", "holdout"


def judge(
    mode: str, run: Run, train: Table, test: Table, cost: tuple[float, ...] = ()
) -> dict[str, Judgement]:
    """Returns what a model is worth, by "training" and "holdout", the latter with intervals.

    Args:
        mode: that the run was trained in.
        run: the run.
        train: the rows that it was trained on.
        test: rows that it has not seen.
        cost: of a false positive and of a false negative, or nothing.

    Raises:
        ValueError: the labels are not binary, or scikit-learn is not installed.
    """
    likelihood = loading.load(run.config.likelihood)
    check_can_judge(likelihood)
    wing = modes.load(mode)
    tables = {TRAINING: train, HOLDOUT: test}
    predicted = {n: predictions(wing, run.model, likelihood, t) for n, t in tables.items()}
    options: dict[str, Any] = {
        "seed": run.config.seed,
        "base_rate": float(np.average(train.labels, weights=train.sample_weight)),
    }
    if cost:
        probabilities, _ = predicted[TRAINING]
        threshold = judging.best_threshold(
            train.labels, probabilities, (cost[0], cost[1]), train.sample_weight
        )
        options |= {"cost": cost, "threshold": threshold}
    asked = {TRAINING: {**options, "resamples": 0}, HOLDOUT: options}
    return {
        name: judging.judge(table.labels, *predicted[name], table.sample_weight, **asked[name])
        for name, table in tables.items()
    }


def can_judge(likelihood: Likelihood) -> bool:
    """Returns whether rows of a likelihood's labels can be judged."""
    return tuple(likelihood.label_range) == (0, 1) and likelihood.predictors == 1


def check_can_judge(likelihood: Likelihood) -> None:
    """Raises ValueError unless rows of a likelihood's labels can be judged."""
    if not can_judge(likelihood):
        raise ValueError(
            "holdout: expected a likelihood of labels from 0 to 1, got another: its rows held out "
            "are for patience alone, in lowlevel.train"
        )


def as_dict(judgement: Judgement) -> dict[str, Any]:
    """Returns a judgement as plain values, a metric as its value and its interval's ends."""
    metrics = {name: list(interval) for name, interval in judgement.metrics.items()}
    return {**dataclasses.asdict(judgement), "metrics": metrics, "notes": list(judgement.notes)}


def predictions(
    wing: modes.Mode, model: Any, likelihood: Likelihood, table: Table
) -> tuple[np.ndarray, np.ndarray]:
    """Returns each row's mean and loss in float64, `[rows]` each, worked out of the model's z."""
    z = in_blocks(functools.partial(wing.linear_predictor, model), table.features)
    wide = tf.constant(z, tf.float64), tf.constant(table.labels, tf.float64)
    return likelihood.mean(wide[0]).numpy(), likelihood.nll(*wide).numpy()
