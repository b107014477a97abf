"""Both modes from the same start over the same batches: how far apart do they end?"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lowlevel.config import NEWTON, OPTIMIZERS, Config
from lowlevel.data import Rows, Table
from lowlevel.experiment import modes
from lowlevel.experiment.run import Run, train
from lowlevel.progress import Epoch, Follower, Observer, State

# Without XLA both modes issue the same operations, and not a bit may differ. XLA fuses them as it
# sees fit, each mode's its own way; what is left then is rounding.
XLA_TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


class Row(NamedTuple):
    """Both modes at the end of an epoch.

    Attributes:
        module: the record of module mode.
        keras: the record of keras mode.
        absolute: the largest difference of any weight.
        relative: the largest difference of any weight, as a share of the largest number in its
          array: one weight that happens to be near 0 says nothing of how far apart two are.
    """

    module: Epoch
    keras: Epoch
    absolute: float
    relative: float


class Comparison(NamedTuple):
    """Both modes, compared.

    Attributes:
        rows: one for every report.
        runs: by mode.
        tolerance: the largest relative difference of any weight that is promised.
    """

    rows: list[Row]
    runs: dict[str, Run]
    tolerance: float

    @property
    def relative(self) -> float:
        """The largest relative difference of any weight at any report."""
        return max(row.relative for row in self.rows)

    @property
    def epochs(self) -> dict[str, int]:
        """After how many epochs each mode ended, by mode."""
        return {mode: len(run.history) for mode, run in self.runs.items()}

    @property
    def agrees(self) -> bool:
        """Whether the promise is kept: both ended together, and no weight differs by more."""
        return self.relative <= self.tolerance and len({*self.epochs.values()}) == 1


def compare(
    config: Config,
    table: Rows,
    on_row: Callable[[Row], None] | None = None,
    test: Table | None = None,
    observers: Mapping[str, Sequence[Observer]] | None = None,
    followers: Sequence[Follower] = (),
) -> Comparison:
    """Trains both modes by one config on one table.

    Args:
        config: the settings of both.
        table: the rows to train on.
        on_row: is shown each row as it comes.
        test: rows held out, by which `patience` stops the training.
        observers: further ones of a run, by its mode.
        followers: of both runs, module mode's first.

    Raises:
        ValueError: as for `train`; or keras mode has no such optimizer.
    """
    if config.optimizer == NEWTON:
        raise ValueError(
            f"optimizer: expected one of {', '.join(OPTIMIZERS)}, which both modes have, got "
            f"{NEWTON}: use it in module mode"
        )
    by_module: list[tuple[Epoch, dict[str, np.ndarray]]] = []
    rows: list[Row] = []

    def keep(epochs: Sequence[Epoch], state: State) -> None:
        by_module.append((epochs[-1], modes.load("module").named_weights(state.model)))

    def hold_against(epochs: Sequence[Epoch], state: State) -> None:
        # Under XLA one of them may stop early, and the other later.
        if len(rows) == len(by_module):
            return
        record, weights = by_module[len(rows)]
        differences = largest_differences(weights, modes.load("keras").named_weights(state.model))
        rows.append(Row(record, epochs[-1], *differences))
        if on_row:
            on_row(rows[-1])

    others = observers or {}
    runs = {
        mode: train(mode, config, table, [own, *others.get(mode, ())], test, followers=followers)
        for mode, own in {"module": keep, "keras": hold_against}.items()
    }
    tolerance = XLA_TOLERANCE[table.dtype] if config.jit_compile else 0.0
    return Comparison(rows, runs, tolerance)


def largest_differences(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> tuple[float, float]:
    """Returns the largest difference of any element, and the largest as a share of its array.

    Args:
        first: arrays by name, of finite numbers.
        second: arrays by name, of the same names, shapes and dtypes.

    Raises:
        ValueError: names, shapes or dtypes differ.
    """
    check_same_form(first, second)
    absolute = relative = 0.0
    for name, values in first.items():
        difference = float(np.abs(values - second[name]).max())
        size = float(max(np.abs(values).max(), np.abs(second[name]).max()))
        absolute = max(absolute, difference)
        relative = max(relative, difference / (size or 1))
    return absolute, relative


def check_same_form(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError, which names one difference, unless both hold the same kinds of arrays."""
    alone = sorted(first.keys() ^ second.keys())
    if alone:
        side = "first" if alone[0] in first else "second"
        raise ValueError(
            f"Expected the same weights, got {alone[0]} in the {side} alone: both modes must have "
            "the same layers, under the same names"
        )
    for name, values in first.items():
        forms = [f"{array.dtype} {list(array.shape)}" for array in (values, second[name])]
        if forms[0] != forms[1]:
            raise ValueError(
                f"Expected the same weights, got {name} as {forms[0]} and as {forms[1]}: both "
                "modes must make it alike"
            )
