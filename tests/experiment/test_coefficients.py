"""Coefficients and their errors: those of statsmodels; and where they mean nothing, a reason."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.datasets import load_breast_cancer
from statsmodels.stats.sandwich_covariance import cov_white_simple

from lowlevel import experiment
from lowlevel.data import Table
from lowlevel.experiment.coefficients import Coefficient, coefficients
from lowlevel.likelihoods import LIKELIHOODS, Likelihood
from tests import wings

LINKS = {
    "logit": sm.families.links.Logit,
    "probit": sm.families.links.Probit,
    "cloglog": sm.families.links.CLogLog,
}
every_likelihood = pytest.mark.parametrize("likelihood", LINKS)
NAMES = ("radius", "texture", "smoothness", "symmetry")


@functools.cache
def cancer() -> Table:
    """Four columns of scikit-learn's breast cancer table, of very different scales."""
    found = load_breast_cancer()
    return Table(found.data[:, [0, 1, 4, 8]], found.target, names=NAMES)


def newton(table: Table, **settings: Any) -> experiment.Run:
    """A run to the maximum."""
    newton = {"optimizer": "newton", "hidden_units": (), "epochs": 25}
    return wings.train("module", table, **{**newton, **settings})


def found(table: Table, likelihood: str = "logit", robust: bool = False) -> list[Coefficient]:
    """The coefficients of a run to the maximum."""
    run = newton(table, likelihood=likelihood, standardize=True)
    return coefficients(LIKELIHOODS[likelihood], table, run.weights, robust)


@functools.cache
def reference(likelihood: str, table: Table) -> Any:
    """What statsmodels finds by Newton's method, with errors from the observed information."""
    columns = sm.add_constant(table.features.astype(np.float64))
    family = sm.families.Binomial(LINKS[likelihood]())
    weight = table.sample_weight
    model = sm.GLM(table.labels.astype(np.float64), columns, family, freq_weights=weight)
    return model.fit(method="newton", maxiter=100, tol=1e-12, disp=False)


def column(rows: list[Coefficient], name: str) -> np.ndarray:
    """One number of each coefficient."""
    return np.array([getattr(row, name) for row in rows])


def assert_same(rows: list[Coefficient], expected: Any, rtol: float = 1e-6) -> None:
    """Fails unless these are statsmodels' numbers."""
    np.testing.assert_allclose(column(rows, "coef"), expected.params, rtol=rtol)
    np.testing.assert_allclose(column(rows, "se"), expected.bse, rtol=rtol)
    np.testing.assert_allclose(column(rows, "z"), expected.tvalues, rtol=2 * rtol)
    np.testing.assert_allclose(column(rows, "p"), expected.pvalues, rtol=1e2 * rtol, atol=1e-12)
    ends = np.stack([column(rows, "ci_lower"), column(rows, "ci_upper")], axis=1)
    # An end may be near 0.
    size = abs(expected.params) + expected.bse
    np.testing.assert_allclose(
        ends / size[:, np.newaxis], expected.conf_int() / size[:, np.newaxis], atol=3 * rtol
    )


@every_likelihood
def test_they_are_statsmodels_on_the_breast_cancer_table(likelihood: str) -> None:
    rows = found(cancer(), likelihood)
    assert [row.name for row in rows] == ["intercept", *NAMES]
    assert_same(rows, reference(likelihood, cancer()))


@every_likelihood
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_they_are_statsmodels_on_the_german_credit_table(
    likelihood: str, dtype: str, credit: Callable[[str], Table]
) -> None:
    assert_same(found(credit(dtype), likelihood), reference(likelihood, credit("float64")))


@every_likelihood
def test_robust_errors_are_statsmodels_hc1(likelihood: str) -> None:
    # Its own "HC1" of a GLM leaves the correction out.
    covariance = cov_white_simple(reference(likelihood, cancer()), use_correction=True)
    errors = column(found(cancer(), likelihood, robust=True), "se")
    np.testing.assert_allclose(errors, np.sqrt(np.diag(covariance)), rtol=1e-6)


@pytest.mark.parametrize("robust", [False, True])
def test_a_row_of_weight_two_is_two_rows(robust: bool) -> None:
    table = cancer()
    weight = np.tile([0.0, 1.0, 2.0], 190)[: table.rows]
    repeated = table.rows_at(np.repeat(np.arange(table.rows), weight.astype(int)))
    weighted = Table(table.features, table.labels, weight)
    rows, expected = (found(one, robust=robust) for one in (weighted, repeated))
    for name in ("coef", "se"):
        np.testing.assert_allclose(column(rows, name), column(expected, name), rtol=1e-6)


def test_the_models_own_scale_makes_no_difference() -> None:
    runs = [newton(cancer(), standardize=standardize) for standardize in (False, True)]
    first, second = (coefficients(LIKELIHOODS["logit"], cancer(), r.weights) for r in runs)
    for name in ("coef", "se"):
        np.testing.assert_allclose(column(first, name), column(second, name), rtol=1e-7)


@wings.both_modes
def test_a_run_by_batches_has_them_too_if_it_is_long_enough(mode: str) -> None:
    table = wings.small_table(rows=100)
    settings = {"hidden_units": (), "standardize": True, "optimizer": "adam", "learning_rate": 0.1}
    run = wings.train(mode, table, **settings, epochs=300, report_every=300)
    rows = coefficients(LIKELIHOODS["logit"], table, run.weights)
    # A hundredth of an error is allowed.
    expected = reference("logit", table)
    assert (abs(column(rows, "coef") - expected.params) < 0.01 * expected.bse).all()
    np.testing.assert_allclose(column(rows, "se"), expected.bse, rtol=0.01)
    short = wings.train(mode, table, **settings, epochs=3)
    with pytest.raises(ValueError, match=r"a gradient of .*, .* standard errors .* train longer"):
        coefficients(LIKELIHOODS["logit"], table, short.weights)


def test_columns_without_names_are_called_by_their_numbers() -> None:
    table = wings.small_table()
    run = newton(table)
    rows = coefficients(LIKELIHOODS["logit"], table, run.weights)
    assert [row.name for row in rows] == ["intercept", "column 0", "column 1", "column 2"]
    rows = coefficients(LIKELIHOODS["logit"], table, run.weights, names=["a", "b", "c"])
    assert [row.name for row in rows] == ["intercept", "a", "b", "c"]
    with pytest.raises(ValueError, match="names for the table's 3 columns, got 2"):
        coefficients(LIKELIHOODS["logit"], table, run.weights, names=["a", "b"])


TABLE = wings.small_table(rows=60)


class TwoPredictors(Likelihood):
    predictors = 2


def test_hidden_layers_are_refused() -> None:
    weights = wings.trained("module", rows=60, epochs=1).weights
    with pytest.raises(ValueError, match="without hidden layers, got dense_0/kernel"):
        coefficients(LIKELIHOODS["logit"], TABLE, weights)


def test_several_predictors_are_refused() -> None:
    with pytest.raises(ValueError, match=r"of one predictor .* got 2 predictors"):
        coefficients(TwoPredictors(), TABLE, newton(TABLE).weights)


def test_a_penalty_is_refused() -> None:
    run = newton(TABLE, l2=0.01)
    with pytest.raises(ValueError, match=r"without a penalty, got l2=0.01: it pulls"):
        coefficients(LIKELIHOODS["logit"], TABLE, run.weights, l2=run.config.l2)
    # Nor does it pass for no penalty.
    with pytest.raises(ValueError, match="a gradient of"):
        coefficients(LIKELIHOODS["logit"], TABLE, run.weights)


def test_weights_of_another_table_are_refused() -> None:
    with pytest.raises(ValueError, match="weights for the table's 4 columns, got 3"):
        coefficients(LIKELIHOODS["logit"], cancer(), newton(TABLE).weights)


def test_collinear_columns_are_refused() -> None:
    table = Table(np.hstack([TABLE.features, TABLE.features[:, :1]]), TABLE.labels)
    run = wings.train("module", table, hidden_units=(), epochs=1)
    with pytest.raises(ValueError, match="got column 3, which to rounding follows from column 0"):
        coefficients(LIKELIHOODS["logit"], table, run.weights)


@pytest.mark.parametrize("far", [5.0, 20.0, 40.0])
def test_separated_labels_are_refused_however_long_the_training(far: float) -> None:
    table = Table(TABLE.features, TABLE.features[:, 1] > 0)
    kernel = np.array([[0.0], [far], [0.0]])
    weights = {"logistic/kernel": kernel, "logistic/bias": np.zeros(1)}
    with pytest.raises(ValueError, match=r"got column 1, so that the coefficients grow without"):
        coefficients(LIKELIHOODS["logit"], table, weights)


def test_a_coefficient_without_end_is_refused_where_its_error_has_none_either() -> None:
    """Of a dummy of one label; the others are a hundredth of an error off, which is allowed."""
    rare = np.arange(60) % 20 == 0
    labels = np.where(rare, 1.0, TABLE.labels)
    rest = newton(Table(TABLE.features[~rare], labels[~rare])).weights
    weights = {
        "logistic/kernel": np.vstack([rest["logistic/kernel"] + 0.003, [[25.0]]]),
        "logistic/bias": rest["logistic/bias"],
    }
    table = Table(np.column_stack([TABLE.features, rare]), labels)
    with pytest.raises(ValueError, match=r"0\.00\d+ standard errors or .* deviations' z away"):
        coefficients(LIKELIHOODS["logit"], table, weights)


def test_robust_errors_of_weights_that_are_no_frequencies_are_refused() -> None:
    table = Table(TABLE.features, TABLE.labels, np.full(60, 0.01))
    weights = newton(table).weights
    assert coefficients(LIKELIHOODS["logit"], table, weights)
    with pytest.raises(ValueError, match=r"sample_weight: expected a sum above .* 4, .* got 0.6"):
        coefficients(LIKELIHOODS["logit"], table, weights, robust=True)
