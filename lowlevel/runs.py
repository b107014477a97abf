"""A run's folder: the record of each epoch, and what is kept of a run when it is over."""

import contextlib
import dataclasses
import json
import math
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from lowlevel.config import Config


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What is known of an epoch when it ends.

    Attributes:
        epoch: counted from 1.
        nll: mean negative log-likelihood a row, in nats, of each batch as it stood before its
          update; a short last batch counts by its rows. No penalty is in it.
        seconds: wall-clock time it took.
    """

    epoch: int
    nll: float
    seconds: float


def check_finite(nll: float, when: str) -> None:
    """Raises ValueError for a mean NLL that is not finite: the training has diverged."""
    if not math.isfinite(nll):
        raise ValueError(
            f"Expected a finite mean NLL, got {nll} {when}: lower learning_rate, or set standardize"
            "; of a likelihood of your own, see what mode=check says"
        )


# Sees the records of the epochs since it was last called, and the model as it is now.
Watch = Callable[[Sequence[Epoch], Any], None]


class History:
    """The records of a run as they come, shown to a watcher every few epochs and at the end."""

    def __init__(self, config: Config, watch: Watch) -> None:
        """Starts the clock of the first epoch."""
        self.config = config
        self.watch = watch
        self.epochs: list[Epoch] = []
        self.shown = 0
        self.start = time.perf_counter()

    def add(self, losses: Sequence[float], model: Any) -> bool:
        """Records epochs that have ended; returns whether this called for a report.

        Args:
            losses: the mean NLL of each epoch since the last call, at least one; they share the
              time evenly.
            model: for the watcher.

        Raises:
            ValueError: a loss is not finite.
        """
        seconds = (time.perf_counter() - self.start) / len(losses)
        for epoch, loss in enumerate(losses, len(self.epochs) + 1):
            check_finite(float(loss), f"in epoch {epoch}")
            self.epochs.append(Epoch(epoch, float(loss), seconds))
        ended = len(self.epochs)
        report = ended % self.config.report_every == 0 or ended == self.config.epochs
        if report:
            self.watch(self.epochs[self.shown :], model)
            self.shown = ended
        self.start = time.perf_counter()
        return report


def check_folder(folder: str) -> None:
    """Raises ValueError unless a run's folder is there, or can be made, and can be written.

    Leaves nothing behind: what it has to make in order to know is removed again.
    """
    made: list[pathlib.Path] = []
    try:
        path = pathlib.Path(folder).expanduser()
        made = [parent for parent in (path, *path.parents) if not parent.exists()]
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (OSError, RuntimeError) as error:
        raise _not_writable(folder, error) from error
    finally:
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()


def _not_writable(folder: str, error: OSError | RuntimeError) -> ValueError:
    # A RuntimeError is expanduser's, of a ~ that is nobody's.
    cause = error.strerror if isinstance(error, OSError) else error
    return ValueError(f"output_dir: expected a folder that can be written, got {folder} ({cause})")


def write(
    folder: str,
    config: Config,
    history: Sequence[Epoch],
    metrics: Mapping[str, float],
    weights: Mapping[str, np.ndarray],
) -> None:
    """Writes `config.json`, `history.csv`, `metrics.json` and `weights.npz` into a folder.

    Each file appears whole or not at all.

    Args:
        folder: made if it is not there; a leading ~ is the user's home.
        config: the run's settings.
        history: a record for every epoch.
        metrics: by name, of the trained model on the training rows.
        weights: by name, `layer/variable`.

    Raises:
        ValueError: the folder cannot be made or written.
    """
    try:
        path = pathlib.Path(folder).expanduser()
        path.mkdir(parents=True, exist_ok=True)
        with _replacing(path / "config.json") as file:
            file.write(_json(dataclasses.asdict(config)))
        with _replacing(path / "history.csv") as file:
            file.write(_csv(history))
        with _replacing(path / "metrics.json") as file:
            file.write(_json(metrics))
        with _replacing(path / "weights.npz") as file:
            np.savez(file, **weights)
    except (OSError, RuntimeError) as error:
        raise _not_writable(folder, error) from error


@contextlib.contextmanager
def _replacing(path: pathlib.Path) -> Iterator[BinaryIO]:
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _json(values: Mapping[str, object]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()


def _csv(history: Sequence[Epoch]) -> bytes:
    names = [field.name for field in dataclasses.fields(Epoch)]
    rows = [names, *(dataclasses.astuple(epoch) for epoch in history)]
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()
