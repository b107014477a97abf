"""Options of a check: what each may be, in one line where it is something else."""

import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lowlevel.checks.executions import EXECUTIONS
from lowlevel.checks.subject import Arguments


@dataclasses.dataclass(frozen=True)
class Options:
    """What `check` is asked for, by its own names; raises ValueError for what means nothing."""

    order: int
    ends: Sequence[Arguments] | None
    surrogate: Callable[..., Any] | None
    tolerance: float | None
    executions: Sequence[str]
    elsewhere: bool
    exhaustive_below: int
    seed: int

    def __post_init__(self) -> None:
        """Looks at each."""
        require("order", is_whole(self.order) and self.order in (1, 2), "1 or 2", self.order)
        right = self.ends is None or (_is_list(self.ends) and all(map(are_arguments, self.ends)))
        require("ends", right, "a list of lists or dicts of arguments", self.ends)
        right = self.surrogate is None or callable(self.surrogate)
        require("surrogate", right, "a function", self.surrogate)
        right = self.tolerance is None or _is_number(self.tolerance)
        right = right and (self.tolerance is None or 0 < self.tolerance < math.inf)
        require("tolerance", right, "a number above 0", self.tolerance)
        right = _is_list(self.executions) and all(name in EXECUTIONS for name in self.executions)
        known = 'a list of "eager" and any of "graph" and "xla"'
        require("executions", right and "eager" in self.executions, known, self.executions)
        right = isinstance(self.elsewhere, bool)
        require("elsewhere", right, "True or False", self.elsewhere)
        for name in ("exhaustive_below", "seed"):
            given = getattr(self, name)
            require(name, is_whole(given) and given >= 0, "a whole number from 0 on", given)


def require(name: str, right: bool, expected: str, given: Any) -> None:
    """Raises ValueError if something is not what it has to be."""
    if not right:
        shown = " ".join(repr(given).split())
        raise ValueError(f"{name}: expected {expected}, got {shown:.100}")


def are_arguments(given: Any) -> bool:
    """Whether something is what a function can be called with: a list, or a dict by keyword."""
    return _is_list(given) or isinstance(given, Mapping)


def is_whole(given: Any) -> bool:
    """Whether something is a whole number, and no truth value."""
    return isinstance(given, numbers.Integral) and not isinstance(given, bool)


def _is_number(given: Any) -> bool:
    return isinstance(given, numbers.Real) and not isinstance(given, bool)


def _is_list(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)
