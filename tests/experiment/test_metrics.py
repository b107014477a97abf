"""Metrics, against scikit-learn's."""

import math

import numpy as np
import pytest
from sklearn import metrics as expected

from lowlevel.experiment import metrics


def labels_and_scores(levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Two hundred labels, and scores of so many levels: few make many ties."""
    random = np.random.default_rng(0)
    labels = (random.random(200) < 0.7).astype(np.float32)
    return labels, np.round(random.random(200) * levels) / levels


@pytest.mark.parametrize("levels", [1, 3, 1_000_000])
def test_roc_auc_is_scikit_learns(levels: int) -> None:
    labels, scores = labels_and_scores(levels)
    # Both are sums of at most 10,000 pairs in float64.
    theirs = pytest.approx(expected.roc_auc_score(labels, scores), abs=1e-12)
    assert metrics.roc_auc(labels, scores) == theirs


def test_weighted_metrics_are_scikit_learns() -> None:
    labels, scores = labels_and_scores(10)
    weight = np.random.default_rng(1).random(200) * (np.arange(200) % 3)
    theirs = (
        expected.accuracy_score(labels == 1, scores >= 0.5, sample_weight=weight),
        expected.roc_auc_score(labels, scores, sample_weight=weight),
    )
    found = (metrics.accuracy(labels, scores, weight), metrics.roc_auc(labels, scores, weight))
    # Sums of 200 terms in float64, and of their products.
    assert found == pytest.approx(theirs, abs=1e-12)


def test_roc_auc_of_one_class_is_not_a_number() -> None:
    assert math.isnan(metrics.roc_auc(np.ones(3), np.arange(3)))


def test_accuracy_is_scikit_learns() -> None:
    labels, scores = labels_and_scores(10)
    theirs = expected.accuracy_score(labels == 1, scores >= 0.5)
    assert metrics.accuracy(labels, scores) == pytest.approx(theirs)
