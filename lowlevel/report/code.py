"""The code of two classes, side by side: what ran in both ways, with the lines that differ."""

import difflib
import inspect
import textwrap
from collections.abc import Iterator
from typing import NamedTuple


class Method(NamedTuple):
    """A method of a class.

    Attributes:
        place: where it is: the module, as it is imported, and the line.
        lines: its source as it is in the file, but for the class's own indentation.
    """

    place: str
    lines: list[str]


class Hunk(NamedTuple):
    """Some lines of each, next to one another.

    Attributes:
        same: whether they are the same.
        first: the line that they begin at, counted from 0, and one after the last; in the first.
        second: likewise in the second.
    """

    same: bool
    first: tuple[int, int]
    second: tuple[int, int]


def method(cls: type, name: str) -> Method:
    """Returns a method's source, of the class that it is inherited from."""
    function = inspect.unwrap(getattr(cls, name))
    text, line = inspect.getsource(function), inspect.getsourcelines(function)[1]
    place = f"{function.__module__}.{function.__qualname__}, line {line}"
    return Method(place, textwrap.dedent(text).splitlines())


def aligned(first: list[str], second: list[str]) -> Iterator[Hunk]:
    """Yields all the lines of two texts, in order: those that are the same and those that differ.

    Args:
        first: lines.
        second: lines.
    """
    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        yield Hunk(kind == "equal", (start, end), (other_start, other_end))
