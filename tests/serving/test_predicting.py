"""From a run's folder to scores: the run's own, whatever the order of the columns."""

import csv
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet

import lowlevel
from tests import wings
from tests.serving import runs


@wings.both_modes
def test_the_scores_are_the_runs_own_to_the_bit(mode: str) -> None:
    kept = runs.kept(mode)
    held = kept.tables.raw
    shuffled = held.select(held.column_names[::-1]).add_column(1, "id", [range(held.num_rows)])
    found = lowlevel.load(kept.folder).predict(shuffled)
    np.testing.assert_array_equal(found.scores, runs.own_scores(kept), strict=True)
    assert (found.unknown, found.ignored) == ({}, ("id",))


def test_a_level_that_is_not_known_scores_as_the_reference_and_is_counted() -> None:
    found = lowlevel.load(runs.kept("module").folder).predict(runs.NEW)
    assert found.unknown == {"city": 1}
    # The last two rows differ in nothing but paris, which is not known, and bern, the reference.
    assert found.scores[1] == found.scores[2] != found.scores[0]


def test_a_missing_value_is_refused_as_in_training() -> None:
    predictor = lowlevel.load(runs.kept("module").folder)
    for name, missing in (("mean age", [30.0, None, 40.0]), ("city", ["oslo", None, "bern"])):
        with pytest.raises(ValueError, match=f"^input: missing values, 1 in {name}"):
            predictor.predict({**runs.NEW, name: missing})


def test_a_missing_number_is_filled_with_the_training_rows_mean(tmp_path: pathlib.Path) -> None:
    kept = runs.keep("module", tmp_path / "run", missing="mean", dtype="float64")
    column = kept.tables.encoder.schema.columns[0]
    predictor = lowlevel.load(kept.folder)
    with_gap, filled = (
        predictor.predict({**runs.NEW, "mean age": [30.0, value, 40.0]}).scores
        for value in (None, column.fill)
    )
    np.testing.assert_array_equal(with_gap, filled)
    assert predictor.predict({**runs.NEW, "city": ["oslo", None, "bern"]}).unknown == {"city": 1}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_of_files_is_one_table_in_their_order(kind: str, tmp_path: pathlib.Path) -> None:
    kept = runs.kept("module")
    held = kept.tables.raw
    for number, (first, rows) in enumerate([(0, 7), (7, 20), (27, 33)]):
        part = held.slice(first, rows)
        path = tmp_path / f"{number}.{kind}"
        if kind == "csv":
            arrow_csv.write_csv(part, path)
        else:
            parquet.write_table(part, path)
    found = lowlevel.load(kept.folder).predict(tmp_path)
    np.testing.assert_array_equal(found.scores, runs.own_scores(kept))


def test_rows_are_scored_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowlevel.data.columns.BLOCK_ROWS", 7)
    kept = runs.kept("module", dtype="float64")
    parts = list(lowlevel.load(kept.folder).stream(kept.tables.raw))
    assert [len(part.scores) for part in parts] == [7] * 8 + [4]
    scores = np.concatenate([part.scores for part in parts])
    np.testing.assert_allclose(scores, runs.own_scores(kept), rtol=1e-14)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"city": ["oslo"]}, "none called mean age, member, but city"),
        ({**runs.NEW, "city": [1, 2, 3]}, "expected city to be of texts, got number"),
        ({**runs.NEW, "mean age": [1.0, np.inf, 3.0]}, "a number in mean age, row 1, is too large"),
        (3, "expected a path, a pyarrow table"),
        ("nowhere.csv", "got nowhere.csv, where there is none"),
    ],
)
def test_rows_of_another_kind_get_one_clear_line(columns: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^input: .*{message}") as caught:
        lowlevel.load(runs.kept("module").folder).predict(columns)
    assert "\n" not in str(caught.value)


# The command.


@pytest.fixture
def new(tmp_path: pathlib.Path) -> str:
    """Rows to score as CSV, with a column that no model knows."""
    path = tmp_path / "new.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *runs.NEW])
        writer.writerows(zip("abc", *runs.NEW.values(), strict=True))
    return str(path)


def test_the_command_prints_scores_alone_and_the_rest_beside_them(
    new: str, main_in_process: Callable
) -> None:
    folder = runs.kept("module").folder
    ended = main_in_process("--mode=predict", f"--model={folder}", f"--input={new}")
    expected = lowlevel.load(folder).predict(runs.NEW).scores
    head, *lines = ended.stdout.splitlines()
    assert (ended.returncode, head) == (0, "score")
    np.testing.assert_array_equal([*map(np.float32, lines)], expected)
    assert ended.stderr.splitlines() == [
        "ignored, since the model does not know them: id",
        "1 rows have a level of city that is not known: taken for 0",
    ]


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_the_command_writes_a_file(
    name: str, new: str, main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    folder = runs.kept("keras").folder
    flags = ("--mode=predict", f"--model={folder}", f"--input={new}", f"--output={name}")
    ended = main_in_process(*flags)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == f"{name}: 3 scores"
    read = arrow_csv.read_csv if name.endswith("csv") else parquet.read_table
    table = read(tmp_path / name)
    assert table.column_names == ["score"]
    expected = lowlevel.load(folder).predict(runs.NEW).scores
    np.testing.assert_array_equal(table["score"].to_numpy().astype(np.float32), expected)
    again = main_in_process(*flags)
    assert again.returncode == 1 and "replace it with --overwrite" in again.stderr
    assert main_in_process(*flags, "--overwrite").returncode == 0


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ((), "--model: for --mode=predict: folder of the run"),
        (("--model=run",), "--input: for --mode=predict: a CSV or Parquet file"),
        (("--model=run", "--input=new.csv"), "got run, where there is none"),
        (("--model=.", "--input=new.csv"), "got ., which holds no manifest.json"),
        (
            ("--mode=module", "--input=new.csv"),
            "--input: expected with --mode=predict, got it with",
        ),
        (("--model=run", "--input=new.csv", "--output=new.csv"), "output: expected a new file"),
        (
            ("--model=run", "--input=new.csv", "--output=a.txt"),
            "ends in .csv or .parquet, got a.txt",
        ),
        (("--model=run", "--input=new.csv", "--output=no/a.csv"), "No such file or directory"),
    ],
)
def test_a_bad_flag_gets_one_clear_line(
    flags: tuple[str, ...], wanted: str, new: str, main_in_process: Callable
) -> None:
    ended = main_in_process("--mode=predict", *flags)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1
    assert wanted in ended.stderr


def test_rows_that_cannot_be_scored_leave_no_file(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "bad.csv").write_text("mean age,member,city\n30,true,oslo\nforty,true,oslo\n")
    flags = (f"--model={runs.kept('module').folder}", "--input=bad.csv", "--output=out.csv")
    ended = main_in_process("--mode=predict", *flags)
    assert ended.returncode == 1
    assert "expected numbers in mean age, got 'forty' in row 1" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]
