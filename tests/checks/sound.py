"""Sound functions, of which a check must name no fault: TensorFlow's own, wherever used."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tests.checks.planted import LARGE, LONG, ROWS, SQUARE, Case, W, X, logistic, rule, ruled

POSITIVE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
SORTED = np.array([0.0, 0.0, 1.0, 1.0, -2.0])
MIXED = np.array([1e-12, 1.0, 1e30])
IMAGE = np.random.default_rng(3).normal(size=(1, 5, 5, 2))
FRAMES = np.random.default_rng(5).normal(size=(6, 1, 4))
FILTER = np.random.default_rng(4).normal(size=(3, 3, 2, 2))


def at(function: Callable, *arguments: Any, **options: Any) -> Case:
    """Returns a case of a function at some arguments."""
    return Case(lambda: (function, list(arguments)), options=options)


def numbers(*values: float) -> np.ndarray:
    """Returns numbers as a float64 array."""
    return np.array(values, float)


def fixed_point() -> tuple:
    """The solution of x = cos(a x), with the rule that the implicit function theorem gives."""

    @tf.custom_gradient
    def solve(a: tf.Tensor) -> tuple:
        x = tf.zeros_like(a)
        for _ in range(80):
            x = tf.cos(a * x)

        def gradient(u: tf.Tensor) -> tf.Tensor:
            slope = -tf.sin(a * x)
            return u * slope * x / (1 - slope * a)

        return x, gradient

    return solve, [numbers(0.3, 0.7)]


def two_variables() -> tuple:
    """A loss of two variables, with a rule that matches them by identity."""
    kernel, bias = tf.Variable(W[:, None], name="kernel"), tf.Variable([0.3], dtype=tf.float64)
    y = tf.constant(np.arange(20.0) % 2)

    @tf.custom_gradient
    def loss(x: tf.Tensor) -> tuple:
        z = tf.squeeze(tf.matmul(x, kernel) + bias, 1)

        def gradient(u: tf.Tensor, variables: Sequence[tf.Variable]) -> tuple:
            slope = (u * (tf.sigmoid(z) - y) / 20)[:, None]
            known = {
                kernel.ref(): tf.matmul(x, slope, transpose_a=True),
                bias.ref(): tf.reduce_sum(slope, 0),
            }
            return tf.matmul(slope, kernel, transpose_b=True), [known[v.ref()] for v in variables]

        return tf.reduce_mean(tf.nn.softplus(z) - y * z), gradient

    return loss, [ROWS]


def embedding() -> tuple:
    """A look-up of rows, whose gradient is sparse."""
    table = tf.Variable(SQUARE, name="table")
    return (lambda rows: tf.gather(table, rows) ** 2), [np.array([0, 2, 2])]


def variable_argument() -> tuple:
    """A variable that is passed along."""
    return (lambda x, w: x * w**2), [X, tf.Variable(W)]


def bias_before_batch_norm(dtype: str) -> Callable[[], tuple]:
    """Returns the maker of a layer with a bias that the means take out again: its slope is 0."""

    def make() -> tuple:
        kernel, bias = (tf.Variable(x.astype(dtype)) for x in (SQUARE, W))
        return (lambda x: tf.tanh(normalized(tf.matmul(x, kernel) + bias))), [ROWS.astype(dtype)]

    return make


def key_bias(dtype: str) -> Callable[[], tuple]:
    """Returns the maker of an attention with a bias of the keys, which no softmax depends on."""

    def make() -> tuple:
        bias = tf.Variable(W.astype(dtype))

        def attention(x: tf.Tensor) -> tf.Tensor:
            scores = tf.matmul(x, tf.sin(x) + bias, transpose_b=True)
            return tf.matmul(tf.nn.softmax(scores), x)

        return attention, [ROWS.astype(dtype)]

    return make


def whole_variable() -> tuple:
    """A power, of a variable of whole numbers."""
    exponents = tf.Variable([1, 2, 3])
    return (lambda x: x ** tf.cast(exponents, x.dtype)), [X]


def guarded(x: tf.Tensor) -> tf.Tensor:
    """A function that refuses what is outside its domain."""
    tf.debugging.assert_non_negative(x)
    return x**2 + x


def in_numpy() -> tuple:
    """A function that XLA cannot compile, with a rule."""

    def value(x: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(np.sin, [x], x.dtype), x.shape)

    return ruled(value, lambda u, x: u * tf.cos(x)), [X]


def dropped(x: tf.Tensor) -> tf.Tensor:
    """A dropout mask, of random bits that depend on the dtype."""
    mask = tf.random.stateless_uniform(tf.shape(x), [1, 2], dtype=x.dtype) > 0.5
    return 2 * x * tf.cast(mask, x.dtype)


def dense(x: tf.Tensor) -> tf.Tensor:
    """A hidden layer with kinks."""
    kernel = tf.cast(tf.reshape(tf.sin(tf.range(400, dtype=tf.float64)), [40, 10]), x.dtype)
    return tf.nn.relu(tf.matmul(x, kernel))


def looped(x: tf.Tensor) -> tf.Tensor:
    """A loop that TensorFlow follows."""
    return tf.while_loop(lambda i, a: i < 5, lambda i, a: (i + 1, a * tf.sin(a)), (0, x))[1]


def normalized(x: tf.Tensor) -> tf.Tensor:
    """Columns to mean 0 and deviation 1."""
    mean, variance = tf.nn.moments(x, [0])
    return (x - mean) / tf.sqrt(variance + 1e-3)


SECOND = {"order": 2}
SINGLE = np.float32(X)

SOUND: dict[str, Case] = {
    # Ordinary values.
    "identity": at(tf.identity, X),
    "a number": at(lambda x: x**3, 1.3),
    "powers": at(lambda x: tf.reduce_sum(x**2), X, **SECOND),
    "exp": at(tf.exp, X, **SECOND),
    "log": at(tf.math.log, np.abs(X), **SECOND),
    "sqrt": at(tf.sqrt, np.abs(X), **SECOND),
    "sin": at(tf.sin, X, **SECOND),
    "tanh": at(tf.tanh, X, **SECOND),
    "sigmoid": at(tf.sigmoid, X, **SECOND),
    "softplus": at(tf.nn.softplus, X, **SECOND),
    "expm1": at(tf.math.expm1, X),
    "log1p": at(tf.math.log1p, np.abs(X)),
    "erf": at(tf.math.erf, X),
    "erfc": at(tf.math.erfc, X),
    "erfinv": at(tf.math.erfinv, X / 3),
    "lgamma": at(tf.math.lgamma, np.abs(X)),
    "digamma": at(tf.math.digamma, np.abs(X)),
    "sinh and cosh": at(lambda x: tf.sinh(x) * tf.cosh(x), X),
    "atan2": at(tf.atan2, X, W),
    "acos": at(tf.acos, X / 3),
    "pow": at(tf.pow, np.abs(X), W),
    "xlogy": at(tf.math.xlogy, X, np.abs(W)),
    "quotient": at(lambda x, w: x / (1 + w**2), X, W, **SECOND),
    "softmax, whose columns sum to 0": at(tf.nn.softmax, X, **SECOND),
    "log_softmax": at(tf.nn.log_softmax, ROWS),
    "logsumexp": at(tf.reduce_logsumexp, X, **SECOND),
    "sigmoid cross-entropy": at(
        lambda z: tf.nn.sigmoid_cross_entropy_with_logits(tf.ones_like(z), z), X
    ),
    "softmax cross-entropy": at(
        lambda z: tf.nn.sparse_softmax_cross_entropy_with_logits([1] * 20, z), ROWS
    ),
    "huber": at(lambda x: tf.keras.losses.huber(tf.zeros_like(x), x), X),
    "cumsum": at(tf.cumsum, X),
    "cumprod": at(tf.math.cumprod, X),
    "reduce_prod": at(tf.reduce_prod, X),
    "reduce_std": at(tf.math.reduce_std, X),
    "l2_normalize": at(tf.math.l2_normalize, X),
    "norm": at(tf.norm, SQUARE),
    "a spectrum, which is no rows": at(lambda x: tf.signal.irfft(tf.complex(x, x**2)), LONG[:9]),
    "frames of a connectionist loss": at(
        lambda z: tf.nn.ctc_loss([[1, 2, 2]], z, [3], [6], blank_index=0), np.float32(FRAMES)
    ),
    "matmul": at(tf.matmul, SQUARE, SQUARE.T, **SECOND),
    "einsum": at(lambda a, b: tf.einsum("ij,jk->ik", a, b), SQUARE, SQUARE),
    "cholesky": at(lambda a: tf.linalg.cholesky((a + tf.transpose(a)) / 2), POSITIVE),
    "logdet": at(lambda a: tf.linalg.logdet((a + tf.transpose(a)) / 2), POSITIVE),
    "inverse": at(tf.linalg.inv, POSITIVE),
    "solve": at(tf.linalg.solve, POSITIVE, SQUARE),
    "eigenvalues": at(lambda a: tf.linalg.eigvalsh((a + tf.transpose(a)) / 2), POSITIVE),
    "singular values": at(lambda a: tf.linalg.svd(a, compute_uv=False), SQUARE),
    "convolution": at(lambda x, f: tf.nn.conv2d(x, f, 1, "SAME"), IMAGE, FILTER),
    "average pooling": at(lambda x: tf.nn.avg_pool2d(x, 2, 1, "VALID"), IMAGE),
    "largest of a pool": at(lambda x: tf.nn.max_pool2d(x, 2, 1, "VALID"), IMAGE),
    "batch norm": at(normalized, ROWS),
    "gather": at(lambda x: tf.gather(x, [0, 2, 2, 2]), X),
    "segment_sum": at(lambda x: tf.math.segment_sum(x, [0, 0, 1]), X),
    "scatter": at(lambda x: tf.tensor_scatter_nd_add(x, [[0], [0]], x[:2]), X),
    "branches": at(lambda x: tf.where(x > 0, x, 0.1 * x), X),
    "clip_by_value": at(lambda x: tf.clip_by_value(x, -1, 1), X),
    "a scan": at(lambda x: tf.scan(lambda a, b: a * b, x), X),
    "a loop": at(looped, X),
    "a condition": at(lambda x: tf.cond(x[0] > 0, lambda: x**2, lambda: -x), X),
    "a compiled function": at(tf.function(tf.sin), X),
    "sorted": at(lambda x: tf.sort(x)[:2], X),
    "round": at(tf.round, X),
    "a step": at(lambda x: x * tf.sign(x), X),
    "constant": at(lambda x: 0 * x + 3, X),
    "one argument ignored": at(lambda x, w: 2 * x + 0 * w, X, W),
    # Tiny, huge and very different ones.
    "log at 1e-5": at(tf.math.log, numbers(1e-4, 1e-5)),
    "1/x at 1e-5": at(lambda x: 1 / x, numbers(1e-4, 1e-5)),
    "sqrt at 1e-5": at(tf.sqrt, numbers(1e-4, 1e-5)),
    "log at 1e-30": at(tf.math.log, numbers(1e-30)),
    "norm at 3e-5": at(tf.norm, numbers(3e-5, 1e-5)),
    "sin at 1e5 and 1e6": at(tf.sin, numbers(1e5, 1e6)),
    "erfc far out, as 1 - erf": at(lambda x: 1 - tf.math.erf(x), numbers(18)),
    "arcsine next to 1": at(
        lambda x: tf.asin(tf.tanh(x)), numbers(18.9), elsewhere=False, executions=("eager",)
    ),
    "sin(1e5 x), which float32 cannot resolve": at(
        lambda x: tf.sin(1e5 * x), numbers(0.83, 3.9, 9.3, 11.3)
    ),
    "1 - sigmoid, which float32 loses": at(lambda x: 1 - tf.sigmoid(x), numbers(11.2)),
    "1/x, whose slope overflows": at(lambda x: 1 / x, numbers(1e-200, 1)),
    "sin at 1e13 and 1e15": at(tf.sin, numbers(1e13, 1e14, 1e15, 1e16)),
    "sin(1e4 x)": at(lambda x: tf.sin(1e4 * x), X),
    "tanh(1e4 x)": at(lambda x: tf.tanh(1e4 * x), numbers(0.3, 1e-5)),
    "a kink a thousand away": at(lambda x: tf.nn.relu(x - 1000), numbers(1000.0011, 999.0)),
    "a cubic at 1e-30": at(lambda x: x**3, numbers(1e-30)),
    "a square at 1e30": at(lambda x: x**2, numbers(1e30, -2e30)),
    "log at 1e30": at(tf.math.log, numbers(1e30)),
    "a bias before batch norm": Case(bias_before_batch_norm("float64")),
    "a bias of keys": Case(key_bias("float64")),
    "tanh at 17": at(tf.tanh, numbers(17.0)),
    "a power of a difference, written out": at(
        lambda x: x**6 - 6 * x**5 + 15 * x**4 - 20 * x**3 + 15 * x**2 - 6 * x + 1, numbers(1.01)
    ),
    "a constant, by rounding alone": at(
        lambda x: tf.math.log(tf.exp(x)) - x, numbers(1e-8, 1, 3), executions=("eager",)
    ),
    "softplus at 1e6": at(tf.nn.softplus, numbers(1e6, -1e6)),
    "sigmoid at 20 and 40": at(tf.sigmoid, numbers(20, -20, 40)),
    "tanh at 20": at(tf.tanh, numbers(20.0)),
    "exp at 700": at(tf.exp, numbers(700, -700)),
    "a million and a square": at(lambda x: 1e6 + x**2, X),
    "squares of very different numbers": at(lambda x: x**2, MIXED),
    "their sum": at(lambda x: tf.reduce_sum(x**2), numbers(1e-12, 1, 1e3)),
    "zeros, and one that is nearly": at(
        lambda x: tf.reduce_sum(tf.nn.softplus(x)), numbers(0, 1e-17, 1, 2)
    ),
    "large, a number each": at(tf.tanh, LARGE),
    "large, to one number": at(lambda x: tf.reduce_mean(tf.square(tf.tanh(x))), LARGE),
    "2,000 to one": at(lambda x: tf.reduce_logsumexp(x), LONG, **SECOND),
    "a large layer with kinks": at(dense, LARGE[:300, :40]),
    # Edges, kinks and jumps.
    "relu at 0": at(tf.nn.relu, numbers(0, 1, -1)),
    "units that are all off": at(dense, np.zeros((2, 40))),
    "a sum of units that are all off": at(
        lambda x: tf.reduce_sum(dense(x)[:, ::2] - 2 * dense(x)[:, 1::2]), np.zeros((2, 40))
    ),
    "abs at 0": at(tf.abs, numbers(0, 1)),
    "leaky relu at 0": at(tf.nn.leaky_relu, numbers(0, 1, -1)),
    "relu6 at its ends": at(tf.nn.relu6, numbers(0, 6, 3)),
    "a tie of maximum": at(tf.maximum, X, X),
    "ties in a sort": at(tf.sort, SORTED),
    "a tie of reduce_max": at(tf.reduce_max, numbers(1, 1, 0)),
    "clipped at its end": at(lambda x: tf.clip_by_value(x, -1, 1), numbers(1, -1, 0)),
    "floor at a jump": at(tf.floor, numbers(1, 0.5)),
    "sqrt at 0": at(tf.sqrt, numbers(0, 1)),
    "x sqrt(x) at 0": at(lambda x: x**1.5, numbers(0, 1)),
    "xlogy next to 0": at(lambda x: tf.math.xlogy(x, 2.0), numbers(1e-30, 1)),
    "an assertion at the edge": at(guarded, numbers(0, 1)),
    "logits at the edge": at(lambda x: tf.sqrt(x - 1), numbers(1.0)),
    # Float32.
    "exp in float32": at(tf.exp, SINGLE),
    "softmax in float32": at(tf.nn.softmax, SINGLE),
    "matmul in float32": at(tf.matmul, np.float32(SQUARE), np.float32(SQUARE)),
    "a loss in float32": at(logistic, np.float32(ROWS), np.float32(W), np.float32(X[[0] * 20])),
    "log in float32 at 1e-30": at(tf.math.log, np.float32([1e-30, 1e30])),
    "a square in float32 at 1e-30": at(lambda x: x * x, np.float32([1e-30])),
    "a layer with kinks in float32": at(dense, np.float32(LARGE[:300, :40])),
    "a bias before batch norm in float32": Case(bias_before_batch_norm("float32")),
    "a bias of keys in float32": Case(key_bias("float32")),
    "1/x in float32, whose slope overflows": at(lambda x: 1 / x, np.float32([2e-20, 1])),
    "a saturated softmax in float32": at(tf.nn.softmax, np.float32([10, 3, 20, 0]), **SECOND),
    "a layer with softmax in float32": at(
        lambda x, w: tf.nn.softmax(tf.matmul(x, w)),
        np.float32(9 * ROWS[:5]),
        np.float32(8 * SQUARE),
        **SECOND,
    ),
    "sin in float32 at 3e6": at(tf.sin, np.float32([3e6, 2e6, 1e6, 3e5, 1e5, 1e4])),
    "sin(1e6 x) in float32": at(lambda x: tf.sin(1e6 * x), SINGLE),
    "log(exp(x)) in float32 at 1e-8": at(
        lambda x: tf.math.log(tf.exp(x)), np.float32([1e-8, -1e-9])
    ),
    "sigmoid in float32 at 15": at(tf.sigmoid, np.float32([15.0])),
    "a large one in float32": at(tf.tanh, np.float32(LARGE)),
    # Rules, variables, and what else is passed.
    "a rule": Case(rule(tf.nn.softplus, lambda u, x: u * tf.sigmoid(x), X), options=SECOND),
    "a rule of two": Case(rule(lambda x, w: x * w, lambda u, x, w: (u * w, u * x), X, W)),
    "an implicit fixed point": Case(fixed_point),
    "a loss of two variables": Case(two_variables),
    "a straight-through estimator": Case(
        rule(tf.round, lambda u, x: u, X), options={"surrogate": tf.identity}
    ),
    "gradient reversal": Case(
        rule(tf.identity, lambda u, x: -u, X), options={"surrogate": tf.negative}
    ),
    "sparse gradients": Case(embedding),
    "a variable of whole numbers": Case(whole_variable),
    "a variable as an argument": Case(variable_argument),
    "what XLA cannot compile": Case(in_numpy),
    "random bits that differ by dtype": at(dropped, X),
    "integers": at(lambda x, n: x ** tf.cast(n, x.dtype), X, [1, 2, 3]),
    "Python's whole numbers": at(lambda x, n: tf.reduce_sum(x, n), SQUARE, 1),
    "lists and dicts": at(
        lambda d: {"a": d["x"] * d["y"][0], "b": [d["y"][1] ** 2]}, {"x": X, "y": [W, X]}
    ),
    "keywords": Case(lambda: ((lambda x, w: x * w), {"w": W, "x": X})),
    "one argument twice": at(lambda x, w: x * w**2, *[tf.constant(X)] * 2),
}
