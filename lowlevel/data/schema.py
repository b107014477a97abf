"""The schema: what each column of a user's table becomes, learnt from the training rows alone.

Numbers stay as they are. A column of text becomes an indicator, 1 or 0, of each of its levels in
sorted order but the first, the reference, whose rows have 0 in all of them; so have levels that are
not known. Booleans are numbers, 1 and 0. Everything is counted in float64, a block of rows at a
time, in an order that is the table's.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lowlevel.data import number_columns, text_columns
from lowlevel.data.columns import NO_TEXT, NUMBER, TEXT, Source, kind_of, listed, without
from lowlevel.data.labels import distinct
from lowlevel.data.number_columns import Numbers
from lowlevel.data.settings import INDICATOR, REFUSE
from lowlevel.data.text_columns import Texts
from lowlevel.errors import shortened

if TYPE_CHECKING:
    import pyarrow as pa

Found = Numbers | Texts
# What looks at a column of a kind.
LOOKED_AT: dict[str, Callable[["pa.Table", str], Found]] = {
    NUMBER: number_columns.look_at,
    TEXT: text_columns.look_at,
}


@dataclasses.dataclass(frozen=True)
class Column:
    """One column, and what it becomes.

    Attributes:
        name: in the table.
        kind: "number" or "text".
        levels: of text, sorted; the first is the reference.
        fill: what a missing number becomes, the mean; None where there is none to be.
        indicates: whether a further column says which numbers were missing.
        center: what is taken away from a number before it is rounded to the model's dtype.
        missing_with: another column, missing in the same rows, that says so for both: to say it
            twice would make features that follow from one another. Empty for none.
    """

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    fill: float | None = None
    indicates: bool = False
    center: float = 0.0
    missing_with: str = ""

    @property
    def indicated(self) -> tuple[str, ...]:
        """The levels of text that have an indicator."""
        # A missing value is the first of them, and the reference.
        return self.levels[2:] if self.missing_with else self.levels[1:]

    @property
    def says(self) -> bool:
        """Whether its features say where it is missing."""
        return self.indicates or (NO_TEXT in self.levels and not self.missing_with)

    @property
    def features(self) -> list[str]:
        """The names of the features that it becomes."""
        if self.kind == TEXT:
            names = [f"{self.name}={level}" for level in self.indicated]
        else:
            names = [self.name, *([f"{self.name} is missing"] if self.indicates else [])]
        # A cell may have several lines, a name has one.
        return [" ".join(name.splitlines()) for name in names]

    @property
    def words(self) -> str:
        """What it becomes, in words."""
        if self.kind == TEXT:
            levels = [level or "(missing)" for level in self.levels]
            kept = len(levels) - len(self.indicated)
            first = "the first, which is" if kept == 1 else f"the first {kept}, which are"
            return (
                f"1 or 0 for each of its {len(levels)} levels but {first} the reference "
                f"({shortened(', '.join(levels), 200)}); 0 in all for a level that is not known"
                f"{self._elsewhere}"
            )
        filled = "refused where missing"
        if self.fill is not None:
            filled = f"{self.fill!r} where missing, the mean"
        marked = ", and 1 in a further column" if self.indicates else ""
        return f"a number, {filled}{marked}; {self.center!r} is taken away first{self._elsewhere}"

    @property
    def _elsewhere(self) -> str:
        """What else says where it is missing, in words."""
        same = self.missing_with
        return f"; missing in the same rows as {same}, which says so" if same else ""


@dataclasses.dataclass(frozen=True)
class Schema:
    """What a table's columns become.

    Attributes:
        columns: those that the model sees, in the table's order.
        label: the column of the label.
        positive: the value of the label that counts as 1; None where it is a number as it is.
        weight: the column of the sample weights; empty for none.
        missing: what becomes of missing values, as `learn` has it.
        label_values: those of the label, where one of them is the positive one.
    """

    columns: tuple[Column, ...]
    label: str
    positive: str | None = None
    weight: str = ""
    missing: str = "refuse"
    label_values: tuple[str, ...] = ()

    @property
    def features(self) -> list[str]:
        """The names of all features, in order."""
        return [name for column in self.columns for name in column.features]

    @property
    def needed(self) -> list[str]:
        """The columns that training takes, label and weight among them."""
        return [
            *(column.name for column in self.columns),
            self.label,
            *([self.weight] if self.weight else []),
        ]

    def to_json(self) -> str:
        """Returns the schema as JSON, with what it does in words."""
        columns = [{**dataclasses.asdict(c), "words": c.words} for c in self.columns]
        return json.dumps({**dataclasses.asdict(self), "columns": columns}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """Returns the schema that `to_json` wrote; raises ValueError if it is none."""
        try:
            given = json.loads(text)
            columns = [{k: v for k, v in c.items() if k != "words"} for c in given.pop("columns")]
            made = [Column(**{**c, "levels": tuple(c["levels"])}) for c in columns]
            values = tuple(given.pop("label_values", ()))
            return cls(columns=tuple(made), label_values=values, **given)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"Expected a schema as JSON, got something else: {error}") from error


def learn(
    table: "pa.Table | Source",
    *,
    label: str,
    positive: str | None = None,
    weight: str = "",
    drop: Sequence[str] = (),
    missing: str = "refuse",
    center: bool = False,
    dtype: str = "float64",
) -> Schema:
    """Returns the schema of the training rows.

    Args:
        table: the rows.
        label: the column of the label.
        positive: its value that counts as 1.
        weight: the column of the sample weights, or "".
        drop: columns that the model is not to see.
        missing: "refuse", "mean" to fill numbers with their mean, or "indicator" to say where
            that was done as well. A missing text is a level of its own in the last two.
        center: whether numbers are moved to mean 0, so that float32 holds what differs in them.
        dtype: of the model.

    Raises:
        ValueError: a column cannot be used; one line names all that are alike, and the remedy.
    """
    hidden = {label, weight, *drop}
    names = [name for name in table.column_names if name not in hidden]
    if not names:
        raise ValueError("train: expected columns beside label, weight and drop, got none")
    kinds = {name: kind_of(table, name) for name in names}
    other = [name for name in names if kinds[name] not in LOOKED_AT]
    words = ", ".join(dict.fromkeys(kinds[name] for name in other))
    _refuse(other, f"are {words} and cannot be used: turn them into numbers or text, or ")
    found = {name: LOOKED_AT[kinds[name]](table, name) for name in names}
    _refuse_missing(found, missing)
    _refuse_useless(found, missing, narrow=dtype == "float32" and not center)
    made: list[Column] = []
    # Columns that say which rows' values they lack, by these rows.
    saying: dict[bytes, str] = {}
    for name, column in found.items():
        made.append(_column(name, column, missing, center, saying.get(column.places, "")))
        if made[-1].says:
            saying.setdefault(column.places, name)
    values = () if positive is None else tuple(distinct(table, label))
    schema = Schema(tuple(made), label, positive, weight, missing, values)
    twice = [name for name, count in Counter(schema.features).items() if count > 1]
    if twice:
        raise ValueError(
            f"train: expected features of different names, got {twice[0]} of two columns: rename "
            "one of them"
        )
    return schema


def _column(name: str, found: Found, missing: str, center: bool, elsewhere: str) -> Column:
    """Returns what a column becomes, where another may say which rows' values it lacks."""
    if isinstance(found, Texts):
        return Column(name, TEXT, found.levels, missing_with=elsewhere)
    fill = found.mean if missing != REFUSE else None
    asked = missing == INDICATOR and found.absent > 0
    return Column(
        name,
        NUMBER,
        fill=fill,
        indicates=asked and not elsewhere,
        center=found.mean if center else 0.0,
        missing_with=elsewhere if asked else "",
    )


def _refuse(names: Sequence[str], words: str) -> None:
    """Raises ValueError for columns that cannot be used, with the flag that leaves them out."""
    if names:
        raise ValueError(f"train: {listed(names)} {words}leave them out with {without(names)}")


def _refuse_missing(found: Mapping[str, Found], missing: str) -> None:
    """Raises ValueError for missing values, where they are not to be filled."""
    counts = {name: column.absent for name, column in found.items() if column.absent}
    if counts and missing == REFUSE:
        shown = listed([f"{count} in {name}" for name, count in counts.items()])
        raise ValueError(
            f"train: missing values, {shown}: fill them, say --missing=mean or "
            f"--missing=indicator, or leave those columns out with {without(counts)}"
        )


def _refuse_useless(found: Mapping[str, Found], missing: str, narrow: bool) -> None:
    """Raises ValueError for columns that say nothing, or would say nothing once rounded."""
    _refuse([name for name, column in found.items() if column.empty], "are missing in every row: ")
    constant = [
        name
        for name, column in found.items()
        if column.constant and not (column.absent and missing == INDICATOR)
    ]
    _refuse(constant, "are constant: ")
    rounded = [n for n, c in found.items() if narrow and isinstance(c, Numbers) and c.rounded]
    _refuse(
        rounded,
        "differ by less than float32 can hold: set --standardize or --dtype=float64, or ",
    )
