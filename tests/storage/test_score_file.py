"""A file of scores: whole or not at all, and in nobody's way."""

import pathlib

import numpy as np
import pytest
from pyarrow import csv, parquet

from lowlevel.storage import score_file

SCORES = np.array([0.1, 1 / 3, 1e-30], np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("suffix", "read"), [("csv", csv.read_csv), ("parquet", parquet.read_table)]
)
def test_every_digit_is_kept_in_the_order_they_came(
    suffix: str, read: object, dtype: type, tmp_path: pathlib.Path
) -> None:
    path, scores = tmp_path / f"scores.{suffix}", np.array([0.1, 1 / 3, 1e-30], dtype)
    with score_file.opened(str(path)) as write:
        write(scores[:2])
        write(scores[2:])
    found = read(path)["score"].to_numpy().astype(dtype)  # type: ignore[operator]
    np.testing.assert_array_equal(found, scores)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
@pytest.mark.parametrize("rows", [0, 2])
def test_an_interruption_keeps_the_former_file(
    name: str, rows: int, tmp_path: pathlib.Path
) -> None:
    (tmp_path / name).write_text("former")
    with pytest.raises(KeyboardInterrupt), score_file.opened(str(tmp_path / name)) as write:
        if rows:
            write(SCORES[:rows])
        raise KeyboardInterrupt
    assert (tmp_path / name).read_text() == "former"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_has_the_permissions_of_any_other(tmp_path: pathlib.Path) -> None:
    (tmp_path / "other").touch()
    with score_file.opened(str(tmp_path / "scores.csv")) as write:
        write(SCORES)
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_checking_leaves_nothing_behind(tmp_path: pathlib.Path) -> None:
    score_file.check(str(tmp_path / "scores.csv"), overwrite=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("scores", r"ends in \.csv or \.parquet"),
        ("there.csv", "which is there: name another, or replace it with --overwrite"),
        ("folder.csv", "a folder is in its place"),
        ("no/scores.csv", "No such file or directory"),
        ("~nobody_of_this_name/scores.csv", "home directory"),
    ],
)
def test_a_file_that_will_not_do_gets_one_clear_line(
    name: str, wanted: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").touch()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match=rf"^output: .*{wanted}") as caught:
        score_file.check(name, overwrite=False)
    assert "\n" not in str(caught.value)
