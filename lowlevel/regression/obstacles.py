"""What rules out a maximum, or its being the only one: each is refused with its reason, in a line.

Suspicions come from the information matrix; the rows have the last word.
"""

import numpy as np
import tensorflow as tf

from lowlevel.likelihoods import Likelihood
from lowlevel.regression.design import Block, Design
from lowlevel.regression.spectrum import ROUNDING, Spectrum, make_spectrum

# An eigenvalue of the information below it is looked into.
SUSPICIOUS = 1e-6
# A coefficient beside the largest, columns having one scale, that is taken for 0.
NEGLIGIBLE = 1e-6
# A row's move beside its terms that may be rounding; and ones that may be due to a direction which
# is still off by a little, to be tried in turn.
AT_REST = 1e-12
NEARLY_AT_REST = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
# A z so far out that every loss has made up its mind.
FAR = 1e8


def check_rows(design: Design) -> None:
    """Raises ValueError where there are fewer rows than coefficients."""
    if design.rows < design.coefficients:
        raise ValueError(
            f"features: expected at least as many rows as coefficients, {design.coefficients} "
            f"with the intercept, got {design.rows}: use fewer columns, or set l2"
        )


def check_collinear(design: Design, spectrum: Spectrum) -> None:
    """Raises ValueError where a column follows from the others, to the rounding of the table.

    Args:
        design: the rows.
        spectrum: of the information at any coefficients, without a penalty.
    """
    if spectrum.values[0] > SUSPICIOUS:
        return
    direction = _dependence(spectrum)
    moved, sizes = 0.0, np.zeros(design.coefficients)
    for x, _, weight in design.blocks:
        counted = tf.cast(weight > 0, tf.float64)
        moved += float(tf.reduce_sum(counted * tf.matmul(x, direction[:, np.newaxis])[:, 0] ** 2))
        sizes += tf.linalg.matvec(x**2, counted, transpose_a=True).numpy()
    # Each number is rounded in the table, in proportion to its size, not to the column's deviation.
    ratio = np.append(design.scaling.center / design.scaling.scale, 0.0)
    rounding = ROUNDING * design.coefficients + design.precision**2 * (1 + ratio**2)
    # A constant column's size is 0.
    if moved > (rounding * np.maximum(sizes, 1.0)) @ direction**2:
        return
    *before, last = _columns(direction)
    if before:
        raise ValueError(
            f"features: expected columns that do not follow from one another, got "
            f"{design.named([last])}, which to rounding follows from {design.named(before)}: leave "
            "one of them out, or set l2"
        )
    raise ValueError(
        f"features: expected columns that vary, got {design.named([last])}, which is constant: "
        "leave it out, since the intercept stands for it, or set l2"
    )


def _dependence(spectrum: Spectrum) -> np.ndarray:
    """Returns the direction that takes from a column what those before it explain of it.

    It is 1 for the column, and minus the coefficients of its regression on those before, of which
    the intercept is the first. The column is the one of which the least is left.
    """
    size = len(spectrum.values)
    order = np.array([size - 1, *range(size - 1)])
    correlations = ((spectrum.vectors * spectrum.values) @ spectrum.vectors.T)[np.ix_(order, order)]
    # Elimination: the diagonal ends as the shares that those before do not explain.
    rest, shares = correlations.copy(), np.ones(size)
    for index in range(size):
        shares[index] = rest[index, index]
        if shares[index] <= spectrum.floor:
            break
        factors = rest[index + 1 :, index] / shares[index]
        rest[index + 1 :] -= factors[:, np.newaxis] * rest[index]
    found = int(np.argmin(shares))
    direction = np.zeros(size)
    before = correlations[:found, :found]
    direction[order[:found]] = -np.linalg.lstsq(before, correlations[:found, found])[0]
    direction[order[found]] = 1
    return direction / spectrum.unit * spectrum.unit[order[found]]


def check_separated(design: Design, likelihood: Likelihood, direction: np.ndarray) -> None:
    """Raises ValueError where the loss falls along a direction for ever: there is no maximum.

    For a convex loss that is so where no row's loss rises far out along the direction (Albert and
    Anderson, "On the existence of maximum likelihood estimates in logistic regression models",
    Biometrika 71, 1984).

    Args:
        design: the rows.
        likelihood: of one predictor.
        direction: `[coefficients]`, that of the last step, say: it may be off by a little.
    """
    for nearly in NEARLY_AT_REST:
        if _falls_for_ever(design, likelihood, direction, nearly):
            exact = _holding_still(design, direction, nearly)
            if _falls_for_ever(design, likelihood, exact, AT_REST):
                raise ValueError(_separated(design, likelihood, exact))


def _separated(design: Design, likelihood: Likelihood, direction: np.ndarray) -> str:
    """Returns what to say of a direction that separates the labels."""
    intercept = np.append(np.zeros(design.coefficients - 1), 1.0)
    if any(_falls_for_ever(design, likelihood, way, AT_REST) for way in (intercept, -intercept)):
        return (
            "labels: expected some that hold the intercept back, got all at one end of their range"
        )
    alone, together = _separating_columns(design), _columns(direction)
    what = "" if alone or len(together) == 1 else "a combination of "
    return (
        f"features: expected columns that do not separate the labels, got "
        f"{what}{design.named(alone or together)}, so that the coefficients grow without end: "
        "leave such a column out, or set l2"
    )


def _falls_for_ever(
    design: Design, likelihood: Likelihood, direction: np.ndarray, at_rest: float
) -> bool:
    """Returns whether some row moves along a direction, and no row's loss rises far out."""
    moving = False
    for block in design.blocks:
        moves, still = _moves(block, direction, at_rest)
        counted = ~still & (block.weight.numpy() > 0)
        slope = likelihood.slope(tf.constant(FAR * np.sign(moves)), block.y).numpy()
        if not (slope * moves <= 0)[counted].all():
            return False
        moving = moving or bool(counted.any())
    return moving


def _holding_still(design: Design, direction: np.ndarray, at_rest: float) -> np.ndarray:
    """Returns the nearest direction along which those rows rest that nearly do so along this one.

    Where there is none but 0, it is that.
    """
    products = np.zeros(2 * [design.coefficients])
    for block in design.blocks:
        _, still = _moves(block, direction, at_rest)
        rows = block.x.numpy()[still & (block.weight.numpy() > 0)]
        products += rows.T @ rows
    spectrum = make_spectrum(products)
    null = spectrum.vectors[:, spectrum.values <= spectrum.floor]
    return null @ (null.T @ (direction * spectrum.unit)) / spectrum.unit


def _moves(block: Block, direction: np.ndarray, at_rest: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns how far each row's z moves along a direction, and whether that is next to nothing.

    That is beside the terms which it is the sum of, or the median row's. The largest row's would
    let one that is far off make all others seem to rest.
    """
    moves = tf.linalg.matvec(block.x, direction).numpy()
    terms = tf.linalg.matvec(tf.abs(block.x), np.abs(direction)).numpy()
    return moves, np.abs(moves) <= at_rest * np.maximum(terms, np.median(terms))


def _separating_columns(design: Design) -> list[int]:
    """Returns the columns each of which alone separates labels of 0 from those of 1, if any."""
    size = design.coefficients - 1
    low, high = np.full((2, size), np.inf), np.full((2, size), -np.inf)
    for x, y, weight in design.blocks:
        labels, columns = y.numpy(), x.numpy()[:, :-1]
        if not np.isin(labels, (0, 1)).all():
            return []
        for label in (0, 1):
            rows = columns[(labels == label) & (weight.numpy() > 0)]
            low[label] = np.minimum(low[label], rows.min(0, initial=np.inf))
            high[label] = np.maximum(high[label], rows.max(0, initial=-np.inf))
    return np.flatnonzero((low[1] >= high[0]) | (high[1] <= low[0])).tolist()


def _columns(direction: np.ndarray) -> list[int]:
    """Returns the columns that a direction moves; the intercept is none."""
    sizes = np.abs(direction)
    return np.flatnonzero(sizes[:-1] > NEGLIGIBLE * sizes.max()).tolist()
