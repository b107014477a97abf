"""The German credit table: bundled, prepared by the real TFDS builder, and held to its digest."""

import contextlib
import hashlib
import io
import pathlib
from typing import Any

import numpy as np

from lowlevel.data.table import Table
from lowlevel.errors import in_one_line, shortened

NAME = "german_credit_numeric"
LABEL = "label"
SOURCE = pathlib.Path(__file__).parent / "files" / "german.data-numeric"
# The checksum that TFDS registers for the file; with any other it would try to download.
SOURCE_SHA256 = "2752b044394958ab6dd193a0b56ca0f0b3a2d8bc7cb8c008e35a5e84bbec02f8"
# Of the prepared table's features, int32, then its labels, int64, in the order that TFDS gives
# them. Another order would be another experiment.
TABLE_SHA256 = "d96492cfe628be20e91e6bc7bf9600acde4fd04c02238f05842648c48f467896"
DEFAULT_DATA_DIR = "~/tensorflow_datasets"

# The first fifteen are ordinal codes or counts, the last nine are 0 or 1;
# files/README.md says which attribute of the original table each one is.
COLUMNS = (
    "checking_account_status",
    "duration_months",
    "credit_history",
    "credit_amount_hundreds",
    "savings_account",
    "employment_duration",
    "personal_status_and_sex",
    "residence_duration",
    "property",
    "age_years",
    "other_instalment_plans",
    "existing_credits",
    "dependents",
    "telephone",
    "foreign_worker",
    "purpose_new_car",
    "purpose_used_car",
    "other_debtors_none",
    "other_debtors_co_applicant",
    "housing_rented",
    "housing_owned",
    "job_unemployed_non_resident",
    "job_unskilled_resident",
    "job_skilled",
)


def load_german_credit(dtype: str = "float32", data_dir: str = "") -> Table:
    """Returns TFDS's `german_credit_numeric`: 1,000 rows of 24 features, label Good = 1, Bad = 0.

    The real TFDS builder prepares the table from the file bundled with this package, once for
    each `data_dir`; nothing is downloaded.

    Args:
        dtype: of the arrays, "float32" or "float64".
        data_dir: folder where TFDS keeps the prepared table; empty for `~/tensorflow_datasets`.

    Raises:
        ValueError: the bundled file is not the registered one, `data_dir` cannot be used, or the
            table in it is damaged or another.
    """
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    if digest != SOURCE_SHA256:
        raise ValueError(
            f"Expected {SOURCE} with SHA-256 {SOURCE_SHA256}, got {digest}: restore the file"
        )
    # Slow to import, and of no use to those who bring their own table.
    import tensorflow_datasets as tfds

    try:
        folder = pathlib.Path(data_dir or DEFAULT_DATA_DIR).expanduser()
        if folder.is_file():
            raise NotADirectoryError(
                "it is a file; a table of your own goes through lowlevel.train, see the README"
            )
        features, labels = _read(tfds, folder)
    # What a damaged file raises depends on the file.
    except Exception as error:
        raise ValueError(
            "data_dir: expected a folder that can be written, got "
            f"{shortened(data_dir or DEFAULT_DATA_DIR, 120)} "
            f"({shortened(in_one_line(error), 120)}); if {NAME} in it is damaged, delete that"
        ) from error
    found = hashlib.sha256(features.tobytes() + labels.tobytes()).hexdigest()
    if found != TABLE_SHA256:
        raise ValueError(
            f"data_dir: expected the table that TFDS prepares, with SHA-256 {TABLE_SHA256}, got "
            f"another in {folder / NAME}, {found}: delete that, and it is prepared anew"
        )
    return Table(features.astype(dtype), labels.astype(dtype), names=COLUMNS)


def _read(tfds: Any, folder: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns features, int32 `[1000, 24]`, and labels, int64 `[1000]`, prepared if need be."""
    tfds.disable_progress_bar()
    _prepare(tfds, folder)
    # Anew: one made before the table was there, be it another process's, knows none of its splits.
    builder = tfds.builder(NAME, data_dir=folder)
    rows = builder.as_dataset(split="train", as_supervised=True, batch_size=-1)
    return tfds.as_numpy(rows)


def _prepare(tfds: Any, folder: pathlib.Path) -> None:
    """Has TFDS prepare the table in a folder, unless it is there."""
    source = tfds.download.DownloadConfig(manual_dir=SOURCE.parent)
    builder = tfds.builder(NAME, data_dir=folder)
    try:
        # It tells of its work on standard output, which is not a library's to write to.
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(download_config=source)
    except OSError:
        # Another process was first; its table is there as a whole, or not at all.
        if not builder.data_path.exists():
            raise
