"""The checks: of the gradient of any function, and of a likelihood's formulas in both modes."""

from lowlevel.checks.gradient import UndecidedWarning, assert_gradient, check
from lowlevel.checks.objectives import assert_objective, check_objective
from lowlevel.checks.verdicts import Finding

__all__ = [
    "Finding",
    "UndecidedWarning",
    "assert_gradient",
    "assert_objective",
    "check",
    "check_objective",
]
