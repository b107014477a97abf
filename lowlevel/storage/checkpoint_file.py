"""The file of a checkpoint: a snapshot as `packing` has it."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from lowlevel.errors import in_one_line
from lowlevel.packing import unpacked
from lowlevel.progress import Snapshot

# Of what a file holds, and what it means.
FORMAT = 1


def read(path: pathlib.Path) -> Snapshot:
    """Returns the snapshot in a file; raises ValueError if it is damaged."""
    try:
        return unpacked(path.read_bytes())
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or in_one_line(error).removeprefix("ValueError: ")
        raise ValueError(f"{path} cannot be read ({cause})") from error


def flush(folder: pathlib.Path) -> None:
    """Has the disk keep what was renamed in a folder."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def refusing(folder: pathlib.Path) -> Iterator[None]:
    """Turns what the system says of a folder into ValueError."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"output_dir: cannot write checkpoints into {folder} ({error.strerror}): what was "
            "written before is there"
        ) from error
