"""Checkpoints: a run's snapshots on the disk, from which the same command goes on.

While a run trains they are in a folder next to the run's, `RUN_FOLDER.checkpoints`, the last two of
them; when its results are written, the last one is among these, as `checkpoint.npz`. Each is one
file, arrays as NumPy writes them with a SHA-256 at its end, which is written under another name,
flushed to the disk and renamed: whatever ends the process, there is the one before.
"""

import contextlib
import fcntl
import os
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from lowlevel.config import AUTO, MUST, NEVER, differences
from lowlevel.errors import LostWorkerError
from lowlevel.packing import packed
from lowlevel.progress import Snapshot
from lowlevel.storage.checkpoint_file import FORMAT, flush, read, refusing
from lowlevel.storage.contents import CHECKPOINT, beside, path_of

FOLDER = "checkpoints"
KEPT = 2
# Of the files that are ours: what else is in the folder stays.
NAMES = "epoch-*-batch-*.npz"
# Between two checkpoints, where nothing is said: at a report, and no sooner.
SECONDS = 60.0
# Between two snapshots in memory, for Ctrl-C: in seconds, and in times of what one takes.
SPACING, TIMES = 0.5, 50


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(
        self,
        folder: str,
        every: str = "",
        resume: str = AUTO,
        overwrite: bool = False,
        environment: Mapping[str, Any] | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Looks for none yet.

        Args:
            folder: the run's own; a leading ~ is the user's home.
            every: a number of epochs, or of seconds with an s after it; empty for once a minute
                and at a report, whichever is rarer.
            resume: whether to go on from what is there: "auto", "never" or "must".
            overwrite: whether a run that is there is to be replaced, and so not gone on from.
            environment: what the last bits depend on beside the settings, by name.
            say: is told in a line what is worth knowing.
        """
        self._run = path_of(folder)
        self._path = beside(self._run, FOLDER)
        self._every, self._resume, self._overwrite = every, resume, overwrite
        self._environment, self._say = dict(environment or {}), say
        self._identity: dict[str, str] = {}
        self._last: Snapshot | None = None
        self._written: tuple[int, int] | None = None
        self._taken_at = self._written_at = time.monotonic()
        self._spacing = SPACING
        self._lock: int | None = None
        self._made: list[pathlib.Path] = []

    def begin(self, identity: Mapping[str, str]) -> Snapshot | None:
        """Takes the folder, and returns what the run is to go on from, if it is.

        Raises:
            ValueError: another process has the folder, it cannot be written, or holds the
                checkpoints of another run; or there is none, and there must be.
        """
        self._identity = dict(identity)
        if self._path.exists() and not self._path.is_dir():
            raise ValueError(
                f"output_dir: expected a folder for checkpoints, got the file {self._path}: move "
                "it, or name another folder"
            )
        with refusing(self._path):
            self._made = [folder for folder in self._path.parents if not folder.exists()]
            self._path.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            for partial in self._path.glob(f".{NAMES}"):
                partial.unlink()
        try:
            found = None if self._resume == NEVER else self._newest()
            if found is None and self._resume == MUST:
                raise ValueError(f"resume: expected checkpoints of {self._run}, got none")
        except ValueError:
            self.close()
            raise
        if found is None:
            self._clear()
            return None
        self._say_what_differs(found.facts["environment"])
        epoch, batch = found.facts["epoch"], found.facts["batch"]
        self._last, self._written = found, (epoch, batch)
        within = f", batch {batch} of the next" if batch else ""
        self._say(f"goes on after epoch {epoch}{within}")
        return found

    def see(self, take: Callable[[], Snapshot], epoch: int, whole: bool, reported: bool) -> None:
        """Keeps a snapshot in memory where there is time to, and on the disk where it is due."""
        now = time.monotonic()
        due = self._due(now, epoch, whole, reported)
        if due or now - self._taken_at >= self._spacing:
            self._last = take()
            self._taken_at = time.monotonic()
            self._spacing = max(SPACING, TIMES * (self._taken_at - now))
        if due:
            self.write()

    def write(self) -> None:
        """Writes the last snapshot down, unless it is written.

        Raises:
            ValueError: it cannot be; those before are there as they were.
        """
        if self._last is None or _place(self._last) == self._written:
            return
        facts = {
            "format": FORMAT,
            "identity": self._identity,
            "environment": self._environment,
            **self._last.facts,
        }
        content = packed(Snapshot(self._last.arrays, facts))
        epoch, batch = self._written = _place(self._last)
        target = self._path / f"epoch-{epoch:08d}-batch-{batch:08d}.npz"
        partial = target.with_name(f".{target.name}")
        with refusing(self._path):
            try:
                with partial.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                partial.rename(target)
                flush(self._path)
            finally:
                partial.unlink(missing_ok=True)
            for old in sorted(self._path.glob(NAMES), reverse=True)[KEPT:]:
                old.unlink()
        self._written_at = time.monotonic()

    def finish(self, end: Snapshot) -> None:
        """Writes the run's end down."""
        self._last = end
        self.write()

    def give_up(self, error: BaseException) -> None:
        """Writes the last snapshot down where somebody has stopped the run, and says so.

        So it does where a worker is gone. What has failed by itself would fail again.
        """
        if isinstance(error, LostWorkerError) or not isinstance(error, Exception):
            self.write()
            if self._written:
                error.args = (f"the same command goes on after epoch {self._written[0]}",)
        self.close()

    def newest_file(self) -> pathlib.Path:
        """Returns the file of the last checkpoint that was written."""
        return max(self._path.glob(NAMES))

    def close(self, done: bool = False) -> None:
        """Gives the folder up, and removes it where it is empty, or all that was in it is kept."""
        if self._lock is not None:
            if done or not any(self._path.glob(NAMES)):
                self._clear()
                for folder in (self._path, *self._made):
                    # One that holds something by now stays.
                    with contextlib.suppress(OSError):
                        folder.rmdir()
            os.close(self._lock)
            self._lock = None

    def _due(self, now: float, epoch: int, whole: bool, reported: bool) -> bool:
        """Returns whether it is time for a checkpoint."""
        since = now - self._written_at
        if self._every.endswith("s"):
            return since >= float(self._every[:-1])
        if self._every:
            return whole and epoch > 0 and epoch % int(self._every) == 0
        return reported and since >= SECONDS

    def _newest(self) -> Snapshot | None:
        """Returns the newest checkpoint that is whole.

        Raises:
            ValueError: it is of another run, or of a newer version.
        """
        candidates = _candidates(self._run, self._overwrite)
        for path in candidates:
            try:
                found = read(path)
            except ValueError as error:
                last = path == candidates[-1]
                rest = "there is no other" if last else "the one before is taken"
                self._say(f"{error}: {rest}")
                continue
            if found.facts["format"] > FORMAT:
                raise ValueError(
                    f"resume: {path} is of a newer version: use that, or begin anew in another "
                    "folder"
                )
            differs = differences(self._identity, found.facts["identity"])
            if differs and self._overwrite:
                return None
            if differs:
                raise ValueError(
                    f"output_dir: {path} is the checkpoint of another run, with {differs}: name "
                    "another folder, go on with its settings, or begin anew with --resume=never"
                )
            return found
        return None

    def _clear(self) -> None:
        """Removes checkpoints that are not gone on from."""
        for path in self._path.glob(NAMES):
            path.unlink()

    def _take_lock(self) -> None:
        """Locks the folder for as long as the process lives.

        Raises:
            ValueError: another process has it.
        """
        lock = os.open(self._path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ValueError(
                f"output_dir: another process trains into {self._run}: wait, or name another folder"
            ) from None
        self._lock = lock

    def _say_what_differs(self, before: Mapping[str, Any]) -> None:
        """Says on what the last bits depend that is not as it was."""
        differs = differences(self._environment, before)
        if differs:
            self._say(f"made with {differs}: the last bits may differ from those of one run")


def latest_facts(folder: str, overwrite: bool) -> dict[str, Any]:
    """Returns what is known of the newest checkpoint that a run may go on from; nothing for none.

    Args:
        folder: of the run; a leading ~ is the user's home.
        overwrite: whether a finished run that is there is to be replaced.
    """
    with contextlib.suppress(OSError, RuntimeError):
        for path in _candidates(path_of(folder), overwrite):
            with contextlib.suppress(ValueError):
                return read(path).facts
    return {}


def _candidates(run: pathlib.Path, overwrite: bool) -> list[pathlib.Path]:
    """Returns the checkpoints that a run may go on from, the newest first."""
    while_training = sorted(beside(run, FOLDER).glob(NAMES), reverse=True)
    if while_training or overwrite:
        return while_training
    return list(run.glob(CHECKPOINT))


def _place(snapshot: Snapshot) -> tuple[int, int]:
    """Returns how far a snapshot is: its epoch and batch."""
    return snapshot.facts["epoch"], snapshot.facts["batch"]
