"""The ranges of settings: what each may be, in words, and in its own type."""

import math
import numbers
import operator
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol


class Range(Protocol):
    """What a setting may be."""

    @property
    def words(self) -> str:
        """The range in words, after "expected"."""

    def accept(self, value: Any) -> Any:
        """Returns a value in the setting's own type; raises TypeError or ValueError if unfit."""


class Choice(NamedTuple):
    """One of some names; None stands for "not chosen" where that is allowed."""

    names: Sequence[str]
    optional: bool = False

    @property
    def words(self) -> str:
        """The range in words."""
        return f"one of {', '.join(self.names)}"

    def accept(self, value: Any) -> str | None:
        """Returns the name."""
        if value is None and self.optional:
            return None
        if not isinstance(value, str) or value not in self.names:
            raise ValueError
        return str(value)


class Whole(NamedTuple):
    """A whole number, NumPy's included; None stands for "not chosen" where that is allowed."""

    at_least: int
    at_most: int | None = None
    optional: bool = False

    @property
    def words(self) -> str:
        """The range in words."""
        upwards = f"a whole number of at least {self.at_least}"
        return upwards if self.at_most is None else f"{upwards} and at most {self.at_most}"

    def accept(self, value: Any) -> int | None:
        """Returns the number."""
        if value is None and self.optional:
            return None
        return whole(value, self.at_least, self.at_most)


def whole(value: Any, at_least: int, at_most: int | None = None) -> int:
    """Returns a whole number; raises TypeError or ValueError for anything else, or outside."""
    number = operator.index(value)
    above = at_most is not None and number > at_most
    if isinstance(value, bool) or number < at_least or above:
        raise ValueError
    return number


class Wholes(NamedTuple):
    """Whole numbers, any number of them; one alone stands for itself."""

    at_least: int

    @property
    def words(self) -> str:
        """The range in words."""
        return f"whole numbers of at least {self.at_least}"

    def accept(self, value: Any) -> tuple[int, ...]:
        """Returns the numbers."""
        if isinstance(value, str):
            raise TypeError
        values = value if isinstance(value, Iterable) else [value]
        return tuple(whole(one, self.at_least) for one in values)


class Number(NamedTuple):
    """A finite number of at least 0, or above it."""

    above_zero: bool

    @property
    def words(self) -> str:
        """The range in words."""
        return "a positive number" if self.above_zero else "a number of at least 0"

    def accept(self, value: Any) -> float:
        """Returns the number."""
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError
        number = float(value)
        if not (number > 0 if self.above_zero else number >= 0) or not number < math.inf:
            raise ValueError
        return number


class Switch(NamedTuple):
    """True or False, and nothing that Python would take for one of them."""

    words: str = "True or False"

    def accept(self, value: Any) -> bool:
        """Returns it as Python's."""
        # NumPy's own kind says what it is without an import of NumPy.
        if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):
            raise TypeError
        return bool(value)


class Named(NamedTuple):
    """Something by name, or the thing itself: whoever uses it looks at it."""

    words: str

    def accept(self, value: Any) -> Any:
        """Returns it."""
        return value


class Text(NamedTuple):
    """A text, perhaps empty."""

    words: str

    def accept(self, value: Any) -> str:
        """Returns the text."""
        if not isinstance(value, str):
            raise TypeError
        return value


class Texts(NamedTuple):
    """Texts, any number of them."""

    words: str

    def accept(self, value: Any) -> tuple[str, ...]:
        """Returns the texts."""
        if isinstance(value, str) or not all(isinstance(text, str) for text in value):
            raise TypeError
        return tuple(value)


class Share(NamedTuple):
    """A number of at least 0 and below 1."""

    words: str = "a share of at least 0 and below 1"

    def accept(self, value: Any) -> float:
        """Returns the number."""
        number = Number(above_zero=False).accept(value)
        if number >= 1:
            raise ValueError
        return number


class Bytes(NamedTuple):
    """A size in bytes, as a number or as text with a unit; 0 for nothing."""

    words: str = "a size such as 512MB or 2GiB"

    def accept(self, value: Any) -> int:
        """Returns the number of bytes."""
        if not isinstance(value, str):
            return whole(value, at_least=1)
        if not value:
            return 0
        found = re.fullmatch(r"(\d+(?:\.\d+)?) *([KMGT]?)(i?)B?", value, re.IGNORECASE)
        if not found:
            raise ValueError
        number, unit, binary = found.groups()
        power = "KMGT".find(unit.upper()) + 1 if unit else 0
        return whole(int(float(number) * (1024 if binary else 1000) ** power), at_least=1)


class Interval(NamedTuple):
    """A number of epochs, or of seconds with an s after it, as text; or nothing."""

    words: str = "a number of epochs, or of seconds as in 30s"

    def accept(self, value: Any) -> str:
        """Returns the text."""
        if not isinstance(value, str):
            raise TypeError
        if value.endswith("s"):
            Number(above_zero=True).accept(float(value[:-1]))
        elif value:
            Whole(at_least=1).accept(int(value))
        return value


class NumberOr(NamedTuple):
    """A positive number as text, some words, or nothing."""

    names: Sequence[str]

    @property
    def words(self) -> str:
        """The range in words."""
        return f"{', '.join(self.names)} or a positive number"

    def accept(self, value: Any) -> str:
        """Returns the text."""
        if not isinstance(value, str):
            raise TypeError
        if value in ("", *self.names):
            return value
        Number(above_zero=True).accept(float(value))
        return value


class Numbers(NamedTuple):
    """So many positive numbers, or none."""

    how_many: int
    words: str

    def accept(self, value: Any) -> tuple[float, ...]:
        """Returns the numbers."""
        found = tuple(Number(above_zero=True).accept(number) for number in value)
        if len(found) not in (0, self.how_many):
            raise ValueError
        return found
