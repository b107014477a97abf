"""Columns of text: their levels, and those that are numbers or dates written as no reader knows."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lowlevel.data.columns import NO_TEXT, Source, blocks, distinct_texts, texts, without
from lowlevel.data.number_columns import Missing

if TYPE_CHECKING:
    import pyarrow as pa

# More levels than that are those of an identifier.
MOST_LEVELS = 1000
# Of a column's levels, the share that may be something else than the rest.
FEW = 0.1
_PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
# With a sign of money, groups of three digits, a comma for the point, or a percent sign.
_GROUPED = r"\d{1,3}([ ',.\u00a0\u2009\u202f]\d{3})+"
_LIKE_NUMBERS = re.compile(rf"(?=.*\d)[-+]?\s?[$€£¥]?\s?({_GROUPED}|\d+)?([.,]\d+)?\s?[%‰$€£¥]?")
_DATE = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})"
_LIKE_DATES = re.compile(rf"({_DATE})([ T]\d{{1,2}}:\d{{2}}.*)?")


class Texts(NamedTuple):
    """What a column of text holds.

    Attributes:
        levels: sorted; a missing one is `NO_TEXT`.
        absent: how many are missing.
        places: which, in a digest; none where none are.
    """

    levels: tuple[str, ...]
    absent: int
    places: bytes

    @property
    def empty(self) -> bool:
        """Whether all are missing."""
        return self.levels == (NO_TEXT,)

    @property
    def constant(self) -> bool:
        """Whether all are the same."""
        return len(self.levels) < 2


def look_at(table: "pa.Table | Source", name: str) -> Texts:
    """Returns what a column of text holds.

    Raises:
        ValueError: its levels are an identifier's, or numbers or dates that were not read as such.
    """
    found: set[str] = set()
    missing = Missing()
    for block in blocks(table, [name]):
        found.update(distinct_texts(block, name))
        missing.add(texts(block, name) == NO_TEXT)
        if len(found) > MOST_LEVELS:
            break
    levels = sorted(found)
    _check_are_text(name, [level for level in levels if level != NO_TEXT])
    if len(found) > MOST_LEVELS or (len(found) == table.num_rows and len(found) > 2):
        count = f"over {MOST_LEVELS}" if len(found) > MOST_LEVELS else str(len(found))
        raise ValueError(
            f"train: {name} has {count} levels in {table.num_rows} rows, as an identifier has: "
            f"leave it out with {without([name])}"
        )
    return Texts(tuple(levels), missing.count, missing.places)


def _check_are_text(name: str, levels: Sequence[str]) -> None:
    """Raises ValueError where nearly all levels are numbers or dates, to whoever reads them."""
    plain = [level for level in levels if _PLAIN.fullmatch(level)]
    alike = [level for level in levels if level not in plain and _LIKE_NUMBERS.fullmatch(level)]
    dates = [level for level in levels if _LIKE_DATES.fullmatch(level)]
    other = [level for level in levels if level not in plain and level not in alike]
    few = FEW * len(levels)
    if alike and len(other) < few:
        raise ValueError(
            f"train: {name} is of numbers that are not written as such, {alike[0]!r} for one: "
            f"write digits with a point alone, as 1234.5, or leave it out with {without([name])}"
        )
    if plain and 0 < len(other) < few:
        raise ValueError(
            f"train: {name} is text where most are numbers, {other[0]!r} for one: mend it, or "
            f"leave it out with {without([name])}"
        )
    if dates and len(levels) - len(dates) < few:
        raise ValueError(
            f"train: {name} is of dates or times, {dates[0]!r} for one: turn them into numbers, "
            f"or leave it out with {without([name])}"
        )
