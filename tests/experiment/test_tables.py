"""The tables of a run: features against scikit-learn's encoding, and no row that leaks."""

import pathlib

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from sklearn.preprocessing import OneHotEncoder

from lowlevel.config import Config
from lowlevel.data.schema import learn
from lowlevel.data.settings import DataSettings
from lowlevel.encoder import Encoder, encode
from lowlevel.experiment import tables
from lowlevel.likelihoods import LIKELIHOODS

RANDOM = np.random.default_rng(0)
ROWS = 300
COLUMNS = {
    "age": RANDOM.uniform(20, 70, ROWS),
    "city": RANDOM.choice(["bern", "oslo", "rome"], ROWS),
    "member": RANDOM.choice([True, False], ROWS),
    "time": 1.7e9 + RANDOM.choice([-1.0, 1.0], ROWS),
    "label": RANDOM.choice(["no", "yes"], ROWS),
    "count": RANDOM.integers(1, 4, ROWS),
}
YES = {"label": "label", "positive": "yes", "train": "memory"}
LOGIT = LIKELIHOODS["logit"]
# Without standardisation it takes float64 to hold the time.
WIDE = Config(dtype="float64")


def loaded(config: Config | None = None, test: object = None, **settings: object) -> tables.Tables:
    """The tables of the columns above."""
    given = DataSettings(**{**YES, **settings})  # type: ignore[arg-type]
    return tables.load(given, config or WIDE, LOGIT, train=COLUMNS, test=test)


def test_text_becomes_what_scikit_learn_makes_of_it() -> None:
    found = loaded().train
    encoder = OneHotEncoder(drop="first", sparse_output=False)
    expected = encoder.fit_transform(COLUMNS["city"][:, None])
    places = [found.names.index(f"city={level}") for level in ("oslo", "rome")]
    np.testing.assert_array_equal(found.features[:, places], expected)


def test_labels_and_weights_are_those_of_their_columns() -> None:
    found = loaded(weight="count").train
    np.testing.assert_array_equal(found.labels, COLUMNS["label"] == "yes")
    np.testing.assert_array_equal(found.sample_weight, COLUMNS["count"])
    assert "count" not in found.names


def test_numbers_that_hardly_differ_are_told_apart_in_float32() -> None:
    found = loaded(Config(standardize=True)).train
    column = found.features[:, found.names.index("time")]
    assert column.dtype == np.float32
    assert column.std() == pytest.approx(COLUMNS["time"].std(), rel=1e-6)


def test_numbers_that_float32_would_make_one_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^train: time differ by less than float32 can hold"):
        loaded(Config())


def test_levels_and_means_are_those_of_the_training_rows_alone() -> None:
    held = {name: values[:5] for name, values in COLUMNS.items()}
    held = {**held, "city": np.array(["bern", "paris", "paris", "rome", "oslo"])}
    found = loaded(Config(standardize=True), test=held)
    assert found.unknown == {"city": 2}
    assert found.test is not None
    places = [found.train.names.index(f"city={level}") for level in ("oslo", "rome")]
    assert found.test.features[:, places].tolist() == [[0, 0], [0, 0], [0, 0], [0, 1], [1, 0]]
    age = COLUMNS["age"][:5] - COLUMNS["age"].mean()
    np.testing.assert_allclose(found.test.features[:, 0], age, rtol=1e-5)


def test_rows_held_out_are_not_trained_on() -> None:
    found = loaded(holdout=0.2)
    assert found.test is not None
    assert (found.train.rows, found.test.rows) == (240, 60)
    ages = np.concatenate([found.train.features[:, 0], found.test.features[:, 0]])
    np.testing.assert_allclose(np.sort(ages), np.sort(COLUMNS["age"]), rtol=1e-6)


def test_balanced_classes_count_alike() -> None:
    found = loaded(class_weight="balanced")
    positive = found.train.labels == 1
    weight = found.train.sample_weight
    assert weight is not None
    assert weight[positive].sum() == pytest.approx(weight[~positive].sum())
    assert weight.sum() == pytest.approx(ROWS)
    assert found.plain.sample_weight is None


def test_a_class_weight_is_what_a_positive_row_counts() -> None:
    weight = loaded(class_weight="3").train.sample_weight
    np.testing.assert_array_equal(weight, np.where(COLUMNS["label"] == "yes", 3, 1))


def test_the_german_credit_table_is_split_as_well(tmp_path: pathlib.Path) -> None:
    found = tables.load(DataSettings(holdout=0.3), Config(), LOGIT)
    assert found.test is not None
    assert (found.train.rows, found.test.rows) == (700, 300)
    assert found.test.labels.sum() == 210


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_encoder_gives_the_same_in_a_graph_and_row_by_row(dtype: str) -> None:
    table = pa.table(
        {
            "a": [1.5, None, 3.0, 8.0, 2.0],
            "c": ["x", "y", None, "z", "x"],
            "label": [0, 1, 0, 1, 1],
        }
    )
    encoder = Encoder(learn(table, label="label", missing="indicator", center=True), dtype)
    features, unknown = encode(encoder, table)
    assert unknown == {}
    raw = {"a": [1.5, np.nan, 3.0, 8.0, 2.0], "c": ["x", "y", "", "z", "x"]}
    columns = {"a": tf.constant(raw["a"], tf.float64), "c": tf.constant(raw["c"])}
    np.testing.assert_array_equal(tf.function(encoder)(columns), features)
    for row in range(5):
        one = {name: values[row : row + 1] for name, values in columns.items()}
        np.testing.assert_array_equal(encoder(one)[0], features[row])
    center = np.mean([1.5, 3.0, 8.0, 2.0])
    np.testing.assert_allclose(features[:, 0], np.array([1.5, center, 3, 8, 2]) - center)
    np.testing.assert_array_equal(features[:, 1], [0, 1, 0, 0, 0])
    np.testing.assert_array_equal(features[:, 2:], np.eye(4)[[1, 2, 0, 3, 1]][:, 1:])


@pytest.mark.parametrize("positive", ["1000001", "1000002", "1000001.0"])
def test_labels_of_many_digits_are_told_apart(positive: str) -> None:
    values = np.array([1000001, 1000002] * (ROWS // 2))
    given = DataSettings(train="memory", label="label", positive=positive)
    found = tables.load(given, WIDE, LOGIT, train={**COLUMNS, "label": values})
    np.testing.assert_array_equal(found.train.labels, values == float(positive))


@pytest.mark.parametrize(("positive", "expected"), [("true", 1), ("True", 1), ("FALSE", 0)])
def test_booleans_are_labels_by_their_words(positive: str, expected: int) -> None:
    values = RANDOM.choice([True, False], ROWS)
    given = DataSettings(train="memory", label="label", positive=positive)
    found = tables.load(given, WIDE, LOGIT, train={**COLUMNS, "label": values})
    np.testing.assert_array_equal(found.train.labels, values == expected)


@pytest.mark.parametrize("missing", ["mean", "indicator"])
def test_columns_that_are_missing_together_do_not_follow_from_one_another(missing: str) -> None:
    absent = RANDOM.choice([True, False], ROWS)
    numbers = {name: np.where(absent, np.nan, RANDOM.normal(size=ROWS)) for name in "ab"}
    texts = {name: np.where(absent, None, RANDOM.choice(["x", "y", "z"], ROWS)) for name in "cd"}
    label = {"label": RANDOM.choice(["no", "yes"], ROWS)}
    for columns in ({**numbers, **texts}, {**texts, **numbers}, numbers, texts):
        given = DataSettings(**YES, missing=missing)  # type: ignore[arg-type]
        found = tables.load(given, WIDE, LOGIT, train={**columns, **label}).train
        rows = np.column_stack([found.features, np.ones(ROWS)])
        assert np.linalg.matrix_rank(rows) == rows.shape[1]
        # Nor is anything lost: which rows lack their values follows from the features.
        if missing == "indicator" or "c" in columns:
            assert np.linalg.matrix_rank(np.column_stack([rows, absent])) == rows.shape[1]


def test_what_pandas_writes_of_an_index_is_no_feature() -> None:
    given = pa.table({**COLUMNS, "__index_level_0__": np.arange(ROWS)})
    found = tables.load(DataSettings(**YES), WIDE, LOGIT, train=given)  # type: ignore[arg-type]
    assert found.train.names == loaded().train.names


def test_features_are_in_the_order_of_the_columns_however_many_there_are() -> None:
    random = np.random.default_rng(1)
    rows = 40
    columns: dict[str, object] = {"label": random.integers(0, 2, rows)}
    expected = []
    for place in range(200):
        if place % 50 == 7:
            columns[f"text {place}"] = random.choice(["a", "b"], rows)
            expected.append(columns[f"text {place}"] == "b")
            continue
        values = random.normal(size=rows)
        columns[f"number {place}"] = values
        gaps = place % 30 == 0
        # Others in each column: those that lack the same values share an indicator.
        missing = np.array([0, 1 + place // 30])
        if gaps:
            values[missing] = np.nan
        expected.append(np.where(np.isnan(values), np.nanmean(values), values))
        if gaps:
            expected.append(np.isin(np.arange(rows), missing))
    table = pa.table({n: pa.array(v, from_pandas=True) for n, v in columns.items()})
    encoder = Encoder(learn(table, label="label", missing="indicator"), "float64")
    features, _ = encode(encoder, table)
    np.testing.assert_allclose(features, np.stack(expected, axis=1), rtol=1e-12)
