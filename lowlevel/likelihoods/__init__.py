"""The likelihoods that ship. To add one: a class in a file of its own, and its line below."""

from lowlevel.likelihoods.base import Likelihood, check_labels, derivative_in_z, in_float64
from lowlevel.likelihoods.cloglog import ComplementaryLogLog
from lowlevel.likelihoods.differentiable import (
    differentiable_nll,
    differentiable_slope,
    weighted_nll,
    weighted_slope,
)
from lowlevel.likelihoods.logit import Logit
from lowlevel.likelihoods.probit import Probit

LIKELIHOODS: dict[str, Likelihood] = {
    "logit": Logit(),
    "probit": Probit(),
    "cloglog": ComplementaryLogLog(),
}

__all__ = [
    "LIKELIHOODS",
    "ComplementaryLogLog",
    "Likelihood",
    "Logit",
    "Probit",
    "check_labels",
    "derivative_in_z",
    "differentiable_nll",
    "differentiable_slope",
    "in_float64",
    "weighted_nll",
    "weighted_slope",
]
