"""The sums over the rows: by NumPy, by differences, and to the same bits block by block."""

import numpy as np
import pytest
import tensorflow as tf

from lowlevel.data import Table
from lowlevel.likelihoods import LIKELIHOODS, Logit
from lowlevel.regression import design as designs
from lowlevel.regression.totals import Totals, outer_products, total
from tests import wings

TABLE = wings.small_table(weighted=True)
POINT = np.array([0.5, -0.2, 0.1, 0.3])
SCALING = designs.as_they_are(3)


def totals(table: Table, likelihood: str = "logit", jit_compile: bool = False) -> Totals:
    """The sums at `POINT`."""
    design = designs.make_design(table, SCALING)
    return total(LIKELIHOODS[likelihood], design.blocks, POINT, jit_compile)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_sums_of_a_logit_are_those_by_numpy(jit_compile: bool) -> None:
    x = np.hstack([TABLE.features, np.ones((40, 1))])
    z, weight = x @ POINT, TABLE.sample_weight
    p = 1 / (1 + np.exp(-z))
    found = totals(TABLE, jit_compile=jit_compile)
    assert found.nll == pytest.approx(weight @ (np.logaddexp(0, z) - TABLE.labels * z), rel=1e-13)
    np.testing.assert_allclose(found.gradient, x.T @ (weight * (p - TABLE.labels)), atol=1e-13)
    expected = x.T @ (x * (weight * p * (1 - p))[:, np.newaxis])
    np.testing.assert_allclose(found.information, expected, atol=1e-13)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_gradient_and_information_are_derivatives_of_the_loss(likelihood: str) -> None:
    design = designs.make_design(TABLE, SCALING)
    found = totals(TABLE, likelihood)
    step = 1e-5
    for index, direction in enumerate(np.eye(4)):
        ends = [
            total(LIKELIHOODS[likelihood], design.blocks, POINT + sign * step * direction)
            for sign in (1, -1)
        ]
        # The third derivative times 1e-10 / 6, and rounding over 1e-5.
        slope = (ends[0].nll - ends[1].nll) / (2 * step)
        assert found.gradient[index] == pytest.approx(slope, abs=1e-7)
        curvature = (ends[0].gradient - ends[1].gradient) / (2 * step)
        np.testing.assert_allclose(found.information[index], curvature, atol=1e-7)


def test_the_sums_of_blocks_are_those_of_their_rows_to_the_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So rows may come from anywhere, a block at a time."""
    monkeypatch.setattr("lowlevel.data.table.BLOCK_ROWS", 16)
    parts = [totals(TABLE.rows_at(np.arange(40)[start : start + 16])) for start in (0, 16, 32)]
    for found, *summands in zip(totals(TABLE), *parts, strict=True):
        np.testing.assert_array_equal(found, summands[0] + summands[1] + summands[2])


def test_a_row_without_weight_does_not_count_even_where_its_loss_is_infinite() -> None:
    features = np.vstack([TABLE.features, [1e308, 1e308, 1e308]])
    labels, weight = (np.append(c, 0.0) for c in (TABLE.labels, TABLE.sample_weight))
    assert np.isinf(Logit().nll(tf.constant([np.inf]), tf.constant([0.0])).numpy()).all()
    point = 10 * np.abs(POINT)
    found, expected = (
        total(Logit(), designs.make_design(table, SCALING).blocks, point)
        for table in (Table(features, labels, weight), TABLE)
    )
    for sums, without in zip(found, expected, strict=True):
        np.testing.assert_allclose(sums, without, rtol=1e-14)


def test_outer_products_are_those_of_each_rows_gradient() -> None:
    rows = [totals(TABLE.rows_at(np.array([row]))) for row in range(40)]
    # Each gradient has its weight in it once, and so twice in its product with itself.
    expected = sum(
        np.outer(row.gradient, row.gradient) / weight
        for row, weight in zip(rows, TABLE.sample_weight, strict=True)
    )
    design = designs.make_design(TABLE, SCALING)
    found = outer_products(Logit(), design.blocks, POINT)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
