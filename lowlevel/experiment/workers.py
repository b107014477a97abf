"""A run that several workers share: all have the same one, and go on from the chief's snapshot."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from lowlevel.config import MULTIWORKER, Config, differences
from lowlevel.data import Rows
from lowlevel.distribution.cluster import from_environment
from lowlevel.distribution.exchange import exchange
from lowlevel.experiment.snapshots import Keeper, identity_of
from lowlevel.likelihoods import loading
from lowlevel.packing import packed, unpacked
from lowlevel.progress import Snapshot


def shared(keeper: Keeper | None, mode: str, config: Config, table: Rows) -> Keeper | None:
    """Returns the keeper of a run, which is one for all workers where there are several.

    Raises:
        ValueError: a worker has other settings than the chief, or another kind of table.
    """
    if config.strategy != MULTIWORKER:
        return keeper
    likelihood = identity_of(loading.load(config.likelihood))
    shape = {"rows' columns": (table.row_shapes, table.names), "rows' number": table.rows}
    environment = {"mode": mode, "tensorflow": tf.__version__}
    check_alike({**vars(config), **likelihood, **shape, **environment})
    return SharedKeeper(keeper)


class SharedKeeper:
    """The keeper of a run among several workers: the chief's alone keeps anything."""

    def __init__(self, keeper: Keeper | None) -> None:
        """Takes the chief's keeper, if it has one, or another worker's, which is left alone."""
        self.keeper = None if from_environment().rank else keeper

    def begin(self, identity: Mapping[str, str]) -> Snapshot | None:
        """Returns what the run is to go on from on every worker: what the chief has.

        Raises:
            ValueError: a worker has other rows than the chief, or the chief cannot begin.
        """
        check_alike(identity)
        snapshot, refusal = None, ""
        if self.keeper:
            try:
                snapshot = self.keeper.begin(identity)
            except ValueError as error:
                refusal = str(error)
        told = refusal.encode() or (packed(snapshot) if snapshot else b"")
        # The first byte says which of them it is.
        chief, *_ = exchange(bytes([bool(refusal)]) + told)
        refused, content = chief[0], chief[1:]
        if refused:
            raise ValueError(content.decode())
        return unpacked(content) if content else None

    def see(self, take: Callable[[], Snapshot], epoch: int, whole: bool, reported: bool) -> None:
        """Has the chief's keeper see."""
        if self.keeper:
            self.keeper.see(take, epoch, whole, reported)

    def finish(self, end: Snapshot) -> None:
        """Has the chief's keeper finish."""
        if self.keeper:
            self.keeper.finish(end)

    def give_up(self, error: BaseException) -> None:
        """Has the chief's keeper give up."""
        if self.keeper:
            self.keeper.give_up(error)


def check_alike(mine: Mapping[str, Any]) -> None:
    """Raises ValueError, on every worker the same, if one has another run than the chief.

    Args:
        mine: what makes this worker's run the one that it is, by name.
    """
    texts = {name: str(value) for name, value in mine.items()}
    chief, *others = map(json.loads, exchange(json.dumps(texts).encode()))
    for rank, other in enumerate(others, 1):
        differs = differences(chief, other)
        if differs:
            raise ValueError(
                f"strategy: expected worker {rank} to have the run of worker 0, got {differs}: "
                "start all with the same flags and rows"
            )
