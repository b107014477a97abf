"""Bad tables and calls: each gives one line that names the place and says what to do."""

import pathlib
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from pyarrow import parquet

from lowlevel.config import Config
from lowlevel.data.settings import DataSettings
from lowlevel.experiment import tables
from lowlevel.likelihoods import LIKELIHOODS

GOOD = "a,b,label\n" + "".join(f"{i},{i * i % 7},{i % 2}\n" for i in range(20))
FLOATS = [i * 0.5 for i in range(20)]


class Bad(NamedTuple):
    """What is wrong with a table, or a call.

    Attributes:
        files: by name, as text, bytes or columns.
        words: that the message has.
        settings: of the data, beside the label.
        config: of the run.
    """

    files: dict[str, Any]
    words: str
    settings: dict[str, Any] = {}  # noqa: RUF012
    config: dict[str, Any] = {}  # noqa: RUF012


def columns(**more: Any) -> dict[str, Any]:
    """Columns of a good table, with others."""
    return {"a": FLOATS, "label": [i % 2 for i in range(20)], **more}


def csv(**more: Any) -> dict[str, str]:
    """A CSV file of columns."""
    given = columns(**more)
    rows = zip(*given.values(), strict=True)
    return {
        "t.csv": "\n".join([",".join(given), *(",".join(map(str, row)) for row in rows)]) + "\n"
    }


def replaced(name: str, row: int, value: Any) -> dict[str, str]:
    """A CSV file with one value changed."""
    values = list(columns()[name])
    values[row] = value
    return csv(**{name: values})


BAD: dict[str, Bad] = {
    "an empty file": Bad({"t.csv": ""}, "t.csv: it is empty"),
    "blank lines": Bad({"t.csv": "\n\n"}, "t.csv: it has no line of names"),
    "a quotation mark in the header": Bad(
        {"t.csv": GOOD.replace(",b", ',"b')}, "a quotation mark that is not closed"
    ),
    "a name of two lines": Bad({"t.csv": GOOD.replace(",b", ',"b\nc"')}, "a, b c", {"label": "y"}),
    "labels of two lines": Bad(csv(label=['"x\ny"', "z"] * 10), "has 2 values, x y, z"),
    "a header alone": Bad({"t.csv": "a,label\n"}, "expected rows, got a header alone"),
    "no such file": Bad({}, "where there is none"),
    "a folder without files": Bad({"t.csv/readme.txt": "x"}, "where there is none"),
    "another kind of file": Bad({"t.txt": GOOD}, "ends in .csv or .parquet", {"train": "t.txt"}),
    "ragged rows": Bad({"t.csv": "a,label\n1,0\n2,1,5\n"}, "Row #3: Expected 2 columns, got 3"),
    "latin-1": Bad({"t.csv": b"a,label,\xe9\n1,0,2\n"}, "t.csv"),
    "latin-1 in a value": Bad({"t.csv": b"a,b,label\n1,\xe9,0\n2,x,1\n"}, "no text in UTF-8"),
    "semicolons": Bad({"t.csv": GOOD.replace(",", ";")}, "separated by ';', as in a;b;label"),
    "semicolons and decimal commas": Bad(
        {"t.csv": "a;label\n1,5;0\n2,5;1\n"}, "separated by ';', as in a;label: save it with"
    ),
    "tabs": Bad({"t.csv": GOOD.replace(",", "\t")}, "separated by tabs"),
    "tabs by its name": Bad(
        {"t.tsv": GOOD.replace(",", "\t")}, "save it with commas", {"train": "t.tsv"}
    ),
    "UTF-16": Bad({"t.csv": GOOD.encode("utf-16")}, "it is in UTF-16 or no text at all"),
    "a column without a name": Bad(csv(**{"": FLOATS}), "none for column 3: name it"),
    "column names twice": Bad({"t.csv": "a,a,label\n1,2,0\n"}, "got a twice"),
    "a truncated Parquet file": Bad(
        {"t.parquet": b"PAR1abcdef"}, "cannot read", {"train": "t.parquet"}
    ),
    "no Parquet at all": Bad({"t.parquet": b"hello"}, "cannot read", {"train": "t.parquet"}),
    "files of other columns": Bad(
        {"d/a.csv": GOOD, "d/b.csv": "a,label\n1,0\n"}, "b.csv has no column b", {"train": "d"}
    ),
    "files with one more column": Bad(
        {"d/a.csv": "a,label\n1,0\n", "d/b.csv": GOOD},
        "b.csv has a column b as well",
        {"train": "d"},
    ),
    "files of other kinds": Bad(
        {"d/a.csv": "a,label\n1,0\n2,1\n", "d/b.csv": "a,label\nx,0\ny,1\n"},
        "column a is of text in",
        {"train": "d"},
    ),
    "a glob that finds nothing": Bad({}, "where there is none", {"train": "*.csv"}),
    "no label column": Bad({"t.csv": GOOD}, "there is no column y, but a, b", {"label": "y"}),
    "no weight column": Bad({"t.csv": GOOD}, "there is no column w", {"weight": "w"}),
    "no column to drop": Bad({"t.csv": GOOD}, "there is no column c", {"drop": ["c"]}),
    "no column left": Bad({"t.csv": GOOD}, "got none", {"drop": ["a", "b"]}),
    "one label value": Bad(csv(label=[1] * 20), "label is 1 in every row"),
    "three label values": Bad(csv(label=[*range(3), *[0] * 17]), "has 3 values, 0, 1, 2"),
    "two words for a label": Bad(csv(label=["no", "yes"] * 10), "say which one counts as 1"),
    "labels of 1 and 2": Bad(csv(label=[1, 2] * 10), "--positive=2"),
    "a positive value that is not there": Bad(
        csv(label=["no", "yes"] * 10), "expected a value of label", {"positive": "ja"}
    ),
    "a missing label": Bad(replaced("label", 3, ""), "label is missing in 1 rows"),
    "a missing number": Bad(replaced("a", 3, ""), "missing values, 1 in a"),
    "NaN": Bad(replaced("a", 3, "NaN"), "missing values, 1 in a"),
    "a missing text": Bad(csv(c=["x", "", "y", "x"] * 5), "5 in c"),
    "infinity": Bad(replaced("a", 3, "inf"), "got infinity in a, row 3"),
    "too large for float32": Bad(replaced("a", 3, "1e300"), "row 3, is too large for float32"),
    "text where numbers were": Bad(replaced("a", 3, "abc"), "a is text where most are numbers"),
    "a few words among numbers": Bad(
        csv(c=["unknown", *(i % 12 for i in range(19))]), "c is text where most are numbers"
    ),
    "decimal commas": Bad(csv(c=[f'"{i % 9},5"' for i in range(20)]), "c is of numbers that are"),
    "thousands": Bad(csv(c=[f'"{i % 9},234.5"' for i in range(20)]), "'0,234.5' for one: write"),
    "thousands by spaces": Bad(csv(c=[f"{i % 9} 234" for i in range(20)]), "'0 234' for one"),
    "percentages": Bad(csv(c=[f"{i % 9}%" for i in range(20)]), "'0%' for one: write digits"),
    "prices": Bad(csv(c=[f"$ {i % 9}" for i in range(20)]), "'$ 0' for one: write digits"),
    "dates as text": Bad(csv(c=[f"{i % 9 + 1}/12/2024" for i in range(20)]), "dates or times"),
    "numbers that float32 makes one": Bad(
        csv(c=[1700000000 + i % 3 for i in range(20)]), "c differ by less than float32 can hold"
    ),
    "whole numbers that float64 makes one": Bad(
        csv(c=[2**60 + i for i in range(20)]), "c has whole numbers beyond 2^53"
    ),
    "labels that float64 makes one": Bad(
        csv(label=[2**60, 2**60 + 1] * 10),
        "label has whole numbers beyond 2^53, which float64 cannot tell apart: write them as text",
        {"positive": str(2**60)},
    ),
    "features of one name": Bad(
        csv(c=["x", "y"] * 10, **{"c=y": FLOATS}), "different names, got c=y of two columns"
    ),
    "several constants": Bad(
        csv(c=[7] * 20, d=["x"] * 20, e=[0] * 20), "c, d, e are constant: leave them out with"
    ),
    "many constants": Bad(
        csv(**{f"constant number {i}": [7] * 20 for i in range(50)}),
        "constant number 5 and 44 more are constant: leave them out with '--drop=constant number 0,"
        + ",".join(f"constant number {i}" for i in range(1, 50))
        + "'",
    ),
    "a constant number": Bad(csv(c=[7] * 20), "c are constant"),
    "a constant text": Bad(csv(c=["x"] * 20), "c are constant"),
    "nothing in a column": Bad(csv(c=[""] * 20), "missing in every row"),
    "an identifier": Bad(csv(c=[f"n{i}" for i in range(20)]), "c has 20 levels in 20 rows"),
    "dates": Bad(csv(c=[f"2024-01-{i + 1:02}" for i in range(20)]), "c are dates or times"),
    "lists": Bad({"t.parquet": columns(c=[[1, 2]] * 20)}, "c are list<", {"train": "t.parquet"}),
    "a negative weight": Bad(csv(w=[-1, *[1] * 19]), "got -1.0 in row 0", {"weight": "w"}),
    "weights of 0": Bad(csv(w=[0] * 20), "got 0 in all", {"weight": "w"}),
    "a missing weight": Bad(csv(w=["", *[1] * 19]), "sample_weight", {"weight": "w"}),
    "a text for a weight": Bad(csv(w=["x", "y"] * 10), "weight", {"weight": "w"}),
    "a hold-out of one label": Bad(
        csv(label=[1, *[0] * 19]), "leaves 4 hold-out rows, of 1 label", {"holdout": 0.2}
    ),
    "a hold-out of no rows": Bad(csv(), "leaves 0 hold-out rows", {"holdout": 0.01}),
    "a test file without a column": Bad(
        {**csv(), "u.csv": "label\n1\n"}, "test: expected a column a", {"test": "u.csv"}
    ),
    "a test file of another kind": Bad(
        {**csv(), "u.csv": "a,label\nx,1\ny,0\n"},
        "test: expected a to be of numbers, got text",
        {"test": "u.csv"},
    ),
    "a test file with missing values": Bad(
        {**csv(), "u.csv": "a,label\n,1\n2,0\n"}, "test: missing values, 1 in a", {"test": "u.csv"}
    ),
    "labels that miss in a test file": Bad(
        {**csv(label=["no", "yes"] * 10), "u.csv": "a,label\n1,\n2,yes\n"},
        "test: label: label is missing in 1 rows",
        {"test": "u.csv", "positive": "yes"},
    ),
    "no label at all in a test file": Bad(
        {**csv(label=["no", "yes"] * 10), "u.csv": "a,label\n1,\n2,\n"},
        "test: label: label is missing in 2 rows",
        {"test": "u.csv", "positive": "yes"},
    ),
    "labels in other letters in a test file": Bad(
        {**csv(label=["no", "yes"] * 10), "u.csv": "a,label\n1,No\n2,Yes\n"},
        "that the training rows have, no, yes, got No, Yes",
        {"test": "u.csv", "positive": "yes"},
    ),
    "numeric labels that are not known": Bad(
        {**csv(label=[1, 2] * 10), "u.csv": "a,label\n1,1\n2,3\n"},
        "that the training rows have, 1, 2, got 3",
        {"test": "u.csv", "positive": "2"},
    ),
    "a rounded label of many digits": Bad(
        csv(label=[1000001, 1000002] * 10),
        "a value of label, 1000001, 1000002, got 1e+06",
        {"positive": "1e+06"},
    ),
    "a text that misses in a test file alone": Bad(
        {**csv(c=["x", "y"] * 10), "u.csv": "a,c,label\n1,,0\n2,y,1\n"},
        "test: missing values, 1 in c",
        {"test": "u.csv"},
    ),
    "an identifier of digits as text": Bad(
        {"t.parquet": columns(c=[f"{i:05}" for i in range(20)])},
        "c has 20 levels in 20 rows",
        {"train": "t.parquet"},
    ),
    "a test file without a label": Bad(
        {**csv(), "u.csv": "a\n1\n"}, "test: there is no column label", {"test": "u.csv"}
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_is_one_clear_line(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = BAD[name]
    monkeypatch.chdir(tmp_path)
    for path, content in bad.files.items():
        pathlib.Path(path).parent.mkdir(exist_ok=True)
        if isinstance(content, dict):
            parquet.write_table(pa.table(content), path)
        else:
            data = content if isinstance(content, bytes) else content.encode()
            pathlib.Path(path).write_bytes(data)
    settings = DataSettings(**{"train": "t.csv", "label": "label", **bad.settings})
    with pytest.raises(ValueError, match=r".") as raised:
        tables.load(settings, Config(**bad.config), LIKELIHOODS["logit"])
    message = str(raised.value)
    assert bad.words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train": "t.csv"}, "label: expected the column"),
        ({"label": "y"}, "label: expected with train or dataset"),
        ({"weight": "w"}, "weight: expected with train or dataset"),
        ({"test": "u.csv"}, "test: expected with train or dataset"),
        ({"train": "t.csv", "dataset": "d", "label": "y"}, "dataset: expected train or dataset"),
        (
            {"train": "t.csv", "label": "y", "holdout": 0.5, "test": "u.csv"},
            "test: expected holdout or test",
        ),
        (
            {"train": "t.csv", "label": "y", "weight": "y"},
            "weight: expected other columns than the label",
        ),
        (
            {"train": "t.csv", "label": "y", "drop": ["x", "y"]},
            "drop: expected other columns than the label",
        ),
        (
            {"train": "t.csv", "label": "y", "weight": "w", "drop": ["w"]},
            "drop: expected other columns than the weight",
        ),
        ({"holdout": 1.0}, "holdout: expected a share"),
        ({"holdout": -0.1}, "holdout: expected a share"),
        ({"missing": "drop"}, "missing: expected one of refuse, mean, indicator"),
        ({"class_weight": "heavy"}, "class_weight: expected balanced or a positive number"),
        ({"class_weight": "-1"}, "class_weight: expected balanced or a positive number"),
        ({"cost": (1.0,)}, "cost: expected two positive numbers"),
        ({"cost": (1.0, 0.0)}, "cost: expected two positive numbers"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}"):
        DataSettings(**settings)


def test_a_file_that_may_not_be_read_is_a_clear_line(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(GOOD)

    def forbidden(self: pathlib.Path, **given: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    # The tests may run as a user who may read anything.
    monkeypatch.setattr(pathlib.Path, "stat", forbidden)
    settings = DataSettings(train=str(path), label="label")
    with pytest.raises(ValueError, match="Permission denied"):
        tables.load(settings, Config(), LIKELIHOODS["logit"])
