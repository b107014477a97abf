"""The check of a likelihood: its formulas, and its gradient in both modes, against exact ones."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel import likelihoods, modes
from lowlevel.config import Config
from lowlevel.data import Table
from lowlevel.errors import in_one_line
from lowlevel.gradient_check import five_point_slope
from lowlevel.likelihoods import Likelihood, derivative_in_z

# From where all is easy to where naive formulas, float32 and float64 give up.
_SIZES = (0.001, 0.1, 0.5, 1, 2, 3, 5, 8, 10, 12, 15, 17, 20, 25, 30, 37, 50, 80, 88, 100, 300, 700)
LOGITS = (*(-size for size in reversed(_SIZES)), 0.0, *map(float, _SIZES))
LABELS = (1.0, 0.0, 0.25)

# A label as rare as 1e-304 (logit, at 700) is found as one minus the other's probability; its
# second differences at a step of 2^-50 cost another 30 digits, and the second derivative of the
# other's logarithm is as small again.
_DIGITS = 700
_RAREST = "1e-600"
_EXACT_STEP = -50

# Of differences in float64; powers of two, so that z + step is exact.
_STEPS = {"slope": 2.0**-10, "curvature": 2.0**-6}
_DIFFERENCES_ERROR = 1e-5
_SMALLEST_DIFFERENCE = 1e-6

# From here on an error is not one of precision.
_WRONG = 0.1


@dataclasses.dataclass(frozen=True)
class Row:
    """One quantity of a likelihood, or one gradient of a network, and how it compares.

    Attributes:
        subject: "slope", or "module dense_0/kernel".
        label: of the quantity; None for one of no label, and for a network.
        autodiff: the largest relative error against TensorFlow's own derivative of the plain
            `nll`; None where there is nothing to compare.
        differences: the same against central differences in float64, where they can tell.
        best: the same against the exact value, from mpmath; against differences or the formula
            in float64 where there is none.
        logit: where the last is largest, or as good as that.
        verdict: in words.
        right: whether all is well with it.
        mistake: whether it is a mistake that is shown on purpose.
    """

    subject: str
    label: float | None
    autodiff: float | None
    differences: float | None
    best: float | None
    logit: float | None
    verdict: str
    right: bool
    mistake: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the check may pass with this row in it."""
        return self.right or self.mistake


def check_likelihood(config: Config) -> list[Row]:
    """Checks a likelihood, and the gradients that both modes make of it.

    Args:
        config: its `likelihood`, `dtype` and `jit_compile` say what is checked, its `seed` at
          which weights. Formulas run eager, then compiled; networks compiled, as in training.

    Returns:
        A row for each quantity and label, a row for each parameter of Dense(4) -> Logistic in each
        mode, and two that show what mistakes look like. All is well if every row agrees.

    Raises:
        ValueError: the likelihood cannot be used, or mpmath is not installed.
    """
    likelihood = likelihoods.load(config.likelihood)
    return [
        *_formula_rows(likelihood, config.dtype, config.jit_compile),
        *_network_rows("module", config),
        *_network_rows("keras", config),
        *_mistakes(config),
    ]


def format_rows(rows: Sequence[Row]) -> list[str]:
    """Returns rows as the lines of a table, the mistakes last, under a line of their own."""
    return [
        f"{'':23}largest relative error against",
        _columns("", "autodiff", "differences", "best", "at z", "verdict"),
        *[_line(row) for row in rows if row.logit is not None and not row.mistake],
        "gradients in a network, errors as shares of the largest number:",
        *[_line(row) for row in rows if row.logit is None and not row.mistake],
        "mistakes, shown on purpose:",
        *[_line(row) for row in rows if row.mistake],
    ]


def _line(row: Row) -> str:
    """Returns a row as one line."""
    subject = row.subject + ("" if row.label is None else f", y = {row.label:g}")
    errors = [_short(error, ".0e") for error in (row.autodiff, row.differences, row.best)]
    return _columns(subject, *errors, _short(row.logit, "g"), row.verdict)


def _columns(*texts: str) -> str:
    """Returns texts in the columns of the table."""
    return "{:22} {:>8} {:>11} {:>5} {:>6}  {}".format(*texts).rstrip()


def _short(number: float | None, form: str) -> str:
    """Returns a number as text, or a dash."""
    return "-" if number is None else format(number, form)


class _Truth(NamedTuple):
    """What numbers should be: `expected`, NaN where nothing tells, and how surely, `tolerance`."""

    expected: np.ndarray
    tolerance: np.ndarray


def _formula_rows(likelihood: Likelihood, dtype: str, jit_compile: bool) -> list[Row]:
    """Checks the four formulas of a likelihood, for a label of 1, of 0, and a soft one."""
    exact = _exact(likelihood, _logits(dtype))
    rows = [
        _formula_row(likelihood, quantity, label, dtype, jit_compile, exact)
        for quantity in ("nll", "slope", "curvature")
        for label in LABELS
    ]
    return [
        *rows,
        _formula_row(likelihood, "mean", None, dtype, jit_compile, exact),
        _sum_row(likelihood, _logits(dtype)),
    ]


def _sum_row(likelihood: Likelihood, z: np.ndarray) -> Row:
    """Checks that the losses of the two labels are those of probabilities that sum to 1."""
    losses = [_values(likelihood.nll, z, label).astype(np.float64) for label in (1.0, 0.0)]
    with np.errstate(over="ignore"):
        found = sum(np.exp(-loss) for loss in losses).astype(z.dtype)
    truth = _Truth(np.ones(len(z)), np.full(len(z), _precise(z.dtype)))
    errors = _errors(found, truth.expected)
    right = not (errors > truth.tolerance).any()
    verdict = "right" if right else _verdict(z, found, truth, errors)
    best, logit = float(errors.max()), _place_of_worst(z, errors)
    return Row("sum of exp(-nll)", None, None, None, best, logit, verdict, right=right)


def _formula_row(
    likelihood: Likelihood,
    quantity: str,
    label: float | None,
    dtype: str,
    jit_compile: bool,
    exact: dict[tuple[str, float | None], np.ndarray],
) -> Row:
    """Checks one formula for one label: eager and, where that is right, compiled."""
    z = _logits(dtype)
    formula = getattr(likelihood, quantity)
    other = _by_others(likelihood, quantity, z, label)
    differences = _differences(likelihood, quantity, z.astype(np.float64), label)
    # A soft label's own differences may cancel; those of the hard ones have been looked at.
    told = differences if label in (0.0, 1.0) else np.full_like(differences, np.nan)
    truth = _truth(exact[quantity, label], told, other, z.dtype)
    terms = _size_of_terms(likelihood, quantity, label, z.astype(np.float64))
    where = ""
    found = _values(formula, z, label)
    errors = _errors(found, truth.expected, terms)
    if not (errors > truth.tolerance).any():
        where = "under XLA, " if jit_compile else "in a graph, "
        found = _values(_compiled(formula, jit_compile), z, label)
        errors = _errors(found, truth.expected, terms)
    by_autodiff = _autodiff_errors(likelihood, quantity, z, label, found, terms)
    right = not (errors > truth.tolerance).any()
    verdict = where + _verdict(z, found, truth, errors)
    verdict += _advice(likelihood, quantity, imprecise=not (errors > _WRONG).any())
    if right:
        verdict = "right" + _reservation(exact[quantity, label], z, by_autodiff)
    return Row(
        subject=quantity,
        label=label,
        autodiff=_most(by_autodiff, by_autodiff),
        differences=_most(_errors(found, differences, terms), differences),
        best=_most(errors, truth.expected),
        logit=_place_of_worst(z, errors),
        verdict=verdict,
        right=right,
    )


def _compiled(function: Callable[..., Any], jit_compile: bool) -> Callable[..., Any]:
    """Returns a function as training has it: compiled, and without autograph."""
    concrete = tf.function(function, autograph=False, jit_compile=jit_compile)
    # Called outright, it would warn of tracing in vain after a few.
    return functools.wraps(function)(lambda *a: concrete.get_concrete_function(*a)(*a))


def _logits(dtype: str) -> np.ndarray:
    """Returns the logits at which formulas are checked, `[n]`."""
    return np.array(LOGITS, dtype)


def _values(formula: Callable[..., tf.Tensor], z: np.ndarray, label: float | None) -> np.ndarray:
    """Returns a formula's values at logits, `[n]`; raises ValueError if it raises."""
    labels = [] if label is None else [tf.fill(z.shape, tf.constant(label, z.dtype))]
    try:
        return formula(tf.constant(z), *labels).numpy()
    except Exception as error:
        name = getattr(formula, "__name__", "a derivative")
        raise ValueError(f"{name} fails: {in_one_line(error)}") from error


def _truth(
    exact: np.ndarray, differences: np.ndarray, other: np.ndarray, dtype: np.dtype
) -> _Truth:
    """Returns the best there is: exact values, else differences, else what `_by_others` gave."""
    precise = _precise(dtype)
    by_differences = np.isnan(exact) & ~np.isnan(differences)
    expected = np.where(np.isnan(exact), np.where(by_differences, differences, other), exact)
    return _Truth(expected, np.where(by_differences, max(_DIFFERENCES_ERROR, precise), precise))


def _precise(dtype: np.dtype) -> float:
    """Returns seven bits of rounding: what is worse than that was lost, not rounded away."""
    return float(2**7 * np.finfo(dtype).eps)


def _by_others(
    likelihood: Likelihood, quantity: str, z: np.ndarray, label: float | None
) -> np.ndarray:
    """Returns a formula's values in float64 as far as other formulas, or a wider dtype, tell them.

    The mean follows from the loss, and what a soft label gives from both hard ones. NaN where
    nothing tells: of itself, a formula in float64 shows nothing.
    """
    wide = z.astype(np.float64)
    if quantity == "mean":
        return np.exp(-_values(likelihood.nll, wide, 1.0))
    formula = getattr(likelihood, quantity)
    if label not in (0.0, 1.0):
        with np.errstate(invalid="ignore"):
            return label * _values(formula, wide, 1.0) + (1 - label) * _values(formula, wide, 0.0)
    return _values(formula, wide, label) if z.dtype == np.float32 else np.full_like(wide, np.nan)


def _size_of_terms(
    likelihood: Likelihood, quantity: str, label: float | None, z: np.ndarray
) -> np.ndarray:
    """Returns the sizes of the two terms that a soft label's value is the sum of, added; else 0.

    They may cancel, and no sum is more precise than its terms.
    """
    if label in (None, 0.0, 1.0):
        return np.zeros_like(z)
    formula = getattr(likelihood, quantity)
    one, zero = (np.abs(_values(formula, z, hard)) for hard in (1.0, 0.0))
    return np.nan_to_num(label * one + (1 - label) * zero, posinf=0.0)


def _errors(found: np.ndarray, expected: np.ndarray, terms: np.ndarray | float = 0.0) -> np.ndarray:
    """Returns relative errors: infinite for NaN and infinity, 0 where nothing tells.

    What is too small for a normal number of the dtype may be anything as small, and what is too
    large anything at all. Relative to the expected value, or to `terms` where those are larger.
    """
    limits = np.finfo(found.dtype)
    with np.errstate(all="ignore"):
        size = np.abs(expected)
        whole = np.maximum(np.maximum(size, terms), float(limits.tiny))
        errors = np.abs(found - expected) / whole
    errors[(size < limits.tiny) & (np.abs(found) <= limits.tiny)] = 0
    errors[~np.isfinite(found)] = np.inf
    errors[size > limits.max] = 0
    return np.where(np.isnan(errors), 0, errors)


def _most(errors: np.ndarray, expected: np.ndarray) -> float | None:
    """Returns the largest error where something was expected; None where nothing was."""
    told = ~np.isnan(expected)
    return float(errors[told].max()) if told.any() else None


def _differences(
    likelihood: Likelihood, quantity: str, z: np.ndarray, label: float | None
) -> np.ndarray:
    """Returns a derivative of `nll` by five-point differences, `[n]`; NaN where they fail.

    They do where two steps do not give the same: the derivative is lost in the loss's rounding.
    """
    if quantity not in _STEPS:
        return np.full_like(z, np.nan)
    near, far = (_five_points(likelihood, quantity, z, label, scale) for scale in (1, 2))
    with np.errstate(invalid="ignore"):
        same = np.abs(near - far) <= _DIFFERENCES_ERROR * np.abs(near)
    return np.where(same & (np.abs(near) > _SMALLEST_DIFFERENCE), near, np.nan)


def _five_points(
    likelihood: Likelihood, quantity: str, z: np.ndarray, label: float, scale: int
) -> np.ndarray:
    """Returns the first or second derivative of `nll` by differences at a scale of the step."""
    step = _STEPS[quantity] * scale
    far, near, here, other, other_far = (
        _values(likelihood.nll, z + k * step, label) for k in (2, 1, 0, -1, -2)
    )
    with np.errstate(all="ignore"):
        if quantity == "slope":
            return five_point_slope(far, near, other, other_far, step)
        return (16 * (near + other) - 30 * here - (far + other_far)) / (12 * step**2)


def _autodiff_errors(
    likelihood: Likelihood,
    quantity: str,
    z: np.ndarray,
    label: float | None,
    found: np.ndarray,
    terms: np.ndarray,
) -> np.ndarray:
    """Returns how far a formula is from TensorFlow's own derivative of the plain `nll`, `[n]`.

    Infinite where only that is NaN or infinite; NaN for a quantity that is no derivative.
    """
    if quantity not in _STEPS:
        return np.full_like(z, np.nan)
    slope = functools.partial(derivative_in_z, likelihood.nll)
    derivative = {"slope": slope, "curvature": functools.partial(derivative_in_z, slope)}[quantity]
    autodiff = _values(derivative, z, label)
    usable = np.isfinite(autodiff) | (found == autodiff)
    return np.where(usable, _errors(found, autodiff, terms), np.inf)


def _exact(likelihood: Likelihood, z: np.ndarray) -> dict[tuple[str, float | None], np.ndarray]:
    """Returns what the formulas should give, `[n]` in float64 by quantity and label.

    NaN where a likelihood has no `exact_mean`, or where a label is too rare even for that.

    Raises:
        ValueError: mpmath is not installed, or `exact_mean` fails.
    """
    points = [_exact_point(likelihood, float(logit)) for logit in z]
    exact = {("mean", None): np.array([mean for mean, _ in points])}
    for index, quantity in enumerate(("nll", "slope", "curvature")):
        for label in LABELS:
            exact[quantity, label] = np.array(
                [_blend(label, one[index], zero[index]) for _, (one, zero) in points]
            )
    return exact


def _blend(label: float, one: float, zero: float) -> float:
    """Returns the sum for a soft label; a weight of 0 rules out even NaN."""
    terms = [weight * term for weight, term in ((label, one), (1 - label, zero)) if weight]
    return sum(terms)


def _exact_point(likelihood: Likelihood, z: float) -> tuple[float, list[list[float]]]:
    """Returns the mean at a logit; then loss, slope and curvature of the labels 1 and 0."""
    mp = _mpmath()
    with mp.workdps(_DIGITS):
        step = mp.mpf(2) ** _EXACT_STEP
        try:
            around = [likelihood.exact_mean(mp.mpf(z) + k * step, mp) for k in (-1, 0, 1)]
            if around[1] is None:
                return np.nan, [[np.nan] * 3] * 2
            labels = [around, [1 - mean for mean in around]]
            return float(around[1]), [_of_one_label(mp, label, step) for label in labels]
        except Exception as error:
            raise ValueError(f"exact_mean fails at z = {z:g}: {in_one_line(error)}") from error


def _of_one_label(mp: Any, probabilities: Sequence[Any], step: Any) -> list[float]:
    """Returns loss, slope and curvature by its probabilities at z - step, z and z + step."""
    if min(probabilities) < mp.mpf(_RAREST):
        return [np.nan] * 3
    before, here, after = (-mp.log(probability) for probability in probabilities)
    slope = (after - before) / (2 * step)
    return [float(x) for x in (here, slope, (after - 2 * here + before) / step**2)]


def _mpmath() -> Any:
    """Returns mpmath's context; imported here, since nothing else needs it."""
    try:
        import mpmath
    except ImportError as error:
        raise ValueError("The check needs mpmath: pip install mpmath") from error
    return mpmath.mp


def _place_of_worst(z: np.ndarray, errors: np.ndarray) -> float:
    """Returns where the error is largest, or as good as that and nearer to 0."""
    places = z[errors >= 0.9 * errors.max()]
    return float(places[np.argmin(np.abs(places))])


def _verdict(z: np.ndarray, found: np.ndarray, truth: _Truth, errors: np.ndarray) -> str:
    """Returns in words what is wrong with numbers that are."""
    wrong = errors > _WRONG
    if not wrong.any():
        beyond = np.where(errors > truth.tolerance, errors, 0)
        return f"imprecise: {beyond.max():.0e} at z = {_place_of_worst(z, beyond):g}"
    limits, size = np.finfo(found.dtype), np.abs(truth.expected)
    place = _place(z, wrong, ~((size < limits.tiny) | (size > limits.max)))
    order = np.argsort(np.abs(z[wrong]), kind="stable")
    return f"wrong {place}: {_what(found[wrong][order], truth.expected[wrong][order])}"


def _place(z: np.ndarray, wrong: np.ndarray, counted: np.ndarray) -> str:
    """Returns where numbers are wrong, in words; those that are not counted may be either."""
    told = counted | wrong
    if wrong[told].all():
        return "everywhere"
    up = z[wrong & (z > 0)].min(initial=np.inf)
    down = z[wrong & (z < 0)].max(initial=-np.inf)
    if (wrong != ((z >= up) | (z <= down)))[told].any():
        at = z[wrong][np.argmin(np.abs(z[wrong]))]
        return f"at z = {at:g}" + (" and elsewhere" if wrong.sum() > 1 else "")
    if up == -down:
        return f"from |z| = {up:g} on"
    ends = {f"{up:g} on": up, f"{down:g} down": down}
    return "from z = " + ", ".join(text for text, end in ends.items() if np.isfinite(end))


def _what(found: np.ndarray, expected: np.ndarray) -> str:
    """Returns what wrong numbers have in common, in words, or else how far the first is off."""
    if not np.isfinite(found[0]):
        return "gives NaN" if np.isnan(found[0]) else "gives infinity"
    if not found.any():
        return "gives 0"
    with np.errstate(all="ignore"):
        ratio = found / expected
    if not np.allclose(ratio, ratio[0], rtol=1e-3):
        return f"{abs(ratio[0] - 1):.0%} off"
    return "wrong sign" if abs(ratio[0] + 1) < 1e-3 else f"{ratio[0]:.4g} times the right one"


def _advice(likelihood: Likelihood, quantity: str, imprecise: bool) -> str:
    """Returns what to do about a formula that is not right."""
    if getattr(type(likelihood), quantity) is getattr(Likelihood, quantity):
        return f"; write `{quantity}`"
    return "; try `in_float64`" if imprecise else ""


def _reservation(exact: np.ndarray, z: np.ndarray, by_autodiff: np.ndarray) -> str:
    """Returns what is to be added of a formula that is right."""
    off = by_autodiff > _WRONG
    if off.any():
        return f"; autodiff is not, {_place(z, off, np.full_like(off, True))}"
    return "; no exact_mean to make sure" if np.isnan(exact).all() else ""


def _network_rows(mode: str, config: Config) -> list[Row]:
    """Checks the gradient that a mode gives each parameter of a small network."""
    network = _Network(mode, config, config.dtype)
    twin = _Network(mode, config, "float64")
    for name, variable in network.variables.items():
        twin.variables[name].assign(tf.cast(variable, tf.float64))
    found = network.gradients(network.model.loss_fn)
    autodiff = network.gradients(network.plain_loss)
    exact = twin.exact_gradients()
    return [
        _gradient_row(
            f"{mode} {name}", found[name], autodiff[name], twin.differences(name), expected
        )
        for name, expected in exact.items()
    ]


class _Network:
    """Dense(4) -> Logistic of a mode on a small table of random features."""

    def __init__(self, mode: str, config: Config, dtype: str) -> None:
        """Builds the network; the same weights and rows every time."""
        random = np.random.default_rng(config.seed)
        # No two parameters of one shape: it tells them apart.
        features = random.normal(scale=2.0, size=(20, 3)).astype(dtype)
        table = Table(features, random.choice(LABELS, 20).astype(dtype))
        settings = dataclasses.replace(
            config,
            hidden_units=(4,),
            activation="linear",
            standardize=False,
            l2=0.0,
            dtype=dtype,
        )
        self.jit_compile = config.jit_compile
        self.model = modes.load(mode).build(settings, table)
        self.likelihood = self.model.logistic.likelihood
        self.columns = [tf.constant(column) for column in table.columns]
        with tf.GradientTape() as tape:
            self.model.loss_fn(*self.columns)
        by_shape = {tuple(v.shape): v for v in tape.watched_variables()}
        named = modes.load(mode).named_weights(self.model)
        self.variables = {name: by_shape[array.shape] for name, array in named.items()}

    def linear_predictor(self) -> tf.Tensor:
        """Returns z of every row, `[n]`."""
        return self.model.logistic.linear_predictor(self.model.latent(self.columns[0]))

    def plain_loss(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Returns the mean loss without a rule of its own."""
        return tf.reduce_mean(self.likelihood.nll(self.linear_predictor(), y))

    def gradients(self, loss: Callable[..., tf.Tensor]) -> dict[str, np.ndarray | None]:
        """Returns a loss's gradient in each parameter."""

        def gradient(*columns: tf.Tensor) -> dict[str, tf.Tensor | None]:
            with tf.GradientTape() as tape:
                value = loss(*columns)
            return tape.gradient(value, self.variables)

        found = _compiled(gradient, self.jit_compile)(*self.columns)
        return {name: None if g is None else g.numpy() for name, g in found.items()}

    def exact_gradients(self) -> dict[str, np.ndarray]:
        """Returns the gradients that the exact slopes make by the chain rule."""
        with tf.GradientTape() as tape:
            z = self.linear_predictor()
        slopes = self._exact_slopes(z.numpy(), self.columns[1].numpy())
        found = tape.gradient(z, self.variables, output_gradients=tf.constant(slopes / len(slopes)))
        return {name: g.numpy() for name, g in found.items()}

    def _exact_slopes(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns the slope of every row; the likelihood's own where it offers nothing exact."""
        exact = _exact(self.likelihood, z)
        slopes = np.array([exact["slope", label][row] for row, label in enumerate(y)])
        own = self.likelihood.slope(tf.constant(z), tf.constant(y)).numpy()
        return np.where(np.isnan(slopes), own, slopes)

    def differences(self, name: str) -> np.ndarray:
        """Returns the gradient in one parameter by five-point central differences."""
        variable, step = self.variables[name], _STEPS["slope"]
        start = variable.numpy()
        found = np.empty_like(start)
        for index in np.ndindex(*start.shape):
            losses = []
            for k in (2, 1, -1, -2):
                moved = start.copy()
                moved[index] += k * step
                variable.assign(moved)
                losses.append(float(self.model.loss_fn(*self.columns)))
            found[index] = five_point_slope(*losses, step)
        variable.assign(start)
        return found


def _gradient_row(
    subject: str,
    found: np.ndarray | None,
    autodiff: np.ndarray | None,
    differences: np.ndarray,
    exact: np.ndarray,
) -> Row:
    """Checks the gradient in one parameter, by the largest error as a share of the largest."""
    if found is None:
        return Row(subject, None, None, None, None, None, "lost: the gradient is None", right=False)
    by_autodiff = None if autodiff is None else _share(found, autodiff)
    errors = [_share(found, expected) for expected in (differences, exact)]
    worst = max(errors)
    tolerance = max(_DIFFERENCES_ERROR, np.sqrt(np.finfo(found.dtype).eps))
    verdict = f"imprecise: {worst:.0e} of the largest number"
    if worst <= tolerance:
        verdict = "right"
    elif worst > _WRONG:
        verdict = f"wrong: {_what(found.ravel(), differences.ravel())}"
    return Row(subject, None, by_autodiff, *errors, None, verdict, right=worst <= tolerance)


def _share(found: np.ndarray, expected: np.ndarray) -> float:
    """Returns the largest difference as a share of the largest number; infinite for NaN."""
    difference, largest = np.max(np.abs(found - expected)), np.max(np.abs(expected))
    share = difference / largest if difference else 0.0
    return float(share) if np.isfinite(share) else np.inf


def _mistakes(config: Config) -> list[Row]:
    """Shows what two mistakes look like: the naive formula, and a rule over the whole network."""
    exact = _exact(_Article(), _logits(config.dtype))
    naive = _formula_row(_Article(), "slope", 1.0, config.dtype, config.jit_compile, exact)
    network = _Network("module", config, config.dtype)
    lost = network.gradients(functools.partial(_loss_without_outer_function, network))
    right = network.gradients(network.plain_loss)
    name = "dense_0/kernel"
    return [
        dataclasses.replace(naive, subject="slope of log(p)", mistake=True),
        dataclasses.replace(
            _gradient_row(name, lost[name], right[name], right[name], right[name]),
            subject="no outer function",
            mistake=True,
        ),
    ]


class _Article(Likelihood):
    """Logistic regression as one would write it down, which is not how to compute it."""

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """By p = 1 / (1 + exp(-z)), which rounds to 1 and overflows, and logarithms of it."""
        p = 1.0 / (1.0 + tf.exp(-z))
        return -(y * tf.math.log(p) + (1.0 - y) * tf.math.log(1.0 - p))

    def exact_mean(self, z: Any, mp: Any) -> Any:
        """The definition."""
        return 1 / (1 + mp.exp(-z))


def _loss_without_outer_function(network: _Network, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns the mean loss by a rule that covers the dense layer, and knows only the logistic."""
    logistic = network.model.logistic

    @tf.custom_gradient
    def everything(x: tf.Tensor, /) -> tuple:
        h = network.model.latent(x)
        z = logistic.linear_predictor(h)

        def gradient(upstream: tf.Tensor, variables: Sequence[tf.Variable]) -> tuple:
            slope = upstream * network.likelihood.slope(z, y)[:, None] / z.shape[0]
            known = {
                logistic.kernel.ref(): tf.matmul(h, slope, transpose_a=True),
                logistic.bias.ref(): tf.reduce_sum(slope, 0),
            }
            return None, [known.get(variable.ref()) for variable in variables]

        return tf.reduce_mean(network.likelihood.nll(z, y)), gradient

    return everything(x)
