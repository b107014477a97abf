"""The manifest of a run's folder: what is in it, to the bit, and what made it."""

import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from lowlevel.config import TRAINING_MODES
from lowlevel.errors import shortened
from lowlevel.version import VERSION

MANIFEST = "manifest.json"
# Of what a folder holds, and what it means: one more with every change that an older version would
# misread, or a newer one.
FORMAT = 1
_PIECE = 2**20


def make(folder: pathlib.Path, about: Mapping[str, Any]) -> bytes:
    """Returns the manifest of a folder that holds everything else by now.

    Args:
        folder: of the run.
        about: what there is to say of it, as JSON has it.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = {
        "format": FORMAT,
        "lowlevel": VERSION,
        **about,
        "files": {path.relative_to(folder).as_posix(): _digest(path) for path in files},
    }
    return (json.dumps({**content, "sha256": _own(content)}, indent=2) + "\n").encode()


def read(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the manifest of a run's folder, whose files are as it says.

    Raises:
        ValueError: one line: it is no run's folder, that of another version, or damaged.
    """
    try:
        path = pathlib.Path(folder).expanduser()
        found = json.loads(_text(path, folder))
        own, files = found.pop("sha256"), found["files"]
        of = f"format {found['format']}, by lowlevel {found['lowlevel']}"
        if found["format"] != FORMAT:
            raise ValueError(
                f"model: expected a run of format {FORMAT}, got {folder}, of {of}: this is "
                f"lowlevel {VERSION}; use that one, or train anew"
            )
        if own != _own(found):
            raise ValueError(_damaged(folder, MANIFEST))
        for name, digest in files.items():
            if not (path / name).is_file() or _digest(path / name) != digest:
                raise ValueError(_damaged(folder, name))
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(_damaged(folder, MANIFEST)) from error
    # A RuntimeError is expanduser's, of a ~ that is nobody's.
    except (OSError, RuntimeError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise ValueError(shortened(f"model: cannot read {folder} ({cause})")) from error
    return found


def _text(path: pathlib.Path, folder: str | os.PathLike[str]) -> str:
    """Returns a manifest as text; raises ValueError for a folder without one."""
    if (path / MANIFEST).is_file():
        return (path / MANIFEST).read_text()
    expected = f"model: expected the folder of a run, as --output_dir leaves it, got {folder}"
    if any((path / mode / MANIFEST).is_file() for mode in TRAINING_MODES):
        named = " or ".join(str(path / mode) for mode in TRAINING_MODES)
        raise ValueError(f"{expected}, which holds one of each mode: name {named}")
    raise ValueError(
        f"{expected}, which holds no {MANIFEST}"
        if path.is_dir()
        else f"{expected}, where there is none"
    )


def _damaged(folder: str | os.PathLike[str], name: str) -> str:
    return (
        f"model: {folder} is damaged: {name} is not what the run wrote; take another copy of the "
        "folder, or train anew"
    )


def _own(content: Mapping[str, Any]) -> str:
    """Returns the digest of a manifest's own content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digest(path: pathlib.Path) -> str:
    """Returns a file's SHA-256."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()
