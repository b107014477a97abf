"""Both modes from the same start over the same batches: how far apart do they end?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lowlevel import modes
from lowlevel.config import Config
from lowlevel.data import Table
from lowlevel.runs import Epoch

# Without XLA both modes issue the same operations, and not a bit may differ. XLA fuses them as it
# sees fit, each mode's its own way; what is left then is rounding.
XLA_TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


class Row(NamedTuple):
    """Both modes at the end of an epoch.

    Attributes:
        module: the record of module mode.
        keras: the record of keras mode.
        absolute: the largest difference of any weight.
        relative: the largest difference of any weight, as a share of the larger of the two.
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
    runs: dict[str, modes.Run]
    tolerance: float

    @property
    def relative(self) -> float:
        """The largest relative difference of any weight at any report."""
        return max(row.relative for row in self.rows)

    @property
    def agrees(self) -> bool:
        """Whether the promise is kept."""
        return self.relative <= self.tolerance


def compare(config: Config, table: Table, on_row: Callable[[Row], None]) -> Comparison:
    """Trains both modes by one config on one table.

    Args:
        config: the settings of both; its `mode` does not matter.
        table: the rows to train on, of the config's dtype.
        on_row: is shown each row as it comes.

    Raises:
        ValueError: the loss is not finite, or the likelihood cannot be used.
    """
    by_module: list[tuple[Epoch, dict[str, np.ndarray]]] = []
    rows: list[Row] = []

    def keep(epochs: Sequence[Epoch], model: Any) -> None:
        by_module.append((epochs[-1], modes.load("module").named_weights(model)))

    def hold_against(epochs: Sequence[Epoch], model: Any) -> None:
        record, weights = by_module[len(rows)]
        differences = largest_differences(weights, modes.load("keras").named_weights(model))
        rows.append(Row(record, epochs[-1], *differences))
        on_row(rows[-1])

    runs = {
        "module": modes.run("module", config, table, keep),
        "keras": modes.run("keras", config, table, hold_against),
    }
    tolerance = XLA_TOLERANCE[config.dtype] if config.jit_compile else 0.0
    return Comparison(rows, runs, tolerance)


def largest_differences(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> tuple[float, float]:
    """Returns the largest absolute and the largest relative difference of any element.

    Args:
        first: arrays by name, of finite numbers.
        second: arrays by name, of the same names, shapes and dtypes.

    Raises:
        ValueError: names, shapes or dtypes differ.
    """
    forms = [
        {name: (values.shape, values.dtype) for name, values in weights.items()}
        for weights in (first, second)
    ]
    if forms[0] != forms[1]:
        raise ValueError(f"Expected the same weights, got {forms[0]} and {forms[1]}")
    absolute = relative = 0.0
    for name, values in first.items():
        difference = np.abs(values - second[name])
        scale = np.maximum(np.abs(values), np.abs(second[name]))
        absolute = max(absolute, float(difference.max()))
        relative = max(relative, float((difference / np.where(scale == 0, 1, scale)).max()))
    return absolute, relative
