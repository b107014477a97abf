"""The gradient check: names what is wrong with the gradient of any function of tensors.

The gradient that TensorFlow finds for a function, its custom rules included, is held against
central differences of the function's values, which no rule has a say in. The check knows nothing
of likelihoods.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lowlevel.checks import agreement, circumstances, extremes, linearity, second_order
from lowlevel.checks.comparison import Settings, compare
from lowlevel.checks.executions import EXECUTIONS as ALL
from lowlevel.checks.executions import traced
from lowlevel.checks.options import Options, are_arguments, require
from lowlevel.checks.subject import Arguments, GradientError, Subject
from lowlevel.checks.upstream import upstreams
from lowlevel.checks.verdicts import NEVER_CALLED, Finding, merged

_BY_KEYWORD = "supports keywords arguments only when eager execution is enabled"


class UndecidedWarning(UserWarning):
    """Something that a check of a gradient cannot tell, or has left out."""


def check(
    function: Callable[..., Any],
    arguments: Arguments,
    *,
    order: int = 1,
    ends: Sequence[Arguments] | None = None,
    surrogate: Callable[..., Any] | None = None,
    tolerance: float | None = None,
    executions: Sequence[str] = ALL,
    elsewhere: bool = True,
    exhaustive_below: int = 1000,
    seed: int = 0,
) -> list[Finding]:
    """Returns the faults of a function's gradient, and what cannot be told; none if all is well.

    The gradient is checked in each floating tensor among the arguments, and in each trainable
    variable that the function uses: with an upstream gradient of ones and with a random one,
    eager, in a graph and under XLA; with the variables moved; and elsewhere: for the first row
    alone, where arguments and results share their number of rows; at extreme arguments, where it
    must not be NaN; and, where all is float64 and there are no variables to stand in the way, in
    float32. To leave something out, close over it, or pass integers.

    Derivatives of the function's values are taken at several steps, as shares of each number's own
    size, and extrapolated (Ridders, 1982); how far they agree bounds their error. A gradient is
    wrong if it is further off than that bound and 1e-8 of itself (1e-3 where anything is float32:
    give float64), and no finer step speaks for it. Where differences cannot tell, at a kink, at the
    edge of the domain, where rounding is above the slope, the finding is `UNDECIDED`, with the
    reason. What is below a millionth of the largest number of the gradient may go unnoticed.

    Args:
        function: of tensors, to a floating tensor of any shape, or a list or dict of tensors,
            always the same for the same arguments. Its variables are moved, and put back to the
            bit.
        arguments: a sequence to be passed by position, or a mapping, by keyword: numbers, arrays,
            tensors, variables, or lists and dicts of them, floats preferably float64. Python's
            whole numbers, strings and None are passed as they are.
        order: 2 to check the derivative of the gradient as well.
        ends: more such arguments, extreme ones, at which value and gradient must be finite, and
            the same in float32; None for multiples of the arguments, at which a gradient must not
            be NaN where the value is finite.
        surrogate: the function whose derivative the gradient is meant to be, if that is another
            one: of a straight-through estimator, of gradient reversal.
        tolerance: the relative error that passes in place of the one above.
        executions: which of "eager", "graph" and "xla" must agree. Differences are of eager values.
        elsewhere: also at other arguments than the given ones: in float32, at multiples up to 1000,
            for the first row alone. Without, no number moves by more than a quarter of its size,
            its array's middle one's, or 1: for a function that never returns, or ends the process,
            where it was not meant to be called.
        exhaustive_below: in up to so many numbers of a target, each is tried; in more, random
            directions are, and halved down to the number that is off.
        seed: of random directions and upstream gradients.

    Returns:
        One finding for each cause; those with `is_fault` are faults.

    Raises:
        ValueError: the function or its gradient raises, or cannot be checked.
    """
    options = Options(
        order, ends, surrogate, tolerance, executions, elsewhere, exhaustive_below, seed
    )
    require("function", callable(function), "a function", function)
    require("arguments", are_arguments(arguments), "a list, or a dict by keyword", arguments)
    # On the way there are overflows, and infinities less infinities.
    with np.errstate(all="ignore"):
        return _findings(Subject(function, arguments), options)


def assert_gradient(function: Callable[..., Any], arguments: Arguments, **options: Any) -> None:
    """Raises AssertionError, a line for each fault, unless `check` finds none.

    What it cannot tell is shown as an `UndecidedWarning`. Arguments and options are those of
    `check`.
    """
    __tracebackhide__ = True
    findings = check(function, arguments, **options)
    for finding in findings:
        if not finding.is_fault:
            warnings.warn(str(finding), UndecidedWarning, stacklevel=2)
    faults = [str(finding) for finding in findings if finding.is_fault]
    if faults:
        name = getattr(function, "__name__", type(function).__name__)
        raise AssertionError("\n".join([f"the gradient of {name} is not right:", *faults]))


def _findings(subject: Subject, options: Options) -> list[Finding]:
    """Finds what is wrong with a gradient, and what cannot be told."""
    findings = _never_called(subject)
    if findings:
        return findings
    subject.prepare()
    try:
        if all(np.isfinite(v).all() for v in subject.value):
            findings = _at_the_arguments(subject, options)
            if options.order == 2 and not _any_fault(findings):
                findings += second_order.findings(subject, _settings(options), options.elsewhere)
        return merged(findings + extremes.findings(subject, options.ends, options.elsewhere))
    except GradientError as error:
        return [error.finding()]


def _never_called(subject: Subject) -> list[Finding]:
    """Finds tensors that a custom rule's function gets by keyword, which only a graph refuses."""
    try:
        traced(subject.call, subject.tensors)
    except Exception as error:
        if _BY_KEYWORD in str(error):
            where = "keyword arguments of a tf.custom_gradient function"
            cause = "autodiff passes the rule by for them, and graphs refuse"
            return [Finding(NEVER_CALLED, where, cause=cause, advice="pass by position")]
    return []


def _at_the_arguments(subject: Subject, options: Options) -> list[Finding]:
    """Finds what is wrong with the gradient at the arguments themselves, or near them."""
    settings = _settings(options)
    given = upstreams(subject, settings.seed)
    comparisons = compare(subject, given, settings, options.surrogate)
    findings = [
        finding
        for one in comparisons
        for finding in one.findings([other for other in comparisons if other is not one])
    ]
    if not _any_fault(findings):
        dtypes = [*(v.dtype for v in subject.value), *(t.dtype for t in subject.targets)]
        findings += linearity.at_other_sizes(subject, given[1], settings.allowed(dtypes))
    if _any_fault(findings):
        return merged(findings)
    findings += circumstances.variables_moved(subject, options.surrogate, settings)
    if options.elsewhere:
        findings += circumstances.batch_of_one(subject, options.surrogate, settings)
    return merged(findings + agreement.findings(subject, given[1], options.executions))


def _settings(options: Options) -> Settings:
    """Returns how thorough and how strict comparisons are."""
    return Settings(options.tolerance, options.exhaustive_below, options.seed)


def _any_fault(findings: Sequence[Finding]) -> bool:
    """Whether something is wrong, rather than untold."""
    return any(finding.is_fault for finding in findings)
