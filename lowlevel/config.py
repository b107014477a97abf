"""The settings of a run, in groups: each with its help and its range, once. No TensorFlow here."""

import dataclasses
import itertools
import math
import numbers
import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from lowlevel.errors import shortened

TRAINING_MODES = ("module", "keras")
OPTIMIZERS = ("sgd", "momentum", "adam")
ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid")
DTYPES = ("float32", "float64")
KERAS_HOOKS = ("train_step", "compute_loss")

Group = TypeVar("Group", bound=type)


class Range(Protocol):
    """What a setting may be."""

    @property
    def words(self) -> str:
        """The range in words, after "expected"."""

    def accept(self, value: Any) -> Any:
        """Returns a value in the setting's own type; raises TypeError or ValueError if unfit."""


class Choice(NamedTuple):
    """One of some names; None stands for "not chosen" where that is allowed."""

    names: Sequence[str]
    optional: bool = False

    @property
    def words(self) -> str:
        """The range in words."""
        return f"one of {', '.join(self.names)}"

    def accept(self, value: Any) -> str | None:
        """Returns the name."""
        if value is None and self.optional:
            return None
        if not isinstance(value, str) or value not in self.names:
            raise ValueError
        return str(value)


class Whole(NamedTuple):
    """A whole number, NumPy's included."""

    at_least: int
    at_most: int | None = None

    @property
    def words(self) -> str:
        """The range in words."""
        upwards = f"a whole number of at least {self.at_least}"
        return upwards if self.at_most is None else f"{upwards} and at most {self.at_most}"

    def accept(self, value: Any) -> int:
        """Returns the number."""
        number = operator.index(value)
        above = self.at_most is not None and number > self.at_most
        if isinstance(value, bool) or number < self.at_least or above:
            raise ValueError
        return number


class Wholes(NamedTuple):
    """Whole numbers, any number of them; one alone stands for itself."""

    at_least: int

    @property
    def words(self) -> str:
        """The range in words."""
        return f"whole numbers of at least {self.at_least}"

    def accept(self, value: Any) -> tuple[int, ...]:
        """Returns the numbers."""
        if isinstance(value, str):
            raise TypeError
        values = value if isinstance(value, Iterable) else [value]
        return tuple(map(Whole(self.at_least).accept, values))


class Number(NamedTuple):
    """A finite number of at least 0, or above it."""

    above_zero: bool

    @property
    def words(self) -> str:
        """The range in words."""
        return "a positive number" if self.above_zero else "a number of at least 0"

    def accept(self, value: Any) -> float:
        """Returns the number."""
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError
        number = float(value)
        if not (number > 0 if self.above_zero else number >= 0) or not number < math.inf:
            raise ValueError
        return number


class Switch(NamedTuple):
    """True or False, and nothing that Python would take for one of them."""

    words: str = "True or False"

    def accept(self, value: Any) -> bool:
        """Returns it as Python's."""
        # NumPy's own kind says what it is without an import of NumPy.
        if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):
            raise TypeError
        return bool(value)


class Named(NamedTuple):
    """Something by name, or the thing itself: whoever uses it looks at it."""

    words: str

    def accept(self, value: Any) -> Any:
        """Returns it."""
        return value


def setting(default: Any, within: Range, help: str) -> Any:  # noqa: A002
    """Returns a dataclass field that knows its range and its help."""
    return dataclasses.field(default=default, metadata={"within": within, "help": help})


def documented(cls: Group) -> Group:
    """Lists a dataclass's settings in its docstring, by their help and their ranges."""
    lines = [
        f"    {field.name}: {field.metadata['help']}; {field.metadata['within'].words}."
        for field in dataclasses.fields(cls)
    ]
    cls.__doc__ = "\n".join([f"{cls.__doc__}\n\nAttributes:", *lines])
    return cls


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What the groups share: every field is checked, and brought to its own type, once.

    Raises:
        ValueError: a setting is out of its range; the message begins with its name.
    """

    def __post_init__(self) -> None:
        """Checks every field."""
        for field in dataclasses.fields(self):
            value, within = getattr(self, field.name), field.metadata["within"]
            try:
                object.__setattr__(self, field.name, within.accept(value))
            except (TypeError, ValueError, OverflowError):
                raise ValueError(
                    f"{field.name}: expected {within.words}, got {shown(value)}"
                ) from None


def shown(value: Any) -> str:
    """Returns a value as a message has it: a sequence with commas, as one would type it."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return shortened(str(value)) or repr(value)


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class CommonSettings(Settings):
    """What building and training both depend on."""

    seed: int = setting(
        0, Whole(at_least=0), "seed of the initial weights and of the order of the batches"
    )
    dtype: str | None = setting(
        None,
        Choice(DTYPES, optional=True),
        "of the weights and of all arithmetic; left out, that of the table",
    )


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings(CommonSettings):
    """What a model is made by."""

    hidden_units: tuple[int, ...] = setting(
        (4,),
        Wholes(at_least=1),
        "width of each hidden layer; none for a plain regression on the features",
    )
    activation: str = setting("linear", Choice(ACTIVATIONS), "applied after each hidden layer")
    l2: float = setting(
        0.0,
        Number(above_zero=False),
        "weight of the penalty, the sum of the squares of every kernel; 0 for none",
    )
    standardize: bool = setting(
        False, Switch(), "scale the features, inside the model, to mean 0 and deviation 1"
    )
    likelihood: Any = setting(
        "logit",
        Named("a name, FILE.py:NAME or a Likelihood"),
        "of the label: a name in lowlevel/likelihoods, logit say, or your own as FILE.py:NAME",
    )
    keras_hook: str = setting(
        "train_step",
        Choice(KERAS_HOOKS),
        "what keras mode overrides to train with the custom loss",
    )

    def count_weights(self, inputs: int, predictors: int = 1) -> int:
        """Returns how many numbers the layers hold, for so many columns of features."""
        widths = (inputs, *self.hidden_units, predictors)
        return sum((before + 1) * after for before, after in itertools.pairwise(widths))


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings(CommonSettings):
    """How a model is trained."""

    epochs: int = setting(5, Whole(at_least=1), "passes over the rows")
    batch_size: int = setting(
        100, Whole(at_least=1), "rows in a batch; the last one of an epoch may be shorter"
    )
    learning_rate: float = setting(1e-4, Number(above_zero=True), "size of a step")
    optimizer: str = setting("sgd", Choice(OPTIMIZERS), "momentum is SGD with momentum 0.9")
    jit_compile: bool = setting(False, Switch(), "compile the training step with XLA")
    report_every: int = setting(1, Whole(at_least=1), "epochs from one report to the next")
    threads: int = setting(
        0,
        Whole(at_least=0, at_most=1024),
        "of the processor, for one operation; 0 for as many as the process may use. Sums over "
        "many rows are split among them, and the last bits depend on how",
    )


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ModelSettings, TrainingSettings):
    """All settings of a run; the defaults are the article's experiment."""
