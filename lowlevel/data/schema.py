"""The schema: what each column of a user's table becomes, learnt from the training rows alone.

Numbers stay as they are. A column of text becomes an indicator, 1 or 0, of each of its levels in
sorted order but the first, the reference, whose rows have 0 in all of them; so have levels that are
not known. Booleans are numbers, 1 and 0. Everything is counted in float64, a block of rows at a
time, in an order that is the table's.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lowlevel.data.columns import (
    BLOCK_ROWS,
    NO_TEXT,
    NUMBER,
    TEXT,
    Source,
    blocks,
    count_missing,
    kind_of,
    numbers,
    texts,
)
from lowlevel.data.labels import distinct
from lowlevel.data.merging import Moments
from lowlevel.errors import shortened

if TYPE_CHECKING:
    import pyarrow as pa

# More levels than that are those of an identifier.
MOST_LEVELS = 1000


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
    """

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    fill: float | None = None
    indicates: bool = False
    center: float = 0.0

    @property
    def features(self) -> list[str]:
        """The names of the features that it becomes."""
        if self.kind == TEXT:
            return [f"{self.name}={level or '(missing)'}" for level in self.levels[1:]]
        return [self.name, *([f"{self.name} is missing"] if self.indicates else [])]

    @property
    def words(self) -> str:
        """What it becomes, in words."""
        if self.kind == TEXT:
            known = ", ".join(level or "(missing)" for level in self.levels)
            return (
                f"1 or 0 for each of its {len(self.levels)} levels but the first, which is the "
                f"reference ({shortened(known, 200)}); 0 in all for a level that is not known"
            )
        filled = "refused where missing"
        if self.fill is not None:
            filled = f"{self.fill!r} where missing, the mean"
        marked = ", and 1 in a further column" if self.indicates else ""
        return f"a number, {filled}{marked}; {self.center!r} is taken away first"


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

    Raises:
        ValueError: a column cannot be used; one line names all that are alike, and the remedy.
    """
    hidden = {label, weight, *drop}
    names = [name for name in table.column_names if name not in hidden]
    if not names:
        raise ValueError("train: expected columns beside label, weight and drop, got none")
    kinds = {name: kind_of(table, name) for name in names}
    _refuse(
        {name: kind for name, kind in kinds.items() if kind not in (NUMBER, TEXT)},
        "are {} and cannot be used",
    )
    _refuse_missing(table, names, missing)
    made = [
        _number(table, name, missing, center) if kinds[name] == NUMBER else _text(table, name)
        for name in names
    ]
    _refuse({c.name: "" for c in made if c.kind == TEXT and len(c.levels) < 2}, "are constant")
    values = () if positive is None else tuple(distinct(table, label))
    return Schema(tuple(made), label, positive, weight, missing, values)


def _refuse(columns: Mapping[str, str], words: str) -> None:
    """Raises ValueError for columns that cannot be used, with the flag that leaves them out."""
    if not columns:
        return
    named = ", ".join(columns)
    kinds = ", ".join(dict.fromkeys(columns.values()))
    text = words.format(kinds) if kinds else words
    raise ValueError(
        f"train: {shortened(named, 200)} {text}: turn them into numbers or text, or leave them "
        f"out with --drop={shortened(','.join(columns), 200)}"
    )


def _refuse_missing(table: "pa.Table | Source", names: Sequence[str], missing: str) -> None:
    """Raises ValueError for missing values, where they are not to be filled."""
    if missing != "refuse":
        return
    counts = {name: count_missing(table, name) for name in names}
    found = [f"{count} in {name}" for name, count in counts.items() if count]
    if found:
        raise ValueError(
            f"train: missing values, {shortened(', '.join(found), 300)}: fill them, leave those "
            "columns out with --drop, or say --missing=mean or --missing=indicator"
        )


def _number(table: "pa.Table | Source", name: str, missing: str, center: bool) -> Column:
    """Returns what a column of numbers becomes."""
    total, absent, pivot = Moments(), 0, 0.0
    for first, block in enumerate(blocks(table, [name])):
        values = numbers(block, name)
        there = values[~np.isnan(values)]
        absent += len(values) - len(there)
        if not np.isfinite(there).all():
            row = first * BLOCK_ROWS + int(np.argmax(np.isinf(values)))
            raise ValueError(f"train: expected finite numbers, got infinity in {name}, row {row}")
        pivot = float(there[0]) if there.size and not total.count else pivot
        total = total.merged(Moments.of(there, pivot))
    if not total.count:
        _refuse({name: ""}, "are missing in every row")
    if total.squares == 0 and not (absent and missing == "indicator"):
        _refuse({name: ""}, "are constant")
    mean = pivot + total.mean
    fill = mean if missing != "refuse" else None
    indicates = missing == "indicator" and absent > 0
    return Column(name, NUMBER, (), fill, indicates, mean if center else 0.0)


def _text(table: "pa.Table | Source", name: str) -> Column:
    """Returns what a column of text becomes."""
    counted: Counter[str] = Counter()
    for block in blocks(table, [name]):
        found, counts = np.unique(texts(block, name).astype(str), return_counts=True)
        counted.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
    levels = len(counted)
    if levels > MOST_LEVELS or (levels == table.num_rows and levels > 2):
        few = [level for level in counted if not _is_number(level) and level != NO_TEXT]
        if 0 < len(few) < levels / 10:
            raise ValueError(
                f"train: {name} is text where most are numbers, {few[0]!r} for one: mend it, or "
                f"leave the column out with --drop={name}"
            )
        raise ValueError(
            f"train: {name} has {levels} levels in {table.num_rows} rows, as an identifier has: "
            f"leave it out with --drop={name}"
        )
    return Column(name, TEXT, tuple(sorted(counted)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
