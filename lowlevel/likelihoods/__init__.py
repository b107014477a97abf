"""The likelihoods that ship. To add one: a class in a file of its own, and its line below."""

from importlib import import_module

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

# Each class by its likelihood's name, which is also that of its file.
CLASSES = {
    "logit": "Logit",
    "probit": "Probit",
    "cloglog": "ComplementaryLogLog",
}

LIKELIHOODS: dict[str, Likelihood] = {
    name: getattr(import_module(f"{__name__}.{name}"), kind)() for name, kind in CLASSES.items()
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
