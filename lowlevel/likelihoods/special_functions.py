"""Elementary functions of float64 tensors that keep every bit where TensorFlow's own do not.

Each is elementwise, free of branches, and good to a few units in the last place (ulp) in eager
mode, in graphs and under XLA. Two rules keep them so:

* No step relies on `(1 + x) - 1 != x`: Grappler, which rewrites every TensorFlow graph, simplifies
  that to `x`, and the textbook compensated sums with it. Where extra bits are needed, an argument
  is cut into a `head` of few bits, exact with its square, and the rest (`_head`).
* `tf.math.log1p` of a negative argument is off by up to 128 ulp under XLA, so logarithms of
  1 - q are taken as log(1 - q) = -log(1 + q / (1 - q)).
"""

import math
from collections.abc import Sequence

import tensorflow as tf

SQRT_TWO_PI = math.sqrt(2.0 * math.pi)

# log(2) = LOG_TWO_HIGH + LOG_TWO_LOW, the first with so few bits that its multiples by whole
# numbers up to 2^10 are exact.
LOG_TWO_HIGH = math.floor(math.log(2.0) * 2.0**42) / 2.0**42
LOG_TWO_LOW = 5.497923018708371e-14

# (1 + t) K(t) = sum_k c_k x^k with x = (t - 4) / (t + 4), which maps 0 <= t <= inf to -1 <= x <= 1:
# the polynomial that interpolates at the 30 Chebyshev nodes x_j = cos(pi (2 j + 1) / 60). Found by
# solving for c_k with 60 digits in mpmath, as tests/likelihoods/test_special_functions.py does.
EXCESS_COEFFICIENTS = (
    1.1280357224473554,
    -0.06205637998113666,
    -0.1921037481908354,
    0.1929324688791148,
    -0.06107108420325688,
    -0.030769392023150044,
    0.03242420504665542,
    -0.0011290860999025078,
    -0.010605538988045528,
    0.0032926603718630787,
    0.0027520374668594714,
    -0.001693712270434143,
    -0.0005603845902098381,
    0.0006389940276378009,
    6.874473037213296e-05,
    -0.00020240435048149785,
    9.202075496785106e-06,
    5.5249265389290146e-05,
    -1.0255725912054555e-05,
    -1.267001438707407e-05,
    4.570268917421938e-06,
    2.191194232594838e-06,
    -1.5166248328110365e-06,
    -1.6877425629698524e-07,
    3.904065605315447e-07,
    -4.755996109405799e-08,
    -7.020088137978052e-08,
    1.9371057464691225e-08,
    6.483189432761145e-09,
    -2.437018384265447e-09,
)


def normal_hazard(t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The hazard of a standard normal variable, phi(t) / Phi(-t), and the hazard's derivative.

    The hazard is t + K(t), where the excess K falls from sqrt(2 / pi) at 0 as 1 / t; Laplace wrote
    it as K = 1 / (t + 2 / (t + 3 / ...)). The derivative is (t + K) K, which tends to 1. So with K
    at hand neither suffers from cancellation, or from overflow.

    Args:
        t: float64 tensor of any shape, t >= 0.

    Returns:
        The hazard and its derivative, of the shape of `t`.
    """
    scaled = _polynomial((t - 4.0) / (t + 4.0), EXCESS_COEFFICIENTS)
    hazard = t + scaled / (t + 1.0)
    return hazard, scaled * (hazard / (t + 1.0))


def normal_density(t: tf.Tensor, log_scale: float = 0.0) -> tf.Tensor:
    """exp(log_scale) times the standard normal density, exp(-t^2 / 2) / sqrt(2 pi).

    With t = head + rest, t^2 = head^2 + rest (t + head), where head^2 is exact. The exponential
    of the second part is a short series: XLA turns exp(a) * exp(b) into exp(a + b).

    Args:
        t: float64 tensor of any shape, 0 <= t <= 64.
        log_scale: A whole number up to 16; with 16, t * density may not underflow before its end.
    """
    head = _head(t, bits=20)
    small = -0.5 * (t - head) * (t + head)
    exponential = tf.exp(log_scale - 0.5 * head * head) * _polynomial(small, _factorials(0, 5))
    return exponential / SQRT_TWO_PI


def exp_minus_exp(z: tf.Tensor, log_scale: float = 0.0) -> tf.Tensor:
    """exp(log_scale) times exp(-exp(z)).

    A relative error in exp(z) is magnified exp(z) times, up to 700, so exp(z) is needed with ten
    bits more than float64 has. With exp(z) = 2^k exp(a)^2, |a| <= log(2) / 4, and a = head + rest,

        exp(a) = (1 + head + head^2 / 2) + (rest + rest (head + rest / 2) + a^3 / 6 + ...),

    where the first bracket is exact and the second below 0.001. This sum is cut in two again,
    leading and trailing, and so is its square, whose first part is exact:

        exp(a)^2 = leading^2 + trailing (2 leading + trailing).

    Args:
        z: float64 tensor of any shape, 0 <= z <= 7.
        log_scale: As in `normal_density`.
    """
    k = tf.round(z / math.log(2.0))
    power = tf.round(tf.exp(k * math.log(2.0)))  # 2^k, exact as a whole number.
    half = 0.5 * (z - k * LOG_TWO_HIGH)
    head = _head(half, bits=24)
    rest = (half - head) - k * (0.5 * LOG_TWO_LOW)
    a = head + rest
    exact = 1.0 + head + 0.5 * head * head
    small = rest + (rest * (head + 0.5 * rest) + a * a * a * _polynomial(a, _factorials(3, 10)))
    leading = _head(exact + small, bits=24)
    trailing = (exact - leading) + small
    correction = power * trailing * (2.0 * leading + trailing)
    exponential = tf.exp(log_scale - power * leading * leading)
    return exponential * _polynomial(-correction, _factorials(0, 5))


def exponential_excess(w: tf.Tensor) -> tf.Tensor:
    """(exp(-w) - 1 + w) / w = w / 2! - w^2 / 3! + w^3 / 4! - ..., without cancellation.

    Args:
        w: float64 tensor of any shape, 0 <= w <= 1.
    """
    return w * _polynomial(-w, _factorials(2, 17))


def log_one_plus(x: tf.Tensor) -> tf.Tensor:
    """log(1 + x), several times as fast under XLA as `tf.math.log1p`.

    The series of log(1 + x) = 2 artanh(t) = 2 (t + t^3 / 3 + t^5 / 5 + ...), t = x / (2 + x).

    Args:
        x: float64 tensor of any shape, 0 <= x <= 1.
    """
    ratio = 1.0 / (2.0 + x)
    t = x * ratio
    return x * (ratio * _polynomial(t * t, [2.0 / (2 * k + 1) for k in range(17)]))


def _head(x: tf.Tensor, bits: int) -> tf.Tensor:
    """The nearest to `x` of the numbers that have `bits` bits after the binary point."""
    return tf.round(x * 2.0**bits) * 2.0**-bits


def _factorials(first: int, count: int) -> list[float]:
    """The coefficients 1 / first!, 1 / (first + 1)!, ... of an exponential's series."""
    return [1.0 / math.factorial(first + k) for k in range(count)]


def _polynomial(x: tf.Tensor, coefficients: Sequence[float]) -> tf.Tensor:
    """c_0 + c_1 x + c_2 x^2 + ... by Horner's rule."""
    *lower, total = coefficients
    for coefficient in reversed(lower):
        total = total * x + coefficient
    return total
