"""A run that several workers share: all have the same one, and go on from the chief's snapshot."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from lowlevel.config import MULTIWORKER, Config, differences
from lowlevel.distribution.cluster import from_environment
from lowlevel.distribution.exchange import exchange
from lowlevel.experiment.snapshots import Keeper
from lowlevel.packing import packed, unpacked
from lowlevel.progress import Snapshot


def shared(keeper: Keeper | None, mode: str, config: Config) -> Keeper | None:
    """Returns the keeper of a run, which is one for all workers where there are several."""
    if config.strategy != MULTIWORKER:
        return keeper
    return SharedKeeper(keeper, config, {"mode": mode, "tensorflow": tf.__version__})


class SharedKeeper:
    """The keeper of a run among several workers: the chief's alone keeps anything."""

    def __init__(
        self, keeper: Keeper | None, config: Config, environment: Mapping[str, Any]
    ) -> None:
        """Takes the chief's keeper, or another worker's, which is left alone.

        Args:
            keeper: of snapshots, if there is one.
            config: of the run, settled.
            environment: what else all workers must have alike, by name.
        """
        self.rank = from_environment().rank
        self.keeper = None if self.rank else keeper
        self.must_agree = {**vars(config), **environment}

    def begin(self, identity: Mapping[str, str]) -> Snapshot | None:
        """Returns what the run is to go on from on every worker: what the chief has.

        Raises:
            ValueError: a worker has another run than the chief, or the chief cannot begin.
        """
        mine = {name: str(value) for name, value in {**self.must_agree, **identity}.items()}
        check_alike([json.loads(text) for text in exchange(json.dumps(mine).encode())])
        snapshot, refusal = None, ""
        if self.keeper:
            try:
                snapshot = self.keeper.begin(identity)
            except ValueError as error:
                refusal = str(error)
        told = refusal.encode() or (packed(snapshot) if snapshot else b"")
        kind, *_ = exchange(b"refused" if refusal else b"begins")
        content, *_ = exchange(told)
        if kind == b"refused":
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


def check_alike(workers: list[dict[str, str]]) -> None:
    """Raises ValueError, on every worker the same, if one has another run than the chief."""
    chief, *others = workers
    for rank, other in enumerate(others, 1):
        differs = differences(chief, other)
        if differs:
            raise ValueError(
                f"strategy: expected worker {rank} to have the run of worker 0, got {differs}: "
                "start all with the same flags and rows"
            )
