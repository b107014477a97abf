"""A run's folder: its results appear in it together, or not at all."""

import contextlib
import dataclasses
import errno
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lowlevel.config import Config
from lowlevel.errors import shortened
from lowlevel.progress import Epoch
from lowlevel.storage import manifest
from lowlevel.storage.contents import (
    CHECKPOINT,
    COEFFICIENTS,
    CONFIG,
    HISTORY,
    METRICS,
    SCHEMA,
    TENSORBOARD,
    WEIGHTS,
    check_content,
    path_of,
)
from lowlevel.storage.formats import as_csv, as_json
from lowlevel.storage.manifest import MANIFEST
from lowlevel.storage.signals import uninterrupted

# What a run's files need besides its weights, and what an epoch adds to them, amply.
BASE_BYTES = 2**16
EPOCH_BYTES = 2**8
# What a model for other programs needs besides its weights, and how often those are in it, with an
# optimizer's slots.
EXPORT_BYTES = 2**24
EXPORT_COPIES = 5
# A page for a reader, and its pictures, of which none has more points than can be told apart.
REPORT_BYTES = 2**23
# Likewise of the checkpoints: four files, each of the weights, two slots and the best ones.
CHECKPOINT_COPIES = 16


class Results(NamedTuple):
    """What is kept of a run.

    Attributes:
        config: the run's settings.
        history: a record for every epoch.
        metrics: by name, of the trained model: "training", on the rows that it was trained on,
            and "judged", where rows were held out, by "training" and "holdout"; "standard_errors"
            says what those of the coefficients come from.
        weights: by name, `layer/variable`.
        schema: what a user's columns become, as JSON; empty where there are none.
        coefficients: rows of a table, with a head; none where there are none.
        about: what the manifest says of it, beside the files' digests.
        exported: a folder on the same disk, whose content, a model for other programs, is moved
            into the run's.
        checkpoint: a file that is copied into the folder, from which the run may be trained on.
        events: a folder that is copied into the run's as `tensorboard`, unless it was removed.
    """

    config: Config
    history: Sequence[Epoch]
    metrics: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]
    schema: str = ""
    coefficients: Sequence[Sequence[Any]] = ()
    about: Mapping[str, Any] = {}
    exported: pathlib.Path | None = None
    checkpoint: pathlib.Path | None = None
    events: pathlib.Path | None = None


def check_folder(folder: str, overwrite: bool) -> None:
    """Raises ValueError unless a run's results can be put into a folder, new or empty.

    Leaves nothing behind: what it has to make in order to know is removed again.

    Args:
        folder: of the results; a leading ~ is the user's home.
        overwrite: whether a folder that holds a run, and nothing else, will do as well.
    """
    with _refusing(folder):
        path = path_of(folder)
        if path.exists() and not path.is_dir():
            raise ValueError(_not_writable(folder, "a file is in its place"))
        if path.is_mount():
            raise ValueError(_not_writable(folder, "a disk is mounted there: name a folder in it"))
        if path in (pathlib.Path.cwd(), *pathlib.Path.cwd().parents):
            raise ValueError(_not_writable(folder, "this is the working folder: name one in it"))
        check_content(path, folder, overwrite)
    check_room(folder, BASE_BYTES)


def check_room(folder: str, needed: int) -> None:
    """Raises ValueError unless a folder's disk has room for so many bytes, and can be written."""
    with _refusing(folder), uninterrupted():
        path = path_of(folder)
        made = _make_parents(path)
        try:
            free = shutil.disk_usage(path.parent).free
            if needed > free:
                raise ValueError(
                    f"output_dir: expected room for the {needed} bytes that a run of so many "
                    f"weights and epochs may take, got {free} free around {folder}"
                )
            with _partial(path) as partial, (partial / "room").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, needed)
            if path.exists() and not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        finally:
            _remove(made)


def bytes_needed(
    config: Config, weights: int, exported: bool = False, reported: bool = False
) -> int:
    """Returns how many bytes a run's results take at most, with so many numbers for weights."""
    copies = 1 + CHECKPOINT_COPIES
    needed = BASE_BYTES + EPOCH_BYTES * config.epochs + copies * 8 * weights
    needed += reported * REPORT_BYTES
    return needed + exported * (EXPORT_BYTES + EXPORT_COPIES * 8 * weights)


@contextlib.contextmanager
def staging(folder: str) -> Iterator[pathlib.Path]:
    """Makes a hidden folder next to a run's, for what takes long to write; it is removed again.

    Args:
        folder: of the run; a leading ~ is the user's home.

    Raises:
        ValueError: it cannot be made, or what is written into it fails.
    """
    with _refusing(folder):
        path = path_of(folder)
        made = _make_parents(path)
        try:
            with _partial(path) as partial:
                yield partial
        finally:
            _remove(made)


def write(
    folder: str,
    results: Mapping[str, Results],
    overwrite: bool = False,
    report: Mapping[str, bytes] = {},
) -> None:
    """Puts the results of one run, or of several, into a folder: all of them, or none.

    They are written next to it, under another name, and then renamed. What was in its place is
    gone after that; it is looked at once more, since a run takes its time.

    Args:
        folder: made if it is not there; a leading ~ is the user's home.
        results: by the name of the folder within it; "" for the folder itself.
        overwrite: as for `check_folder`.
        report: what a reader is to find in the folder itself, by path.

    Raises:
        ValueError: the folder cannot be made or written, or holds something by now.
    """
    with _refusing(folder), uninterrupted():
        path = path_of(folder)
        made = _make_parents(path)
        try:
            with _partial(path) as partial:
                _write_report(partial, report)
                for name, result in results.items():
                    (partial / name).mkdir(exist_ok=True)
                    _write_files(partial / name, result)
                check_content(path, folder, overwrite)
                _replace(path, partial)
        finally:
            # Those that are not empty stay.
            _remove(made)


def _write_files(path: pathlib.Path, results: Results) -> None:
    """Writes a run's files into a folder, down to the disk."""
    head = [field.name for field in dataclasses.fields(Epoch)]
    contents = {
        CONFIG: as_json(vars(results.config)),
        HISTORY: as_csv([head, *map(dataclasses.astuple, results.history)]),
        METRICS: as_json(results.metrics),
        SCHEMA: results.schema.encode(),
        COEFFICIENTS: as_csv(results.coefficients),
    }
    for name, content in contents.items():
        if content:
            (path / name).write_bytes(content)
    arrays: dict[str, Any] = {**results.weights}
    np.savez(path / WEIGHTS, **arrays)
    for exported in results.exported.iterdir() if results.exported else ():
        exported.rename(path / exported.name)
    if results.checkpoint:
        shutil.copy(results.checkpoint, path / CHECKPOINT)
    if results.events and results.events.exists():
        shutil.copytree(results.events, path / TENSORBOARD)
    (path / MANIFEST).write_bytes(manifest.make(path, results.about))
    _keep_safe(path)


def _write_report(path: pathlib.Path, report: Mapping[str, bytes]) -> None:
    """Writes files into a folder, and the folders within that they are in, down to the disk."""
    for name, content in report.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(content)
    _keep_safe(path)


def _keep_safe(path: pathlib.Path) -> None:
    """Has every file below a folder be on the disk."""
    for written in path.rglob("*"):
        if written.is_file():
            with written.open("rb") as file:
                os.fsync(file.fileno())


def _replace(path: pathlib.Path, partial: pathlib.Path) -> None:
    """Renames a folder to a path that is free, an empty folder, or a run to be replaced."""
    if path.exists():
        shutil.copymode(path, partial)
    if not path.exists() or not any(path.iterdir()):
        partial.rename(path)
        return
    replaced = partial.with_name("replaced")
    path.rename(replaced)
    try:
        partial.rename(path)
    except BaseException:
        replaced.rename(path)
        raise


@contextlib.contextmanager
def _partial(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Makes a folder in a hidden one next to a path, on the same disk, which is removed again."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES, f"{path.parent}, where they are written first, is read-only"
        )
    with tempfile.TemporaryDirectory(
        prefix=".lowlevel-", dir=path.parent, ignore_cleanup_errors=True
    ) as hidden:
        # In it: the hidden one is for its owner's eyes only, and would stay so when renamed.
        partial = pathlib.Path(hidden) / "new"
        partial.mkdir()
        yield partial


def _make_parents(path: pathlib.Path) -> list[pathlib.Path]:
    """Makes the folders that a path is in; returns those that were not there, innermost first."""
    missing = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        _remove(missing)
        raise
    return missing


def _remove(folders: Sequence[pathlib.Path]) -> None:
    """Removes the folders that are there and empty."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def _refusing(folder: str) -> Iterator[None]:
    """Turns what the system says of a folder into ValueError."""
    try:
        yield
    # A RuntimeError is expanduser's, of a ~ that is nobody's, or of links in a circle.
    except (OSError, RuntimeError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise ValueError(_not_writable(folder, str(cause))) from error


def _not_writable(folder: str, cause: str) -> str:
    return shortened(f"output_dir: expected a folder that can be written, got {folder} ({cause})")
