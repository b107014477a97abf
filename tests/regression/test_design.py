"""A table in blocks: the same z in scaled columns, and the same bits however the rows are held."""

import pathlib

import numpy as np
import pytest

from lowlevel.data import Table
from lowlevel.regression import design as designs
from tests import wings

TABLE = wings.small_table(weighted=True)
SCALING = designs.Scaling(np.array([5.0, -3.0, 0.1]), np.array([2.0, 0.5, 7.0]))
COEFFICIENTS = np.array([0.3, -1.0, 2.0, 0.7])


def z_of(design: designs.Design, coefficients: np.ndarray) -> np.ndarray:
    """The linear predictor of all rows, by NumPy."""
    return np.concatenate([block.x.numpy() for block in design.blocks]) @ coefficients


def test_scaled_columns_and_their_coefficients_give_the_same_z() -> None:
    expected = TABLE.features @ COEFFICIENTS[:-1] + COEFFICIENTS[-1]
    found = z_of(designs.make_design(TABLE, SCALING), SCALING.from_original(COEFFICIENTS))
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_coefficients_come_back_from_a_scaling() -> None:
    there = SCALING.from_original(COEFFICIENTS)
    np.testing.assert_allclose(SCALING.to_original(there), COEFFICIENTS, rtol=1e-14)


def test_the_first_block_alone_gives_the_scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowlevel.data.table.BLOCK_ROWS", 16)
    scaling = designs.of_first_block(TABLE)
    np.testing.assert_allclose(scaling.center, TABLE.features[:16].mean(0), rtol=1e-14)
    np.testing.assert_allclose(scaling.scale, TABLE.features[:16].std(0), rtol=1e-14)


def test_blocks_hold_every_row_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowlevel.data.table.BLOCK_ROWS", 16)
    design = designs.make_design(TABLE, designs.as_they_are(3))
    assert [block.y.shape[0] for block in design.blocks] == [16, 16, 8]
    columns = [np.concatenate(parts) for parts in zip(*design.blocks, strict=True)]
    np.testing.assert_array_equal(columns[0], np.hstack([TABLE.features, np.ones((40, 1))]))
    np.testing.assert_array_equal(columns[1], TABLE.labels)
    np.testing.assert_array_equal(columns[2], TABLE.sample_weight)


@pytest.mark.parametrize("held", ["by columns", "in every other row", "in a file"])
def test_a_design_has_the_same_bits_however_the_rows_are_held(
    held: str, tmp_path: pathlib.Path
) -> None:
    features = TABLE.features
    if held == "by columns":
        features = np.asfortranarray(features)
    elif held == "in every other row":
        features = np.repeat(features, 2, axis=0)[::2]
    else:
        np.save(tmp_path / "features.npy", features)
        features = np.load(tmp_path / "features.npy", mmap_mode="r")
    design = designs.make_design(Table(features, TABLE.labels), SCALING)
    expected = designs.make_design(Table(TABLE.features, TABLE.labels), SCALING)
    np.testing.assert_array_equal(design.blocks[0].x, expected.blocks[0].x)


def test_columns_are_named_in_messages_the_first_few_of_them() -> None:
    names = tuple("abcdefgh")
    design = designs.Design((), designs.as_they_are(8), 0, 0.0, 0.0, names)
    assert design.named([1]) == "column b"
    assert design.named(range(8)) == "columns a, b, c, d, e, f and 2 more"
    assert designs.Design((), designs.as_they_are(8), 0, 0.0, 0.0).named([0, 7]) == "columns 0, 7"
