"""Logistic regression of grouped rows by Newton's method, for a few coefficients."""

import numpy as np

from lowlevel.judging.sums import dot

# Once a step is to lower the mean loss by less than this, it is the last: what is left of the
# error after it is about its square.
PRECISION = 1e-12
MOST_STEPS = 100
# Beyond it a halved step is lost in rounding, or the numbers are.
MOST_HALVINGS = 100


def maximum_likelihood(
    design: np.ndarray,
    offset: np.ndarray,
    positive: np.ndarray,
    total: np.ndarray,
    start: np.ndarray,
) -> np.ndarray | None:
    """Returns the coefficients, `[k]`, of logit P(y = 1) = offset + coefficients @ design.

    Newton's method, each step halved until the loss falls; None where it does not get there, as
    where the likelihood has no maximum.

    Args:
        design: `[k, groups]`.
        offset: `[groups]`.
        positive: `[groups]`, the weight of the positive rows.
        total: `[groups]`, the weight of all rows.
        start: `[k]`, the first guess.
    """

    def evaluate(coefficients: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        eta = offset + np.einsum("k,kn->n", coefficients, design)
        return _evaluate(eta, positive, total)

    coefficients = start
    loss, mean, variance = evaluate(start)
    for _ in range(MOST_STEPS):
        gradient = np.einsum("kn,n->k", design, positive - total * mean)
        curvature = np.einsum("kn,ln->kl", design * (total * variance), design)
        try:
            step = np.linalg.solve(curvature, gradient)
        except np.linalg.LinAlgError:
            return None
        if gradient @ step <= PRECISION * total.sum():
            return coefficients + step
        for _ in range(MOST_HALVINGS):
            found, mean, variance = evaluate(coefficients + step)
            if found < loss:
                break
            step = step / 2
        else:
            return None
        coefficients, loss = coefficients + step, found
    return None


def _evaluate(
    eta: np.ndarray, positive: np.ndarray, total: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Returns the loss, and each group's probability and variance, at linear predictors."""
    small = np.exp(-np.abs(eta))
    softplus = np.maximum(eta, 0) + np.log1p(small)
    mean = np.where(eta < 0, small, 1) / (1 + small)
    return dot(total, softplus) - dot(positive, eta), mean, small / (1 + small) ** 2
