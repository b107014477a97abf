"""The gradient checker: names what is wrong with the gradient of any function of tensors.

`check` holds the gradient that TensorFlow finds for a function, its custom rules included, against
central differences of the function's value, which no rule has a say in. It knows nothing of
likelihoods.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.errors import in_one_line

WRONG_VALUE = "wrong value"
WRONG_SIGN = "wrong sign"
FACTOR = "a factor off"
WRONG_SHAPE = "wrong shape"
WRONG_DTYPE = "wrong dtype"
NONE = "None"
NOT_FINITE = "NaN or infinity at an end"
PRECISION_LOST = "precision lost in float32"
SWAPPED = "swapped"
UPSTREAM_IGNORED = "upstream gradient ignored"
NEVER_CALLED = "rule never called"
MODES_DIFFER = "eager, graph and XLA differ"

# What a call takes: by position, or by keyword.
Arguments = Sequence[Any] | Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fault of a gradient.

    Attributes:
        fault: its name, one of this module's constants.
        where: the arguments or variables whose gradient has it, "argument 0" or "variable kernel".
        detail: one line: what was found, what was expected, what to do.
    """

    fault: str
    where: str
    detail: str


class Tolerance(NamedTuple):
    """How far right gradients may be from central differences, and eager from compiled ones."""

    relative: float
    absolute: float
    compiled: float


# At a step of eps^(1/5), five-point differences lose about a fifth of the digits.
_TOLERANCES = {
    tf.float64: Tolerance(relative=1e-6, absolute=1e-8, compiled=1e-9),
    tf.float32: Tolerance(relative=1e-2, absolute=1e-3, compiled=1e-4),
}
# Where a function bends sharply a shorter step is better, though rounding shows more.
_STEP_SCALES = (1.0, 2.0**-4, 2.0**-8)
# From this relative error on, a float32 gradient no longer counts as the float64 one.
_LOST = 1e-3
_BY_KEYWORD = "supports keywords arguments only when eager execution is enabled"
_THE_VALUE = "the value"
_FINITE_ADVICE = "rewrite it so that nothing overflows, in tf.where's other branch either"
_ABOUT_SHAPES = ("shape", "rank", "dimension", "broadcast")
_ABOUT_DTYPES = ("dtype", "float tensor", "double tensor")


def check(
    function: Callable[..., tf.Tensor], arguments: Arguments, ends: Sequence[Arguments] = ()
) -> list[Finding]:
    """Returns the faults of a function's gradient; none where all is well.

    The gradient is checked in each floating argument, and in each trainable variable that the
    function uses: with an upstream gradient of ones and with a random one, eager, in a graph and
    under XLA, and, where all is float64 and there are no variables to stand in the way, in float32
    as well. To leave something out, close over it, or pass integers. Every number costs at least
    four calls, so small arrays do best.

    Central differences have limits, and so has the check. The unit here is 1, the largest number
    of the gradient in the same argument, or a hundredth of the sum of the function's values,
    whichever is largest: what is below 1e-8 of it is not told from 0. With float32 arguments or
    variables that is 1e-3 of it, and only errors of more than a percent show: give float64.

    Args:
        function: of tensors, to one floating tensor of any shape, always the same for the same
            arguments. Its variables are moved, and put back to the bit.
        arguments: tensors or arrays, floats preferably float64; a sequence to be passed by
            position, or a mapping, by keyword. No kink of the function should lie within 1e-3.
        ends: more such arguments, extreme ones, at which value and gradient must be finite, and
            the same in float32.

    Returns:
        One finding for each cause. Where the gradient is wrong, it is not compiled as well.

    Raises:
        ValueError: the function or its gradient raises, or cannot be checked.
    """
    subject = _Subject(function, arguments)
    findings = _never_called(subject)
    if findings:
        return findings
    subject.prepare()
    points = [("the arguments", subject)]
    points += [(f"ends[{i}]", _Subject(function, end).prepare()) for i, end in enumerate(ends)]
    try:
        finite = bool(np.isfinite(subject.value).all())
        findings = (_wrong_here(subject) or _compiled(subject)) if finite else []
        return _merged(findings + _at_points(points))
    except _GradientError as error:
        return [error.finding()]


def five_point_slope(far: Any, near: Any, other_near: Any, other_far: Any, step: float) -> Any:
    """Returns a derivative by the function's values, numbers or arrays, at 2, 1, -1 and -2 steps.

    Its error is that of rounding, and step^4 / 30 times the fifth derivative.
    """
    return (8 * (near - other_near) - (far - other_far)) / (12 * step)


class _GradientError(ValueError):
    """TensorFlow raises where it works out a gradient."""

    def finding(self) -> Finding:
        """Returns the fault that the message tells of; raises this error if it tells of none."""
        message = str(self).lower()
        if any(word in message for word in _ABOUT_SHAPES):
            return Finding(WRONG_SHAPE, "a rule inside", f"{self}; return the argument's shape")
        if any(word in message for word in _ABOUT_DTYPES):
            return Finding(WRONG_DTYPE, "a rule inside", f"{self}; cast to the argument's dtype")
        raise self


class _Subject:
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

    def prepare(self) -> "_Subject":
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
            raise _GradientError(text) from error
        return value, [g if g is None else tf.convert_to_tensor(g) for g in gradients]

    def expected(self, target: int, upstream: np.ndarray, scale: float) -> np.ndarray:
        """Returns a target's gradient by central differences, at a scale of the usual step."""
        if (target, scale) not in self._jacobians:
            self._jacobians[target, scale] = self._differences(target, scale)
        return np.tensordot(self._jacobians[target, scale], upstream, upstream.ndim)

    def _differences(self, target: int, scale: float) -> np.ndarray:
        """Returns the Jacobian, `target's shape + value's shape`, in float64."""
        start = self.targets[target].numpy()
        jacobian = np.empty(start.shape + self.value.shape)
        eps = max(np.finfo(start.dtype).eps, np.finfo(self.value.dtype).eps)
        for index in np.ndindex(*start.shape):
            # A power of two, so that the arguments moved by it are exact.
            step = 2.0 ** np.round(np.log2(eps**0.2 * max(1.0, abs(start[index])))) * scale
            far, near, other_near, other_far = (
                self._value_at(target, index, start, k * step) for k in (2, 1, -1, -2)
            )
            jacobian[index] = five_point_slope(far, near, other_near, other_far, step)
        return jacobian

    def _value_at(
        self, target: int, index: tuple[int, ...], start: np.ndarray, by: float
    ) -> np.ndarray:
        """Returns the value, in float64, with one number of one target moved."""
        moved = np.array(start)
        moved[index] += by
        tensors = list(self.tensors)
        if target < len(self.floating):
            tensors[self.floating[target]] = tf.constant(moved)
            return _or_value_error(self.call, tensors).numpy().astype(np.float64)
        variable = self.variables[target - len(self.floating)]
        variable.assign(moved)
        try:
            return _or_value_error(self.call, tensors).numpy().astype(np.float64)
        finally:
            variable.assign(start)


class _Comparison:
    """One target's gradient as found and as expected."""

    def __init__(self, name: str, found: tf.Tensor | None, target: tf.Tensor | tf.Variable) -> None:
        """Takes what was found; `expect` takes the rest."""
        self.name = name
        self.target = target
        self.found = None if found is None else np.asarray(found)

    def expect(self, subject: _Subject, number: int, upstream: np.ndarray) -> "_Comparison":
        """Works out what is expected; among several steps, the one that suits the gradient best."""
        self.relative = subject.tolerance.relative
        self.expected = subject.expected(number, upstream, _STEP_SCALES[0])
        size = max(1.0, _largest(self.expected), np.abs(upstream * subject.value).sum() / 100)
        self.absolute = subject.tolerance.absolute * size
        for scale in _STEP_SCALES[1:]:
            if np.isfinite(self.expected).all() and (self.fault() or not self.wrong):
                break
            other = subject.expected(number, upstream, scale)
            found = self.expected if self.fault() else self.found
            nearer = ~(np.abs(found - self.expected) <= np.abs(found - other))
            self.expected = np.where(nearer, other, self.expected)
        if not np.isfinite(self.expected).all():
            raise ValueError(
                f"Expected finite values next to {self.name}, got others: move it further inside "
                "the function's domain"
            )
        return self

    def fault(self) -> str:
        """Returns what is wrong with the gradient as an array; empty if nothing is."""
        if self.found is None:
            return NONE
        if self.found.shape != tuple(self.target.shape):
            return WRONG_SHAPE
        if self.found.dtype != self.target.dtype.as_numpy_dtype:
            return WRONG_DTYPE
        return "" if np.isfinite(self.found).all() else NOT_FINITE

    def is_near(self, expected: np.ndarray) -> bool:
        """Whether the gradient found is the one given, to within the tolerance."""
        if self.found.shape != expected.shape:
            return False
        allowed = self.relative * np.abs(expected) + self.absolute
        return bool((np.abs(self.found - expected) <= allowed).all())

    @property
    def wrong(self) -> bool:
        """Whether the gradient found is not the one expected."""
        return not self.is_near(self.expected)

    def factor(self) -> float:
        """Returns what times the expected gradient was found; 0 if nothing is."""
        product, square = np.sum(self.found * self.expected), np.sum(self.expected**2)
        factor = product / square if square else 0.0
        if abs(factor) < self.relative or not self.is_near(factor * self.expected):
            return 0.0
        # One number alone is a multiple of any other: only a plain factor is believed then.
        if np.count_nonzero(np.abs(self.expected) > self.absolute) > 1:
            return factor
        plain = any(abs(k - round(k)) <= 1e-3 * abs(k) for k in (factor, 1 / factor))
        return factor if plain else 0.0

    def figures(self) -> str:
        """Returns the worst number found, and the one expected."""
        index = _worst(np.abs(self.found - self.expected))
        return (
            f"{_at(index)}{self.found[index]:.6g}, by central differences "
            f"{self.expected[index]:.6g}"
        )


def _never_called(subject: _Subject) -> list[Finding]:
    """Finds tensors that a custom rule's function gets by keyword, which only a graph refuses."""
    try:
        tf.function(subject.call, autograph=False).get_concrete_function(subject.tensors)
    except Exception as error:
        if _BY_KEYWORD in str(error):
            where = "keyword arguments of a tf.custom_gradient function"
            detail = "autodiff passes the rule by for them, and graphs refuse; pass by position"
            return [Finding(NEVER_CALLED, where, detail)]
    return []


def _wrong_here(subject: _Subject) -> list[Finding]:
    """Finds what is wrong with the gradient at the arguments themselves."""
    ones = np.ones_like(subject.value)
    with_ones = _compare(subject, subject.measure(subject.tensors)[1], ones)
    findings = _not_arrays(with_ones) + _classified(with_ones, "")
    if findings:
        return _merged(findings)
    upstream = _random_upstream(subject.value)
    gradients = subject.measure(subject.tensors, tf.constant(upstream))[1]
    comparisons = _compare(subject, gradients, upstream)
    findings = _not_arrays(comparisons) + [
        Finding(UPSTREAM_IGNORED, c.name, f"{c.figures()}; multiply by the rule's argument")
        for c, before in zip(comparisons, with_ones, strict=True)
        if not c.fault() and c.wrong and c.is_near(before.found)
    ]
    ignored = {finding.where for finding in findings}
    rest = [c for c in comparisons if c.name not in ignored]
    return _merged(findings + _classified(rest, "with an upstream gradient other than 1, "))


def _random_upstream(value: np.ndarray) -> np.ndarray:
    """Returns numbers of either sign, 1/2 to 2 in size, of a value's shape and dtype."""
    random = np.random.default_rng(0)
    signs = random.choice([-1, 1], value.shape)
    return np.asarray(signs * random.uniform(0.5, 2, value.shape), value.dtype)


def _compare(
    subject: _Subject, gradients: Sequence[tf.Tensor | None], upstream: np.ndarray
) -> list[_Comparison]:
    """Holds each target's gradient against central differences."""
    named = zip(subject.names, gradients, subject.targets, strict=True)
    return [
        _Comparison(*parts).expect(subject, number, upstream) for number, parts in enumerate(named)
    ]


def _not_arrays(comparisons: Iterable[_Comparison]) -> list[Finding]:
    """Finds gradients that are None, or of a wrong shape or dtype."""
    findings = []
    for c in comparisons:
        largest = _largest(c.expected)
        expected = f"expected {list(c.target.shape)} {c.target.dtype.name}"
        if c.fault() == NONE and largest > c.absolute:
            detail = f"expected numbers of up to {largest:.6g}; let a rule, or autodiff, reach it"
            findings.append(Finding(NONE, c.name, detail))
        elif c.fault() in (WRONG_SHAPE, WRONG_DTYPE):
            detail = f"{list(c.found.shape)} {c.found.dtype.name}, {expected}; mend the rule"
            findings.append(Finding(c.fault(), c.name, detail))
    return findings


def _classified(comparisons: Iterable[_Comparison], when: str) -> list[Finding]:
    """Finds gradients that are sound arrays of wrong numbers, and says in what way they are."""
    wrong = [c for c in comparisons if not c.fault() and c.wrong]
    return [
        Finding(fault, c.name, f"{when}{c.figures()}; {advice}")
        for c in wrong
        for fault, advice in [_class(c, [other for other in wrong if other is not c])]
    ]


def _class(wrong: _Comparison, others: Sequence[_Comparison]) -> tuple[str, str]:
    """Returns the fault of one wrong gradient among others, and what to do about it."""
    owners = [other.name for other in others if wrong.is_near(other.expected)]
    if owners and any(other.is_near(wrong.expected) for other in others):
        return SWAPPED, f"it is that of {owners[0]}: match gradients by identity, not by order"
    factor = wrong.factor()
    if abs(factor + 1) <= wrong.relative:
        return WRONG_SIGN, "turn the sign"
    if factor:
        return FACTOR, f"{factor:.5g} times the right one: divide by that"
    return WRONG_VALUE, "derive the rule anew"


def _compiled(subject: _Subject) -> list[Finding]:
    """Finds where a graph, or XLA, gives another value or gradient than eager mode."""
    upstream = _random_upstream(subject.value)
    eager = subject.measure(subject.tensors, tf.constant(upstream))
    for label, jit_compile in (("in a graph", False), ("under XLA", True)):
        compiled = tf.function(subject.measure, jit_compile=jit_compile, autograph=False)
        given = subject.tensors, tf.constant(upstream)
        try:
            # Called outright, it would warn of tracing in vain after a few checks.
            other = compiled.get_concrete_function(*given)(*given)
        except Exception as error:
            detail = f"{label} it raises {in_one_line(error)}; eager it does not"
            return [Finding(MODES_DIFFER, "the function", detail)]
        findings = _merged(_differing(subject, eager, other, label))
        if findings:
            comparisons = _compare(subject, other[1], upstream)
            named = _merged(_classified(comparisons, f"{label}, "))
            return [found for found in named if found.fault == SWAPPED] or findings
    return []


def _differing(subject: _Subject, eager: tuple, other: tuple, label: str) -> list[Finding]:
    """Finds the values and gradients that are not those of eager mode."""
    findings = []
    pairs = zip(_named(subject, *eager), _named(subject, *other), strict=True)
    for (name, first), (_, second) in pairs:
        if first is None and second is None:
            continue
        if first is None or second is None or first.shape != second.shape:
            detail = f"{label} it is {_kind(second)}, eager {_kind(first)}"
            findings.append(Finding(MODES_DIFFER, name, detail))
            continue
        same = (first == second) | (np.isnan(first) & np.isnan(second))
        with np.errstate(invalid="ignore"):
            differences = np.where(same, 0, np.abs(second - first))
        allowed = subject.tolerance.compiled * max(_largest(first), 1e-3)
        if not (differences <= allowed).all():
            at = _worst(differences)
            detail = f"{label} {_at(at)}{second[at]:.6g}, eager {first[at]:.6g}"
            findings.append(Finding(MODES_DIFFER, name, detail))
    return findings


def _at_points(points: Sequence[tuple[str, _Subject]]) -> list[Finding]:
    """Finds values and gradients that are not finite, or lost in float32, at some arguments."""
    findings = []
    for place, subject in points:
        wide = _named(subject, *subject.measure(subject.tensors))
        for name, values in wide:
            if values is not None and not np.isfinite(values).all():
                at = _worst(~np.isfinite(values))
                detail = f"for {place} {_at(at)}{values[at]}; {_FINITE_ADVICE}"
                findings.append(Finding(NOT_FINITE, name, detail))
        findings += _in_float32(place, subject)
    return findings


def _in_float32(place: str, subject: _Subject) -> list[Finding]:
    """Finds what float32 arguments lose that float64 ones, rounded as they are, do not."""
    dtypes = {subject.tensors[i].dtype for i in subject.floating}
    if subject.variables or dtypes != {tf.float64}:
        return []
    rounded = [tf.cast(x, tf.float32) if x.dtype == tf.float64 else x for x in subject.tensors]
    if not all(np.isfinite(rounded[i]).all() for i in subject.floating):
        return []
    same = [tf.cast(x, before.dtype) for x, before in zip(rounded, subject.tensors, strict=True)]
    try:
        narrow = _named(subject, *subject.measure(rounded))
    except _GradientError as error:
        return [error.finding()]
    except Exception:
        # It takes float64 alone, and there is nothing to lose.
        return []
    pairs = zip(narrow, _named(subject, *subject.measure(same)), strict=True)
    return [f for (name, n), (_, w) in pairs for f in _lost(place, name, n, w)]


def _lost(
    place: str, name: str, narrow: np.ndarray | None, wide: np.ndarray | None
) -> list[Finding]:
    """Finds what a float32 array has lost of a float64 one."""
    if narrow is None or wide is None or narrow.shape != wide.shape:
        return []
    if name != _THE_VALUE and narrow.dtype != np.float32:
        detail = f"{narrow.dtype.name} for float32 arguments; cast to the argument's dtype"
        return [Finding(WRONG_DTYPE, name, detail)]
    limits = np.finfo(np.float32)
    with np.errstate(all="ignore"):
        size = np.abs(wide)
        errors = np.abs(narrow - wide) / size
        broken = ~np.isfinite(narrow) & (size <= limits.max)
        lost = (errors > _LOST) & (size >= limits.tiny) & (size <= limits.max) & ~broken
    if broken.any():
        at = _worst(broken)
        figures = f"for {place}, in float32, {_at(at)}{narrow[at]}, in float64 {wide[at]:.6g}"
        return [Finding(NOT_FINITE, name, f"{figures}; {_FINITE_ADVICE}")]
    if lost.any() and name != _THE_VALUE:
        at = _worst(np.where(lost, errors, 0))
        figures = f"for {place} {_at(at)}{narrow[at]:.6g}, in float64 {wide[at]:.6g}"
        return [Finding(PRECISION_LOST, name, f"{figures}; avoid differences of near numbers")]
    return []


def _named(
    subject: _Subject, value: tf.Tensor, gradients: Sequence[tf.Tensor | None]
) -> list[tuple[str, np.ndarray | None]]:
    """Returns value and gradients as arrays, each with its name."""
    arrays = [None if x is None else np.asarray(x) for x in (value, *gradients)]
    return list(zip([_THE_VALUE, *subject.names], arrays, strict=True))


def _merged(findings: Sequence[Finding]) -> list[Finding]:
    """Returns one finding for each fault, which names all the places that have it."""
    merged: dict[str, Finding] = {}
    for finding in findings:
        first = merged.setdefault(finding.fault, finding)
        places = dict.fromkeys(first.where.split(", ") + finding.where.split(", "))
        merged[finding.fault] = dataclasses.replace(first, where=", ".join(places))
    return list(merged.values())


def _largest(values: np.ndarray) -> float:
    """Returns the size of the largest finite number; 0 where there is none."""
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))


def _worst(errors: np.ndarray) -> tuple[int, ...]:
    """Returns the index of the largest error; a NaN is larger than any."""
    return tuple(int(i) for i in np.unravel_index(np.argmax(errors), errors.shape))


def _at(index: tuple[int, ...]) -> str:
    """Returns the words before a number that say where it stands."""
    return f"at {list(index)} " if index else ""


def _kind(values: np.ndarray | None) -> str:
    """Returns what an array is, in words."""
    return "None" if values is None else f"of shape {list(values.shape)}"


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
