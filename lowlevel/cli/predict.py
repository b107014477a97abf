"""The command that scores rows by a run's model: to a file, or as CSV to standard output."""

import contextlib
import io
import json
import pathlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from lowlevel import startup
from lowlevel.cli.flags import Call
from lowlevel.storage import manifest, score_file
from lowlevel.storage.contents import CONFIG


def execute(call: Call) -> int:
    """Scores rows; returns the exit code.

    Raises:
        ValueError: for what a user can cause.
    """
    if call.output:
        score_file.check(call.output, call.overwrite)
    about = manifest.read(call.model)
    trained = json.loads((pathlib.Path(call.model).expanduser() / CONFIG).read_text())
    startup.import_tensorflow()
    # As many as the run had, since the last bits depend on it.
    startup.start_devices(call.config.threads or trained["threads"])
    from tqdm import tqdm

    from lowlevel.serving import loading

    predictor = loading.opened(call.model, about)
    rows, unknown = 0, Counter[str]()
    ignored: tuple[str, ...] = ()
    # On a terminal alone, and not among the scores.
    hidden = not call.output and sys.stdout.isatty()
    shown = tqdm(unit=" rows", unit_scale=True, leave=False, disable=hidden or None)
    with shown, _opened(call.output) as write:
        for part in predictor.stream(call.input):
            write(part.scores)
            rows, ignored = rows + len(part.scores), part.ignored
            unknown.update(part.unknown)
            shown.update(len(part.scores))
    # Where the scores are on standard output, nothing else is to be.
    to = sys.stdout if call.output else sys.stderr
    if ignored:
        print(f"ignored, since the model does not know them: {', '.join(ignored)}", file=to)
    for name, count in unknown.items():
        print(f"{count} rows have a level of {name} that is not known: taken for 0", file=to)
    if call.output:
        print(f"{call.output}: {rows} scores")
    return 0


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Callable[[np.ndarray], None]]:
    """Gives a function that writes further scores, into a file or to standard output."""
    if path:
        with score_file.opened(path) as write:
            yield write
        return
    text = io.BytesIO()
    with score_file.writing(text, ".csv") as add:

        def show(scores: np.ndarray) -> None:
            add(scores)
            print(text.getvalue().decode(), end="")
            text.seek(0)
            text.truncate()

        yield show
