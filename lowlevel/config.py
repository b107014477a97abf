"""The settings of a run, in groups: each with its help and its range, once. No TensorFlow here."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

from lowlevel.errors import shortened
from lowlevel.ranges import Choice, Named, Number, Range, Switch, Whole, Wholes

MODULE, KERAS = TRAINING_MODES = ("module", "keras")
OPTIMIZERS = ("sgd", "momentum", "adam")
# By hand alone: it takes all rows at once.
NEWTON = "newton"
ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid")
DTYPES = ("float32", "float64")
KERAS_HOOKS = ("train_step", "compute_loss")
FULL, WINDOW = SHUFFLES = ("full", "window")
NO_STRATEGY, MIRRORED, MULTIWORKER = STRATEGIES = ("none", "mirrored", "multiworker")
# Whether a run goes on from its checkpoints.
AUTO, NEVER, MUST = RESUMES = ("auto", "never", "must")

Group = TypeVar("Group", bound=type)


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


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Returns what is otherwise in two runs, in words."""
    names = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    words = [
        f"other {name}"
        if name.startswith(("rows", "likelihood's"))
        else f"{name}={shown(found.get(name))} in place of {shown(expected.get(name))}"
        for name in names
    ]
    return shortened(", ".join(words))


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
    optimizer: str = setting(
        "sgd",
        Choice((*OPTIMIZERS, NEWTON)),
        "momentum is SGD with momentum 0.9; newton goes to the maximum by all rows at once, one "
        "pass an epoch, in module mode without hidden layers, whatever the rate and the batches",
    )
    shuffle: str | None = setting(
        None,
        Choice(SHUFFLES, optional=True),
        "order of the rows, anew in each epoch: full permutes all of them, window permutes groups "
        "of neighbours and then the rows of some groups together, which is faster in a long table; "
        "left out, full in memory, and window where the table is not",
    )
    jit_compile: bool = setting(False, Switch(), "compile the training step with XLA")
    report_every: int = setting(1, Whole(at_least=1), "epochs from one report to the next")
    patience: int = setting(
        0,
        Whole(at_least=0),
        "reports without a lower NLL of the rows held out before training stops, with the best "
        "weights; 0 for never",
    )
    threads: int = setting(
        0,
        Whole(at_least=0, at_most=1024),
        "of the processor, for one operation; 0 for as many as the process may use. Sums over "
        "many rows are split among them, and the last bits depend on how",
    )


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class DistributionSettings(Settings):
    """How training is shared by devices and machines."""

    strategy: str = setting(
        NO_STRATEGY,
        Choice(STRATEGIES),
        "of TensorFlow: mirrored shares each batch among the devices of this process, multiworker "
        "among processes, on one machine or many, by TF_CONFIG, in module mode",
    )
    virtual_devices: int = setting(
        1, Whole(at_least=1, at_most=64), "into how many the processor is split, for trying out"
    )
    shards: int | None = setting(
        None,
        Whole(at_least=0, at_most=4096, optional=True),
        "parts of each batch whose gradients are taken alone and added in a fixed order, so that "
        "the bits depend on their number, and not on that of the workers; 0 leaves the sum to the "
        "strategy; left out, 8 with a strategy, and 1 without",
    )
    worker_timeout: int = setting(
        300, Whole(at_least=1), "seconds that workers wait for one that is not there"
    )

    def __post_init__(self) -> None:
        """Checks every field, and that they go together.

        Raises:
            ValueError: as for every group; or one setting lacks another.
        """
        super().__post_init__()
        if self.virtual_devices > 1 and self.strategy != MIRRORED:
            raise ValueError(
                f"virtual_devices: expected 1 but with strategy={MIRRORED}, got "
                f"{self.virtual_devices} with {self.strategy}: set that, or leave it out"
            )

    @property
    def distributed(self) -> bool:
        """Whether there is a strategy."""
        return self.strategy != NO_STRATEGY

    @property
    def sharded(self) -> bool:
        """Whether a step takes the gradients of shards."""
        return self.distributed or self.cuts_batches

    @property
    def cuts_batches(self) -> bool:
        """Whether the shards of a batch are more, or others, than the batch."""
        return self.shards not in (None, 1)


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ModelSettings, TrainingSettings, DistributionSettings):
    """All settings of a run; the defaults are the article's experiment."""

    def check(self, mode: str) -> None:
        """Raises ValueError where a mode cannot train by these settings, whatever the table."""
        if mode != KERAS:
            return
        if self.strategy == MULTIWORKER:
            raise ValueError(
                f"strategy: expected {NO_STRATEGY} or {MIRRORED} in {KERAS} mode, got "
                f"{MULTIWORKER}: fit of Keras 3 cannot be shared by several workers; use "
                f"{MODULE} mode, whose loop can"
            )
        if self.keras_hook != KERAS_HOOKS[0] and self.sharded:
            raise ValueError(
                f"keras_hook: expected {KERAS_HOOKS[0]} where batches are cut into shards, got "
                f"{self.keras_hook}: Keras's own step takes the gradient of a whole batch"
            )
