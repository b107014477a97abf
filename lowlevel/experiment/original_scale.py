"""A run's coefficients on the scale of the columns as they were given."""

import dataclasses
from typing import NamedTuple

import numpy as np

from lowlevel.config import Config, shown
from lowlevel.data.columns import NUMBER
from lowlevel.data.schema import Schema
from lowlevel.data.settings import HC1, OBSERVED
from lowlevel.experiment.coefficients import Coefficient, coefficients
from lowlevel.experiment.run import Run
from lowlevel.experiment.tables import Tables
from lowlevel.likelihoods import loading


class Coefficients(NamedTuple):
    """What is known of a run's coefficients.

    Attributes:
        rows: intercept first; none where there are none.
        note: why not, if that is worth a line.
        errors: what theirs come from, one of `data.settings.STANDARD_ERRORS`.
    """

    rows: list[Coefficient]
    note: str = ""
    errors: str = OBSERVED

    @property
    def head(self) -> list[str]:
        """The names of what is known of each."""
        return [field.name for field in dataclasses.fields(Coefficient)]


def check_errors(config: Config, errors: str) -> None:
    """Raises ValueError where errors are asked for of a model that has no coefficients."""
    if errors != OBSERVED and config.hidden_units:
        raise ValueError(
            f"standard_errors: expected a model without hidden layers for {errors}, got "
            f"hidden_units={shown(config.hidden_units)}: leave these empty"
        )


def of_run(run: Run, found: Tables, errors: str = OBSERVED) -> Coefficients:
    """Returns the coefficients of a run without hidden layers, with their errors, if they have any.

    Args:
        run: in either mode.
        found: the tables that it was trained on.
        errors: what theirs are to come from.
    """
    if run.config.hidden_units:
        return Coefficients([])
    likelihood = loading.load(run.config.likelihood)
    # The encoder has centered the numbers, so that float32 holds them.
    center = centers(found.encoder.schema) if found.encoder else None
    try:
        rows = coefficients(
            likelihood,
            found.train,
            run.weights,
            errors == HC1,
            l2=run.config.l2,
            center=center,
        )
        return Coefficients(rows, errors=errors)
    except ValueError as error:
        return Coefficients([], str(error))


def centers(schema: Schema) -> np.ndarray:
    """Returns what was taken away from each feature, `[features]`."""
    found = []
    for column in schema.columns:
        own = [column.center] if column.kind == NUMBER else []
        found += own + [0.0] * (len(column.features) - len(own))
    return np.array(found)
