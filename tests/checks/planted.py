"""Planted faults: functions with right values whose custom gradient is wrong in one way each."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import control_flow_util  # How XLA's graphs tell that they are.

from lowlevel.checks import verdicts as v

X = np.array([0.3, -1.2, 2.5])
W = np.array([1.1, 0.4, -0.7])
ROWS = np.random.default_rng(0).normal(size=(20, 3))
LABELS = np.arange(20.0) % 2
SQUARE = np.array([[0.3, -1.2, 0.7], [2.5, 0.8, -0.3], [-0.4, 1.7, 1.1]])
LONG = np.random.default_rng(1).normal(size=2000)
LARGE = np.random.default_rng(2).normal(size=(1000, 100))


class Case(NamedTuple):
    """A function to check.

    Attributes:
        make: returns the function, and its arguments.
        fault: what is to be found, one of `verdicts`; "" for nothing.
        options: of the check.
    """

    make: Callable[[], tuple[Callable, Any]]
    fault: str = ""
    options: dict[str, Any] = {}  # noqa: RUF012


def ruled(value: Callable, gradient: Callable) -> Callable:
    """Returns a function of positional tensors with a rule, gradient(upstream, *tensors)."""

    @tf.custom_gradient
    def function(*tensors: tf.Tensor) -> tuple:
        return value(*tensors), lambda *upstream: gradient(*upstream, *tensors)

    return function


def rule(value: Callable, gradient: Callable, *arguments: Any) -> Callable[[], tuple]:
    """Returns the maker of a function with a rule, at some arguments."""
    return lambda: (ruled(value, gradient), list(arguments))


def in_xla() -> bool:
    """Whether the function is being compiled by XLA."""
    graph = tf.compat.v1.get_default_graph()
    return bool(control_flow_util.GraphOrParentsInXlaContext(graph))


def of_variables(order: Callable[[list], list]) -> Callable[[], tuple]:
    """Returns the maker of x a^2 b, whose rule gives the variables' gradients in some order."""

    def make() -> tuple:
        a, b = (tf.Variable(values, name=name) for values, name in ((np.abs(X), "a"), (W, "b")))

        @tf.custom_gradient
        def product(x: tf.Tensor) -> tuple:
            def gradient(u: tf.Tensor, variables: Sequence[tf.Variable]) -> tuple:
                known = {a.ref(): u * 2 * x * a * b, b.ref(): u * x * a**2}
                return u * a**2 * b, order([known[w.ref()] for w in variables])

            return x * a**2 * b, gradient

        return product, [X]

    return make


def stale() -> tuple:
    """A rule that reads a variable before, and not when it runs."""
    kernel = tf.Variable(W, name="kernel")
    before = kernel.numpy()

    @tf.custom_gradient
    def product(x: tf.Tensor) -> tuple:
        return x * kernel, lambda u, variables: (u * before, [u * x])

    return product, [X]


def without_upstream_in_dict() -> tuple:
    """Two results, and the second one's upstream gradient is ignored."""
    pair = ruled(lambda x: (x**2, x**3), lambda u, t, x: u * 2 * x + 3 * x**2)
    return (lambda x: dict(zip("ab", pair(x), strict=True))), [X]


def by_keyword() -> tuple:
    """Tensors go into a rule by keyword."""
    square = tf.custom_gradient(lambda x: (x**2, lambda u: 2 * u * x))
    return (lambda x: square(x=x)), [X]


def lookup(rows: tf.Tensor) -> Callable:
    """Returns a look-up whose rule overwrites where rows repeat."""

    def gradient(u: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
        return tf.tensor_scatter_nd_update(tf.zeros_like(table), rows[:, None], u)

    return ruled(lambda table: tf.gather(table, rows), gradient)


def norm_layer(u: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The gradient of a layer norm that takes the mean and the deviation for constants."""
    _, variance = tf.nn.moments(x, [1], keepdims=True)
    return u / tf.sqrt(variance + 1e-5)


def layer_norm(x: tf.Tensor) -> tf.Tensor:
    """Rows to mean 0 and deviation 1."""
    mean, variance = tf.nn.moments(x, [1], keepdims=True)
    return (x - mean) / tf.sqrt(variance + 1e-5)


def logistic(x: tf.Tensor, w: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The mean loss of a logistic regression."""
    z = tf.linalg.matvec(x, w)
    return tf.reduce_mean(tf.nn.softplus(z) - y * z)


def logistic_rule(factor: Callable[[Any], Any]) -> Callable:
    """Returns the rule of `logistic`, times a factor that depends on the rows."""

    def gradient(u: tf.Tensor, x: tf.Tensor, w: tf.Tensor, y: tf.Tensor) -> tuple:
        z = tf.linalg.matvec(x, w)
        slope = u * (tf.sigmoid(z) - y) * factor(x.shape[0]) / x.shape[0]
        return slope[:, None] * w, tf.linalg.matvec(x, slope, transpose_a=True), -u * z / 20

    return gradient


def second_wrong(u: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The right slope of x^3, with a rule of its own that is wrong."""
    return u * ruled(lambda x: 3 * x**2, lambda t, x: t * 3 * x)(x)


def wrong_in_upstream(u: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The right slope of x^3, with a rule of its own that is wrong in the upstream gradient."""
    slope = ruled(lambda u, x: 3 * u * x**2, lambda t, u, x: (2 * t * x**2, 6 * t * u * x))
    return slope(u, x)


def implicit() -> tuple:
    """The solution of x = cos(a x), whose rule forgets that x depends on itself."""

    def solve(a: tf.Tensor) -> tf.Tensor:
        x = tf.zeros_like(a)
        for _ in range(80):
            x = tf.cos(a * x)
        return x

    return ruled(solve, lambda u, a: -u * tf.sin(a * solve(a)) * solve(a)), [np.array([0.3, 0.7])]


def in_numpy(function: Callable, x: tf.Tensor) -> tf.Tensor:
    """An elementwise function, worked out by NumPy."""
    return tf.ensure_shape(tf.numpy_function(function, [x], x.dtype), x.shape)


def numpy_second(u: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The right slope of x^3, worked out where no derivative reaches."""
    return u * in_numpy(lambda x: 3 * x**2, x)


TINY = np.array([1e-12, -3e-12])
HUGE = np.array([1e30, -2e30])

FAULTS: dict[str, Case] = {
    "sign": Case(rule(lambda x: x**2, lambda u, x: -2 * u * x, X), v.WRONG_SIGN),
    "sign of one number": Case(rule(tf.exp, lambda u, x: -u * tf.exp(x), 0.7), v.WRONG_SIGN),
    "factor 2": Case(rule(lambda x: x**2, lambda u, x: 4 * u * x, X), v.FACTOR),
    "factor 1/2": Case(rule(lambda x: x**2, lambda u, x: u * x, X), v.FACTOR),
    "factor -3": Case(rule(lambda x: x**2, lambda u, x: -6 * u * x, X), v.FACTOR),
    "a mean forgotten, factor n": Case(
        rule(logistic, logistic_rule(float), ROWS, W, LABELS), v.FACTOR
    ),
    "a mean taken twice, factor 1/n": Case(
        rule(logistic, logistic_rule(lambda n: 1 / n), ROWS, W, LABELS), v.FACTOR
    ),
    "missing 1/n of a plain mean": Case(
        rule(tf.reduce_mean, lambda u, x: u * tf.ones_like(x), ROWS), v.FACTOR
    ),
    "a mean by the wrong axis": Case(
        rule(lambda x: tf.reduce_mean(x, 1), lambda u, x: tf.ones_like(x) * u[:, None] / 20, ROWS),
        v.FACTOR,
    ),
    "factor on one of two arguments": Case(
        rule(lambda x, w: x * w, lambda u, x, w: (u * w, 2 * u * x), X, W), v.FACTOR
    ),
    "zeros": Case(rule(lambda x: x**2, lambda u, x: tf.zeros_like(x), X), v.ZERO),
    "transposed square kernel": Case(
        rule(
            lambda x, w: tf.matmul(x, w),
            lambda u, x, w: (
                tf.matmul(u, w, transpose_b=True),
                tf.matmul(u, x, transpose_a=True),
            ),
            SQUARE,
            SQUARE + 0.5,
        ),
        v.TRANSPOSED,
    ),
    "sign of an antisymmetric one": Case(
        rule(lambda x: x**2, lambda u, x: -2 * u * x, SQUARE - SQUARE.T), v.WRONG_SIGN
    ),
    "nearly nothing of one number": Case(
        rule(lambda x: x**2, lambda u, x: 1e-9 * u * x, 1.3), v.WRONG_VALUE
    ),
    "two arguments swapped": Case(
        rule(lambda x, w: x * w**2, lambda u, x, w: (u * 2 * x * w, u * w**2), X, W), v.SWAPPED
    ),
    "two variables swapped": Case(of_variables(lambda g: g[::-1]), v.SWAPPED),
    "two variables swapped in a graph alone": Case(
        of_variables(lambda g: g if tf.executing_eagerly() else g[::-1]), v.SWAPPED
    ),
    "None for an argument": Case(
        rule(lambda x, w: x * w, lambda u, x, w: (u * w, None), X, W), v.NONE
    ),
    "None for one variable": Case(of_variables(lambda g: [g[0], None]), v.NONE),
    "a wrong shape": Case(
        rule(lambda x: x**2, lambda u, x: tf.reshape(2 * u * x, [3, 1]), X), v.WRONG_SHAPE
    ),
    "a forgotten broadcast sum": Case(
        rule(lambda x, b: x + b, lambda u, x, b: (u, u), ROWS, W), v.WRONG_SHAPE
    ),
    "a bias summed over the wrong axis": Case(
        rule(lambda x, b: x + b, lambda u, x, b: (u, tf.reduce_sum(u, 1)), SQUARE, W),
        v.WRONG_VALUE,
    ),
    "a wrong dtype": Case(
        rule(lambda x: x**2, lambda u, x: tf.cast(2 * u * x, tf.float32), X), v.WRONG_DTYPE
    ),
    "NaN at the arguments": Case(rule(lambda x: x**2, lambda u, x: u * np.nan, X), v.NOT_FINITE),
    "NaN far away, no ends given": Case(
        rule(
            tf.nn.softplus,
            lambda u, x: u * tf.where(tf.abs(x) > 80, np.nan * x, tf.sigmoid(x)),
            X,
        ),
        v.NOT_FINITE,
    ),
    "infinity over infinity, no ends given": Case(
        rule(tf.nn.softplus, lambda u, x: u * tf.exp(x) / (1 + tf.exp(x)), X), v.NOT_FINITE
    ),
    "infinity over infinity in float32": Case(
        rule(tf.nn.softplus, lambda u, x: u * tf.exp(x) / (1 + tf.exp(x)), np.float32(X)),
        v.NOT_FINITE,
    ),
    "NaN at an end that is given": Case(
        rule(tf.nn.softplus, lambda u, x: u * tf.where(x == 7, np.nan * x, tf.sigmoid(x)), X),
        v.NOT_FINITE,
        {"ends": [[np.array([7.0, 0.0])]]},
    ),
    "wrong in a graph alone": Case(
        rule(lambda x: x**2, lambda u, x: (2 if tf.executing_eagerly() else 3) * u * x, X),
        v.EXECUTIONS_DIFFER,
    ),
    "wrong under XLA alone": Case(
        rule(lambda x: x**2, lambda u, x: (3 if in_xla() else 2) * u * x, X), v.EXECUTIONS_DIFFER
    ),
    "upstream ignored": Case(rule(lambda x: x**2, lambda u, x: 2 * x, X), v.UPSTREAM_IGNORED),
    "upstream ignored, one result": Case(
        rule(lambda x: tf.reduce_sum(x**2), lambda u, x: 2 * x, X), v.UPSTREAM_IGNORED
    ),
    "upstream squared": Case(
        rule(lambda x: x**2, lambda u, x: 2 * u * u * x, X), v.UPSTREAM_SQUARED
    ),
    "NaN for an upstream of 0": Case(
        rule(lambda x: x**2, lambda u, x: 2 * u * x * (u / u), X), v.NOT_FINITE
    ),
    "something for an upstream of 0": Case(
        rule(lambda x: x**2, lambda u, x: tf.where(u == 0, x, 2 * u * x), X), v.WRONG_VALUE
    ),
    "a large upstream clipped": Case(
        rule(lambda x: x**2, lambda u, x: 2 * x * tf.clip_by_value(u, -3, 3), X), v.WRONG_VALUE
    ),
    "a small upstream dropped": Case(
        rule(lambda x: x**2, lambda u, x: 2 * x * tf.where(tf.abs(u) < 1e-2, 0 * u, u), X),
        v.WRONG_VALUE,
    ),
    "upstream averaged": Case(
        rule(lambda x: x**2, lambda u, x: 2 * x * tf.reduce_mean(u), X), v.WRONG_VALUE
    ),
    "upstream of the second result ignored": Case(without_upstream_in_dict, v.WRONG_VALUE),
    "tensors by keyword": Case(by_keyword, v.NEVER_CALLED),
    "wrong for y = 0 alone": Case(
        rule(
            lambda z, y: tf.nn.softplus(z) - y * z,
            lambda u, z, y: (u * tf.where(y == 0, tf.sigmoid(z) ** 2, tf.sigmoid(z) - y), -u * z),
            X,
            np.array([1.0, 0.0, 1.0]),
        ),
        v.WRONG_VALUE,
    ),
    "wrong for y = 1 alone, where y is a float": Case(
        rule(
            lambda z, y: tf.nn.softplus(z) - y * z,
            lambda u, z, y: (u * (tf.sigmoid(z) - tf.where(y == 1, 0.9 * y, y)), -u * z),
            X,
            np.array([1.0, 0.0, 1.0]),
        ),
        v.WRONG_VALUE,
    ),
    "right above 0 alone": Case(
        rule(tf.abs, lambda u, x: u * tf.ones_like(x), np.array([1.0, -2, 3, -4])), v.WRONG_VALUE
    ),
    "a batch of 1 squeezed": Case(
        rule(lambda x: x**2, lambda u, x: tf.squeeze(2 * u * x), ROWS), v.BATCH_OF_ONE
    ),
    "a batch of 1 squeezed on the way": Case(
        lambda: (
            lambda x, w: ruled(lambda z: z**2, lambda u, z: tf.squeeze(2 * u * z))(x[:, :2] @ w),
            {"x": ROWS, "w": tf.Variable(SQUARE[:2])},
        ),
        v.BATCH_OF_ONE,
    ),
    "wrong for a batch of 1": Case(
        rule(lambda x: x**2, lambda u, x: u * x * (1 if x.shape[0] == 1 else 2), ROWS),
        v.BATCH_OF_ONE,
    ),
    "a stale variable": Case(stale, v.STALE),
    "rounded to float32 inside": Case(
        rule(
            lambda x: x**3,
            lambda u, x: u * tf.cast(tf.cast(3 * x**2, tf.float32), x.dtype),
            X,
        ),
        v.PRECISION_LOST,
    ),
    "digits that cancel in float32": Case(
        rule(lambda z: tf.nn.softplus(-z), lambda u, z: u * (tf.sigmoid(z) - 1), np.array([14.5])),
        v.PRECISION_LOST,
    ),
    "sign at values of 1e-10": Case(
        rule(lambda x: 1e-10 * tf.sin(x), lambda u, x: -1e-10 * u * tf.cos(x), X), v.WRONG_SIGN
    ),
    "sign at 1e-12": Case(rule(lambda x: x**2, lambda u, x: -2 * u * x, TINY), v.WRONG_SIGN),
    "factor at 1e-12": Case(rule(lambda x: x**2, lambda u, x: 4 * u * x, TINY), v.FACTOR),
    "zero at 1e-12": Case(rule(lambda x: x**2, lambda u, x: 0 * x, TINY), v.ZERO),
    "sign at 1e30": Case(rule(lambda x: x**2, lambda u, x: -2 * u * x, HUGE), v.WRONG_SIGN),
    "factor at 1e30": Case(rule(lambda x: x**2, lambda u, x: 4 * u * x, HUGE), v.FACTOR),
    "zero at 1e30": Case(rule(lambda x: x**2, lambda u, x: 0 * x, HUGE), v.ZERO),
    "a missing term of a product": Case(
        rule(lambda x: x * tf.exp(x), lambda u, x: u * tf.exp(x), X), v.WRONG_VALUE
    ),
    "softmax by its diagonal": Case(
        rule(tf.nn.softmax, lambda u, x: u * tf.nn.softmax(x) * (1 - tf.nn.softmax(x)), X),
        v.WRONG_VALUE,
    ),
    "a layer norm without its mean": Case(rule(layer_norm, norm_layer, ROWS), v.WRONG_VALUE),
    "tanh of the wrong thing": Case(rule(tf.tanh, lambda u, x: u * (1 - x**2), X), v.WRONG_VALUE),
    "cosine for sine": Case(rule(tf.sin, lambda u, x: u * tf.sin(x), X), v.WRONG_VALUE),
    "a clipped gradient": Case(
        rule(lambda x: x**2, lambda u, x: tf.clip_by_value(2 * u * x, -1, 1), X), v.WRONG_VALUE
    ),
    "shifted by one": Case(
        rule(lambda x: x**2, lambda u, x: tf.roll(2 * u * x, 1, 0), X), v.WRONG_VALUE
    ),
    "overwritten where rows repeat": Case(
        lambda: (lookup(tf.constant([0, 2, 2])), [SQUARE]), v.WRONG_VALUE
    ),
    "off by one in a thousand": Case(
        rule(tf.exp, lambda u, x: u * (tf.exp(x) + 1e-3 * x), X), v.WRONG_VALUE
    ),
    "wrong at one number of 100,000": Case(
        rule(
            tf.tanh,
            lambda u, x: (
                u
                * (1 - tf.tanh(x) ** 2)
                * (1 + tf.reshape(tf.one_hot(4321, 100_000, dtype=x.dtype), x.shape))
            ),
            LARGE,
        ),
        v.WRONG_VALUE,
    ),
    "sign of 2,000 numbers": Case(
        rule(lambda x: tf.reduce_sum(tf.sin(x)), lambda u, x: -u * tf.cos(x), LONG), v.WRONG_SIGN
    ),
    "one of 2,000 numbers in float32 off by a tenth": Case(
        rule(
            tf.sin,
            lambda u, x: u * tf.cos(x) * (1 + 0.1 * tf.one_hot(777, len(x), dtype=x.dtype)),
            np.float32(LONG),
        ),
        v.WRONG_VALUE,
    ),
    "two of 2,000 numbers exchanged": Case(
        rule(
            lambda x: tf.reduce_sum(tf.sin(x)),
            lambda u, x: u * tf.gather(tf.cos(x), [1, 0, *range(2, 2000)]),
            LONG,
        ),
        v.WRONG_VALUE,
    ),
    "a straight-through estimator, scaled": Case(
        rule(tf.round, lambda u, x: 2 * u, X), v.FACTOR, {"surrogate": tf.identity}
    ),
    "gradient reversal that does not": Case(
        rule(tf.identity, lambda u, x: u, X), v.WRONG_SIGN, {"surrogate": lambda x: -x}
    ),
    "an implicit fixed point without its denominator": Case(implicit, v.WRONG_VALUE),
    "a nested argument": Case(
        lambda: (
            lambda d: ruled(lambda x: x**2, lambda u, x: 3 * u * x)(d["a"][0]) + d["b"],
            [{"a": [X], "b": W}],
        ),
        v.FACTOR,
    ),
    "wrong second derivative": Case(
        rule(lambda x: x**3, second_wrong, X), v.SECOND_ORDER, {"order": 2}
    ),
    "second derivative stopped": Case(
        rule(lambda x: x**3, lambda u, x: u * 3 * tf.stop_gradient(x) ** 2, X),
        v.SECOND_ORDER,
        {"order": 2},
    ),
    "second derivative out of reach": Case(
        rule(lambda x: x**3, numpy_second, X), v.SECOND_ORDER, {"order": 2}
    ),
    "wrong mixed second derivative": Case(
        rule(
            lambda x, w: x**2 * w,
            lambda u, x, w: (2 * u * x * tf.stop_gradient(w), u * x**2),
            X,
            W,
        ),
        v.SECOND_ORDER,
        {"order": 2},
    ),
    "not differentiable in its upstream gradient": Case(
        rule(lambda x: x**3, lambda u, x: tf.stop_gradient(u) * 3 * x**2, X),
        v.SECOND_ORDER,
        {"order": 2},
    ),
    "its upstream gradient out of reach": Case(
        rule(
            lambda x: x**3,
            lambda u, x: 3 * x**2 * in_numpy(np.copy, u),
            X,
        ),
        v.SECOND_ORDER,
        {"order": 2},
    ),
    "wrong derivative in its upstream gradient": Case(
        rule(lambda x: x**3, wrong_in_upstream, X), v.SECOND_ORDER, {"order": 2}
    ),
    "wrong second derivative of the second of two arguments": Case(
        rule(
            lambda x, w: x**2 * w**2,
            lambda u, x, w: (2 * u * x * w**2, 2 * u * x**2 * tf.stop_gradient(w)),
            X,
            W,
        ),
        v.SECOND_ORDER,
        {"order": 2},
    ),
    "wrong second derivative in a variable": Case(
        lambda: wrong_second_in_variable(), v.SECOND_ORDER, {"order": 2}
    ),
}


def wrong_second_in_variable() -> tuple:
    """The slope in x depends on a variable, of which its derivative knows nothing."""
    kernel = tf.Variable(W, name="kernel")

    @tf.custom_gradient
    def product(x: tf.Tensor) -> tuple:
        return x**2 * kernel, lambda u, variables: (
            2 * u * x * tf.stop_gradient(kernel),
            [u * x**2],
        )

    return product, [X]
