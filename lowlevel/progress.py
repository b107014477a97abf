"""What a run has reached: its records, its state, and when there is something to see."""

import dataclasses
import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lowlevel.config import TrainingSettings

if TYPE_CHECKING:
    import numpy as np

# Of one call into compiled code, which Ctrl-C has to wait for: half a second's work or less on a
# slow processor, counted in steps and in multiplications.
MOST_STEPS = 2**13
MOST_PRODUCTS = 2**30


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


@dataclasses.dataclass
class State:
    """All that training changes, and all that it needs to go on.

    Attributes:
        model: the mode's model.
        optimizer: the mode's optimizer, with its slots.
        epoch: how many epochs have ended.
        batch: how many batches of the next one are done.
        total: of their rows' losses, as the mode sums them.
    """

    model: Any
    optimizer: Any
    epoch: int = 0
    batch: int = 0
    total: float = 0.0


class Snapshot(NamedTuple):
    """What a run has come to.

    Attributes:
        arrays: by name: of the state, "state/...", by names that both modes share; the records of
            all epochs, "history"; the best weights, "best/...", where rows are held out to stop
            by; and what observers have seen, "seen/...".
        facts: as JSON has them: epoch, batch and the like.
    """

    arrays: "dict[str, np.ndarray]"
    facts: dict[str, Any]


# Sees the records of the epochs since it was last called, and the state as it is now.
Observer = Callable[[Sequence[Epoch], State], None]
# Sees the latest record whenever there are new ones, which is oftener than reports come.
Follower = Callable[[Epoch], None]


class Progress:
    """The records of a run as they come, shown to its observers every few epochs and at the end."""

    def __init__(
        self,
        settings: TrainingSettings,
        observers: Observer | Sequence[Observer] = (),
        followers: Sequence[Follower] = (),
    ) -> None:
        """Starts the clock of the first epoch.

        Raises:
            ValueError: an observer is no function.
        """
        self.settings = settings
        given = [observers] if callable(observers) else observers
        if not isinstance(given, Sequence) or not all(map(callable, given)):
            raise ValueError(
                f"Expected observers to be functions of (epochs, state), got {observers!r}"
            )
        self.observers = tuple(given)
        self.followers = tuple(followers)
        self.history: list[Epoch] = []
        self.shown = 0
        # An observer, or training itself, may end it before the last epoch.
        self.stopped = False
        # Sees the state whenever it is whole, within an epoch as well.
        self.watch: Callable[[State], None] | None = None
        # What the observers are shown of the state, where that is not as they know it.
        self.view: Callable[[State], State] = lambda state: state
        self.start = time.perf_counter()

    def next_report(self, epoch: int) -> int:
        """Returns after how many epochs the report next after `epoch` comes: the one rule."""
        every = self.settings.report_every
        return min(epoch - epoch % every + every, self.settings.epochs)

    @property
    def longest_span(self) -> int:
        """How many epochs lie between two reports at most."""
        return min(self.settings.report_every, self.settings.epochs)

    def spans(self, first_epoch: int) -> Iterator[range]:
        """Yields the epochs from one on, counted from 0, in ranges that end at a report."""
        while first_epoch < self.settings.epochs:
            last = self.next_report(first_epoch)
            yield range(first_epoch, last)
            first_epoch = last

    def add(self, losses: Collection[float], state: State, last: bool = False) -> None:
        """Records epochs that have ended, if any, and reports if one is due.

        Args:
            losses: the mean NLL of each epoch since the last call; they share the time evenly.
            state: its epoch is moved on.
            last: whether training ends with them, before the settings' last epoch.

        Raises:
            ValueError: a loss is not finite.
        """
        seconds = (time.perf_counter() - self.start) / max(1, len(losses))
        due = self.next_report(state.epoch)
        for loss in map(float, losses):
            state.epoch += 1
            check_finite(loss, f"in epoch {state.epoch}")
            self.history.append(Epoch(state.epoch, loss, seconds))
        for follow in self.followers if len(losses) else ():
            follow(self.history[-1])
        self.stopped |= last
        if last or state.epoch >= due:
            seen = self.view(state)
            for observe in self.observers:
                observe(self.history[self.shown :], seen)
            self.shown = len(self.history)
        if len(losses):
            self.start = time.perf_counter()
        if self.watch:
            self.watch(state)


def check_finite(nll: float, when: str) -> None:
    """Raises ValueError for a mean NLL that is not finite: the training has diverged."""
    if not math.isfinite(nll):
        raise ValueError(
            f"Expected a finite mean NLL, got {nll} {when}: lower learning_rate, or set standardize"
            "; with a likelihood of your own, see what mode=check says"
        )


def steps_per_call(batch_size: int, weights: int) -> int:
    """Returns how many steps one call into compiled code may take, so that Ctrl-C is heard soon.

    Args:
        batch_size: rows in a step.
        weights: numbers in the model, each multiplied once a row.
    """
    return max(1, min(MOST_STEPS, MOST_PRODUCTS // (batch_size * weights)))
