"""The settings of the data: which rows to train on, and which to judge by."""

import dataclasses

from lowlevel.config import Settings, documented, setting
from lowlevel.ranges import Bytes, Choice, NumberOr, Numbers, Share, Text, Texts

# What becomes of missing values.
REFUSE, MEAN, INDICATOR = MISSING = ("refuse", "mean", "indicator")
BALANCED = "balanced"
# What the errors of coefficients come from: see `experiment.coefficients`.
OBSERVED, HC1 = STANDARD_ERRORS = ("observed", "hc1")


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSettings(Settings):
    """Which rows to train on, and which to judge by; without `train`, the German credit table."""

    train: str = setting(
        "",
        Text("a path"),
        "rows to train on: a CSV or Parquet file, a folder of them, or a glob in quotes; left out, "
        "the German credit table",
    )
    dataset: str = setting(
        "", Text("a name"), "rows to train on: a data set of TensorFlow Datasets, by name"
    )
    label: str = setting("", Text("a column"), "the column that is to be predicted")
    positive: str = setting(
        "", Text("a value"), "the value of the label that counts as 1; left out, labels are numbers"
    )
    weight: str = setting("", Text("a column"), "the column of the sample weights")
    drop: tuple[str, ...] = setting((), Texts("columns"), "columns to leave out, with commas")
    missing: str = setting(
        REFUSE,
        Choice(MISSING),
        "what becomes of missing values: mean fills numbers with the training rows' mean, "
        "indicator says in a further column where, and a missing text is a level of its own in "
        "both",
    )
    class_weight: str = setting(
        "",
        NumberOr((BALANCED,)),
        "what a positive row counts beside a negative one: a number, or balanced, where each class "
        "counts as much as the other",
    )
    memory_limit: int = setting(
        "",
        Bytes(),
        "what a table may take of the memory, 512MB say; one that takes more is read from a file, "
        "a window of its rows at a time; left out, half of the machine's",
    )
    holdout: float = setting(
        0.0, Share(), "share of the rows, each label alike, that is held out and judged by"
    )
    test: str = setting("", Text("a path"), "rows to judge by, in place of a share: as for train")
    cost: tuple[float, ...] = setting(
        (),
        Numbers(2, "two positive numbers, with a comma between"),
        "of a false positive and of a false negative, for the mean cost of a decision",
    )
    standard_errors: str = setting(
        OBSERVED,
        Choice(STANDARD_ERRORS),
        "of a regression's coefficients: observed, from the second derivatives of the loss, or "
        "hc1, robust, which allow for a wrong likelihood",
    )

    def __post_init__(self) -> None:
        """Checks every field, and that they go together.

        Raises:
            ValueError: as for every group; or one setting lacks another, or rules it out.
        """
        super().__post_init__()
        given = [name for name in ("train", "dataset") if getattr(self, name)]
        if len(given) == 2:
            raise ValueError("dataset: expected train or dataset, got both")
        if given and not self.label:
            raise ValueError("label: expected the column that is to be predicted, got none")
        for name in ("label", "weight", "drop", "positive", "test"):
            if getattr(self, name) and not given:
                raise ValueError(f"{name}: expected with train or dataset, got it without")
        if self.label and self.label in (self.weight, *self.drop):
            name = "weight" if self.weight == self.label else "drop"
            raise ValueError(f"{name}: expected other columns than the label, got {self.label}")
        if self.weight and self.weight in self.drop:
            raise ValueError(f"drop: expected other columns than the weight, got {self.weight}")
        if self.holdout and self.test:
            raise ValueError("test: expected holdout or test, got both")
