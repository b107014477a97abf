"""TensorBoard's event files: next to a run's folder while it trains, to be looked at, then in it.

While a run trains they are in `RUN_FOLDER.tensorboard`, where they also stay if it fails; of two
runs that are compared, in a folder of each mode's name therein. A run that is interrupted and goes
on adds a file of its own.
"""

import contextlib
import pathlib
import shutil

from lowlevel.config import TRAINING_MODES
from lowlevel.storage.contents import EVENTS, TENSORBOARD, beside, path_of


def while_training(folder: str, name: str = "") -> pathlib.Path:
    """Returns where the event files of a run are while it trains.

    Args:
        folder: of the results; a leading ~ is the user's home.
        name: of the run's own folder within it; "" for the folder itself.
    """
    return beside(path_of(folder), TENSORBOARD) / name


def begin(folder: str, name: str, anew: bool) -> pathlib.Path:
    """Makes the folder that a run writes into while it trains.

    Args:
        folder: as above.
        name: as above.
        anew: whether the run begins with its first epoch: files that are there are of another, and
            removed. Where it goes on from a finished run, that one's are copied.

    Raises:
        ValueError: it cannot be made or written.
    """
    path = while_training(folder, name)
    try:
        path.mkdir(parents=True, exist_ok=True)
        before = list(path.glob(f"{EVENTS}*"))
        if anew:
            for file in before:
                file.unlink()
        elif not before:
            finished = path_of(folder) / name / TENSORBOARD
            for file in finished.glob(f"{EVENTS}*"):
                shutil.copy(file, path)
    except OSError as error:
        raise ValueError(f"tensorboard: cannot write into {path} ({error.strerror})") from error
    return path


def remove(folder: str) -> None:
    """Removes the event files of runs that have ended, since by now they are in their folder."""
    for name in (*TRAINING_MODES, ""):
        path = while_training(folder, name)
        # What is not ours stays, and so does the folder that it is in.
        with contextlib.suppress(OSError):
            for file in path.glob(f"{EVENTS}*"):
                file.unlink()
            path.rmdir()
