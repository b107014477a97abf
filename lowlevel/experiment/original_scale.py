"""A run's coefficients on the scale of the columns as they were given."""

import dataclasses
from typing import NamedTuple

import numpy as np

from lowlevel.data.columns import NUMBER
from lowlevel.data.schema import Schema
from lowlevel.experiment.coefficients import Coefficient, coefficients
from lowlevel.experiment.run import Run
from lowlevel.experiment.tables import Tables
from lowlevel.likelihoods import loading


class Coefficients(NamedTuple):
    """What is known of a run's coefficients.

    Attributes:
        rows: intercept first; none where there are none.
        note: why not, if that is worth a line.
    """

    rows: list[Coefficient]
    note: str = ""

    @property
    def head(self) -> list[str]:
        """The names of what is known of each."""
        return [field.name for field in dataclasses.fields(Coefficient)]


def of_run(run: Run, found: Tables) -> Coefficients:
    """Returns the coefficients of a run without hidden layers, with their errors, if they have any.

    Args:
        run: in either mode.
        found: the tables that it was trained on.
    """
    if run.config.hidden_units:
        return Coefficients([])
    likelihood = loading.load(run.config.likelihood)
    # The encoder has centered the numbers, so that float32 holds them.
    center = centers(found.encoder.schema) if found.encoder else None
    try:
        return Coefficients(
            coefficients(likelihood, found.train, run.weights, l2=run.config.l2, center=center)
        )
    except ValueError as error:
        return Coefficients([], str(error))


def centers(schema: Schema) -> np.ndarray:
    """Returns what was taken away from each feature, `[features]`."""
    found = []
    for column in schema.columns:
        own = [column.center] if column.kind == NUMBER else []
        found += own + [0.0] * (len(column.features) - len(own))
    return np.array(found)
