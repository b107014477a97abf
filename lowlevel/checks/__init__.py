"""The checks: of the gradient of any function, and of a likelihood's formulas in both modes."""

from lowlevel.checks.gradient import check
from lowlevel.checks.verdicts import Finding

__all__ = ["Finding", "check"]
