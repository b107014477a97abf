"""The subject of a gradient check: a function at some arguments, and its derivatives there."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.checks import differences
from lowlevel.checks.verdicts import WRONG_DTYPE, WRONG_SHAPE, Finding
from lowlevel.errors import in_one_line

# What a call takes: by position, or by keyword.
Arguments = Sequence[Any] | Mapping[str, Any]


class Tolerance(NamedTuple):
    """How far right gradients may be from central differences, and eager from compiled ones."""

    relative: float
    absolute: float
    compiled: float


# At their step, five-point differences lose about a fifth of the digits.
_TOLERANCES = {
    tf.float64: Tolerance(relative=1e-6, absolute=1e-8, compiled=1e-9),
    tf.float32: Tolerance(relative=1e-2, absolute=1e-3, compiled=1e-4),
}
_ABOUT_SHAPES = ("shape", "rank", "dimension", "broadcast")
_ABOUT_DTYPES = ("dtype", "float tensor", "double tensor")


class GradientError(ValueError):
    """TensorFlow raises where it works out a gradient."""

    def finding(self) -> Finding:
        """Returns the fault that the message tells of; raises this error if it tells of none."""
        message = str(self).lower()
        if any(word in message for word in _ABOUT_SHAPES):
            return Finding(WRONG_SHAPE, "a rule inside", f"{self}; return the argument's shape")
        if any(word in message for word in _ABOUT_DTYPES):
            return Finding(WRONG_DTYPE, "a rule inside", f"{self}; cast to the argument's dtype")
        raise self


class Subject:
    """A function at some arguments, and what it is differentiated in."""

    def __init__(self, function: Callable[..., tf.Tensor], arguments: Arguments) -> None:
        """Takes the arguments; `prepare` does the rest."""
        self.function = function
        self.keys = list(arguments) if isinstance(arguments, Mapping) else None
        given = arguments.values() if isinstance(arguments, Mapping) else arguments
        self.tensors = [_or_value_error(_tensor, value) for value in given]
        self.floating = [i for i, x in enumerate(self.tensors) if x.dtype.is_floating]
        self.variables: list[tf.Variable] = []
        self._jacobians: dict[tuple[int, float], np.ndarray] = {}

    def prepare(self) -> "Subject":
        """Calls the function, and finds its variables; raises ValueError if it cannot be used."""
        with tf.GradientTape() as tape:
            value = _or_value_error(self.call, self.tensors)
        if not value.dtype.is_floating:
            raise ValueError(f"Expected a function to a floating tensor, got {value.dtype.name}")
        again = _or_value_error(self.call, self.tensors)
        if not np.array_equal(value, again, equal_nan=True):
            raise ValueError("Expected the same value from two calls, got two: fix its seeds")
        self.value = value.numpy()
        self.variables = list(tape.watched_variables())
        unusable = {x.dtype for x in (*self.targets, value)} - set(_TOLERANCES)
        if unusable or not self.targets:
            given = ", ".join(dtype.name for dtype in unusable) or "nothing to differentiate in"
            raise ValueError(f"Expected float64 or float32 arguments or variables, got {given}")
        self.tolerance = max(_TOLERANCES[x.dtype] for x in (*self.targets, value))
        return self

    @property
    def targets(self) -> list[tf.Tensor | tf.Variable]:
        """The floating arguments, then the variables."""
        return [self.tensors[i] for i in self.floating] + self.variables

    @property
    def names(self) -> list[str]:
        """A name for each target."""
        arguments = [f"argument {self.keys[i] if self.keys else i}" for i in self.floating]
        plain = [variable.name.split(":")[0] for variable in self.variables]
        return arguments + [
            f"variable {name}" + (f" (number {i})" if plain.count(name) > 1 else "")
            for i, name in enumerate(plain)
        ]

    def call(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Calls the function, by position or by keyword."""
        if self.keys is None:
            return tf.convert_to_tensor(self.function(*tensors))
        by_key = {key: tensors[i] for i, key in enumerate(self.keys)}
        return tf.convert_to_tensor(self.function(**by_key))

    def measure(
        self, tensors: Sequence[tf.Tensor], upstream: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor | None]]:
        """Returns value and gradients, one for each target; upstream None means ones."""
        arguments = [tensors[i] for i in self.floating]
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            value = self.call(tensors)
        try:
            gradients = tape.gradient(value, arguments + self.variables, upstream)
        except Exception as error:
            text = f"The gradient cannot be worked out: {in_one_line(error)}"
            raise GradientError(text) from error
        return value, [g if g is None else tf.convert_to_tensor(g) for g in gradients]

    def expected(self, target: int, upstream: np.ndarray, scale: float) -> np.ndarray:
        """Returns a target's gradient by central differences, at a scale of the usual step."""
        if (target, scale) not in self._jacobians:
            self._jacobians[target, scale] = self._jacobian(target, scale)
        return np.tensordot(self._jacobians[target, scale], upstream, upstream.ndim)

    def _jacobian(self, target: int, scale: float) -> np.ndarray:
        """Returns the Jacobian, `target's shape + value's shape`, in float64."""
        start = self.targets[target].numpy()
        coarser = max((start.dtype, self.value.dtype), key=lambda dtype: np.finfo(dtype).eps)
        return differences.jacobian(
            lambda moved: self._value_at(target, start, moved),
            start,
            lambda number: differences.slope_step(coarser, number) * scale,
            self.value.shape,
        )

    def _value_at(self, target: int, start: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Returns the value with one target moved; a variable is put back."""
        tensors = list(self.tensors)
        if target < len(self.floating):
            tensors[self.floating[target]] = tf.constant(moved)
            return _or_value_error(self.call, tensors).numpy()
        variable = self.variables[target - len(self.floating)]
        variable.assign(moved)
        try:
            return _or_value_error(self.call, tensors).numpy()
        finally:
            variable.assign(start)


def _tensor(value: Any) -> tf.Tensor:
    """Returns a copy, so that one tensor that is passed twice is two arguments."""
    # NumPy's floats are float64, where TensorFlow would make Python's float32.
    return tf.identity(value if tf.is_tensor(value) else np.asarray(value))


def _or_value_error(function: Callable[[Any], tf.Tensor], argument: Any) -> tf.Tensor:
    """Calls a function that may raise anything; raises ValueError, in one line, where it does."""
    try:
        return function(argument)
    except Exception as error:
        raise ValueError(f"The function cannot be called: {in_one_line(error)}") from error
