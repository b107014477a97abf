"""A table in, arrays out: the German credit table, its moments, and the order of the batches."""

import contextlib
import dataclasses
import hashlib
import io
import pathlib
from collections.abc import Iterator
from concurrent import futures

import numpy as np

from lowlevel.config import Config
from lowlevel.errors import in_one_line

NAME = "german_credit_numeric"
SOURCE = pathlib.Path(__file__).parent / "datasets" / "german.data-numeric"
# The checksum that TFDS registers for the file; with any other it would try to download.
SOURCE_SHA256 = "2752b044394958ab6dd193a0b56ca0f0b3a2d8bc7cb8c008e35a5e84bbec02f8"
# Of a block of orders, 16 MiB: enough work that starting a block costs nothing beside it.
MOST_INDICES = 2**22
DEFAULT_DATA_DIR = "~/tensorflow_datasets"

# The first fifteen are ordinal codes or counts, the last nine are 0 or 1;
# datasets/README.md says which attribute of the original table each one is.
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


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows to train on.

    Attributes:
        features: `[rows, columns]`, float32 or float64, finite.
        labels: `[rows]`, of the same dtype, from 0 to 1.
        sample_weight: `[rows]`, of the same dtype, not negative, not all 0; or None, where every
          row counts 1.

    Raises:
        ValueError: a type, a shape, a dtype or a value is not as above.
    """

    features: np.ndarray
    labels: np.ndarray
    sample_weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Validates types, shapes, dtypes and values."""
        for name, column in vars(self).items():
            if column is not None and not isinstance(column, np.ndarray):
                raise ValueError(
                    f"Expected `{name}` to be a NumPy array, got {type(column).__name__}: "
                    "np.asarray makes one of it"
                )
        if self.features.ndim != 2 or self.features.size == 0:
            raise ValueError(
                f"Expected `features` of shape [rows, columns], got {list(self.features.shape)}"
            )
        if self.features.dtype not in (np.float32, np.float64):
            raise ValueError(
                f"Expected `features` of dtype float32 or float64, got {self.features.dtype}"
            )
        if not np.isfinite(self.features).all():
            row = int(np.argmin(np.isfinite(self.features).all(axis=1)))
            raise ValueError(f"Expected finite `features`, got {self.features[row]} in row {row}")
        self._check_column("labels", self.labels, highest=1)
        if self.sample_weight is not None:
            self._check_column("sample_weight", self.sample_weight, highest=np.inf)
            if not self.sample_weight.any():
                raise ValueError("Expected a `sample_weight` above 0 in some row, got 0 in all")

    def _check_column(self, name: str, values: np.ndarray, highest: float) -> None:
        expected = self.features.shape[:1], self.features.dtype
        if (values.shape, values.dtype) != expected:
            raise ValueError(
                f"Expected `{name}` of shape {list(expected[0])} and dtype {expected[1]}, "
                f"as `features` has, got {list(values.shape)} and {values.dtype}: "
                "reshape, or use astype"
            )
        within = (values >= 0) & (values <= highest) & np.isfinite(values)
        if not within.all():
            row = int(np.argmin(within))
            raise ValueError(
                f"Expected finite `{name}` from 0 to {highest}, got {values[row]} in row {row}"
            )

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.features)

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """The features, the labels and, where there are any, the sample weights."""
        columns = (self.features, self.labels, self.sample_weight)
        return tuple(column for column in columns if column is not None)


def load_german_credit(dtype: str, data_dir: str = "") -> Table:
    """Returns TFDS's `german_credit_numeric`: 1,000 rows of 24 features, label Good = 1, Bad = 0.

    The real TFDS builder prepares the table from the file bundled with this package, once for
    each `data_dir`; nothing is downloaded.

    Args:
        dtype: of the arrays, "float32" or "float64".
        data_dir: folder where TFDS keeps the prepared table; empty for `~/tensorflow_datasets`.

    Raises:
        ValueError: the bundled file is not the registered one, or `data_dir` cannot be used.
    """
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    if digest != SOURCE_SHA256:
        raise ValueError(
            f"Expected {SOURCE} with SHA-256 {SOURCE_SHA256}, got {digest}: restore the file"
        )
    # Slow to import, and of no use to those who bring their own table.
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    try:
        folder = pathlib.Path(data_dir or DEFAULT_DATA_DIR).expanduser()
        builder = tfds.builder(NAME, data_dir=folder)
        # It tells of its work on standard output, which is not a library's to write to.
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(manual_dir=SOURCE.parent)
            )
        rows = builder.as_dataset(split="train", as_supervised=True, batch_size=-1)
        features, labels = tfds.as_numpy(rows)
    # What a damaged file raises depends on the file.
    except Exception as error:
        raise ValueError(
            f"data_dir: expected a folder that can be written, got {data_dir or DEFAULT_DATA_DIR} "
            f"({in_one_line(error)}); if {NAME} in it is damaged, delete that"
        ) from error
    return Table(features.astype(dtype), labels.astype(dtype))


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns each column's mean and standard deviation, `[columns]` each, in the features' dtype.

    The deviation is the population's (divided by the number of rows). A constant column's is
    given as 1, so that standardised it is 0.
    """
    # A column at a time: NumPy makes a float64 copy of what it takes the deviation of.
    mean = np.array([column.mean(dtype=np.float64) for column in features.T])
    deviation = np.array([column.std(dtype=np.float64) for column in features.T])
    # Rounding leaves a constant column a mean that is off, and a deviation that is not 0.
    constant = features.min(axis=0) == features.max(axis=0)
    mean[constant], deviation[constant] = features[0, constant], 1
    return mean.astype(features.dtype), deviation.astype(features.dtype)


def batch_order(seed: int, epoch: int, rows: int) -> np.ndarray:
    """Returns the order of the rows in one epoch, int64 `[rows]`.

    A pure function of its arguments: no iterator has a state that two loops could consume
    differently, and a run can begin at any epoch.

    Args:
        seed: the run's seed, at least 0.
        epoch: counted from 0.
        rows: the number of rows in the table.
    """
    return np.random.default_rng([seed, epoch]).permutation(rows)


def epoch_blocks(config: Config, rows: int) -> Iterator[range]:
    """Yields a run's epochs, counted from 0, in blocks that end at the next report.

    Args:
        config: the run's settings.
        rows: the number of rows in the table; a block's orders have at most `MOST_INDICES`, or
          are one epoch's.
    """
    longest = max(1, MOST_INDICES // rows)
    first = 0
    while first < config.epochs:
        report = first - first % config.report_every + config.report_every
        last = min(first + longest, report, config.epochs)
        yield range(first, last)
        first = last


def order_blocks(config: Config, rows: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the orders of a run's epochs in turn; the next block is made beside one's work.

    Args:
        config: the run's settings.
        rows: the number of rows in the table.

    Yields:
        The number of epochs in the block, and int32 `[longest block, rows]`: of one shape
        throughout, so that a function compiled for one block fits them all. What lies past the
        block's own epochs has no meaning. Aligned, see `aligned`.
    """
    blocks = epoch_blocks(config, rows)
    # No block is longer than the first.
    longest = len(next(epoch_blocks(config, rows)))

    def make_next() -> tuple[int, np.ndarray] | None:
        block = next(blocks, None)
        if block is None:
            return None
        orders = aligned(np.zeros([longest, rows], np.int32))
        for index, epoch in enumerate(block):
            orders[index] = batch_order(config.seed, epoch, rows)
        return len(block), orders

    with futures.ThreadPoolExecutor(1) as beside:
        ahead = beside.submit(make_next)
        while (made := ahead.result()) is not None:
            ahead = beside.submit(make_next)
            yield made


def aligned(array: np.ndarray) -> np.ndarray:
    """Returns a copy that begins at a multiple of 64 bytes: one that TensorFlow can share."""
    buffer = np.empty(array.nbytes + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    copy = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def layer_seeds(seed: int, layers: int) -> list[int]:
    """Returns a seed for the initial weights of each layer, independent of one another.

    Args:
        seed: the run's seed, at least 0.
        layers: how many are wanted.

    Returns:
        Integers from 0 to 2**31 - 3: below what both TensorFlow and Keras take as it is.
    """
    words = np.random.SeedSequence(seed).generate_state(layers, np.uint64)
    return [int(word % (2**31 - 2)) for word in words]
