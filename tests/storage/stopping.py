"""Checkpoints of a run that is stopped on its way, for tests of how it goes on."""

from collections.abc import Callable
from typing import Any

from lowlevel.progress import Snapshot
from lowlevel.storage.checkpoints import Checkpoints

ALWAYS = "0.0000001s"


class Stopped(Checkpoints):
    """Checkpoints of a run that is interrupted when its state has been seen so many times."""

    def __init__(self, after: int, folder: str, **options: Any) -> None:
        """Keeps after how many."""
        super().__init__(folder, **{"every": ALWAYS, **options})
        self.left = after

    def see(self, take: Callable[[], Snapshot], epoch: int, whole: bool, reported: bool) -> None:
        """Sees it, and interrupts."""
        super().see(take, epoch, whole, reported)
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
