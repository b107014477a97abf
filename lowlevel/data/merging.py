"""Moments of a column that comes in parts: exact for numbers that hardly differ."""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of numbers, which can be merged.

    All are of the numbers less a pivot, one of them: those that hardly differ are exact then.

    Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
    sample variances", 1979.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, numbers: np.ndarray, pivot: float) -> "Moments":
        """Returns those of an array in float64, by two passes."""
        if not numbers.size:
            return cls()
        apart = numbers - pivot
        mean = float(np.mean(apart))
        with np.errstate(over="ignore"):
            squares = float(np.sum(np.square(apart - mean)))
        return cls(numbers.size, mean, squares)

    def merged(self, other: "Moments") -> "Moments":
        """Returns those of both together."""
        count = self.count + other.count
        if not count:
            return self
        apart = other.mean - self.mean
        mean = self.mean + apart * other.count / count
        between = apart * apart * self.count * other.count / count
        return Moments(count, mean, self.squares + other.squares + between)

    @property
    def deviation(self) -> float:
        """The population's standard deviation."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0
