"""The whole way: a user's file, a run in a process, its folder, and scores in another process."""

import csv
import json
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
from sklearn import datasets

from lowlevel import experiment
from lowlevel.config import Config
from lowlevel.experiment.tables import read_tables
from tests import wings

CANCER = datasets.load_breast_cancer()
NAMES = [name.replace(" ", "_") for name in CANCER.feature_names]
CONFIG = Config(standardize=True, optimizer="adam", learning_rate=0.01, epochs=20, report_every=20)


def write_csv(path: pathlib.Path, names: list[str], rows: np.ndarray, labels: np.ndarray) -> None:
    """Writes columns of numbers, and the label in words as the last."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "diagnosis"])
        for x, y in zip(rows, labels, strict=True):
            writer.writerow([*x, CANCER.target_names[y]])


@wings.both_modes
def test_another_process_elsewhere_gives_the_runs_own_scores(
    mode: str,
    run_main: Callable,
    main_in_process: Callable,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data, elsewhere = (tmp_path_factory.mktemp(name) for name in ("data", "elsewhere"))
    random = np.random.default_rng(0)
    held = random.permutation(len(CANCER.target)) < 150
    for name, rows in (("train", ~held), ("test", held)):
        write_csv(data / f"{name}.csv", NAMES, CANCER.data[rows], CANCER.target[rows])
    files = (f"--train={data / 'train.csv'}", f"--test={data / 'test.csv'}")
    trained = main_in_process(
        *(f"--mode={mode}", *files, "--label=diagnosis", "--positive=malignant", "--standardize"),
        *("--optimizer=adam", "--learning_rate=0.01", "--epochs=20", "--report_every=20"),
        f"--output_dir={elsewhere / 'run'}",
        "--noreport",
    )
    assert (trained.returncode, trained.stderr) == (0, "")
    assert "of 150 rows held out, in ulp: 0 in predict, " in trained.stdout
    metrics = json.loads((elsewhere / "run" / "metrics.json").read_text())
    assert metrics["export"]["rows"] == 150
    assert metrics["export"]["ulp"]["predict"] == 0

    found = read_tables(
        str(data / "train.csv"),
        CONFIG,
        test=str(data / "test.csv"),
        label="diagnosis",
        positive="malignant",
    )
    run = experiment.train(mode, CONFIG, found.train)
    own = np.asarray(run.model(found.test.features))[:, 0]

    order = random.permutation(len(NAMES))
    shuffled = [NAMES[place] for place in order]
    write_csv(data / "new.csv", shuffled, CANCER.data[held][:, order], CANCER.target[held])
    (elsewhere / "run").rename(data / "moved")
    ended = run_main("--mode=predict", f"--model={data / 'moved'}", f"--input={data / 'new.csv'}")
    assert (ended.returncode, ended.stderr.splitlines()) == (
        0,
        ["ignored, since the model does not know them: diagnosis"],
    )
    scores = np.array(ended.stdout.splitlines()[1:], np.float32)
    np.testing.assert_array_equal(scores, own)


def test_the_german_credit_table_is_exported_as_well(
    main_in_process: Callable, tmp_path: pathlib.Path, credit: Callable
) -> None:
    assert (
        main_in_process("--output_dir=run", "--epochs=1", "--holdout=0.2", "--noreport").returncode
        == 0
    )
    table = credit("float32")
    with (tmp_path / "new.csv").open("w", newline="") as file:
        csv.writer(file).writerows([table.names, *table.features.astype(int).tolist()])
    ended = main_in_process("--mode=predict", "--model=run", "--input=new.csv", "--output=s.csv")
    assert ended.returncode == 0
    scores = np.loadtxt(tmp_path / "s.csv", np.float32, skiprows=1)
    with np.load(tmp_path / "run" / "weights.npz") as arrays:
        weights = dict(arrays)
    z = wings.numpy_z(weights, table.features, activation=lambda hidden: hidden)
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-z)), rtol=1e-4)
