"""The flag --tensorboard: whether TensorBoard is there, and the observers that write for it."""

import functools
import importlib.util
from typing import TYPE_CHECKING

from lowlevel.cli.flags import Call
from lowlevel.progress import Observer
from lowlevel.storage import event_files

if TYPE_CHECKING:
    from lowlevel.experiment.tables import Tables


def check(call: Call) -> None:
    """Raises ValueError where the flag is given, and TensorBoard is not installed."""
    # TensorFlow's summaries go through it, and raise without.
    if call.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ValueError("--tensorboard: TensorBoard is not installed: pip install tensorboard")


def observers(call: Call, mode: str, name: str, found: "Tables") -> list[Observer]:
    """Returns the observer that writes for TensorBoard, where it is asked for.

    Args:
        call: what was asked for.
        mode: of the run.
        name: of its folder within the output folder; "" for that folder itself.
        found: the run's tables.
    """
    if not call.tensorboard:
        return []
    from lowlevel.experiment import summaries

    begin = functools.partial(event_files.begin, call.output_dir, name)
    return [summaries.Summaries(mode, call.config, found.train, found.test, begin)]
