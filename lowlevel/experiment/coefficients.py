"""Coefficients of a model without hidden layers, and their errors, on the columns' own scale.

The errors are those of maximum likelihood: the inverse of the observed information, the second
derivatives of the summed loss at the weights given (Efron and Hinkley, "Assessing the accuracy of
the maximum likelihood estimator: observed versus expected Fisher information", Biometrika 65,
1978). Sample weights count as frequencies: a row of weight 2 is two rows.
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from lowlevel.data import Rows
from lowlevel.likelihoods import Likelihood
from lowlevel.regression import design as designs
from lowlevel.regression.design import Design, Scaling
from lowlevel.regression.obstacles import check_collinear, check_rows, check_separated
from lowlevel.regression.spectrum import Spectrum, make_spectrum
from lowlevel.regression.totals import Totals, outer_products, total

INTERCEPT = "intercept"
LEVEL = 0.95
# How far from the maximum any coefficient may be: in standard errors; and in z for a deviation of
# its column, which is what tells where the errors have no bounds either.
MOST_ERRORS, LONGEST_STEP = 0.01, 0.01


@dataclasses.dataclass(frozen=True)
class Coefficient:
    """A coefficient and what is known of it.

    Attributes:
        name: of its column, or "intercept".
        coef: what z grows by for one more of the column.
        se: its standard error.
        z: coef / se.
        p: the probability of a z of that size or more, were the coefficient 0; two-sided, normal.
        ci_lower: the lower end of the 95% confidence interval, coef - 1.96 se.
        ci_upper: its upper end.
    """

    name: str
    coef: float
    se: float
    z: float
    p: float
    ci_lower: float
    ci_upper: float


def coefficients(
    likelihood: Likelihood,
    table: Rows,
    weights: Mapping[str, np.ndarray],
    robust: bool = False,
    l2: float = 0.0,
    names: Sequence[str] = (),
    center: np.ndarray | None = None,
) -> list[Coefficient]:
    """Returns the intercept, then the coefficient of each column.

    Args:
        likelihood: that the weights were trained with.
        table: the rows that they were trained on.
        weights: of a run in either mode, by name, as `Run.weights` has them.
        robust: whether the errors allow for a wrong likelihood: the sandwich H^-1 J H^-1 with the
          outer products J of the rows' gradients, times rows / (rows - coefficients), "HC1"
          (MacKinnon and White, Journal of Econometrics 29, 1985; Huber, 1967).
        l2: the penalty that they were trained with.
        names: of the columns; without them, the table's own, or else their numbers.
        center: what was taken away from each column before it came into the table, `[columns]`;
          the coefficients are those of the columns as they were before.

    Raises:
        ValueError: the errors would mean nothing: there are hidden layers or a penalty, the
          gradient is not about 0, there is no maximum, or more than one.
    """
    columns, names = table.width, names or table.names
    check_kind(likelihood, weights, l2)
    check_columns(columns, weights, names)
    layer = layer_scaling(weights, columns)
    scaling = layer if "standardize/mean" in weights else designs.of_first_block(table)
    design = designs.make_design(table, scaling, names)
    check_rows(design)
    trained = np.append(weights["logistic/kernel"][:, 0], weights["logistic/bias"])
    estimate = layer.to_original(trained.astype(np.float64))
    point = scaling.from_original(estimate)
    sums = total(likelihood, design.blocks, point)
    spectrum = check_maximum(design, likelihood, point, sums)
    covariance = spectrum.inverse()
    if robust:
        outer = outer_products(likelihood, design.blocks, point)
        covariance = correction(design) * covariance @ outer @ covariance
    before = Scaling(np.zeros(columns) if center is None else center, np.ones(columns))
    # The change of scale is linear: once for each side.
    linear = before.to_original(scaling.to_original(np.eye(columns + 1)))
    errors = np.sqrt(np.einsum("ij,ik,kj->j", linear, covariance, linear))
    estimate = before.to_original(estimate)
    shown = [*map(str, names or map("column {}".format, range(columns))), INTERCEPT]
    found = list(map(make_coefficient, shown, estimate.tolist(), errors.tolist()))
    return [found[-1], *found[:-1]]


def make_coefficient(name: str, coef: float, se: float) -> Coefficient:
    """Returns a coefficient, tested against 0 by the normal distribution."""
    half = statistics.NormalDist().inv_cdf((1 + LEVEL) / 2) * se
    z = coef / se
    p = math.erfc(abs(z) / math.sqrt(2))
    return Coefficient(name, coef, se, z, p, ci_lower=coef - half, ci_upper=coef + half)


def correction(design: Design) -> float:
    """Returns what HC1 multiplies variances by, rows / (rows - coefficients)."""
    if design.weight <= design.coefficients:
        raise ValueError(
            f"sample_weight: expected a sum above the number of coefficients, "
            f"{design.coefficients}, for robust errors, got {design.weight:g}: weights are taken "
            "for frequencies"
        )
    return design.weight / (design.weight - design.coefficients)


def layer_scaling(weights: Mapping[str, np.ndarray], columns: int) -> Scaling:
    """Returns what the model itself does to its columns."""
    if "standardize/mean" not in weights:
        return designs.as_they_are(columns)
    return designs.of_layer(weights["standardize/mean"], weights["standardize/deviation"])


def check_kind(likelihood: Likelihood, weights: Mapping[str, np.ndarray], l2: float) -> None:
    """Raises ValueError where the model is not of the kind that the errors are for."""
    hidden = [name for name in weights if name.split("/")[0] not in ("standardize", "logistic")]
    if hidden or likelihood.predictors != 1:
        what = hidden[0] if hidden else f"{likelihood.predictors} predictors"
        raise ValueError(
            f"coefficients: expected a model of one predictor without hidden layers, got {what}: "
            "its weights are no coefficients of columns"
        )
    if l2:
        raise ValueError(
            f"coefficients: expected a model without a penalty, got l2={l2:g}: it pulls the "
            "coefficients towards 0 by an amount that no standard error tells of; train without"
        )


def check_columns(columns: int, weights: Mapping[str, np.ndarray], names: Sequence[str]) -> None:
    """Raises ValueError unless weights, and names if there are any, are of so many columns."""
    for what, count in (("weights", len(weights["logistic/kernel"])), ("names", len(names))):
        if count != columns and (count or what == "weights"):
            raise ValueError(
                f"coefficients: expected {what} for the table's {columns} columns, got {count}"
            )


def check_maximum(
    design: Design, likelihood: Likelihood, point: np.ndarray, sums: Totals
) -> Spectrum:
    """Returns the spectrum of the information; raises ValueError unless this is the maximum.

    Args:
        design: the rows.
        likelihood: of their labels.
        point: the coefficients in question.
        sums: over the rows, there.
    """
    if not (np.isfinite(sums.gradient).all() and np.isfinite(sums.information).all()):
        raise ValueError(
            "coefficients: expected finite slopes and curvatures, got others: see what mode=check "
            "says of the likelihood"
        )
    spectrum = make_spectrum(sums.information)
    check_collinear(design, spectrum)
    step = -spectrum.solve(sums.gradient)
    longest = float(np.abs(step).max())
    if not spectrum.positive or longest > LONGEST_STEP:
        for direction in (step, point):
            check_separated(design, likelihood, direction)
    if not spectrum.positive:
        raise ValueError(
            "coefficients: expected weights at a maximum of the likelihood, got ones where its "
            "second derivatives say that there is none: train longer, or with optimizer newton"
        )
    away = float((np.abs(step) / np.sqrt(np.diag(spectrum.inverse()))).max())
    if away > MOST_ERRORS or longest > LONGEST_STEP:
        gradient = np.abs(sums.gradient).max() / design.weight
        raise ValueError(
            f"coefficients: expected weights at the maximum of the likelihood, got a gradient of "
            f"{gradient:.1g}, {away:.2g} standard errors or {longest:.2g} deviations' z away from "
            "it: train longer, or with optimizer newton"
        )
    return spectrum
