"""The file of a checkpoint: arrays as NumPy writes them, and a SHA-256 of them at its end."""

import contextlib
import hashlib
import io
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from lowlevel.errors import in_one_line
from lowlevel.progress import Snapshot

# Of what a file holds, and what it means.
FORMAT = 1
_DIGEST_BYTES = hashlib.sha256().digest_size


def packed(snapshot: Snapshot) -> bytes:
    """Returns a snapshot as a file's content."""
    buffer = io.BytesIO()
    facts = np.frombuffer(json.dumps(snapshot.facts).encode(), np.uint8)
    arrays: dict[str, Any] = {"facts": facts, **snapshot.arrays}
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    return content + hashlib.sha256(content).digest()


def read(path: pathlib.Path) -> Snapshot:
    """Returns the snapshot in a file; raises ValueError if it is damaged."""
    try:
        whole = path.read_bytes()
        content, digest = whole[:-_DIGEST_BYTES], whole[-_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("it is cut short, or changed")
        with np.load(io.BytesIO(content)) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        return Snapshot(found, json.loads(found.pop("facts").tobytes()))
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
