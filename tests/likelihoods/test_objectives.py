"""Likelihoods as objectives: what the libraries make of their own, and what the formulas say."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from lowlevel.checks import check_objective
from lowlevel.likelihoods import LIKELIHOODS, Likelihood

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(400, 4))
LABELS = (FEATURES[:, 0] + RANDOM.logistic(size=400) > 0).astype(float)
COUNTS = RANDOM.integers(1, 4, 400).astype(float)
Z = RANDOM.normal(scale=3, size=400)

# The link of each likelihood: the raw prediction of a mean.
LINKS: dict[str, Callable[[float], float]] = {
    "logit": lambda p: np.log(p / (1 - p)),
    "probit": stats.norm.ppf,
    "cloglog": lambda p: np.log(-np.log1p(-p)),
}


class Data(NamedTuple):
    """What an objective asks of either library's data."""

    labels: np.ndarray
    weight: np.ndarray | None = None

    def get_label(self) -> np.ndarray:
        """The labels."""
        return self.labels

    def get_weight(self) -> np.ndarray | None:
        """The weights."""
        return self.weight


def boosted(
    library: str, objective: Any, weight: np.ndarray | None = None, rounds: int = 8, **options: Any
) -> np.ndarray:
    """Raw predictions of trees on the training rows."""
    module = pytest.importorskip(library)
    if library == "xgboost":
        data = module.DMatrix(FEATURES, LABELS, weight=weight)
        named = {"objective": objective} if isinstance(objective, str) else {"base_score": 0.0}
        own = None if isinstance(objective, str) else objective
        settings = {"max_depth": 3, "eta": 0.3, "base_score": 0.5, **named, **options}
        return module.train(settings, data, rounds, obj=own).predict(data, output_margin=True)
    settings = {
        "objective": objective,
        "num_leaves": 7,
        "verbose": -1,
        "deterministic": True,
        "boost_from_average": False,
        **options,
    }
    booster = module.train(settings, module.Dataset(FEATURES, LABELS, weight=weight), rounds)
    return booster.predict(FEATURES, raw_score=True)


BUILT_IN = {"xgboost": "binary:logistic", "lightgbm": "binary"}


@pytest.mark.parametrize("library", BUILT_IN)
@pytest.mark.parametrize("weight", [None, COUNTS], ids=["", "weighted"])
def test_trees_of_the_logit_are_those_of_the_librarys_own(
    library: str, weight: np.ndarray | None
) -> None:
    own = boosted(library, LIKELIHOODS["logit"].as_objective(library), weight)
    np.testing.assert_allclose(own, boosted(library, BUILT_IN[library], weight), atol=2e-6)


@pytest.mark.parametrize("library", BUILT_IN)
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_trees_beat_the_base_rate(library: str, name: str) -> None:
    member = LIKELIHOODS[name]
    z = boosted(library, member.as_objective(library), rounds=30).astype(np.float64)
    base = member.base_rate_nll(LABELS, None)
    assert base is not None
    assert float(np.mean(member.nll(tf.constant(z), tf.constant(LABELS)))) < 0.8 * base


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_tree_of_one_leaf_ends_at_the_link_of_the_mean(name: str) -> None:
    # No split is worth as much as gamma, and each round is a step of Newton's method.
    alone = {"gamma": 1e9, "lambda": 0.0, "eta": 1.0}
    z = boosted("xgboost", LIKELIHOODS[name].as_objective("xgboost"), rounds=15, **alone)
    np.testing.assert_allclose(z, LINKS[name](LABELS.mean()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_an_objective_is_the_derivative_of_the_weighted_loss(name: str) -> None:
    member = LIKELIHOODS[name]
    objective = member.as_objective("xgboost")
    for data, counts in ((Data(LABELS), 1.0), (Data(LABELS, COUNTS), COUNTS)):
        found = check_objective(
            lambda z, data=data: objective(z, data),
            lambda z, c=counts: c * member.nll(tf.constant(z), tf.constant(LABELS)).numpy(),
            Z,
        )
        assert found == []


def test_no_hessian_is_below_zero() -> None:
    class Concave(Likelihood):
        def nll(self, z: Any, y: Any) -> Any:
            return -(z**2) + y

        def mean(self, z: Any) -> Any:
            return z

    gradient, hessian = Concave().as_objective("lightgbm")(Z, Data(LABELS))
    np.testing.assert_allclose(gradient, -2 * Z)
    assert (hessian > 0).all()


def test_what_cannot_be_an_objective_is_a_clear_error() -> None:
    class Two(Likelihood):
        predictors = 2

    with pytest.raises(ValueError, match=r"^library: expected one of xgboost, lightgbm, got cat"):
        LIKELIHOODS["logit"].as_objective("catboost")
    with pytest.raises(ValueError, match="one predictor, got one of 2"):
        Two().as_objective("xgboost")
    with pytest.raises(ValueError, match="labels from 0 to 1, got some from 0 to 2"):
        LIKELIHOODS["logit"].as_objective("xgboost")(Z, Data(2 * LABELS))
