"""The schema: what it learns of a table, against NumPy's own figures, and what it makes of it."""

import json
import statistics
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from lowlevel.data.merging import Moments
from lowlevel.data.schema import Schema, learn

RANDOM = np.random.default_rng(0)


def learnt(missing: str = "refuse", center: bool = False, **columns: object) -> Schema:
    """The schema of some columns beside a label."""
    rows = len(next(iter(columns.values())))  # type: ignore[arg-type]
    table = pa.table({**columns, "label": np.arange(rows) % 2})
    return learn(table, label="label", missing=missing, center=center)


@pytest.mark.parametrize(
    "numbers",
    [RANDOM.normal(size=1000), 1.7e9 + RANDOM.choice([-1.0, 1.0], 1000), RANDOM.uniform(size=7)],
)
def test_merged_moments_are_those_of_all(numbers: np.ndarray) -> None:
    merged = Moments()
    for part in np.array_split(numbers, 6):
        merged = merged.merged(Moments.of(part, numbers[0]))
    assert merged.count == len(numbers)
    mean = statistics.mean(map(Fraction, numbers.tolist())) - Fraction(numbers[0])
    assert merged.mean == pytest.approx(float(mean), rel=1e-13)
    # In fractions: NumPy's own loses digits where the numbers hardly differ.
    assert merged.deviation == pytest.approx(statistics.pstdev(numbers.tolist()), rel=1e-12)


def test_levels_are_sorted_and_the_first_is_the_reference() -> None:
    schema = learnt(city=["rome", "oslo", "bern"] * 2)
    assert schema.columns[0].levels == ("bern", "oslo", "rome")
    assert schema.features == ["city=oslo", "city=rome"]


def test_the_name_of_a_feature_is_one_line() -> None:
    assert learnt(c=["x", "y\nz"] * 3).features == ["c=y z"]


def test_booleans_are_numbers() -> None:
    assert learnt(flag=[True, False] * 3).columns[0].kind == "number"


def test_a_missing_number_becomes_the_mean_of_the_rest() -> None:
    schema = learnt("mean", a=[1.0, None, 3.0, 8.0])
    assert schema.columns[0].fill == 4.0
    assert schema.features == ["a"]


def test_a_missing_number_is_indicated_where_that_was_asked_for() -> None:
    schema = learnt("indicator", a=[1.0, None, 3.0, 8.0], b=[1.0, 2.0, 3.0, 4.0])
    assert schema.features == ["a", "a is missing", "b"]


def test_a_missing_text_is_a_level_of_its_own() -> None:
    schema = learnt("mean", c=["x", None, "y", "x"])
    assert schema.columns[0].levels == ("", "x", "y")
    assert learnt("mean", c=["x", "x", "y", None]).features == ["c=x", "c=y"]


def test_a_center_is_the_mean() -> None:
    assert learnt(center=True, a=[1.0, 2.0, 6.0]).columns[0].center == 3.0


def test_a_schema_survives_json_and_says_what_it_does() -> None:
    schema = learnt("indicator", True, a=[1.5, None, 3.0, 8.0], c=["x", "y", "x", "z"])
    text = schema.to_json()
    assert Schema.from_json(text) == schema
    words = [column["words"] for column in json.loads(text)["columns"]]
    assert "where missing, the mean, and 1 in a further column" in words[0]
    assert "the reference (x, y, z)" in words[1]


def test_something_else_is_no_schema() -> None:
    with pytest.raises(ValueError, match=r"^Expected a schema as JSON"):
        Schema.from_json('{"columns": 3}')
