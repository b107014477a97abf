"""A run's model in other programs: TensorFlow's own tools, Keras, and the gradient inside."""

import functools
import os
import pathlib
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import lowlevel
from lowlevel.data.schema import Column, Schema
from lowlevel.encoder import raw
from lowlevel.likelihoods import Logit
from lowlevel.serving.inputs import input_names
from tests import wings
from tests.conftest import ROOT
from tests.serving import runs


class Double(Logit):
    """The logit, with every slope doubled: no derivative of its loss, and so told from one."""

    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Twice the logit's."""
        return 2 * super().slope(z, y)


DOUBLE = Double()


@functools.cache
def loaded(mode: str, **settings: Any) -> Any:
    """The SavedModel of a run, as TensorFlow loads it."""
    return tf.saved_model.load(str(runs.kept(mode, **settings).folder / "export" / "1"))


@wings.both_modes
def test_a_saved_model_scores_raw_columns_by_name(mode: str) -> None:
    kept = runs.kept(mode)
    columns = raw(kept.tables.encoder.schema, kept.tables.raw)
    inputs = {name.replace(" ", "_"): values for name, values in columns.items()}
    scores = loaded(mode).signatures["serving_default"](**inputs)["score"]
    # TensorFlow computes a product and a bias in one, which rounds in another way.
    np.testing.assert_allclose(scores, runs.own_scores(kept), rtol=1e-5)


@wings.both_modes
def test_lines_of_csv_score_as_their_columns_do(mode: str) -> None:
    lines = ["30,true,oslo", "4e1,FALSE,paris", ' 40 ,0,"bern"', "NA,1,rome", "50,1,?"]
    signatures = loaded(mode, missing="mean").signatures
    columns = {
        "mean_age": tf.constant([30, 40, 40, np.nan, 50], tf.float64),
        "member": tf.constant([1, 0, 0, 1, 1], tf.float64),
        "city": tf.constant(["oslo", "paris", "bern", "rome", ""]),
    }
    expected = signatures["serving_default"](**columns)["score"]
    assert np.isfinite(expected).all()
    found = signatures["csv"](lines=tf.constant(lines))["score"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@wings.both_modes
def test_what_a_schema_has_no_place_for_is_not_scored(mode: str) -> None:
    lines = tf.constant(["NA,1,oslo", "30,1,?", "30,1,oslo"])
    scores = loaded(mode).signatures["csv"](lines=lines)["score"].numpy()
    assert np.isnan(scores).tolist() == [True, True, False]
    with pytest.raises(tf.errors.InvalidArgumentError, match="forty"):
        loaded(mode).signatures["csv"](lines=tf.constant(["forty,1,oslo"]))


@wings.both_modes
def test_the_custom_gradient_is_still_inside(mode: str) -> None:
    table = runs.kept(mode).tables.test
    model = loaded(mode, likelihood=DOUBLE)
    with tf.GradientTape() as tape:
        loss = model.loss(table.features, table.labels)
    biases = [weight for weight in model.weights if weight.shape == [1]]
    (found,) = tape.gradient(loss, biases)
    mean = np.asarray(runs.kept(mode, likelihood=DOUBLE).run.model(table.features))[:, 0]
    # Of the logit's loss it is the mean of p - y.
    np.testing.assert_allclose(found, [2 * np.mean(mean - table.labels)], rtol=1e-4)


@wings.both_modes
def test_tensorflows_own_tool_runs_the_signature(mode: str, tmp_path: pathlib.Path) -> None:
    kept = runs.kept(mode)
    expressions = ";".join(
        f"{name.replace(' ', '_')}={values.tolist()!r}" for name, values in runs.NEW.items()
    )
    command = [
        *("run", "--dir", str(kept.folder / "export" / "1"), "--tag_set", "serve"),
        *("--signature_def", "serving_default", "--outdir", str(tmp_path)),
        *("--input_exprs", expressions.replace("True", "1.").replace("False", "0.")),
    ]
    tool = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    ended = subprocess.run([*tool, *command], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    expected = lowlevel.load(kept.folder).predict(runs.NEW).scores
    np.testing.assert_allclose(np.load(tmp_path / "score.npy"), expected, rtol=1e-5)


@wings.both_modes
def test_a_saved_model_is_whole_without_python_objects(mode: str) -> None:
    kept = runs.kept(mode)
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        path = str(kept.folder / "export" / "1")
        found = tf.compat.v1.saved_model.load(session, ["serve"], path).signature_def["csv"]
        lines = {found.inputs["lines"].name: ["30,1,oslo", "40,0,paris", "40,0,bern"]}
        scores = session.run(found.outputs["score"].name, lines)
    expected = lowlevel.load(kept.folder).predict(runs.NEW).scores
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


OPENS = """
import sys
import lowlevel
import keras
model = keras.saving.load_model(sys.argv[1])
new = {"mean age": [30.0, 40.0], "member": [True, False], "city": ["oslo", "paris"]}
print(*model.predict(new, verbose=0)[:, 0].tolist())
"""


def test_keras_opens_its_model_where_only_this_package_is_imported() -> None:
    kept = runs.kept("keras")
    ended = subprocess.run(
        [sys.executable, "-c", OPENS, str(kept.folder / "model.keras")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = lowlevel.load(kept.folder).predict(runs.NEW).scores[:2]
    np.testing.assert_allclose([*map(float, ended.stdout.split())], expected, rtol=1e-5)


def test_keras_predicts_from_float64_and_from_arrays_of_text() -> None:
    kept = runs.kept("keras", dtype="float64")
    model = keras.saving.load_model(kept.folder / "model.keras")
    held = kept.tables.raw
    columns = {name: np.array(held.column(name).to_pylist()) for name in runs.NEW}
    expected = runs.own_scores(kept)
    np.testing.assert_allclose(model.predict(columns, verbose=0)[:, 0], expected, rtol=1e-14)


def test_the_model_inside_kerass_trains_on_as_the_runs(tmp_path: pathlib.Path) -> None:
    kept = runs.keep("keras", tmp_path / "run", optimizer="adam")
    inside = keras.saving.load_model(kept.folder / "model.keras").trained
    for model in (kept.run.model, inside):
        model.fit(*kept.tables.train.columns, shuffle=False, verbose=0)
    wings.assert_same_bits(wings.named("keras", inside), wings.named("keras", kept.run.model))


def test_awkward_names_become_inputs_that_differ() -> None:
    names = ["mean radius", "mean_radius", "mean-radius", "1st", "self", "größe", "_x", "x"]
    schema = Schema(tuple(Column(name, "number") for name in names), "label")
    found = input_names(schema)
    assert list(found) == names
    assert len({*found.values()}) == len(names)
    assert found["mean radius"] == "mean_radius"
    assert found["x"] == "x"
    assert all(name.isidentifier() and name.isascii() for name in found.values())


def test_columns_with_awkward_names_are_served(tmp_path: pathlib.Path) -> None:
    columns = {
        "mean radius": runs.COLUMNS["mean age"],
        "mean_radius": runs.COLUMNS["member"],
        "self": runs.RANDOM.normal(size=runs.ROWS),
        "label": runs.COLUMNS["label"],
    }
    kept = runs.keep("module", tmp_path / "run", columns)
    scores = lowlevel.load(kept.folder).predict(kept.tables.raw).scores
    np.testing.assert_array_equal(scores, runs.own_scores(kept))
