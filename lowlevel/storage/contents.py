"""What a run's folder may hold: its files by name, and no others where one is to be replaced."""

import pathlib

from lowlevel.config import TRAINING_MODES
from lowlevel.storage.manifest import MANIFEST

CONFIG, HISTORY, METRICS, WEIGHTS, SCHEMA, COEFFICIENTS = FILES = (
    "config.json",
    "history.csv",
    "metrics.json",
    "weights.npz",
    "schema.json",
    "coefficients.csv",
)
SAVED_MODEL, KERAS_MODEL = "export/1", "model.keras"
CHECKPOINT = "checkpoint.npz"
REPORT = "report.html"
# The pictures of a run's report, and those of a comparison's, by name.
PICTURES = {
    name: f"pictures/{name}.png"
    for name in (
        "nll",
        "roc",
        "precision_recall",
        "reliability",
        "cost",
        "scores",
        "coefficients",
        "nll_difference",
        "weights_difference",
    )
}
# The folder of TensorBoard's event files, and how their names begin: they have the time in them.
TENSORBOARD, EVENTS = "tensorboard", "events.out.tfevents."
# The files that a folder may hold to be replaced, a run's or those of one of each mode, and the
# folders that it may.
_OF_A_RUN = {
    *FILES,
    MANIFEST,
    KERAS_MODEL,
    CHECKPOINT,
    REPORT,
    *PICTURES.values(),
    f"{SAVED_MODEL}/saved_model.pb",
    f"{SAVED_MODEL}/fingerprint.pb",
    f"{SAVED_MODEL}/variables/variables.index",
    f"{SAVED_MODEL}/variables/variables.data-00000-of-00001",
}
_PLACES = ("", *(f"{mode}/" for mode in TRAINING_MODES))
_OWN = {f"{place}{name}" for place in _PLACES for name in _OF_A_RUN}
_EVENT_FOLDERS = {f"{place}{TENSORBOARD}" for place in _PLACES}
_OWN_FOLDERS = {
    *_EVENT_FOLDERS,
    *(str(folder) for name in _OWN for folder in pathlib.PurePath(name).parents),
    *(f"{place}{SAVED_MODEL}/assets" for place in _PLACES),
}


def path_of(folder: str) -> pathlib.Path:
    """Returns a run's folder as a path, without ~ and symbolic links."""
    return pathlib.Path(folder).expanduser().resolve()


def beside(run: pathlib.Path, kind: str) -> pathlib.Path:
    """Returns where a run has what it writes while it trains: next to its own folder."""
    return run.with_name(f"{run.name}.{kind}")


def check_content(path: pathlib.Path, folder: str, overwrite: bool) -> None:
    """Raises ValueError unless a folder is new or empty, or a run that may be replaced."""
    entries = _entries(path, path) if path.exists() else {}
    for name, entry in entries.items():
        if not (entry.is_dir() if name in _OWN_FOLDERS else entry.is_file() and _is_own(name)):
            raise ValueError(
                f"output_dir: expected a new or empty folder, got {folder}, which holds {name}: "
                "name another"
            )
    if entries and not overwrite:
        raise ValueError(
            f"output_dir: expected a new or empty folder, got {folder}, which holds a run: name "
            "another, replace it with --overwrite, or train on with more --epochs"
        )


def _is_own(name: str) -> bool:
    """Returns whether a file is one of a run's."""
    folder, _, file = name.rpartition("/")
    return name in _OWN or (folder in _EVENT_FOLDERS and file.startswith(EVENTS))


def _entries(path: pathlib.Path, folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns what is in a run's folder, from one in it on, by name, not below what is foreign."""
    found = {}
    for entry in sorted(folder.iterdir()):
        name = str(entry.relative_to(path))
        found[name] = entry
        if name in _OWN_FOLDERS and entry.is_dir():
            found |= _entries(path, entry)
    return found
