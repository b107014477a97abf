"""Metrics of the rows' order for any weighting of them, against scikit-learn's and Keras's."""

import numpy as np
import pytest
from sklearn import metrics as expected

from lowlevel.judging.ranking import ranking


def rows(levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Three hundred labels, and ascending probabilities of so many levels: few make many ties."""
    random = np.random.default_rng(0)
    probabilities = np.sort(np.round(random.random(300) * levels) / levels)
    return (random.random(300) < probabilities).astype(float), probabilities


@pytest.mark.parametrize("levels", [1, 3, 10, 1_000_000])
@pytest.mark.parametrize("flipped", [False, True])
def test_every_weighting_gives_scikit_learns_metrics(levels: int, flipped: bool) -> None:
    labels, probabilities = rows(levels)
    labels = 1 - labels if flipped else labels
    measure = ranking(labels, probabilities)
    random = np.random.default_rng(1)
    for _ in range(5):
        # A third of the rows count nothing, the highest two among them.
        weight = random.random(300) * random.integers(3, size=300)
        weight[-2:] = 0
        found = measure(weight)
        of_decisions = (labels, probabilities >= 0.5)
        # Sums of 300 terms in float64, and of their products.
        assert found == pytest.approx(
            {
                "balanced_accuracy": expected.balanced_accuracy_score(
                    *of_decisions, sample_weight=weight
                ),
                "roc_auc": expected.roc_auc_score(labels, probabilities, sample_weight=weight),
                "average_precision": expected.average_precision_score(
                    labels, probabilities, sample_weight=weight
                ),
            },
            abs=1e-12,
        )


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_of_one_label_alone_nothing_is_measured(label: float) -> None:
    labels, probabilities = rows(10)
    assert ranking(labels, probabilities)((labels == label).astype(float)) == {}


def test_rare_labels_are_ranked_exactly_where_binned_thresholds_cannot() -> None:
    import keras

    random = np.random.default_rng(2)
    probabilities = np.sort(1e-3 * random.random(20_000) ** 2 * 3)
    labels = (random.random(20_000) < probabilities).astype(float)
    weight = np.ones(20_000)
    exact = expected.roc_auc_score(labels, probabilities)
    assert ranking(labels, probabilities)(weight)["roc_auc"] == pytest.approx(exact, abs=1e-12)
    # All probabilities are below the first of its thresholds above 0, 0.005.
    binned = keras.metrics.AUC()
    binned.update_state(labels, probabilities)
    assert float(binned.result()) == pytest.approx(0.5, abs=1e-6)
    assert exact > 0.6
