"""What is refused: columns that follow from others, and columns that separate the labels."""

import numpy as np
import pytest

from lowlevel.data import Table
from lowlevel.likelihoods import Logit
from lowlevel.regression import design as designs
from lowlevel.regression.obstacles import check_collinear, check_rows, check_separated
from lowlevel.regression.spectrum import make_spectrum
from lowlevel.regression.totals import total

RANDOM = np.random.default_rng(0)
ROWS = 200
X = RANDOM.normal(size=(ROWS, 4))
LEVELS = np.eye(3)[RANDOM.integers(0, 3, ROWS)]
LABELS = RANDOM.integers(0, 2, ROWS)


def with_columns(*columns: np.ndarray) -> np.ndarray:
    """`X` with more columns."""
    return np.column_stack([X, *columns])


def check_table(features: np.ndarray, names: tuple[str, ...] = ()) -> None:
    """Checks whether columns are collinear, by the information where all rows have z = 0."""
    table = Table(features, LABELS, names=names)
    design = designs.make_design(table, designs.of_first_block(table), table.names)
    sums = total(Logit(), design.blocks, np.zeros(design.coefficients))
    check_collinear(design, make_spectrum(sums.information))


YEARS = np.column_stack([2000.0 + RANDOM.integers(0, 30, ROWS), RANDOM.integers(0, 30, ROWS)])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (with_columns(X[:, 1]), "column 4, which to rounding follows from column 1:"),
        (with_columns(-7e9 * X[:, 1] + 3), "column 4, which to rounding follows from column 1:"),
        (with_columns(X[:, 0] - 2 * X[:, 3]), "column 4, .* follows from columns 0, 3:"),
        (with_columns(LEVELS), "column 6, .* follows from columns 4, 5:"),
        (with_columns(np.full(ROWS, 0.1)), "got column 4, which is constant"),
        # Sums that float32 rounds.
        (with_columns(X[:, 0] + X[:, 3]).astype(np.float32), "column 4, .* columns 0, 3:"),
        (
            np.column_stack([YEARS, YEARS.sum(1) / 7]).astype(np.float32),
            "column 2, .* columns 0, 1:",
        ),
    ],
)
def test_a_column_that_follows_from_others_is_named(features: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_table(features)


def test_columns_go_by_their_names() -> None:
    names = ("age", "income", "debt", "rate", "pay")
    with pytest.raises(ValueError, match=r"column pay, which .* follows from column income:"):
        check_table(with_columns(X[:, 1]), names)


@pytest.mark.parametrize(
    "features",
    [
        with_columns(LEVELS[:, :2]),
        # A share of 1e-10 of the last column's variance is its own.
        with_columns(X[:, 0] + 1e-5 * RANDOM.normal(size=ROWS)),
        np.column_stack([1.7e9 + 1e4 * X[:, 0], X[:, 1:]]),
        X * [1e-150, 1e150, 1, 1e9],
    ],
)
def test_columns_with_something_of_their_own_pass(features: np.ndarray) -> None:
    check_table(features)


def test_fewer_rows_than_coefficients_are_refused() -> None:
    for rows, fits in ((4, False), (5, True)):
        table = Table(X[:rows], LABELS[:rows])
        design = designs.make_design(table, designs.as_they_are(4))
        if fits:
            check_rows(design)
        else:
            with pytest.raises(ValueError, match=r"as many rows as coefficients, 5 with .* got 4"):
                check_rows(design)


DIRECTION = np.array([1.0, -1.0, 0.5, 0.0])


def check_direction(
    features: np.ndarray,
    labels: np.ndarray,
    direction: np.ndarray,
    weight: np.ndarray | None = None,
    off: float = 1e-7,
) -> None:
    """Checks whether a direction, off by a little, separates the labels."""
    table = Table(features, labels, weight)
    scaling = designs.of_first_block(table)
    noise = off * np.random.default_rng(1).normal(size=len(direction))
    check_separated(
        designs.make_design(table, scaling), Logit(), scaling.from_original(direction) + noise
    )


def test_separated_labels_are_refused_with_the_columns_that_do_it() -> None:
    z = X @ DIRECTION
    with pytest.raises(ValueError, match="got a combination of columns 0, 1, 2, so that"):
        check_direction(X, z > 0, np.append(DIRECTION, 0.0))
    with pytest.raises(ValueError, match="got column 2, so that"):
        check_direction(X, X[:, 2] < 0.1, np.array([0.0, 0.0, -1.0, 0.0, 0.1]))


@pytest.mark.parametrize("off", [1e-7, 1e-4])
def test_a_column_that_separates_some_rows_and_leaves_the_others_alone_is_refused(
    off: float,
) -> None:
    rare = (np.arange(ROWS) % 7 == 0) & (LABELS == 1)
    with pytest.raises(ValueError, match="got column 4, so that"):
        check_direction(with_columns(rare), LABELS, np.array([0.0, 0, 0, 0, 1, 0]), off=off)


def test_a_row_far_off_does_not_hide_that_others_are_separated() -> None:
    features, labels = X.copy(), LABELS.copy()
    # The difference of two columns is 0 but for a few rows, all on their labels' side.
    features[10:, 1] = features[10:, 0]
    features[0, 0] = 1e6
    labels[:10] = features[:10, 0] > features[:10, 1]
    with pytest.raises(ValueError, match="got a combination of columns 0, 1, so that"):
        check_direction(features, labels, np.array([1.0, -1, 0, 0, 0]))


def test_one_row_on_the_other_side_is_enough_for_a_maximum() -> None:
    z = X @ DIRECTION
    labels = z > 0
    labels[np.argmax(z)] = False
    check_direction(X, labels, np.append(DIRECTION, 0.0))
    # Unless it does not count.
    weight = np.where(z < z.max(), 1.0, 0.0)
    with pytest.raises(ValueError, match="separate"):
        check_direction(X, labels, np.append(DIRECTION, 0.0), weight)


@pytest.mark.parametrize("far", [1e3, 1e6, 1e9])
def test_one_row_far_off_does_not_make_the_others_seem_to_rest(far: float) -> None:
    """Along the column it moves most, and its way; but the others have no such way."""
    features, labels = X.copy(), LABELS.copy()
    features[0, 0], labels[0] = far, 1
    check_direction(features, labels, np.array([1.0, 0, 0, 0, -far / ROWS]))
    check_direction(features, labels, np.array([1.0, 0, 0, 0, 0]))


@pytest.mark.parametrize("label", [0, 1])
def test_labels_all_alike_are_refused(label: int) -> None:
    with pytest.raises(ValueError, match=r"labels: .* got all at one end of their range"):
        check_direction(X, np.full(ROWS, label), np.array([0, 0, 0, 0, 2.0 * label - 1]))
