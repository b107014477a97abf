"""A progress bar of training: on a terminal alone, below the lines that are printed."""

import functools
import sys
from collections.abc import Callable
from typing import Any, ParamSpec

from lowlevel.progress import Epoch

Arguments = ParamSpec("Arguments")


class Bar:
    """Epochs, NLL and the time left; where standard error is no terminal, nothing at all.

    It appears with the first epochs that end, which in a run that goes on are not the first ones,
    and is gone when the `with` block is left.
    """

    def __init__(self, epochs: int) -> None:
        """Takes how many epochs there are, those of several runs together."""
        self._epochs, self._last = epochs, 0
        self._bar: Any = None
        self.wanted = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def follow(self, epoch: Epoch) -> None:
        """Moves the bar to an epoch that has ended: of this run, or of the next one."""
        if not self.wanted:
            return
        shown = f"nll {epoch.nll:.6f}"
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                desc="training",
                unit=" epochs",
                total=self._epochs,
                initial=epoch.epoch,
                postfix=shown,
                leave=False,
                dynamic_ncols=True,
            )
        else:
            self._bar.set_postfix_str(shown, refresh=False)
            self._bar.update(epoch.epoch - self._last * (epoch.epoch > self._last))
        self._last = epoch.epoch

    def above(self, show: Callable[Arguments, None]) -> Callable[Arguments, None]:
        """Returns a function that prints as the given one does, above the bar."""

        @functools.wraps(show)
        def printed(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
            if self._bar is None:
                show(*args, **kwargs)
                return
            with self._bar.external_write_mode():
                show(*args, **kwargs)

        return printed
