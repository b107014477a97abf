"""The labels that a likelihood is checked at: within its range, and soft ones for binary alone."""

import math

import pytest

from lowlevel.checks.labels import is_soft, labels_of
from lowlevel.likelihoods import Likelihood

INFINITE = math.inf


def of_range(lowest: float, highest: float) -> Likelihood:
    """A likelihood of labels in a range."""
    likelihood = Likelihood()
    likelihood.label_range = (lowest, highest)
    return likelihood


@pytest.mark.parametrize(
    ("label_range", "labels"),
    [
        ((0, 1), (1, 0, 0.25)),
        ((0, INFINITE), (3, 0)),
        ((-INFINITE, INFINITE), (3, -3)),
        ((0, 2), (2, 0)),
        ((5, 10), (5,)),
    ],
)
def test_labels_are_within_the_range(label_range: tuple, labels: tuple) -> None:
    assert labels_of(of_range(*label_range)) == labels


def test_only_a_binary_likelihood_has_soft_labels() -> None:
    assert is_soft(0.25, of_range(0, 1))
    assert not is_soft(1.0, of_range(0, 1))
    assert not is_soft(0.25, of_range(-1, 1))
