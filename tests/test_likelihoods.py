"""Tests the likelihoods: accurate at every logit, differentiable to any order, hard to misuse."""

import functools
import textwrap
from collections.abc import Callable
from pathlib import Path

import mpmath
import numpy as np
import pytest
import tensorflow as tf

from lowlevel.likelihoods import (
    LIKELIHOODS,
    Likelihood,
    check_labels,
    differentiable_nll,
    differentiable_slope,
    in_float64,
    load,
)
from lowlevel.special_functions import EXCESS_COEFFICIENTS
from tests import reference
from tests.reference import PROBABILITIES, QUANTITIES, RAPID

FLOAT32_ULP = {"logit": 1.0}  # All others: 2.
FLOAT64_ULP = 16.0
CHUNK = 1 << 16
MODES: dict[str, Callable] = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}

every_likelihood = pytest.mark.parametrize("name", LIKELIHOODS)
every_rapid_likelihood = pytest.mark.parametrize("name", [n for n in LIKELIHOODS if n in RAPID])
every_exact_likelihood = pytest.mark.parametrize(
    "name", [n for n in LIKELIHOODS if n in PROBABILITIES]
)
every_mode = pytest.mark.parametrize("mode", MODES)


class OnlyLoss(Likelihood):
    """Logistic regression by someone who gives no more than they have to."""

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.nn.softplus(z) - y * z


@functools.cache
def float32_sample() -> np.ndarray:
    """Four million logits: every 1021st bit pattern, so 8000 a binade, and more near the middle."""
    patterns = np.arange(0, 1 << 32, 1021, dtype=np.uint32).view(np.float32)
    random = np.random.default_rng(0)
    dense = [random.uniform(*ends, 60_000) for ends in ((-1, 1), (-20, 20), (-110, 110), (3, 7))]
    ends = [0.0, np.finfo(np.float32).max, np.finfo(np.float32).tiny]
    sample = np.concatenate([patterns[np.isfinite(patterns)], *dense, ends, np.negative(ends)])
    return np.resize(sample.astype(np.float32), -(-len(sample) // CHUNK) * CHUNK)


@functools.cache
def float64_sample() -> np.ndarray:
    """A hundred thousand logits: twelve in each binade of each sign, dense where it is hard."""
    random = np.random.default_rng(1)
    binades = np.repeat(2.0 ** np.arange(-1022, 1024), 12) * random.uniform(1, 2, 2046 * 12)
    ranges = ((-1, 1), (-10, 10), (6, 6.6), (-750, 750), (37, 38.6), (-38.6, -37), (2, 6))
    dense = [random.uniform(*ends, 9_000) for ends in ranges]
    limits = np.finfo(np.float64)
    sample = np.concatenate([binades, -binades, *dense, [0.0, limits.max, limits.min]])
    return np.resize(sample, 2 * CHUNK)


def evaluate(name: str, mode: str, quantity: str, z: np.ndarray, y: float) -> np.ndarray:
    """One quantity of every logit, chunk by chunk as a machine's caches like it."""
    function = compiled(name, mode, quantity)
    pieces = np.split(z, range(CHUNK, len(z), CHUNK))
    constants = [tf.constant(piece) for piece in pieces]
    if quantity == "mean":
        return np.concatenate([function(piece).numpy() for piece in constants])
    labels = [tf.fill(piece.shape, tf.cast(y, piece.dtype)) for piece in constants]
    return np.concatenate([function(*pair).numpy() for pair in zip(constants, labels, strict=True)])


@functools.cache
def compiled(name: str, mode: str, quantity: str) -> Callable:
    return MODES[mode](getattr(LIKELIHOODS[name], quantity))


@functools.cache
def rapid(name: str, dtype: type, y: int) -> reference.Values:
    """The reference for the sample of the narrower dtype, found in the wider."""
    sample = {np.float64: float32_sample, np.longdouble: float64_sample}[dtype]()
    return reference.rapid(name, sample.astype(dtype), y)


def worst_error(errors: np.ndarray, z: np.ndarray) -> tuple[float, float]:
    """The largest error, for the assertion, and where, for whoever reads its failure."""
    return errors.max(), z[errors.argmax()]


# Accuracy.


@pytest.mark.parametrize("quantity", QUANTITIES)
@every_mode
@every_rapid_likelihood
def test_float32_results_are_exact_to_an_ulp_or_two(name: str, mode: str, quantity: str) -> None:
    z = float32_sample()
    for y in (1,) if quantity == "mean" else (0, 1):
        expected = getattr(rapid(name, np.float64, y), quantity)
        errors = reference.ulp_errors(evaluate(name, mode, quantity, z, y), expected)
        assert worst_error(errors, z) <= (FLOAT32_ULP.get(name, 2.0), np.inf), f"y = {y}"


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is but a double here")
@pytest.mark.parametrize("quantity", QUANTITIES)
@every_mode
@every_rapid_likelihood
def test_float64_results_are_exact_to_16_ulp(name: str, mode: str, quantity: str) -> None:
    z = float64_sample()
    for y in (1,) if quantity == "mean" else (0, 1):
        expected = getattr(rapid(name, np.longdouble, y), quantity)
        errors = reference.ulp_errors(evaluate(name, mode, quantity, z, y), expected)
        assert worst_error(errors, z) <= (FLOAT64_ULP, np.inf), f"y = {y}"


@every_mode
@every_exact_likelihood
def test_results_are_those_of_the_exact_probabilities(name: str, mode: str) -> None:
    random = np.random.default_rng(2)
    z = np.concatenate([random.uniform(-8, 8, 60), random.uniform(-36, 6.5, 40), [0.0, 1e-9, -1e9]])
    for dtype, bound in ((np.float32, FLOAT32_ULP.get(name, 2.0)), (np.float64, FLOAT64_ULP)):
        logits = z.astype(dtype)
        for y in (0, 1):
            truths = exact(name, tuple(logits.tolist()), y)
            for quantity, truth in zip(QUANTITIES, truths, strict=True):
                errors = ulp_from_exact(evaluate(name, mode, quantity, logits, y), truth)
                assert worst_error(errors, logits) <= (bound, np.inf), f"{quantity}, y = {y}"


@every_rapid_likelihood
def test_the_rapid_references_agree_with_the_exact_one(name: str) -> None:
    random = np.random.default_rng(3)
    z = np.concatenate([random.uniform(-8, 8, 60), random.uniform(-700, 7, 60), [-1e-9, 1e-3]])
    for y in (0, 1):
        for narrow, wide in ((np.float32, np.float64), (np.float64, np.longdouble)):
            logits = z.astype(narrow)
            truths = exact(name, tuple(logits.tolist()), y)
            results = reference.rapid(name, logits.astype(wide), y)
            for result, truth in zip(results, truths, strict=True):
                errors = ulp_from_exact(result, truth, narrow)
                assert worst_error(errors, logits) <= (0.25, np.inf)


@functools.cache
def exact(name: str, logits: tuple[float, ...], y: int) -> list[list[mpmath.mpf]]:
    """For each quantity, its exact values."""
    return list(zip(*(reference.exact(name, z, y) for z in logits), strict=True))


def ulp_from_exact(
    results: np.ndarray, truths: list[mpmath.mpf], dtype: type | None = None
) -> np.ndarray:
    """Errors in ulp of `dtype`, that of the results unless given, where the truth is normal."""
    limits = np.finfo(dtype or results.dtype)
    errors = np.zeros(len(results))
    with mpmath.workprec(100):
        for i, (result, truth) in enumerate(zip(results, truths, strict=True)):
            if limits.tiny <= abs(truth) <= float(limits.max):
                high = float(result)
                value = mpmath.mpf(high) + float(result - result.dtype.type(high))
                unit = np.spacing(limits.dtype.type(abs(float(truth))))
                errors[i] = abs(value - truth) / float(unit)
    return errors


@every_likelihood
def test_each_function_is_the_derivative_of_the_one_before(name: str) -> None:
    likelihood, step = LIKELIHOODS[name], 1e-5
    z = tf.linspace(tf.constant(-5.0, tf.float64), 2.0, 101)
    for label in (0.0, 0.3, 1.0):
        y = tf.fill(z.shape, tf.constant(label, tf.float64))
        for function, derivative in (
            (likelihood.nll, likelihood.slope),
            (likelihood.slope, likelihood.curvature),
        ):
            difference = (function(z + step, y) - function(z - step, y)) / (2 * step)
            np.testing.assert_allclose(derivative(z, y), difference, rtol=1e-7, atol=1e-8)


@every_likelihood
def test_the_two_labels_have_probabilities_that_sum_to_one(name: str) -> None:
    z = tf.linspace(tf.constant(-9.0, tf.float64), 9.0, 101)
    one = tf.exp(-LIKELIHOODS[name].nll(z, tf.ones_like(z)))
    zero = tf.exp(-LIKELIHOODS[name].nll(z, tf.zeros_like(z)))
    np.testing.assert_allclose(one + zero, 1.0, rtol=1e-14)
    np.testing.assert_allclose(LIKELIHOODS[name].mean(z), one, rtol=1e-13)


@every_mode
@every_likelihood
def test_no_finite_logit_gives_a_nan(name: str, mode: str) -> None:
    for sample in (float32_sample()[:: CHUNK // 64], float64_sample()[::7]):
        for quantity in QUANTITIES:
            for y in (0.0, 0.25, 1.0):
                assert not np.isnan(evaluate(name, mode, quantity, sample, y)).any()


@every_mode
@every_rapid_likelihood
def test_soft_labels_are_as_accurate_as_hard_ones(name: str, mode: str) -> None:
    stride, limits = 1 << 6, np.finfo(np.float32)
    z = float32_sample()[::stride]
    for quantity in ("nll", "slope", "curvature"):
        zero, one = (getattr(rapid(name, np.float64, y), quantity)[::stride] for y in (0, 1))
        for y in (2.0**-40, 0.25, 0.5, 1 - 2.0**-20):
            result = evaluate(name, mode, quantity, z, y)
            with np.errstate(all="ignore"):
                size = (1 - y) * np.abs(zero) + y * np.abs(one)
                error = np.abs(result - ((1 - y) * zero + y * one))
            normal = (size > limits.tiny) & (size < float(limits.max))
            ulps = (error[normal] / np.spacing(size[normal].astype(np.float32))).astype(float)
            assert worst_error(ulps, z[normal]) <= (1.0, np.inf), f"{quantity}, y = {y}"


def test_the_coefficients_of_the_normal_hazard_are_those_of_their_recipe() -> None:
    count = len(EXCESS_COEFFICIENTS)
    with mpmath.workdps(60):
        nodes = [mpmath.cos(mpmath.pi * (2 * j + 1) / (2 * count)) for j in range(count)]
        sizes = [4 * (1 + x) / (1 - x) for x in nodes]
        excess = [mpmath.npdf(t) / mpmath.ncdf(-t) - t for t in sizes]
        powers = mpmath.matrix([[x**k for k in range(count)] for x in nodes])
        scaled = mpmath.matrix([(1 + t) * k for t, k in zip(sizes, excess, strict=True)])
        expected = [float(c) for c in mpmath.lu_solve(powers, scaled)]
    assert expected == list(EXCESS_COEFFICIENTS)


# Derivatives.


def some_logits(dtype: tf.DType = tf.float32) -> tuple[tf.Tensor, tf.Tensor]:
    z = tf.constant([-60.0, -9.0, -1.5, -0.0, 0.0, 1e-3, 0.7, 2.0, 4.0, 60.0], dtype)
    return tf.concat([z, z, z], 0), tf.repeat(tf.constant([0.0, 1.0, 0.3], dtype), len(z))


@every_mode
@every_likelihood
def test_tapes_find_slope_and_curvature(name: str, mode: str) -> None:
    likelihood = LIKELIHOODS[name]

    def derivatives(z: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as outer:
            outer.watch(z)
            with tf.GradientTape() as inner:
                inner.watch(z)
                loss = differentiable_nll(likelihood, z, y)
            first = inner.gradient(loss, z)
        return loss, first, outer.gradient(first, z)

    z, y = some_logits()
    expected = likelihood.nll(z, y), likelihood.slope(z, y), likelihood.curvature(z, y)
    for found, direct in zip(MODES[mode](derivatives)(z, y), expected, strict=True):
        np.testing.assert_array_max_ulp(found.numpy(), direct.numpy(), 1)


@every_mode
@every_likelihood
def test_third_derivatives_are_those_of_the_curvature(name: str, mode: str) -> None:
    likelihood, step = LIKELIHOODS[name], 1e-5
    z, y = some_logits(tf.float64)

    def third(z: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(z)
            with tf.GradientTape() as middle:
                middle.watch(z)
                with tf.GradientTape() as inner:
                    inner.watch(z)
                    loss = differentiable_nll(likelihood, z, y)
                first = inner.gradient(loss, z)
            second = middle.gradient(first, z)
        return outer.gradient(second, z)

    found = MODES[mode](third)(z)
    above, below = likelihood.curvature(z + step, y), likelihood.curvature(z - step, y)
    np.testing.assert_allclose(found, (above - below) / (2 * step), rtol=1e-6, atol=1e-7)


@every_mode
@every_likelihood
def test_forward_mode_finds_slope_and_curvature(name: str, mode: str) -> None:
    likelihood = LIKELIHOODS[name]

    def directional(z: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.autodiff.ForwardAccumulator(z, 2.0 * tf.ones_like(z)) as accumulator:
            with tf.GradientTape() as tape:
                tape.watch(z)
                loss = differentiable_nll(likelihood, z, y)
            first = tape.gradient(loss, z)
        return accumulator.jvp(loss), accumulator.jvp(first)

    z, y = some_logits()
    along, across = MODES[mode](directional)(z, y)
    np.testing.assert_array_max_ulp(along.numpy(), 2.0 * likelihood.slope(z, y).numpy(), 1)
    np.testing.assert_array_max_ulp(across.numpy(), 2.0 * likelihood.curvature(z, y).numpy(), 1)


@every_mode
@every_likelihood
def test_the_slope_differentiates_to_the_curvature(name: str, mode: str) -> None:
    likelihood = LIKELIHOODS[name]

    def derivative(z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(z)
            slope = differentiable_slope(likelihood, z, y)
        return tape.gradient(slope, z)

    z, y = some_logits()
    found = MODES[mode](derivative)(z, y).numpy()
    np.testing.assert_array_max_ulp(found, likelihood.curvature(z, y).numpy(), 1)


@every_mode
@every_likelihood
def test_the_upstream_gradient_is_multiplied_in(name: str, mode: str) -> None:
    likelihood = LIKELIHOODS[name]
    weights = tf.linspace(-1.0, 2.0, 30)

    def derivatives(z: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as outer:
            outer.watch(z)
            with tf.GradientTape() as inner:
                inner.watch(z)
                total = tf.reduce_sum(weights * differentiable_nll(likelihood, z, y))
            first = inner.gradient(total, z)
        return first, outer.gradient(first, z, output_gradients=weights)

    z, y = some_logits()
    first, second = MODES[mode](derivatives)(z, y)
    np.testing.assert_allclose(first, weights * likelihood.slope(z, y), rtol=1e-6)
    np.testing.assert_allclose(second, weights**2 * likelihood.curvature(z, y), rtol=1e-6)


@pytest.mark.parametrize("differentiable", [differentiable_nll, differentiable_slope])
def test_labels_have_no_gradient(differentiable: Callable) -> None:
    z, y = some_logits()
    with tf.GradientTape() as tape:
        tape.watch(y)
        value = differentiable(LIKELIHOODS["logit"], z, y)
    assert tape.gradient(value, y) is None


@every_mode
def test_what_a_likelihood_does_not_define_is_derived(mode: str) -> None:
    z = tf.linspace(-6.0, 6.0, 13)
    y = tf.cast(tf.range(13) % 2, tf.float32)
    for quantity in QUANTITIES:
        arguments = (z,) if quantity == "mean" else (z, y)
        derived = MODES[mode](getattr(OnlyLoss(), quantity))(*arguments)
        np.testing.assert_allclose(
            derived, getattr(LIKELIHOODS["logit"], quantity)(*arguments), rtol=1e-4, atol=1e-6
        )


def test_a_loss_with_no_slope_has_slope_zero() -> None:
    class Coin(Likelihood):
        def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
            return tf.ones_like(z) * float(np.log(2))

    z, y = some_logits()
    assert not np.any(Coin().slope(z, y))
    assert not np.any(Coin().curvature(z, y))


def test_a_likelihood_without_a_loss_says_so() -> None:
    with pytest.raises(NotImplementedError, match="must define `nll"):
        Likelihood().nll(*some_logits())


# Misuse.


@pytest.mark.parametrize("function", [differentiable_nll, differentiable_slope])
@every_likelihood
def test_labels_of_another_shape_are_never_broadcast(name: str, function: Callable) -> None:
    z, y = tf.zeros([4, 1]), tf.zeros([4])
    with pytest.raises(ValueError, match=r"^Expected `y` of the same shape as `z`, got"):
        function(LIKELIHOODS[name], z, y)


def test_a_formula_in_float64_never_broadcasts() -> None:
    for quantity in ("nll", "slope", "curvature"):
        with pytest.raises(ValueError, match=r"got \(4,\) and \(4, 1\)"):
            getattr(LIKELIHOODS["probit"], quantity)(tf.zeros([4, 1]), tf.zeros([4]))


def test_shapes_known_in_part_are_compared_as_far_as_they_are_known() -> None:
    vector, column = tf.TensorSpec([None]), tf.TensorSpec([None, 1])
    trace = tf.function(check_labels).get_concrete_function
    trace(vector, tf.TensorSpec([3]))
    with pytest.raises(ValueError, match="same shape"):
        trace(column, vector)


@pytest.mark.parametrize("label", [-0.5, 1.5, np.nan])
@every_likelihood
def test_labels_outside_0_to_1_are_refused(name: str, label: float) -> None:
    z, y = tf.zeros([3]), tf.constant([0.0, 1.0, label])
    for quantity in ("nll", "slope", "curvature"):
        with pytest.raises(ValueError, match=r"^Expected `y` from 0 to 1, got "):
            getattr(LIKELIHOODS[name], quantity)(z, y)
    with pytest.raises(ValueError, match="from 0 to 1"):
        LIKELIHOODS[name].nll(z[2], y[2])


def test_float64_is_rounded_once_to_the_dtype_of_the_logits() -> None:
    class Third(Likelihood):
        @in_float64
        def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
            assert z.dtype == y.dtype == tf.float64
            return z + 1.0 / 3.0

    loss = Third().nll(tf.zeros([1]), tf.zeros([1]))
    assert loss.dtype == tf.float32
    assert loss[0] == np.float32(1.0 / 3.0)


# Likelihoods from elsewhere.

MINE = """
    import tensorflow as tf
    from lowlevel.likelihoods import Likelihood

    class Mine(Likelihood):
        scale = tf.Variable(1.0)

        def nll(self, z, y):
            return {}

    MINE = Mine()
    NUMBER = 7
"""
GOOD = "tf.nn.softplus(z) - y * z"


def write(folder: Path, source: str) -> str:
    path = folder / "mine.py"
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return str(path)


@every_likelihood
def test_a_name_loads_the_likelihood_of_that_name(name: str) -> None:
    assert load(name) is LIKELIHOODS[name]


@every_mode
def test_a_file_of_ones_own_loads_and_trains(tmp_path: Path, mode: str) -> None:
    mine = load(write(tmp_path, MINE.format(GOOD)) + ":MINE")
    z, y = tf.linspace(-5.0, 5.0, 11), tf.zeros([11])

    def gradient(z: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = differentiable_nll(mine, z, y)
        return tape.gradient(loss, z)

    np.testing.assert_allclose(MODES[mode](gradient)(z), tf.sigmoid(z), rtol=1e-5)


def test_a_file_is_run_once_until_it_changes(tmp_path: Path) -> None:
    source = "from pathlib import Path; Path(__file__ + '.runs').open('a').write('run ')"
    spec = write(tmp_path, textwrap.dedent(MINE.format(GOOD)) + source) + ":MINE"
    assert load(spec) is load(spec)
    assert (tmp_path / "mine.py.runs").read_text() == "run "
    write(tmp_path, MINE.format("2.0 * (tf.nn.softplus(z) - y * z)"))
    assert load(spec).nll(tf.zeros([1]), tf.zeros([1])) == np.float32(2 * np.log(2))


def test_loading_leaves_nothing_behind(tmp_path: Path) -> None:
    load(write(tmp_path, MINE.format(GOOD)) + ":MINE")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_file_may_define_dataclasses_with_annotations_kept_as_text(tmp_path: Path) -> None:
    source = """
        from __future__ import annotations
        import dataclasses
        import tensorflow as tf
        from lowlevel.likelihoods import Likelihood

        @dataclasses.dataclass
        class Mine(Likelihood):
            scale: float
            def nll(self, z, y):
                return self.scale * (tf.nn.softplus(z) - y * z)

        MINE = Mine(2.0)
    """
    mine = load(write(tmp_path, source) + ":MINE")
    np.testing.assert_allclose(mine.nll(tf.zeros([1]), tf.zeros([1])), 2 * np.log(2), rtol=1e-6)


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("x = (", "MINE", "Cannot run .*SyntaxError"),
        ("1 / 0", "MINE", "Cannot run .*ZeroDivisionError: division by zero"),
        ("raise RuntimeError('one\\ntwo')", "MINE", "RuntimeError: one two"),
        ("import sys; sys.exit(3)", "MINE", "SystemExit: 3"),
        ("import nowhere", "MINE", "No module named 'nowhere'"),
        (MINE.format(GOOD), "YOURS", "defines no 'YOURS'"),
        (MINE.format(GOOD), "NUMBER", "NUMBER is no Likelihood"),
        (MINE.format(GOOD), "Mine", r"Mine is a class, not an instance, define Mine = "),
        (MINE.format("tf.reduce_sum(z * y)"), "MINE", r"nll of float32 \(14,\) gives float32 \(\)"),
        (MINE.format("z[:, None] * y"), "MINE", r"gives float32 \(14, 14\)"),
        (MINE.format("tf.cast(z, tf.float64)"), "MINE", r"gives float64 \(14,\)"),
        (MINE.format("tf.cast(z * y, tf.float32)"), "MINE", r"nll of float64 .* gives float32"),
        (MINE.format("tf.math.log(z)"), "MINE", "nll is nan at z = -3, y = 0, expected a finite"),
        (MINE.format("1.0 / z"), "MINE", "nll is inf at z = 0, y = 0"),
        (MINE.format("undefined"), "MINE", "nll fails: NameError"),
        (MINE.format("tf.cast(self.scale, z.dtype) * z"), "MINE", "nll has a variable to be train"),
        (MINE.format("z + 0 * z.numpy()"), "MINE", "nll fails: .* no attribute 'numpy'"),
        (MINE.format("z"), "", "defines no ''"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line(
    tmp_path: Path, source: str, name: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        load(f"{write(tmp_path, source)}:{name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("logits", "Unknown likelihood 'logits': give one of logit, .* or FILE.py"),
        ("", "Unknown likelihood ''"),
        ("mine.py", "Unknown likelihood 'mine.py'"),
        ("nowhere/mine.py:MINE", "found no file nowhere/mine.py"),
    ],
)
def test_a_likelihood_that_is_not_there_is_refused(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(spec)
