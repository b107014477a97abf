"""Tables of users, from a file to a judged model, against scikit-learn on the same rows."""

import csv
import json
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
from sklearn import datasets, linear_model, metrics

from lowlevel import experiment
from lowlevel.config import TRAINING_MODES, Config
from lowlevel.data.settings import DataSettings
from lowlevel.experiment import judgements, original_scale, tables
from lowlevel.likelihoods import LIKELIHOODS

CANCER = datasets.load_breast_cancer()
NAMES = ["radius", "texture", "smoothness", "symmetry"]
PLACES = [0, 1, 4, 8]
LOGIT = LIKELIHOODS["logit"]
ADAM = Config(
    hidden_units=(),
    standardize=True,
    optimizer="adam",
    learning_rate=0.05,
    epochs=400,
    report_every=400,
    dtype="float64",
)


@pytest.fixture(scope="module")
def cancer(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Four columns of the breast cancer table as CSV, with words for labels."""
    path = tmp_path_factory.mktemp("data") / "cancer.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*NAMES, "diagnosis"])
        for x, y in zip(CANCER.data[:, PLACES], CANCER.target, strict=True):
            writer.writerow([*x.tolist(), CANCER.target_names[y]])
    return path


def settings(path: pathlib.Path, **more: object) -> DataSettings:
    """The settings for that file, a quarter held out."""
    given = {"train": str(path), "label": "diagnosis", "positive": "malignant", "holdout": 0.25}
    return DataSettings(**{**given, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", TRAINING_MODES)
def test_a_model_is_judged_on_rows_it_has_not_seen(mode: str, cancer: pathlib.Path) -> None:
    found = tables.load(settings(cancer), ADAM, LOGIT)
    assert found.test is not None
    run = experiment.train(mode, ADAM, found.train)
    judged = judgements.judge(mode, run, found.plain, found.test, (1.0, 5.0))
    reference = linear_model.LogisticRegression(C=np.inf, max_iter=10_000, tol=1e-10)
    reference.fit(found.train.features / found.train.features.std(0), found.train.labels)
    p = reference.predict_proba(found.test.features / found.train.features.std(0))[:, 1]
    held = judged["holdout"].metrics
    assert held["roc_auc"].value == pytest.approx(
        metrics.roc_auc_score(found.test.labels, p), abs=5e-3
    )
    assert held["nll"].value == pytest.approx(metrics.log_loss(found.test.labels, p), abs=2e-2)
    assert (judged["training"].rows, judged["holdout"].rows) == (427, 142)
    assert held["mean_cost_at_chosen"].low is not None
    assert all(interval.low is None for interval in judged["training"].metrics.values())


def test_a_cost_without_rows_to_judge_by_is_refused(main_in_process: Callable) -> None:
    run = main_in_process("--cost=1,5")
    assert run.returncode == 1
    assert "cost: expected with holdout or test, got it without" in run.stderr


def test_coefficients_away_from_the_maximum_are_a_note(cancer: pathlib.Path) -> None:
    config = Config(hidden_units=(), standardize=True, epochs=2)
    found = tables.load(settings(cancer), config, LOGIT)
    known = original_scale.of_run(experiment.train("module", config, found.train), found)
    assert not known.rows
    assert "expected weights at the maximum" in known.note


def test_a_run_with_hidden_layers_has_no_coefficients(cancer: pathlib.Path) -> None:
    found = tables.load(settings(cancer), Config(epochs=1), LOGIT)
    run = experiment.train("module", Config(epochs=1), found.train)
    assert original_scale.of_run(run, found) == original_scale.Coefficients([])


def test_the_command_line_goes_from_a_file_to_a_judged_model(
    cancer: pathlib.Path, main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    run = main_in_process(
        "--mode=compare",
        f"--train={cancer}",
        "--label=diagnosis",
        "--positive=malignant",
        "--holdout=0.25",
        "--standardize",
        "--epochs=3",
        "--cost=1,5",
        f"--output_dir={tmp_path / 'run'}",
        "--noreport",
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "427 rows, 142 held out, 4 features; compare mode" in run.stdout
    assert run.stdout.count("judged on 142 rows held out, and on 427 trained on:") == 2
    assert run.stdout.splitlines()[-1].startswith("the same experiment, bit for bit")
    folder = tmp_path / "run" / "module"
    kept = json.loads((folder / "metrics.json").read_text())
    assert kept["judged"]["holdout"]["rows"] == 142
    schema = json.loads((folder / "schema.json").read_text())
    assert [column["name"] for column in schema["columns"]] == NAMES


def test_labels_of_another_kind_cannot_be_judged() -> None:
    class Counts(type(LOGIT)):  # type: ignore[misc]
        label_range = (0.0, np.inf)

    with pytest.raises(ValueError, match=r"^holdout: expected a likelihood of labels from 0 to 1"):
        judgements.check_can_judge(Counts())
