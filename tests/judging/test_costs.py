"""Costs of wrong decisions, against a table by hand and every threshold tried."""

import numpy as np
import pytest

from lowlevel.judging.costs import NEVER, best_threshold, mean_cost, optimal_threshold

LABELS = np.array([0, 1, 0, 1, 1.0])
PROBABILITIES = np.array([0.1, 0.3, 0.5, 0.5, 0.9])


@pytest.mark.parametrize(
    ("threshold", "total"),
    [
        (0.0, 2 * 1),  # Two false positives.
        (0.3, 1 * 1),  # A row at the threshold is taken for positive.
        (0.4, 1 * 1 + 1 * 4),
        (0.5, 1 * 1 + 1 * 4),
        (0.6, 2 * 4),
        (NEVER, 3 * 4),
    ],
)
def test_a_small_table_costs_what_it_costs_by_hand(threshold: float, total: float) -> None:
    assert mean_cost(LABELS, PROBABILITIES, threshold, (1, 4)) == total / 5


def test_a_weight_counts_as_so_many_rows() -> None:
    weight = np.array([1, 2, 3, 0, 1.0])
    assert mean_cost(LABELS, PROBABILITIES, 0.4, (1, 4), weight) == (3 * 1 + 2 * 4) / 7


def test_a_soft_label_costs_its_share_of_either() -> None:
    soft = np.array([0.25, 0.25])
    assert mean_cost(soft, np.array([0.2, 0.8]), 0.5, (1, 4)) == (0.25 * 4 + 0.75 * 1) / 2


@pytest.mark.parametrize("cost", [(1, 4), (3, 1), (1, 1), (0, 1), (1, 0)])
def test_right_probabilities_cost_least_at_the_optimal_threshold(
    cost: tuple[float, float],
) -> None:
    # A soft label that is the probability is what many rows of it come to.
    p = np.linspace(0, 1, 101)
    lowest = min(mean_cost(p, p, threshold, cost) for threshold in (*p, NEVER))
    assert mean_cost(p, p, optimal_threshold(cost), cost) == pytest.approx(lowest, abs=1e-15)


@pytest.mark.parametrize("levels", [1, 4, 20, 1_000_000])
@pytest.mark.parametrize("cost", [(1, 4), (3, 1), (0.1, 0.2), (1, 0)])
def test_no_threshold_costs_less_than_the_best(levels: int, cost: tuple[float, float]) -> None:
    random = np.random.default_rng(levels)
    p = np.round(random.random(50) * levels) / levels
    labels, weight = (random.random(50) < p).astype(float), random.random(50)
    lowest = min(mean_cost(labels, p, at, cost, weight) for at in (*p, *(p + 1e-9), 0, NEVER))
    best = best_threshold(labels, p, cost, weight)
    assert mean_cost(labels, p, best, cost, weight) == pytest.approx(lowest, abs=1e-15)


def test_of_equally_good_thresholds_the_nearest_to_the_optimal_one_is_best() -> None:
    # At 0.2, 0.6 and 0.85 two rows are wrong.
    labels, p = np.array([0, 1, 0, 1, 0, 1.0]), np.array([0.1, 0.3, 0.5, 0.7, 0.8, 0.9])
    assert best_threshold(labels, p, (1, 1)) == pytest.approx(0.6)


def test_costs_that_differ_in_rounding_are_the_same() -> None:
    # All positive costs 2 * 0.15; none, 0.1 + 0.2, which is more in float64.
    p, weight = np.array([0.2, 0.3, 0.4]), np.array([0.1, 0.2, 0.15])
    assert best_threshold(np.array([1.0, 1.0, 0.0]), p, (2, 1), weight) == NEVER


def test_the_best_threshold_is_halfway_between_two_probabilities() -> None:
    assert best_threshold(LABELS, PROBABILITIES, (1, 1)) == pytest.approx(0.2)


@pytest.mark.parametrize("lower", [0.3, np.nextafter(0.3, 1)])
def test_two_neighbors_in_float64_are_told_apart(lower: float) -> None:
    p = np.array([lower, np.nextafter(lower, 1)])
    best = best_threshold(np.array([0.0, 1.0]), p, (1, 1))
    assert (p >= best).tolist() == [False, True]


def test_where_no_row_is_worth_it_none_is_taken_for_positive() -> None:
    best = best_threshold(np.zeros(2), np.array([0.5, 1.0]), (1, 1))
    assert best == NEVER
    assert not np.any(np.array([1.0]) >= best)


def test_where_every_row_is_worth_it_all_are_taken_for_positive() -> None:
    assert best_threshold(np.ones(2), np.array([0.0, 0.5]), (1, 1)) == 0


@pytest.mark.parametrize("cost", [(0, 0), (-1, 1), (1, np.nan), (np.inf, 1), (1,), 3, (1, 2, 3)])
@pytest.mark.parametrize("function", [best_threshold, mean_cost])
def test_what_is_no_pair_of_costs_is_refused(function: object, cost: object) -> None:
    arguments = (0.5, cost) if function is mean_cost else (cost,)
    with pytest.raises(ValueError, match=r"^Expected `cost` of two finite numbers"):
        function(LABELS, PROBABILITIES, *arguments)
