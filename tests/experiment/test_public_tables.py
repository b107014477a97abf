"""Public tables from files: against scikit-learn's model and statsmodels', by their own encoding.

One of numbers, one with text and missing values, and one with rare labels.
"""

import pathlib

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn import compose, impute, linear_model, metrics, pipeline, preprocessing

from lowlevel import experiment
from lowlevel.config import TRAINING_MODES, Config
from lowlevel.data.splits import hold_out
from lowlevel.experiment import judgements, original_scale, tables
from lowlevel.likelihoods import LIKELIHOODS
from tests import wings
from tests.public_tables import PUBLIC, by_pandas, written

every_table = pytest.mark.parametrize("name", PUBLIC)
LINKS = {
    "logit": sm.families.links.Logit,
    "probit": sm.families.links.Probit,
    "cloglog": sm.families.links.CLogLog,
}
BATCHES = Config(
    hidden_units=(),
    standardize=True,
    optimizer="adam",
    learning_rate=0.02,
    batch_size=500,
    epochs=100,
    report_every=100,
)


def scikit_learns(columns: pd.DataFrame) -> pipeline.Pipeline:
    """Its logistic regression on its own encoding, without a penalty."""
    text = columns.select_dtypes(exclude="number").columns
    encoding = compose.make_column_transformer(
        (
            pipeline.make_pipeline(
                impute.SimpleImputer(strategy="constant", fill_value=""),
                preprocessing.OneHotEncoder(drop="first"),
            ),
            text,
        ),
        remainder=pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()),
    )
    return pipeline.make_pipeline(
        encoding, linear_model.LogisticRegression(C=np.inf, max_iter=10_000)
    )


@every_table
def test_both_modes_end_with_the_same_bits_and_rank_as_scikit_learn_does(
    name: str, tmp_path: pathlib.Path
) -> None:
    settings = written(name, tmp_path, holdout=0.3)
    found = tables.load(settings, BATCHES, LIKELIHOODS["logit"])
    runs = {mode: experiment.train(mode, BATCHES, found.train) for mode in TRAINING_MODES}
    wings.assert_same_bits(*(run.weights for run in runs.values()))
    columns, labels = by_pandas(settings)
    trained, held = hold_out(labels, settings.holdout, BATCHES.seed)
    reference = scikit_learns(columns).fit(columns.iloc[trained], labels[trained])
    expected = metrics.roc_auc_score(
        labels[held], reference.predict_proba(columns.iloc[held])[:, 1]
    )
    assert found.test is not None
    judged = judgements.judge("module", runs["module"], found.plain, found.test)
    assert judged["holdout"].metrics["roc_auc"].value == pytest.approx(expected, abs=5e-3)


@every_table
@pytest.mark.parametrize("likelihood", LINKS)
def test_newtons_coefficients_are_those_of_statsmodels(
    name: str, likelihood: str, tmp_path: pathlib.Path
) -> None:
    # The two passengers whose port is missing both live: no maximum, and refused as such.
    more = {"drop": (*PUBLIC[name]().settings["drop"], "embarked")} if name == "titanic" else {}
    settings = written(name, tmp_path, **more)
    config = Config(
        hidden_units=(), standardize=True, optimizer="newton", epochs=25, likelihood=likelihood
    )
    found = tables.load(settings, config, LIKELIHOODS[likelihood])
    known = original_scale.of_run(experiment.train("module", config, found.train), found)
    columns, labels = by_pandas(settings)
    filled = columns.fillna(columns.mean(numeric_only=True))
    rows = sm.add_constant(pd.get_dummies(filled, drop_first=True, dtype=float))
    model = sm.GLM(labels, rows, sm.families.Binomial(LINKS[likelihood]()))
    fit = model.fit(method="newton", maxiter=100, tol=1e-12, disp=False)
    by_name = {row.name.replace("=", "_").replace("intercept", "const"): row for row in known.rows}
    assert by_name.keys() == set(rows.columns), known.note
    ours = [by_name[column] for column in rows.columns]
    np.testing.assert_allclose([row.coef for row in ours], fit.params, rtol=1e-6)
    np.testing.assert_allclose([row.se for row in ours], fit.bse, rtol=1e-6)
