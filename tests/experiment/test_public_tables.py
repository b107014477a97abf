"""Public tables from files: against scikit-learn's model and statsmodels', by their own encoding.

One of numbers, one with text and missing values, and one with rare labels.
"""

import csv
import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn import compose, impute, linear_model, metrics, pipeline, preprocessing

from lowlevel import experiment
from lowlevel.config import TRAINING_MODES, Config
from lowlevel.data.settings import DataSettings
from lowlevel.data.splits import hold_out_rows
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


def regression(name: str, folder: pathlib.Path, **more: Any) -> DataSettings:
    """The settings of a table that has a maximum."""
    if name == "titanic":
        # The two passengers whose port is missing both live: they separate.
        more["drop"] = (*PUBLIC[name]().settings["drop"], "embarked")
    return written(name, folder, **more)


def statsmodels(settings: DataSettings, likelihood: str, **options: Any) -> Any:
    """Its fit of a table by Newton's method, on pandas's encoding."""
    columns, labels = by_pandas(settings)
    filled = columns.fillna(columns.mean(numeric_only=True))
    rows = pd.get_dummies(filled, prefix_sep="=", drop_first=True, dtype=float)
    model = sm.GLM(labels, rows.assign(intercept=1.0), sm.families.Binomial(LINKS[likelihood]()))
    return model.fit(method="newton", maxiter=100, tol=1e-12, disp=False, **options)


@every_table
def test_both_modes_end_with_the_same_bits_and_rank_as_scikit_learn_does(
    name: str, tmp_path: pathlib.Path
) -> None:
    settings = written(name, tmp_path, holdout=0.3)
    found = tables.load(settings, BATCHES, LIKELIHOODS["logit"])
    runs = {mode: experiment.train(mode, BATCHES, found.train) for mode in TRAINING_MODES}
    wings.assert_same_bits(*(run.weights for run in runs.values()))
    columns, labels = by_pandas(settings)
    trained, held = hold_out_rows(labels, settings.holdout, BATCHES.seed)
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
    settings = regression(name, tmp_path)
    config = Config(
        hidden_units=(), standardize=True, optimizer="newton", epochs=25, likelihood=likelihood
    )
    found = tables.load(settings, config, LIKELIHOODS[likelihood])
    known = original_scale.of_run(experiment.train("module", config, found.train), found)
    fit = statsmodels(settings, likelihood)
    names = [row.name for row in known.rows]
    assert {*names} == {*fit.params.index}, known.note
    np.testing.assert_allclose([row.coef for row in known.rows], fit.params[names], rtol=1e-6)
    np.testing.assert_allclose([row.se for row in known.rows], fit.bse[names], rtol=1e-6)


@every_table
def test_robust_errors_on_request_are_statsmodels(
    name: str, main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    settings = regression(name, tmp_path)
    given = [
        f"--{key}={','.join(value) if key == 'drop' else value}"
        for key, value in dataclasses.asdict(settings).items()
        if value and key in ("train", "label", "positive", "drop", "missing")
    ]
    newton = ("--hidden_units=", "--standardize", "--optimizer=newton", "--epochs=25")
    run = main_in_process(
        *given, *newton, "--standard_errors=hc1", "--output_dir=run", "--noreport"
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "coefficients, with robust errors (HC1):" in run.stdout
    with (tmp_path / "run" / "coefficients.csv").open() as file:
        rows = {row["name"]: float(row["se"]) for row in csv.DictReader(file)}
    fit = statsmodels(settings, "logit", cov_type="HC1")
    # Its own of a GLM leave the correction out.
    expected = fit.bse[list(rows)] * np.sqrt(fit.nobs / fit.df_resid)
    np.testing.assert_allclose(list(rows.values()), expected, rtol=1e-6)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["standard_errors"] == "hc1"


def test_robust_errors_of_hidden_layers_are_refused(main_in_process: Callable) -> None:
    run = main_in_process("--standard_errors=hc1")
    assert run.returncode == 1
    assert "standard_errors: expected a model without hidden layers for hc1" in run.stderr
