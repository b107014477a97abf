"""The check of a likelihood: what is right passes, what is wrong is found, with the logit."""

import builtins
import functools
import pathlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import tensorflow as tf

from lowlevel import likelihood_check, likelihoods
from lowlevel.config import Config
from lowlevel.likelihood_check import Row, check_likelihood, format_rows
from lowlevel.module_mode import model as module_model

OWN = """
import math
import tensorflow as tf
from lowlevel.likelihoods import Likelihood, Logit, in_float64


class Double(Logit):
    def slope(self, z, y):
        return 2 * super().slope(z, y)


class Turned(Logit):
    def slope(self, z, y):
        return -super().slope(z, y)


class Cut(Logit):
    def slope(self, z, y):
        return tf.sigmoid(z) - y


class Rough(Logit):
    def slope(self, z, y):
        return super().slope(z, y) * (1 + 4e-3 * tf.cast(z > 11, z.dtype))


class Naive(Likelihood):
    def nll(self, z, y):
        p = 1 / (1 + tf.exp(-z))
        return -(y * tf.math.log(p) + (1 - y) * tf.math.log(1 - p))


class NaiveButExact(Naive):
    exact_mean = Logit.exact_mean


class Softplus(Likelihood):
    def nll(self, z, y):
        return y * tf.nn.softplus(-z) + (1 - y) * tf.nn.softplus(z)


class Raising(Logit):
    def curvature(self, z, y):
        if z.shape[0] > 20:
            raise RuntimeError("no\\nidea")
        return super().curvature(z, y)


class Deaf(Likelihood):
    def nll(self, z, y):
        return y * tf.nn.softplus(-z) + (1 - y) * tf.nn.softplus(-z)


class HardLabelsOnly(Likelihood):
    def nll(self, z, y):
        return tf.where(y == 1, tf.nn.softplus(-z), tf.nn.softplus(z))


class InNumpy(Logit):
    def nll(self, z, y):
        def outside(*arrays):
            return super(InNumpy, self).nll(*map(tf.constant, arrays)).numpy()

        return tf.numpy_function(outside, [z, y], z.dtype)


class TurnedInAGraph(Logit):
    def slope(self, z, y):
        return super().slope(z, y) if tf.executing_eagerly() else -super().slope(z, y)


class LostAtZero(Logit):
    def slope(self, z, y):
        return super().slope(z, y) * z / z


class Cauchit(Likelihood):
    @in_float64
    def nll(self, z, y):
        p = 0.5 + tf.atan(z) / math.pi
        return -(y * tf.math.log(p) + (1 - y) * tf.math.log(1 - p))


class Complex(Logit):
    def exact_mean(self, z, mp):
        return mp.sqrt(z)


DOUBLE, TURNED, CUT, ROUGH, NAIVE = Double(), Turned(), Cut(), Rough(), Naive()
NAIVE_BUT_EXACT, SOFTPLUS, RAISING = NaiveButExact(), Softplus(), Raising()
TURNED_IN_A_GRAPH, LOST_AT_ZERO, CAUCHIT = TurnedInAGraph(), LostAtZero(), Cauchit()
DEAF, HARD_LABELS_ONLY, IN_NUMPY, COMPLEX = Deaf(), HardLabelsOnly(), InNumpy(), Complex()
"""

PARAMETERS = {"dense_0/kernel", "dense_0/bias", "logistic/kernel", "logistic/bias"}


@functools.cache
def checked(likelihood: str, dtype: str, jit_compile: bool = False) -> list[Row]:
    """The rows of a likelihood."""
    return check_likelihood(Config(likelihood=likelihood, dtype=dtype, jit_compile=jit_compile))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Row]]:
    """The rows of one of the likelihoods above."""
    path = tmp_path_factory.mktemp("own") / "own.py"
    path.write_text(OWN)
    return lambda name, dtype="float32", **rest: checked(f"{path}:{name}", dtype, **rest)


def verdict(rows: Sequence[Row], subject: str, label: float | None = None) -> str:
    """The verdict on one subject."""
    (found,) = [row.verdict for row in rows if (row.subject, row.label) == (subject, label)]
    return found


@pytest.mark.parametrize("name", likelihoods.LIKELIHOODS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_every_row_of_a_shipped_likelihood_is_right(
    name: str, dtype: str, jit_compile: bool
) -> None:
    rows = checked(name, dtype, jit_compile)
    assert {row.verdict for row in rows if not row.mistake} == {"right"}
    assert all(row.agrees for row in rows)


@pytest.mark.parametrize("name", likelihoods.LIKELIHOODS)
def test_a_shipped_likelihood_is_exact_to_an_ulp(name: str) -> None:
    rows = [row for row in checked(name, "float32") if not row.mistake and row.label is not None]
    # Beyond the logits that mpmath is used for, differences stand in, and are good to 1e-6.
    limits = {"nll": 6e-8, "slope": 6e-8, "curvature": 1e-6}
    assert all(row.best <= limits[row.subject] for row in rows)


def test_there_is_a_row_for_each_quantity_and_label() -> None:
    rows = [
        (row.subject, row.label) for row in checked("logit", "float32") if row.logit is not None
    ]
    expected = [(name, y) for name in ("nll", "slope", "curvature") for y in (1.0, 0.0, 0.25)]
    assert rows[:-1] == [*expected, ("mean", None), ("sum of exp(-nll)", None)]


def test_there_is_a_row_for_each_parameter_of_both_modes() -> None:
    subjects = {row.subject for row in checked("logit", "float32")}
    assert {f"{mode} {name}" for mode in ("module", "keras") for name in PARAMETERS} <= subjects


def test_a_slope_off_by_a_factor_is_found(own: Callable) -> None:
    rows = own("DOUBLE")
    assert verdict(rows, "slope", 1.0) == "wrong everywhere: 2 times the right one"
    assert verdict(rows, "keras dense_0/kernel") == "wrong: 2 times the right one"
    assert not all(row.agrees for row in rows)


def test_a_slope_of_the_wrong_sign_is_found(own: Callable) -> None:
    rows = own("TURNED")
    assert verdict(rows, "slope", 0.0) == "wrong everywhere: wrong sign"
    assert verdict(rows, "module logistic/bias") == "wrong: wrong sign"


def test_a_slope_that_is_zero_in_the_tail_is_found_with_the_logit(own: Callable) -> None:
    rows = own("CUT")
    # Next to 1, float32 numbers are 6e-8 apart, and exp(-17) is 4e-8.
    assert verdict(rows, "slope", 1.0) == "wrong from z = 17 on: gives 0"
    assert verdict(rows, "slope", 0.0) == "right"


def test_an_imprecise_slope_is_found_with_the_logit(own: Callable) -> None:
    assert verdict(own("ROUGH"), "slope", 1.0) == "imprecise: 4e-03 at z = 12; try `in_float64`"


@pytest.mark.parametrize("name", ["NAIVE", "NAIVE_BUT_EXACT"])
def test_the_autodiff_slope_of_a_naive_formula_is_found_with_the_logit(
    own: Callable, name: str
) -> None:
    found = verdict(own(name), "slope", 1.0)
    assert found.startswith("wrong from z = 17 on")
    assert found.endswith("gives NaN; write `slope`")


@pytest.mark.parametrize("name", ["NAIVE", "NAIVE_BUT_EXACT"])
def test_a_naive_formula_is_found_in_float64_too(own: Callable, name: str) -> None:
    assert verdict(own(name, "float64"), "slope", 1.0).startswith("wrong from z = 37 on")


def test_without_an_exact_mean_a_right_formula_is_judged_by_float64(own: Callable) -> None:
    found = verdict(own("SOFTPLUS"), "slope", 1.0)
    assert found == "right; no exact_mean to make sure"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_that_are_of_no_probabilities_are_found(own: Callable, dtype: str) -> None:
    # Whatever the label: more than 1/2 above zero, less below.
    assert verdict(own("DEAF", dtype), "sum of exp(-nll)").startswith("wrong ")
    assert verdict(own("DOUBLE", dtype), "sum of exp(-nll)") == "right"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_formula_for_hard_labels_alone_is_found(own: Callable, dtype: str) -> None:
    rows = own("HARD_LABELS_ONLY", dtype)
    assert verdict(rows, "nll", 1.0).startswith("right")
    assert verdict(rows, "nll", 0.25).startswith("wrong ")


@pytest.mark.parametrize(("jit_compile", "where"), [(False, "in a graph"), (True, "under XLA")])
def test_a_slope_that_only_compiling_turns_is_found(
    own: Callable, jit_compile: bool, where: str
) -> None:
    rows = own("TURNED_IN_A_GRAPH", jit_compile=jit_compile)
    assert verdict(rows, "slope", 1.0) == f"{where}, wrong everywhere: wrong sign"
    assert verdict(rows, "module logistic/bias") == "wrong: wrong sign"
    assert verdict(rows, "nll", 1.0) == "right"


def test_a_slope_that_is_nan_is_shown_and_not_refused(own: Callable) -> None:
    assert verdict(own("LOST_AT_ZERO"), "slope", 1.0) == "wrong at z = 0: gives NaN"


def test_a_soft_label_is_not_blamed_for_differences_that_cancel(own: Callable) -> None:
    # Its curvature changes its sign near z = 300; all of its derivatives are autodiff's, and right.
    assert all(row.agrees for row in own("CAUCHIT"))


def test_a_loss_that_autodiff_cannot_follow_is_judged_by_the_rest(own: Callable) -> None:
    rows = own("IN_NUMPY")
    assert {row.verdict for row in rows if row.logit is None and not row.mistake} == {"right"}
    assert verdict(rows, "slope", 0.0).startswith("right; autodiff is not")


def test_a_mode_whose_gradient_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def turned(likelihood: likelihoods.Likelihood, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return -likelihood.slope(z, y)

    monkeypatch.setattr(module_model, "differentiable_slope", turned)
    rows = check_likelihood(Config())
    wrong = {row.subject for row in rows if not row.agrees}
    assert wrong == {f"module {name}" for name in PARAMETERS}


def test_the_naive_formula_shows_as_a_mistake_that_does_not_count() -> None:
    (row,) = [row for row in checked("logit", "float32") if row.subject == "slope of log(p)"]
    assert row.verdict.startswith("wrong from z = 17 on")
    assert (row.mistake, row.right, row.agrees) == (True, False, True)


def test_the_missing_outer_function_shows_as_a_mistake_that_does_not_count() -> None:
    (row,) = [row for row in checked("logit", "float32") if row.subject == "no outer function"]
    assert row.verdict == "lost: the gradient is None"
    assert (row.mistake, row.right, row.agrees) == (True, False, True)


def test_the_table_is_aligned_and_narrow() -> None:
    lines = format_rows(checked("probit", "float32"))
    start = lines[1].index("verdict")
    assert all(line[start - 2 : start] == "  " for line in lines[1:13])
    assert max(map(len, lines)) <= 115
    assert lines[-3] == "mistakes, shown on purpose:"


def test_a_formula_that_raises_is_a_clear_error(own: Callable) -> None:
    with pytest.raises(ValueError, match=r"^curvature fails: RuntimeError: no idea$"):
        own("RAISING")


def test_an_exact_mean_that_is_no_real_number_is_a_clear_error(own: Callable) -> None:
    with pytest.raises(ValueError, match=r"^exact_mean fails at z = -700: TypeError"):
        own("COMPLEX")


def test_without_mpmath_the_check_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "mpmath":
            raise ImportError(name)
        return original(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match="pip install mpmath"):
        check_likelihood(Config())


def test_mpmath_is_imported_only_by_a_check() -> None:
    program = "import sys, lowlevel.likelihood_check; assert 'mpmath' not in sys.modules"
    root = pathlib.Path(likelihood_check.__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True)
