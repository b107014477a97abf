"""Event files: those of another run are removed, what is not ours stays."""

import pathlib

import pytest

from lowlevel.storage import event_files
from lowlevel.storage.run_folder import check_folder

EVENTS = "events.out.tfevents.1.host.1.0.v2"


def write(path: pathlib.Path, text: str) -> None:
    """Writes a file, and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_run_that_begins_anew_removes_the_events_of_another_and_nothing_else(
    tmp_path: pathlib.Path,
) -> None:
    folder = tmp_path / "run.tensorboard"
    write(folder / EVENTS, "another's")
    write(folder / "notes.txt", "mine")
    assert event_files.begin(str(tmp_path / "run"), "", anew=True) == folder
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    write(folder / EVENTS, "its own")
    event_files.remove(str(tmp_path / "run"))
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_run_that_goes_on_keeps_its_events_or_takes_those_of_the_finished_one(
    tmp_path: pathlib.Path,
) -> None:
    folder, finished = tmp_path / "run.tensorboard", tmp_path / "run" / "tensorboard"
    write(finished / EVENTS, "to epoch 5")
    event_files.begin(str(tmp_path / "run"), "", anew=False)
    assert (folder / EVENTS).read_text() == "to epoch 5"
    write(folder / EVENTS, "to epoch 7")
    event_files.begin(str(tmp_path / "run"), "", anew=False)
    assert (folder / EVENTS).read_text() == "to epoch 7"
    assert (finished / EVENTS).read_text() == "to epoch 5"


def test_a_place_that_cannot_be_written_is_refused_in_one_line(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "run.tensorboard", "a file")
    with pytest.raises(ValueError, match=r"^tensorboard: cannot write into .*run.tensorboard \("):
        event_files.begin(str(tmp_path / "run"), "", anew=True)


@pytest.mark.parametrize("name", ["tensorboard/notes.txt", EVENTS, f"tensorboard/deep/{EVENTS}"])
def test_only_event_files_in_their_place_may_be_replaced_with_a_run(
    name: str, tmp_path: pathlib.Path
) -> None:
    write(tmp_path / "run" / "tensorboard" / EVENTS, "")
    check_folder(str(tmp_path / "run"), overwrite=True)
    write(tmp_path / "run" / name, "")
    with pytest.raises(ValueError, match="expected a new or empty folder"):
        check_folder(str(tmp_path / "run"), overwrite=True)
