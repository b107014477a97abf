"""The gradient check: names what is wrong with the gradient of any function of tensors.

`check` holds the gradient that TensorFlow finds for a function, its custom rules included, against
central differences of the function's value, which no rule has a say in. It knows nothing of
likelihoods.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from lowlevel.checks import executions
from lowlevel.checks.comparison import at, classified, compare, largest, not_arrays, worst
from lowlevel.checks.subject import Arguments, GradientError, Subject
from lowlevel.checks.verdicts import (
    EXECUTIONS_DIFFER,
    NEVER_CALLED,
    NOT_FINITE,
    PRECISION_LOST,
    SWAPPED,
    UPSTREAM_IGNORED,
    WRONG_DTYPE,
    Finding,
    merged,
)
from lowlevel.errors import in_one_line

# From this relative error on, a float32 gradient no longer counts as the float64 one.
_LOST = 1e-3
_BY_KEYWORD = "supports keywords arguments only when eager execution is enabled"
_THE_VALUE = "the value"
_FINITE_ADVICE = "rewrite it so that nothing overflows, in tf.where's other branch either"


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
    whichever is largest: what is below 1e-8 of it cannot be distinguished from 0. With float32
    arguments or variables that is 1e-3 of it, and only errors of more than a percent show: give
    float64.

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
    subject = Subject(function, arguments)
    findings = _never_called(subject)
    if findings:
        return findings
    subject.prepare()
    points = [("the arguments", subject)]
    points += [(f"ends[{i}]", Subject(function, end).prepare()) for i, end in enumerate(ends)]
    try:
        finite = bool(np.isfinite(subject.value).all())
        findings = (_wrong_here(subject) or _compiled(subject)) if finite else []
        return merged(findings + _at_points(points))
    except GradientError as error:
        return [error.finding()]


def _never_called(subject: Subject) -> list[Finding]:
    """Finds tensors that a custom rule's function gets by keyword, which only a graph refuses."""
    try:
        executions.traced(subject.call, subject.tensors)
    except Exception as error:
        if _BY_KEYWORD in str(error):
            where = "keyword arguments of a tf.custom_gradient function"
            detail = "autodiff passes the rule by for them, and graphs refuse; pass by position"
            return [Finding(NEVER_CALLED, where, detail)]
    return []


def _wrong_here(subject: Subject) -> list[Finding]:
    """Finds what is wrong with the gradient at the arguments themselves."""
    ones = np.ones_like(subject.value)
    with_ones = compare(subject, subject.measure(subject.tensors)[1], ones)
    findings = not_arrays(with_ones) + classified(with_ones, "")
    if findings:
        return merged(findings)
    upstream = _random_upstream(subject.value)
    gradients = subject.measure(subject.tensors, tf.constant(upstream))[1]
    comparisons = compare(subject, gradients, upstream)
    findings = not_arrays(comparisons) + [
        Finding(UPSTREAM_IGNORED, c.name, f"{c.figures()}; multiply by the rule's argument")
        for c, before in zip(comparisons, with_ones, strict=True)
        if not c.fault() and c.wrong and c.is_near(before.found)
    ]
    ignored = {finding.where for finding in findings}
    rest = [c for c in comparisons if c.name not in ignored]
    return merged(findings + classified(rest, "with an upstream gradient other than 1, "))


def _random_upstream(value: np.ndarray) -> np.ndarray:
    """Returns numbers of either sign, 1/2 to 2 in size, of a value's shape and dtype."""
    random = np.random.default_rng(0)
    signs = random.choice([-1, 1], value.shape)
    return np.asarray(signs * random.uniform(0.5, 2, value.shape), value.dtype)


def _compiled(subject: Subject) -> list[Finding]:
    """Finds where a graph, or XLA, gives another value or gradient than eager execution."""
    upstream = _random_upstream(subject.value)
    given = subject.tensors, tf.constant(upstream)
    eager = subject.measure(*given)
    for jit_compile, label in executions.COMPILED.items():
        try:
            other = executions.compiled(subject.measure, jit_compile)(*given)
        except Exception as error:
            detail = f"{label} it raises {in_one_line(error)}; eager it does not"
            return [Finding(EXECUTIONS_DIFFER, "the function", detail)]
        findings = merged(_differing(subject, eager, other, label))
        if findings:
            comparisons = compare(subject, other[1], upstream)
            named = merged(classified(comparisons, f"{label}, "))
            return [found for found in named if found.fault == SWAPPED] or findings
    return []


def _differing(subject: Subject, eager: tuple, other: tuple, label: str) -> list[Finding]:
    """Finds the values and gradients that are not those of eager execution."""
    findings = []
    pairs = zip(_named(subject, *eager), _named(subject, *other), strict=True)
    for (name, first), (_, second) in pairs:
        if first is None and second is None:
            continue
        if first is None or second is None or first.shape != second.shape:
            detail = f"{label} it is {_kind(second)}, eager {_kind(first)}"
            findings.append(Finding(EXECUTIONS_DIFFER, name, detail))
            continue
        same = (first == second) | (np.isnan(first) & np.isnan(second))
        with np.errstate(invalid="ignore"):
            differences = np.where(same, 0, np.abs(second - first))
        allowed = subject.tolerance.compiled * max(largest(first), 1e-3)
        if not (differences <= allowed).all():
            index = worst(differences)
            detail = f"{label} {at(index)}{second[index]:.6g}, eager {first[index]:.6g}"
            findings.append(Finding(EXECUTIONS_DIFFER, name, detail))
    return findings


def _at_points(points: Sequence[tuple[str, Subject]]) -> list[Finding]:
    """Finds values and gradients that are not finite, or lost in float32, at some arguments."""
    findings = []
    for place, subject in points:
        for name, values in _named(subject, *subject.measure(subject.tensors)):
            if values is not None and not np.isfinite(values).all():
                index = worst(~np.isfinite(values))
                detail = f"for {place} {at(index)}{values[index]}; {_FINITE_ADVICE}"
                findings.append(Finding(NOT_FINITE, name, detail))
        findings += _in_float32(place, subject)
    return findings


def _in_float32(place: str, subject: Subject) -> list[Finding]:
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
    except GradientError as error:
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
        index = worst(broken)
        figures = f"{at(index)}{narrow[index]}, in float64 {wide[index]:.6g}"
        detail = f"for {place}, in float32, {figures}; {_FINITE_ADVICE}"
        return [Finding(NOT_FINITE, name, detail)]
    if lost.any() and name != _THE_VALUE:
        index = worst(np.where(lost, errors, 0))
        figures = f"{at(index)}{narrow[index]:.6g}, in float64 {wide[index]:.6g}"
        detail = f"for {place} {figures}; avoid differences of near numbers"
        return [Finding(PRECISION_LOST, name, detail)]
    return []


def _named(
    subject: Subject, value: tf.Tensor, gradients: Sequence[tf.Tensor | None]
) -> list[tuple[str, np.ndarray | None]]:
    """Returns value and gradients as arrays, each with its name."""
    arrays = [None if x is None else np.asarray(x) for x in (value, *gradients)]
    return list(zip([_THE_VALUE, *subject.names], arrays, strict=True))


def _kind(values: np.ndarray | None) -> str:
    """Returns what an array is, in words."""
    return "None" if values is None else f"of shape {list(values.shape)}"
