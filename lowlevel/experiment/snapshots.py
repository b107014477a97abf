"""Snapshots: all that a run needs to go on, in either mode, and who keeps them."""

import contextlib
import hashlib
import inspect
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from lowlevel.config import Config
from lowlevel.data import Rows, Table
from lowlevel.experiment.early_stopping import EarlyStopping
from lowlevel.experiment.modes import Mode
from lowlevel.likelihoods import Likelihood, loading
from lowlevel.progress import Epoch, Progress, Snapshot, State

# What may be another when a run goes on: how long it is to be; threads, on which only the last bits
# depend; and who shares the work, on which none does.
FREE = ("epochs", "threads", "strategy", "virtual_devices", "worker_timeout")
# What stopping early goes by, beside the best weights.
STOPPING = ("best", "best_epoch", "worse")


class Keeper(Protocol):
    """Who keeps a run's snapshots."""

    def begin(self, identity: Mapping[str, str]) -> Snapshot | None:
        """Returns what a run is to go on from, if it is; raises ValueError for another run's."""

    def see(self, take: Callable[[], Snapshot], epoch: int, whole: bool, reported: bool) -> None:
        """Keeps a snapshot, or does not, as it is time.

        Args:
            take: makes it.
            epoch: how many epochs have ended.
            whole: whether none is half done.
            reported: whether all records have been shown.
        """

    def finish(self, end: Snapshot) -> None:
        """Keeps the snapshot of a run that has come to its end."""

    def give_up(self, error: BaseException) -> None:
        """Keeps the last snapshot of a run that was stopped, or has failed by itself."""


@runtime_checkable
class Remembering(Protocol):
    """An observer whose memory, an array, goes with the run's snapshots, under its name."""

    name: str
    memory: np.ndarray


class Course(NamedTuple):
    """A run on its way: its mode, and all that changes."""

    wing: Mode
    state: State
    progress: Progress
    stopping: EarlyStopping | None

    def take(self) -> Snapshot:
        """Returns what the run has come to, in arrays of their own."""
        variables = self.wing.named_variables(self.state)
        arrays = {f"state/{name}": np.array(value.numpy()) for name, value in variables.items()}
        history = [(e.epoch, e.nll, e.seconds) for e in self.progress.history]
        arrays["history"] = np.array(history, np.float64).reshape(-1, 3)
        arrays |= {f"seen/{observer.name}": observer.memory for observer in self.remembering}
        facts: dict[str, Any] = {
            "epoch": self.state.epoch,
            "batch": self.state.batch,
            "total": self.state.total,
            "shown": self.progress.shown,
            "stopped": self.progress.stopped,
        }
        if self.stopping:
            arrays |= {f"best/{name}": values for name, values in self.stopping.weights.items()}
            facts |= {name: getattr(self.stopping, name) for name in STOPPING}
        return Snapshot(arrays, facts)

    @property
    def remembering(self) -> list[Remembering]:
        """The observers whose memory is kept."""
        observers: tuple[Any, ...] = self.progress.observers
        return [one for one in observers if isinstance(one, Remembering)]

    def restore(self, snapshot: Snapshot, steps: int) -> None:
        """Has the run, as it is at its start, go on from a snapshot of either mode.

        Args:
            snapshot: what was taken.
            steps: of an epoch.

        Raises:
            ValueError: it is not of such a model.
        """
        arrays, facts = snapshot
        # Not every optimizer of both modes counts its steps.
        count = facts["epoch"] * steps + facts["batch"]
        arrays = {"state/iterations": np.array(count), **arrays}
        for name, variable in self.wing.named_variables(self.state).items():
            values, shape = arrays.get(f"state/{name}"), tuple(variable.shape)
            if values is None or values.shape != shape:
                raise ValueError(f"resume: expected {name} of shape {shape} in the checkpoint")
            variable.assign(values)
        self.state.epoch, self.state.batch = facts["epoch"], facts["batch"]
        self.state.total = facts["total"]
        self.progress.history = [Epoch(int(e), *rest) for e, *rest in arrays["history"].tolist()]
        self.progress.shown, self.progress.stopped = facts["shown"], facts["stopped"]
        for observer in self.remembering:
            observer.memory = arrays.get(f"seen/{observer.name}", observer.memory)
        if self.stopping:
            best = {name: values for name, values in arrays.items() if name.startswith("best/")}
            self.stopping.weights = {n.removeprefix("best/"): v for n, v in best.items()}
            for name in STOPPING:
                setattr(self.stopping, name, facts[name])


@contextlib.contextmanager
def keeping(
    keeper: Keeper | None, course: Course, config: Config, table: Rows, test: Table | None
) -> Iterator[None]:
    """Has a keeper see the training, which begins where the last snapshot was taken."""
    if keeper is None:
        yield
        return
    snapshot = keeper.begin(identity(config, table, test))
    if snapshot:
        course.restore(snapshot, steps=-(-table.rows // config.batch_size))

    def watch(state: State) -> None:
        reported = course.progress.shown == len(course.progress.history)
        keeper.see(course.take, state.epoch, not state.batch, reported)

    course.progress.watch = watch
    try:
        yield
    except BaseException as error:
        keeper.give_up(error)
        raise


def identity(config: Config, table: Rows, test: Table | None) -> dict[str, str]:
    """Returns what makes a run the one that it is: its settings, and its rows in a digest each."""
    settings = {name: str(value) for name, value in vars(config).items() if name not in FREE}
    settings |= identity_of(loading.load(config.likelihood))
    held = {"rows held out": digest(test)} if test is not None and config.patience else {}
    return {**settings, "rows": digest(table), **held}


def identity_of(likelihood: Likelihood) -> dict[str, str]:
    """Returns what makes a likelihood the one that it is: its class, its numbers, and its file."""
    kind = type(likelihood)
    plain = {n: v for n, v in vars(likelihood).items() if isinstance(v, (bool, int, float, str))}
    numbers = [f"{name}={value}" for name, value in plain.items()]
    found = {"likelihood": " ".join([kind.__name__, *numbers])}
    if kind.__module__.startswith("lowlevel."):
        return found
    # In a notebook a class has no file.
    with contextlib.suppress(OSError, TypeError):
        content = pathlib.Path(inspect.getfile(kind)).read_bytes()
        found["likelihood's file"] = hashlib.sha256(content).hexdigest()
    return found


def digest(table: Rows) -> str:
    """Returns a digest of a table's rows."""
    found = hashlib.sha256(repr((table.names, table.row_shapes, table.dtype)).encode())
    for columns in table.row_blocks():
        for column in columns:
            found.update(np.ascontiguousarray(column).data)
    return found.hexdigest()
