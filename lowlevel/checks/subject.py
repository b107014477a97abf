"""The subject of a gradient check: a function at some arguments, and its derivatives there."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.checks.verdicts import WRONG_DTYPE, WRONG_SHAPE, Finding
from lowlevel.errors import in_one_line

# What a call takes: by position, or by keyword.
Arguments = Sequence[Any] | Mapping[str, Any]

_DTYPES = (tf.float64, tf.float32)
_ABOUT_SHAPES = ("shape", "rank", "dimension", "ndims", "broadcast")
_ABOUT_DTYPES = ("dtype", "float tensor", "double tensor")


class GradientError(ValueError):
    """TensorFlow raises where it works out a gradient."""

    def findings(self) -> list[Finding]:
        """Returns the fault that the message tells of, if it tells of one."""
        for fault, words, advice in (
            (WRONG_SHAPE, _ABOUT_SHAPES, "return the input's shape"),
            (WRONG_DTYPE, _ABOUT_DTYPES, "cast to the input's dtype"),
        ):
            if any(word in str(self).lower() for word in words):
                return [Finding(fault, "a rule inside", cause=str(self), advice=advice)]
        return []

    def finding(self) -> Finding:
        """Returns the fault that the message tells of; raises this error if it tells of none."""
        for finding in self.findings():
            return finding
        raise self


@dataclasses.dataclass(frozen=True)
class Target:
    """What a function is differentiated in: one tensor among its arguments, or a variable.

    Attributes:
        name: "argument 0", "argument x['a']" or "variable kernel".
        place: among the tensors of the arguments; None for a variable.
        variable: None for a tensor.
        start: its numbers.
    """

    name: str
    place: int | None
    variable: Any
    start: np.ndarray

    @property
    def dtype(self) -> np.dtype:
        """Of its numbers."""
        return self.start.dtype


class Subject:
    """A function at some arguments."""

    def __init__(self, function: Callable[..., Any], arguments: Arguments) -> None:
        """Takes the arguments; `prepare` does the rest."""
        self.function = function
        self.keys = list(arguments) if isinstance(arguments, Mapping) else None
        given = list(arguments.values()) if isinstance(arguments, Mapping) else list(arguments)
        self.structure = [_or_value_error(_tensors, item) for item in given]
        self.leaves = tf.nest.flatten(self.structure)
        self.tensors = [leaf for leaf in self.leaves if _is_array(leaf)]
        self.targets: list[Target] = []
        self.value: list[np.ndarray] = []

    def prepare(self) -> "Subject":
        """Calls the function, and finds its variables; raises ValueError if it cannot be used."""
        with tf.GradientTape() as tape:
            value = _or_value_error(self.call, self.tensors)
        again = _or_value_error(self.call, self.tensors)
        same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(value, again, strict=True))
        if not same:
            raise ValueError("Expected the same value from two calls, got two: fix its seeds")
        self.value = [np.asarray(v) for v in value]
        floating = [v for v in tape.watched_variables() if not v.dtype.is_integer]
        self.targets = [*self._arguments(), *_variables(floating)]
        dtypes = [tf.as_dtype(x.dtype) for x in (*self.value, *(t.start for t in self.targets))]
        unusable = ", ".join(dict.fromkeys(d.name for d in dtypes if d not in _DTYPES))
        if unusable or not self.targets:
            given = unusable or "nothing to differentiate in"
            raise ValueError(f"Expected float64 or float32 arguments or variables, got {given}")
        return self

    def with_function(self, function: Callable[..., Any]) -> "Subject":
        """Returns another function at the same arguments and variables."""
        other = Subject(function, self.arguments(self.tensors))
        other.value = [np.asarray(v) for v in _or_value_error(other.call, other.tensors)]
        other.targets = self.targets
        return other

    @property
    def names(self) -> list[str]:
        """A name for each target."""
        return [target.name for target in self.targets]

    def arguments(self, tensors: Sequence[tf.Tensor]) -> Arguments:
        """Returns tensors, and what else the function takes, as its arguments."""
        arrays = iter(tensors)
        leaves = [next(arrays) if _is_array(leaf) else leaf for leaf in self.leaves]
        packed = tf.nest.pack_sequence_as(self.structure, leaves)
        return dict(zip(self.keys, packed, strict=True)) if self.keys else packed

    def call(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Calls the function; returns its floating results, in one list."""
        given = self.arguments(tensors)
        value = self.function(**given) if isinstance(given, Mapping) else self.function(*given)
        parts = [tf.convert_to_tensor(part) for part in tf.nest.flatten(value)]
        floating = [part for part in parts if part.dtype.is_floating]
        if not floating:
            names = ", ".join(part.dtype.name for part in parts)
            raise ValueError(f"Expected a function to floating tensors, got {names or 'nothing'}")
        return floating

    def measure(
        self, tensors: Sequence[tf.Tensor], upstream: Sequence[tf.Tensor] | None = None
    ) -> tuple[list[tf.Tensor], list[tf.Tensor | None]]:
        """Returns the values and the gradients, one for each target; upstream None means ones."""
        sources = [t.variable if t.place is None else tensors[t.place] for t in self.targets]
        with tf.GradientTape() as tape:
            tape.watch([source for source in sources if not isinstance(source, tf.Variable)])
            value = self.call(tensors)
        try:
            gradients = tape.gradient(value, sources, upstream)
        except Exception as error:
            text = f"The gradient cannot be worked out: {in_one_line(error)}"
            raise GradientError(text) from error
        return value, [g if g is None else tf.convert_to_tensor(g) for g in gradients]

    def gradients(self, upstream: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        """Returns the gradients of eager execution, as arrays."""
        _, found = self.measure(self.tensors, [tf.constant(u) for u in upstream])
        return [None if g is None else g.numpy() for g in found]

    @contextlib.contextmanager
    def moved(
        self, targets: Sequence[Target], numbers: Sequence[np.ndarray]
    ) -> Iterator[list[tf.Tensor]]:
        """Gives the tensors with some targets at other numbers; variables are put back."""
        tensors = list(self.tensors)
        try:
            for target, moved in zip(targets, numbers, strict=True):
                if target.place is not None:
                    tensors[target.place] = tf.constant(moved.astype(target.dtype))
                else:
                    target.variable.assign(moved.astype(target.dtype))
            yield tensors
        finally:
            for target in targets:
                if target.place is None:
                    target.variable.assign(target.start)

    def values_with(self, target: Target, moved: np.ndarray) -> np.ndarray:
        """Returns all values in one float64 array, with one target moved; it is put back.

        NaN where the function raises.
        """
        with self.moved([target], [moved]) as tensors:
            try:
                return flat(self.call(tensors))
            except Exception:
                # It refuses arguments beyond its domain, where it has no value.
                return np.full(sum(v.size for v in self.value), np.nan)

    def gradient_with(
        self, target: Target, moved: np.ndarray, upstream: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Returns a target's gradient with the target moved, None as zeros; it is put back."""
        place = next(i for i, other in enumerate(self.targets) if other is target)
        with self.moved([target], [moved]) as tensors:
            found = self.measure(tensors, [tf.constant(u) for u in upstream])[1][place]
        return np.zeros_like(target.start) if found is None else found.numpy()

    @property
    def tensor_names(self) -> list[str]:
        """A name for each tensor among the arguments."""
        keys: Sequence[Any] = self.keys or range(len(self.structure))
        names = [
            f"argument {key}" + "".join(f"[{step!r}]" for step in path)
            for key, item in zip(keys, self.structure, strict=True)
            for path in _paths(item)
        ]
        return [name for name, leaf in zip(names, self.leaves, strict=True) if _is_array(leaf)]

    def _arguments(self) -> list[Target]:
        """Returns the floating tensors among the arguments as targets."""
        return [
            Target(name, place, None, tensor.numpy())
            for place, (name, tensor) in enumerate(
                zip(self.tensor_names, self.tensors, strict=True)
            )
            if tensor.dtype.is_floating
        ]


def flat(values: Sequence[Any]) -> np.ndarray:
    """Returns tensors as one float64 array, `[numbers]`."""
    return np.concatenate([np.asarray(v).astype(np.float64).ravel() for v in values])


def _variables(variables: Sequence[tf.Variable]) -> list[Target]:
    """Returns variables as targets, with numbers added to names that are not unique."""
    plain = [variable.name.split(":")[0] for variable in variables]
    return [
        Target(
            f"variable {name}" + (f" (number {i})" if plain.count(name) > 1 else ""),
            None,
            variable,
            variable.numpy(),
        )
        for i, (name, variable) in enumerate(zip(plain, variables, strict=True))
    ]


def _is_array(leaf: Any) -> bool:
    """Whether an argument's part is a tensor, and no variable."""
    return tf.is_tensor(leaf) and not isinstance(leaf, tf.Variable)


def _tensors(item: Any) -> Any:
    """Returns an argument with copies of its arrays as tensors; one passed twice is then two."""
    if isinstance(item, (str, bool, int, tf.Variable)) or item is None:
        return item
    if isinstance(item, Mapping):
        return {key: _tensors(value) for key, value in item.items()}
    if isinstance(item, (list, tuple)) and not _are_numbers(item):
        return type(item)(map(_tensors, item)) if type(item) in (list, tuple) else item
    # NumPy's floats are float64, where TensorFlow would make Python's float32.
    return tf.identity(item if tf.is_tensor(item) else np.asarray(item))


def _are_numbers(item: Any) -> bool:
    """Whether a list is one array, written out."""
    return all(
        _are_numbers(part) if isinstance(part, (list, tuple)) else np.isscalar(part)
        for part in item
    )


def _paths(item: Any) -> list[tuple[Any, ...]]:
    """Returns the keys that lead to each leaf of an argument, in the order of tf.nest."""
    if isinstance(item, Mapping):
        return [(key, *path) for key in sorted(item) for path in _paths(item[key])]
    if isinstance(item, (list, tuple)):
        return [(i, *path) for i, part in enumerate(item) for path in _paths(part)]
    return [()]


def _or_value_error(function: Callable[[Any], Any], given: Any) -> Any:
    """Returns function(given), with whatever it may raise as a ValueError of one line."""
    try:
        return function(given)
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith("Expected"):
            raise
        raise ValueError(f"The function cannot be called: {in_one_line(error)}") from error
