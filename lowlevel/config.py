"""Config: every setting of a run in one frozen, validated dataclass. No TensorFlow here."""

import dataclasses
import math
from collections.abc import Sequence

TRAINING_MODES = ("module", "keras")
MODES = (*TRAINING_MODES, "compare", "check")
OPTIMIZERS = ("sgd", "momentum", "adam")
ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid")
DTYPES = ("float32", "float64")
KERAS_HOOKS = ("train_step", "compute_loss")


@dataclasses.dataclass(frozen=True)
class Config:
    """The settings of one run; the defaults are the article's experiment.

    Attributes:
        mode: one of `MODES`; those of `TRAINING_MODES` name the folder, `module_mode/` or
          `keras_mode/`.
        epochs: passes over the training rows, at least 1.
        batch_size: rows in a batch, at least 1; the last batch of an epoch may be shorter.
        learning_rate: size of an update's step, a positive number.
        optimizer: one of `OPTIMIZERS`.
        hidden_units: width of each hidden layer; empty for none, a plain logistic regression.
        activation: one of `ACTIVATIONS`, applied after each hidden layer.
        l2: weight of the penalty, the sum of the squares of every kernel; 0 for none.
        standardize: whether the model first scales its features by the training rows' moments.
        likelihood: a member of `likelihoods.LIKELIHOODS`, or FILE.py:NAME.
        seed: seed of the initial weights and of the order of the batches, at least 0.
        dtype: one of `DTYPES`.
        keras_hook: one of `KERAS_HOOKS`, what keras mode overrides to train with its own loss.
        jit_compile: whether XLA compiles the training step, in both modes.
        report_every: epochs between two reports, at least 1.
        report_weights: whether a report shows every trainable array too.
        output_dir: folder for the run's results; empty to write none.
        data_dir: folder where the prepared table is kept; empty for `~/tensorflow_datasets`.

    Raises:
        ValueError: a setting is out of its range; the message begins with its name.
    """

    mode: str = "module"
    epochs: int = 5
    batch_size: int = 100
    learning_rate: float = 1e-4
    optimizer: str = "sgd"
    hidden_units: tuple[int, ...] = (4,)
    activation: str = "linear"
    l2: float = 0.0
    standardize: bool = False
    likelihood: str = "logit"
    seed: int = 0
    dtype: str = "float32"
    keras_hook: str = "train_step"
    jit_compile: bool = False
    report_every: int = 1
    report_weights: bool = False
    output_dir: str = ""
    data_dir: str = ""

    def __post_init__(self) -> None:
        """Validates every field."""
        self._check_choice("mode", MODES)
        self._check_choice("optimizer", OPTIMIZERS)
        self._check_choice("activation", ACTIVATIONS)
        self._check_choice("dtype", DTYPES)
        self._check_choice("keras_hook", KERAS_HOOKS)
        for name in ("epochs", "batch_size", "report_every"):
            self._check_whole(name, at_least=1)
        self._check_whole("seed", at_least=0)
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate: expected a positive number, got {self.learning_rate}")
        if not 0 <= self.l2 < math.inf:
            raise ValueError(f"l2: expected a number of at least 0, got {self.l2}")
        if not all(isinstance(units, int) and units >= 1 for units in self.hidden_units):
            raise ValueError(
                "hidden_units: expected whole numbers of at least 1, "
                f"got {','.join(map(str, self.hidden_units))}"
            )

    def _check_choice(self, name: str, choices: Sequence[str]) -> None:
        if getattr(self, name) not in choices:
            raise ValueError(
                f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)}"
            )

    def _check_whole(self, name: str, at_least: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or value < at_least:
            raise ValueError(f"{name}: expected a whole number of at least {at_least}, got {value}")
