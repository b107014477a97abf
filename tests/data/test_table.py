"""A table takes what is unambiguous, refuses the rest in one line, and knows its moments."""

from typing import Any

import numpy as np
import pytest

from lowlevel.data import Table, moments
from lowlevel.data.table import check_range

ONES = np.ones(3, np.float32)
FEATURES = np.ones((3, 2), np.float32)


class Unfit:
    """What NumPy cannot make an array of, which it learns in two lines."""

    def __array__(self, *arguments: Any, **options: Any) -> np.ndarray:
        raise TypeError("one\ntwo")


def assert_holds(table: Table, dtype: type, features: Any, labels: Any) -> None:
    """Holds a table's columns to values, a dtype and shapes."""
    np.testing.assert_array_equal(table.features, np.array(features, dtype), strict=True)
    np.testing.assert_array_equal(table.labels, np.array(labels, dtype), strict=True)


def test_a_large_table_is_not_copied() -> None:
    table = Table(FEATURES, ONES, ONES)
    given = (FEATURES, ONES, ONES)
    assert all(map(np.shares_memory, table.columns, given))


@pytest.mark.parametrize(
    "features",
    [
        [[1, 0], [0, 1]],
        ((1.0, 0.0), (0.0, 1.0)),
        np.array([[1, 0], [0, 1]], np.uint8),
        np.array([[True, False], [False, True]]),
        np.array([[1, 0], [0, 1]], np.longdouble),
        np.ma.MaskedArray([[1, 0], [0, 1]], mask=False),
    ],
    ids=lambda features: f"{type(features).__name__} of {np.asarray(features).dtype}",
)
def test_numbers_of_any_type_become_float64(features: Any) -> None:
    assert_holds(Table(features, [True, False]), np.float64, [[1, 0], [0, 1]], [1, 0])


def test_half_precision_becomes_float32() -> None:
    assert_holds(Table(FEATURES.astype(np.float16), ONES), np.float32, FEATURES, ONES)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, bool])
def test_labels_and_weights_take_the_dtype_of_the_features(dtype: type) -> None:
    table = Table(FEATURES, ONES.astype(dtype), ONES.astype(dtype))
    assert_holds(table, np.float32, FEATURES, ONES)
    assert table.sample_weight.dtype == np.float32


def test_a_column_of_labels_and_one_of_weights_are_taken_as_the_rows() -> None:
    labels, weight = np.array([[0], [1], [1]]), [[2.0], [0.0], [0.5]]
    table = Table(FEATURES, labels, weight)
    assert_holds(table, np.float32, FEATURES, [0, 1, 1])
    np.testing.assert_array_equal(table.sample_weight, np.float32([2, 0, 0.5]), strict=True)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((ONES, ONES), "Expected `features` of shape .rows, columns., got .3."),
        ((np.ones((3, 0)), ONES), "Expected `features` of shape .rows, columns., got .3, 0."),
        ((FEATURES, ONES[:2]), "Expected `labels` of shape .3., .* got .2."),
        ((FEATURES, np.ones((3, 2))), "Expected `labels` of shape .3., .* got .3, 2."),
        ((FEATURES, np.ones((1, 3))), "Expected `labels` of shape .3., .* got .1, 3."),
        ((FEATURES, ONES, ONES[:1]), "Expected `sample_weight` of shape .3., .* got .1."),
        ((FEATURES * np.nan, ONES), "Expected finite `features`, got nan in row 0, column 0"),
        (
            ([[1.0] * 40, [1.0] * 39 + [np.inf]], ONES[:2]),
            "finite `features`, got inf in row 1, column 39",
        ),
        ((FEATURES, [0, np.nan, 1]), "Expected finite `labels`, got nan in row 1"),
        # Finite as it was given, and infinite in float32.
        ((FEATURES, [0, 1, 1e300]), "Expected finite `labels`, got inf in row 2"),
        ((FEATURES, ONES, -ONES), "`sample_weight` .* got -1.0 in row 0"),
        ((FEATURES, ONES, 0 * ONES), "`sample_weight` above 0 in some row"),
        (([["a", "b"]], ONES[:1]), "Expected `features` of numbers, got <U1 from list"),
        ((FEATURES, ["0", "1", "1"]), "Expected `labels` of numbers, got <U1 from list"),
        ((FEATURES * 1j, ONES), "Expected `features` of numbers, got complex64"),
        ((FEATURES, np.array([0, 1, 2], "M8[D]")), "`labels` of numbers, got datetime64"),
        ((FEATURES, [None, 0, 1]), "Expected `labels` of numbers, got object"),
        (([[1, 2], [3]], ONES[:2]), "Expected `features` to be an array, got .*inhomogeneous"),
        ((Unfit(), ONES), "Expected `features` to be an array, got .*one two"),
        (
            (np.ma.MaskedArray(FEATURES, FEATURES * [[1], [0], [0]]), ONES),
            "Expected `features` without masked values, got 2 of them: fill them, or leave",
        ),
        ((FEATURES, np.ma.masked_equal([0, 9, 1], 9)), "`labels` without masked values, got 1 of"),
        (([np.ma.masked_equal([1, 9], 9)] * 3, [0, 1, 0]), "without masked values, got 3 of"),
    ],
)
def test_a_table_that_cannot_be_trained_on_is_refused_in_one_line(
    columns: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Table(*columns)
    assert "\n" not in str(caught.value)


def test_a_label_outside_a_range_is_refused_with_its_row() -> None:
    check_range("labels", np.array([0.0, 0.5, 1.0]), 0.0, 1.0)
    with pytest.raises(ValueError, match=r"`labels` from 0 to 1, got 2\.0 in row 1"):
        check_range("labels", np.array([0.0, 2.0, 3.0]), 0.0, 1.0)


def test_moments_are_those_of_the_population() -> None:
    mean, deviation = moments(Table(np.array([[1.0, 5.0], [3.0, 9.0]]), [0, 1]))
    np.testing.assert_array_equal(mean, [2, 7])
    np.testing.assert_array_equal(deviation, [1, 2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_column_is_divided_by_1_and_comes_out_as_0(dtype: str) -> None:
    column = np.full((1000, 1), 0.1, dtype)  # Its sum is rounded.
    mean, deviation = moments(Table(column, np.zeros(1000)))
    np.testing.assert_array_equal(deviation, 1)
    np.testing.assert_array_equal(column - mean, 0)


def test_float32_in_another_order_of_bytes_stays_float32() -> None:
    table = Table(FEATURES.astype(">f4"), [0, 1, 0])
    assert table.dtype == "float32"
    np.testing.assert_array_equal(table.features, FEATURES.astype(np.float32))
