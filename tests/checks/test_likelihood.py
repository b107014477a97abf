"""The check of a likelihood: what is right passes, what is wrong is found, with the logit."""

import builtins
import functools
import math
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lowlevel import likelihoods
from lowlevel.checks.exact import exact_arrays
from lowlevel.checks.formulas import formula_row, formula_rows, logits
from lowlevel.checks.likelihood import Row, check_likelihood
from lowlevel.checks.network import network_rows
from lowlevel.checks.sampled import sampled_rows
from lowlevel.cli.output import check_report
from lowlevel.likelihoods import Likelihood, Logit, in_float64
from lowlevel.module_mode import model as module_model


class Double(Logit):
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return 2 * super().slope(z, y)


class Turned(Logit):
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return -super().slope(z, y)


class Cut(Logit):
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(z) - y


class Rough(Logit):
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return super().slope(z, y) * (1 + 4e-3 * tf.cast(z > 11, z.dtype))


class Naive(Likelihood):
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        p = 1 / (1 + tf.exp(-z))
        return -(y * tf.math.log(p) + (1 - y) * tf.math.log(1 - p))


class NaiveButExact(Naive):
    exact_probabilities = Logit.exact_probabilities


class Softplus(Likelihood):
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return y * tf.nn.softplus(-z) + (1 - y) * tf.nn.softplus(z)


class Deaf(Likelihood):
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return y * tf.nn.softplus(-z) + (1 - y) * tf.nn.softplus(-z)


class HardLabelsOnly(Likelihood):
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.where(y == 1, tf.nn.softplus(-z), tf.nn.softplus(z))


class InNumpy(Logit):
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        def outside(*arrays: np.ndarray) -> np.ndarray:
            return super(InNumpy, self).nll(*map(tf.constant, arrays)).numpy()

        return tf.numpy_function(outside, [z, y], z.dtype)


class TurnedInAGraph(Logit):
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return super().slope(z, y) if tf.executing_eagerly() else -super().slope(z, y)


class LostAtZero(Logit):
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return super().slope(z, y) * z / z


class Cauchit(Likelihood):
    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        p = 0.5 + tf.atan(z) / math.pi
        return -(y * tf.math.log(p) + (1 - y) * tf.math.log(1 - p))


class StableCauchit(Likelihood):
    """With the probability of the less likely label as it is, whose curvature changes its sign."""

    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        small = tf.atan2(tf.ones_like(z), abs(z)) / math.pi
        rare = tf.where(z < 0.0, y, 1 - y)
        return -rare * tf.math.log(small) - (1 - rare) * tf.math.log1p(-small)

    @in_float64
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        one, zero = self._probabilities(z)
        density = 1 / (math.pi * (1 + z * z))
        return (1 - y) * density / zero - y * density / one

    @in_float64
    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        one, zero = self._probabilities(z)
        density = 1 / (math.pi * (1 + z * z))
        change = -2 * z * density / (1 + z * z)
        of_zero = (change + density**2 / zero) / zero
        return (1 - y) * of_zero + y * (density**2 / one - change) / one

    def _probabilities(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        small = tf.atan2(tf.ones_like(z), abs(z)) / math.pi
        return tf.where(z < 0.0, small, 1 - small), tf.where(z < 0.0, 1 - small, small)


class Complex(Logit):
    def exact_probabilities(self, z: Any, mp: Any) -> tuple[Any, Any]:
        return mp.sqrt(z), 1 - mp.sqrt(z)


class Poisson(Likelihood):
    """Of counts, whose logarithm of the mean is z."""

    label_range = (0.0, math.inf)

    @in_float64
    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.exp(z) - y * z

    @in_float64
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.exp(z) - y

    @in_float64
    def curvature(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.exp(z)

    @in_float64
    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return tf.exp(z)


class DoublePoisson(Poisson):
    def slope(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return 2 * super().slope(z, y)


class Normal(Likelihood):
    """Of any number, with two predictors: the mean, and the logarithm of the deviation."""

    label_range = (-math.inf, math.inf)
    predictors = 2

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return z[..., 1] + 0.5 * tf.square((y - z[..., 0]) * tf.exp(-z[..., 1]))

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return z[..., 0]


def spoilt(quantity: str, where: Callable, value: Callable) -> Likelihood:
    """The logit with one formula whose values are others at some logits and labels."""

    def formula(self: Likelihood, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        right = getattr(Logit, quantity)(self, z, y)
        return tf.where(where(z, y), value(right), right)

    return type("Spoilt", (Logit,), {quantity: formula})()


FROM_A_FILE = """
from lowlevel.likelihoods import Logit

class Raising(Logit):
    def curvature(self, z, y):
        if (z.shape[0] or 0) > 20:
            raise RuntimeError("no\\nidea")
        return super().curvature(z, y)

RAISING = Raising()
"""

SAMPLED = [(f"{name}, sampled", None) for name in ("nll", "slope", "curvature", "mean")]
PARAMETERS = {"dense_0/kernel", "dense_0/bias", "logistic/kernel", "logistic/bias"}


@functools.cache
def member(likelihood: str | type[Likelihood]) -> Likelihood:
    """A likelihood that ships, or one of those above, the same instance every time."""
    known = isinstance(likelihood, str)
    return likelihoods.LIKELIHOODS[likelihood] if known else likelihood()


@functools.cache
def checked(
    likelihood: str | type[Likelihood], dtype: str = "float32", jit_compile: bool = False
) -> list[Row]:
    """All rows of a likelihood, its networks' too."""
    return check_likelihood(member(likelihood), dtype, jit_compile)


@functools.cache
def formulas(likelihood: type[Likelihood], dtype: str) -> list[Row]:
    """The rows of a likelihood's formulas, as they are in a graph."""
    return formula_rows(member(likelihood), dtype, jit_compile=False)


def network(mode: str, likelihood: str | type[Likelihood]) -> list[Row]:
    """The rows of a mode's network, in a graph."""
    return network_rows(mode, member(likelihood), "float32", jit_compile=False, seed=0)


def formula(
    likelihood: type[Likelihood],
    quantity: str,
    label: float,
    dtype: str = "float32",
    jit_compile: bool = False,
) -> str:
    """The verdict on one formula for one label."""
    one = member(likelihood)
    exact = exact_arrays(one, logits(dtype))[quantity, label]
    return formula_row(one, quantity, label, exact, dtype, jit_compile).verdict


def verdict(rows: Iterable[Row], subject: str, label: float | None = None) -> str:
    """The verdict on one subject among rows."""
    (found,) = [row.verdict for row in rows if (row.subject, row.label) == (subject, label)]
    return found


# What ships.


def runs() -> list[Any]:
    """Every likelihood, dtype and compiler; those that few others bear out, in full runs alone."""
    sampled = {
        ("logit", "float32", False),
        ("probit", "float32", False),
        ("cloglog", "float32", False),
        ("probit", "float64", False),
        ("logit", "float64", True),
    }
    every = [
        (name, dtype, jit_compile)
        for name in likelihoods.LIKELIHOODS
        for dtype in ("float32", "float64")
        for jit_compile in (False, True)
    ]
    return [pytest.param(*r, marks=[] if r in sampled else [pytest.mark.full]) for r in every]


@pytest.mark.parametrize(("name", "dtype", "jit_compile"), runs())
def test_every_row_of_a_shipped_likelihood_is_right(
    name: str, dtype: str, jit_compile: bool
) -> None:
    rows = checked(name, dtype, jit_compile)
    assert {row.verdict for row in rows if not row.mistake} == {"right"}
    assert all(row.agrees for row in rows)


@pytest.mark.parametrize("name", likelihoods.LIKELIHOODS)
def test_a_shipped_likelihood_is_exact_to_an_ulp(name: str) -> None:
    rows = [row for row in checked(name, "float32", False) if not row.mistake]
    errors = [row.best for row in rows if row.label is not None]
    assert len(errors) == 9
    assert max(errors) <= 6e-8


def test_there_is_a_row_for_each_quantity_and_label() -> None:
    rows = checked("logit", "float32", False)
    named = [(row.subject, row.label) for row in rows if row.logit is not None]
    expected = [(name, y) for name in ("nll", "slope", "curvature") for y in (1.0, 0.0, 0.25)]
    assert named[:-1] == [*expected, ("mean", None), ("sum of exp(-nll)", None), *SAMPLED]


def test_there_is_a_row_for_each_parameter_of_both_modes() -> None:
    subjects = {row.subject for row in checked("logit", "float32", False)}
    assert {f"{mode} {name}" for mode in ("module", "keras") for name in PARAMETERS} <= subjects


# What is wrong.


def test_a_slope_off_by_a_factor_is_found() -> None:
    rows = checked(Double)
    assert verdict(rows, "slope", 1.0) == "wrong everywhere: 2 times the right one"
    assert verdict(rows, "keras dense_0/kernel") == "wrong: 2 times the right one"
    assert not all(row.agrees for row in rows)


def test_a_slope_of_the_wrong_sign_is_found() -> None:
    assert formula(Turned, "slope", 0.0) == "wrong everywhere: wrong sign"
    assert verdict(network("module", Turned), "module logistic/bias") == "wrong: wrong sign"


def test_a_slope_that_is_zero_in_the_tail_is_found_with_the_logit() -> None:
    # Next to 1, float32 numbers are 6e-8 apart, and exp(-17) is 4e-8.
    assert formula(Cut, "slope", 1.0) == "wrong from z = 17 on: gives 0"
    assert formula(Cut, "slope", 0.0) == "right"


def test_an_imprecise_slope_is_found_with_the_logit() -> None:
    assert formula(Rough, "slope", 1.0) == "imprecise: 4e-03 at z = 12; try `in_float64`"


@pytest.mark.parametrize("likelihood", [Naive, NaiveButExact])
def test_the_autodiff_slope_of_a_naive_formula_is_found_with_the_logit(
    likelihood: type[Likelihood],
) -> None:
    found = formula(likelihood, "slope", 1.0)
    assert found.startswith("wrong from z = 17 on")
    assert found.endswith("gives NaN; write `slope`")


@pytest.mark.parametrize("likelihood", [Naive, NaiveButExact])
def test_a_naive_formula_is_found_in_float64_too(likelihood: type[Likelihood]) -> None:
    assert formula(likelihood, "slope", 1.0, "float64").startswith("wrong from z = 37 on")


def test_without_exact_probabilities_a_right_formula_is_judged_by_float64() -> None:
    assert formula(Softplus, "slope", 1.0) == "right; no exact_probabilities to make sure"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_that_are_of_no_probabilities_are_found(dtype: str) -> None:
    # Whatever the label: more than 1/2 above zero, less below.
    assert verdict(formulas(Deaf, dtype), "sum of exp(-nll)").startswith("wrong ")
    assert verdict(formulas(Double, dtype), "sum of exp(-nll)") == "right"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_formula_for_hard_labels_alone_is_found(dtype: str) -> None:
    assert formula(HardLabelsOnly, "nll", 1.0, dtype).startswith("right")
    assert formula(HardLabelsOnly, "nll", 0.25, dtype).startswith("wrong ")


@pytest.mark.parametrize(("jit_compile", "where"), [(False, "in a graph"), (True, "under XLA")])
def test_a_slope_that_only_compiling_turns_is_found(jit_compile: bool, where: str) -> None:
    found = formula(TurnedInAGraph, "slope", 1.0, jit_compile=jit_compile)
    assert found == f"{where}, wrong everywhere: wrong sign"
    assert formula(TurnedInAGraph, "nll", 1.0, jit_compile=jit_compile) == "right"


def test_a_slope_that_only_compiling_turns_is_found_in_a_network() -> None:
    rows = network("module", TurnedInAGraph)
    assert verdict(rows, "module logistic/bias") == "wrong: wrong sign"


def test_a_slope_that_is_nan_is_shown_and_not_refused() -> None:
    assert formula(LostAtZero, "slope", 1.0) == "wrong at z = 0: gives NaN"


def test_a_soft_label_is_not_blamed_for_differences_that_cancel() -> None:
    # Its curvature changes its sign near z = 300; all of its derivatives are autodiff's, and right.
    assert all(row.agrees for row in formulas(Cauchit, "float32"))


def test_a_loss_that_autodiff_cannot_follow_is_judged_by_the_rest() -> None:
    rows = [*network("module", InNumpy), *network("keras", InNumpy)]
    assert {row.verdict for row in rows} == {"right"}
    assert formula(InNumpy, "slope", 0.0).startswith("right; autodiff is not")


def test_a_mode_whose_gradient_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def turned(*arguments: Any) -> tf.Tensor:
        return -likelihoods.weighted_slope(*arguments)

    monkeypatch.setattr(module_model, "weighted_slope", turned)
    rows = [*network("module", "logit"), *network("keras", "logit")]
    wrong = {row.subject for row in rows if not row.agrees}
    assert wrong == {f"module {name}" for name in PARAMETERS}


# Between the logits of the table, beyond them, and for other labels and shapes.

GAPS: dict[str, tuple[str, Callable, Callable, str]] = {
    "a slope of 0 in between": (
        "slope",
        lambda z, y: (abs(z) > 5.5) & (abs(z) < 7.5),
        tf.zeros_like,
        "wrong from |z| = 5.5",
    ),
    "NaN in between": (
        "curvature",
        lambda z, y: (abs(z) > 89) & (abs(z) < 99),
        lambda right: right * math.nan,
        "gives NaN",
    ),
    "a slope of 0 next to 0": (
        "slope",
        lambda z, y: abs(z) < 5e-4,
        tf.zeros_like,
        "gives 0",
    ),
    "some labels alone": (
        "slope",
        lambda z, y: (y > 0.8) & (y < 1),
        lambda right: 2 * right,
        "for y from 0.8 to 1, wrong",
    ),
    "a batch of 1": (
        "slope",
        lambda z, y: tf.size(z) == 1,
        lambda right: 2 * right,
        "wrong for arguments of shape [1]",
    ),
    "a batch of 13": (
        "slope",
        lambda z, y: tf.size(z) == 13,
        lambda right: 2 * right,
        "wrong for arguments of shape [13]",
    ),
    "two axes": (
        "nll",
        lambda z, y: tf.rank(z) == 2,
        lambda right: 2 * right,
        "wrong for arguments of shape [6, 1]",
    ),
    "NaN at the end of the dtype": (
        "curvature",
        lambda z, y: abs(z) > 1e37,
        lambda right: right * math.nan,
        "gives NaN",
    ),
}


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_the_table_does_not_show_the_sample_does(gap: str, dtype: str) -> None:
    quantity, where, value, words = GAPS[gap]
    rows = sampled_rows(spoilt(quantity, where, value), dtype, jit_compile=False, seed=0)
    wrong = [row for row in rows if not row.right]
    assert [row.subject for row in wrong] == [f"{quantity}, sampled"]
    assert words in wrong[0].verdict


def test_a_curvature_that_crosses_zero_is_judged_by_the_size_of_its_terms() -> None:
    rows = sampled_rows(member(StableCauchit), "float32", jit_compile=False, seed=0)
    assert {row.verdict for row in rows} == {"right"}


# Labels that are not binary.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_likelihood_of_counts_is_held_to_its_own_labels_and_to_no_probability(dtype: str) -> None:
    rows = checked(Poisson, dtype)
    named = [(row.subject, row.label) for row in rows if row.logit is not None and not row.mistake]
    labels = (3.0, 0.0, 10.0, 100.0, 1000.0)
    expected = [(name, y) for name in ("nll", "slope", "curvature") for y in labels]
    assert named == [*expected, ("mean", None), *SAMPLED]
    assert all(row.agrees for row in rows)
    assert verdict(rows, "slope", 3.0) == "right; no exact values to make sure"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_wrong_slope_for_counts_is_found(dtype: str) -> None:
    assert "2 times the right one" in formula(DoublePoisson, "slope", 3.0, dtype)


def test_a_wrong_slope_for_counts_is_found_in_both_modes() -> None:
    rows = {row.subject: row for row in checked(DoublePoisson)}
    wrong = {f"{mode} {name}" for mode in ("module", "keras") for name in PARAMETERS}
    assert all(rows[name].verdict == "wrong: 2 times the right one" for name in wrong)


def test_several_predictors_are_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^The check looks at .* one predictor only, got 2 of No"):
        check_likelihood(Normal())


# What is shown.


def test_the_naive_formula_shows_as_a_mistake_that_does_not_count() -> None:
    rows = checked("logit", "float32", False)
    (row,) = [row for row in rows if row.subject == "slope of log(p)"]
    assert row.verdict.startswith("wrong from z = 17 on")
    assert (row.mistake, row.right, row.agrees) == (True, False, True)


def test_the_missing_outer_function_shows_as_a_mistake_that_does_not_count() -> None:
    rows = checked("logit", "float32", False)
    (row,) = [row for row in rows if row.subject == "no outer function"]
    assert row.verdict == "lost: the gradient is None"
    assert (row.mistake, row.right, row.agrees) == (True, False, True)


def test_the_table_is_aligned_and_narrow() -> None:
    lines = check_report("probit", checked("probit", "float32", False), verbose=True)
    start = lines[3].index("verdict")
    assert all(line[start - 2 : start] == "  " for line in lines[4:18])
    assert max(map(len, lines)) <= 120
    assert lines[-3] == "mistakes, shown on purpose:"


def test_what_is_right_is_one_line() -> None:
    lines = check_report("probit", checked("probit", "float32", False), verbose=False)
    assert lines == ["probit: all is right, in 23 rows; --verbose_check shows them"]


def test_what_is_wrong_is_shown_under_the_verdict_and_nothing_else() -> None:
    lines = check_report("mine", checked(Double), verbose=False)
    assert lines[0] == "mine: 12 of 23 rows are NOT right"
    rows = [line for line in lines[4:] if not line.endswith(":")]
    assert len(rows) == 12
    assert all("wrong" in line for line in rows)


# What cannot be checked.


def test_a_formula_that_raises_is_a_clear_error(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "raising.py"
    path.write_text(FROM_A_FILE)
    with pytest.raises(ValueError, match=r"^curvature fails: RuntimeError: no idea$"):
        check_likelihood(f"{path}:RAISING")


def test_exact_probabilities_that_are_no_real_numbers_are_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"^exact_probabilities fails at z = -700: TypeError"):
        check_likelihood(Complex())


def test_without_mpmath_the_check_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "mpmath":
            raise ImportError(name)
        return original(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match="pip install mpmath"):
        check_likelihood("logit")
