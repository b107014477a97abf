"""The gradient check: each fault planted is named, and only it; nothing right is named."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lowlevel import likelihoods
from lowlevel.checks import verdicts
from lowlevel.checks.gradient import UndecidedWarning, assert_gradient, check
from lowlevel.checks.verdicts import Finding
from tests import wings
from tests.checks.planted import ROWS

X = np.array([0.3, -1.2, 2.5])
W = np.array([1.1, 0.4, -0.7])
MATRIX = np.array([[0.3, -1.2], [2.5, 0.8], [-0.4, 1.7]])


def ruled(value: Callable, gradient: Callable) -> Callable:
    """Returns a function of positional tensors with a rule, gradient(upstream, *tensors)."""

    @tf.custom_gradient
    def function(*tensors: tf.Tensor) -> tuple:
        return value(*tensors), lambda upstream: gradient(upstream, *tensors)

    return function


def only(findings: Sequence[Finding], fault: str) -> Finding:
    """Returns the one finding, and sees that it is of a fault."""
    assert [finding.fault for finding in findings] == [fault]
    assert "\n" not in str(findings[0])
    return findings[0]


def test_a_wrong_value_is_named() -> None:
    cube = ruled(lambda x: x**3, lambda upstream, x: upstream * 2 * x**2 * tf.abs(x))
    found = only(check(cube, [X]), verdicts.WRONG_VALUE)
    assert found.where == "argument 0"
    # At 2.5, where it is furthest off: 2 * 2.5**3 for 3 * 2.5**2.
    assert "at [2] found 31.25, expected 18.75" in str(found)


def test_a_wrong_sign_is_named() -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: -2 * upstream * x)
    only(check(square, [X]), verdicts.WRONG_SIGN)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.5, "1/2 of the right one; multiply by 2"),
        (2.0, "2 times the right one; divide by 2"),
        (-2.7, "-2.7 times the right one"),
        (3.0, "3 times the right one, and 3 is the number of rows"),
        (1 / 3, "1/3 of the right one, and 3 is the number of rows"),
    ],
)
def test_a_factor_is_named_with_its_size(factor: float, words: str) -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: factor * 2 * upstream * x)
    assert words in str(only(check(square, [X]), verdicts.FACTOR))


def test_a_factor_is_named_for_a_single_number() -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: upstream * x)
    assert "1/2 of the right one" in str(only(check(square, [1.3]), verdicts.FACTOR))


def test_a_single_number_that_is_no_plain_multiple_is_a_wrong_value() -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: upstream * x**3)
    only(check(square, [1.3]), verdicts.WRONG_VALUE)


def test_a_gradient_of_zeros_is_named() -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: tf.zeros_like(x))
    only(check(square, [X]), verdicts.ZERO)


@pytest.mark.parametrize("shape", [[3, 1], [1, 3], [1], [], [4]])
def test_a_wrong_shape_is_named(shape: Sequence[int]) -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: tf.ones(shape, x.dtype))
    found = only(check(square, [X]), verdicts.WRONG_SHAPE)
    assert f"{shape} float64, expected [3] float64" in str(found)


def test_a_wrong_shape_on_the_way_to_an_argument_is_named() -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: tf.ones([4], x.dtype))
    only(check(lambda x: square(tf.sin(x)), [X]), verdicts.WRONG_SHAPE)


def test_a_wrong_dtype_is_named() -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: tf.cast(2 * upstream * x, tf.float32))
    only(check(square, [X]), verdicts.WRONG_DTYPE)


def test_a_wrong_dtype_on_the_way_to_an_argument_is_named() -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: tf.cast(2 * upstream * x, tf.float32))
    only(check(lambda x: square(tf.sin(x)), [X]), verdicts.WRONG_DTYPE)


def test_a_wrong_dtype_for_float32_arguments_alone_is_named() -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: tf.cast(2 * upstream * x, tf.float64))
    assert "for float32" in str(only(check(square, [X]), verdicts.WRONG_DTYPE))


def test_none_is_named_where_the_value_depends_on_the_argument() -> None:
    product = ruled(lambda x, w: x * w, lambda upstream, x, w: (upstream * w, None))
    assert only(check(product, [X, W]), verdicts.NONE).where == "argument 1"


def test_none_is_named_for_a_variable_that_a_rule_leaves_out() -> None:
    kernel = tf.Variable(W, name="kernel")

    @tf.custom_gradient
    def product(x: tf.Tensor) -> tuple:
        return x * kernel, lambda upstream, variables: (upstream * kernel, [None])

    assert only(check(product, [X]), verdicts.NONE).where == "variable kernel"


def test_none_is_right_where_the_value_does_not_depend_on_the_argument() -> None:
    first = ruled(lambda x, w: 2 * x, lambda upstream, x, w: (2 * upstream, None))
    assert check(first, [X, W]) == []


def test_nan_at_an_end_is_named_with_the_end() -> None:
    # The branch not taken is infinite at 800, and 0 * inf is NaN.
    def softplus(x: tf.Tensor) -> tf.Tensor:
        return tf.where(x > 30, x, tf.math.log(1 + tf.exp(x)))

    found = only(check(softplus, [X], ends=[[X], [X + 800]]), verdicts.NOT_FINITE)
    assert "at [0] found nan: for ends[1]" in str(found)


def test_infinity_in_float32_alone_is_named_too() -> None:
    found = only(
        check(lambda x: tf.math.log(1 + tf.exp(x)), [X], ends=[[[100.0]]]),
        verdicts.NOT_FINITE,
    )
    assert "found inf: for ends[0], in float32, where float64 gives 100" in str(found)


def test_nan_at_the_arguments_themselves_is_named() -> None:
    nothing = ruled(lambda x: x**2, lambda upstream, x: upstream * np.nan)
    assert "found nan, expected 0.6" in str(only(check(nothing, [X]), verdicts.NOT_FINITE))


def test_infinity_of_the_value_itself_is_named() -> None:
    found = only(check(tf.math.log, [[0.0, 1.0]]), verdicts.NOT_FINITE)
    assert found.where == "the value, argument 0"


def test_precision_lost_in_float32_is_named() -> None:
    # At 14.5 it is -5e-7, and in float32 numbers next to 1 are 6e-8 apart.
    nll = ruled(lambda z: tf.nn.softplus(-z), lambda upstream, z: upstream * (tf.sigmoid(z) - 1))
    assert check(nll, [X]) == []
    found = only(check(nll, [X], ends=[[X], [[14.5]]]), verdicts.PRECISION_LOST)
    assert "for ends[1]" in str(found)


def test_swapped_gradients_of_two_arguments_are_named() -> None:
    product = ruled(
        lambda x, w: tf.reduce_sum(x * w**2), lambda upstream, x, w: (2 * x * w, w**2 * upstream)
    )
    found = only(check(product, [X, W]), verdicts.SWAPPED)
    assert found.where == "argument 0, argument 1"


def captured_product(order: Callable) -> Callable:
    """Returns x first^2 second, whose rule gives the variables' gradients in some order."""
    first = tf.Variable([1.0, 2.0, 3.0], dtype=tf.float64, name="first")
    second = tf.Variable(W, name="second")

    @tf.custom_gradient
    def product(x: tf.Tensor) -> tuple:
        def gradient(upstream: tf.Tensor, variables: Sequence[tf.Variable]) -> tuple:
            by_variable = {
                first.ref(): upstream * 2 * x * first * second,
                second.ref(): upstream * x * first**2,
            }
            found = [by_variable[variable.ref()] for variable in variables]
            return upstream * first**2 * second, order(found)

        return x * first**2 * second, gradient

    return product


def test_swapped_gradients_of_two_variables_are_named() -> None:
    found = only(check(captured_product(lambda g: g[::-1]), [X]), verdicts.SWAPPED)
    assert {*found.where.split(", ")} == {"variable first", "variable second"}


def test_gradients_swapped_in_a_graph_alone_are_named() -> None:
    product = captured_product(lambda g: g if tf.executing_eagerly() else g[::-1])
    assert "in a graph" in str(only(check(product, [X]), verdicts.SWAPPED))


@pytest.mark.parametrize("argument", [X, 1.3])
def test_an_ignored_upstream_gradient_is_named(argument: Any) -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: 2 * x)
    only(check(square, [argument]), verdicts.UPSTREAM_IGNORED)


def test_an_upstream_gradient_used_wrongly_is_a_wrong_value() -> None:
    square = ruled(lambda x: x**2, lambda upstream, x: 2 * x * tf.reduce_mean(upstream))
    found = only(check(square, [X]), verdicts.WRONG_VALUE)
    assert "with an upstream gradient other than 1" in str(found)


def test_a_rule_never_called_is_named() -> None:
    @tf.custom_gradient
    def square(x: tf.Tensor) -> tuple:
        return x**2, lambda upstream: upstream * np.nan

    only(check(square, {"x": X}), verdicts.NEVER_CALLED)


def test_a_rule_never_called_is_named_inside_another_function() -> None:
    @tf.custom_gradient
    def square(x: tf.Tensor) -> tuple:
        return x**2, lambda upstream: 2 * upstream * x

    only(check(lambda x: square(x=x), [X]), verdicts.NEVER_CALLED)
    only(check(tf.function(lambda x: square(x=x)), [X]), verdicts.NEVER_CALLED)


def test_a_gradient_that_differs_in_a_graph_is_named() -> None:
    def gradient(upstream: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        return (2 if tf.executing_eagerly() else 3) * upstream * x

    found = only(check(ruled(lambda x: x**2, gradient), [X]), verdicts.EXECUTIONS_DIFFER)
    assert "found in a graph, 1.5 times the right one" in str(found)


def test_a_function_that_only_works_eagerly_is_named() -> None:
    findings = check(lambda x: x + 0 * tf.constant(x.numpy()), [X])
    assert "in a graph it raises" in str(only(findings, verdicts.EXECUTIONS_DIFFER))


def test_a_function_that_xla_cannot_compile_is_left_out() -> None:
    def square(x: tf.Tensor) -> tf.Tensor:
        order = tf.numpy_function(lambda x: np.argsort(x), [x], tf.int64)
        return tf.gather(x, tf.ensure_shape(order, [3])) ** 2

    assert "under XLA" in str(only(check(square, [X]), verdicts.LEFT_OUT))


def second_derivative(x: tf.Tensor) -> tf.Tensor:
    """The slope of x^4, whose own gradient is then a second derivative."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = x**4
    return tape.gradient(value, x)


def likelihood_loss(name: str) -> Callable:
    """Returns the loss of three logits with the labels 0, 1 and 1/4."""
    y = tf.constant([0.0, 1.0, 0.25])
    member = likelihoods.LIKELIHOODS[name]
    return lambda z: likelihoods.differentiable_nll(member, z, tf.cast(y, z.dtype))


def embedding() -> Callable:
    """Returns a look-up of rows, whose gradient is sparse."""
    table = tf.Variable(MATRIX, name="table")
    return lambda rows: tf.gather(table, rows) ** 2


def two_of_a_name() -> Callable:
    """Returns a product of two variables that share shape and name."""
    first, second = (tf.Variable(k * W, name="w") for k in (1, 2))
    return lambda x: tf.reduce_sum(x * first * tf.exp(second))


def log_sum() -> Callable:
    """Returns log(1 + exp(x)) with the rule that the guide to tf.custom_gradient has."""
    return ruled(tf.nn.softplus, lambda upstream, x: upstream * tf.sigmoid(x))


RIGHT: dict[str, tuple[Callable, Any]] = {
    "identity": (lambda x: x, [X]),
    "scalar": (lambda x: x**3, [1.3]),
    "powers": (lambda x: tf.reduce_sum(x**2), [X]),
    "quotient": (lambda x, w: x / (1 + w**2), [X, W]),
    "logarithm near its pole": (tf.math.log, [[1e-2, 1e-3, 5.0]]),
    "softmax, whose columns sum to 0": (tf.nn.softmax, [X]),
    "matrix product": (tf.matmul, [MATRIX, MATRIX.T]),
    "vector norm": (tf.norm, [MATRIX]),
    "by keyword": (lambda x, w: x * w, {"w": W, "x": X}),
    "one argument twice": (lambda x, w: x * w**2, [tf.constant(X)] * 2),
    "integers": (lambda x, n: x ** tf.cast(n, x.dtype), [X, [1, 2, 3]]),
    "branches": (lambda x: tf.where(x > 0, x, 0.1 * x), [X]),
    "a step": (lambda x: x * tf.sign(x), [X]),
    "a rule": (log_sum(), [X]),
    "a rule of two": (ruled(lambda x, w: x * w, lambda u, x, w: (u * w, u * x)), [X, W]),
    "a rule with variables": (captured_product(lambda g: g), [X]),
    "a compiled function": (tf.function(lambda x: tf.sin(x)), [X]),
    "a loop": (lambda x: tf.scan(lambda a, b: a * b, x), [X]),
    "sparse gradients": (embedding(), [[0, 2, 2]]),
    "variables of one name": (two_of_a_name(), [X]),
    "a second derivative": (second_derivative, [X]),
    "sorted": (lambda x: tf.sort(x)[:2], [X]),
    "float32": (lambda x: tf.tanh(x), [X.astype(np.float32)]),
    "large values": (lambda x: 1e6 + x**2, [X]),
    "two steps of autodiff": (lambda x: tf.math.lgamma(tf.exp(x)), [X]),
}


@pytest.mark.parametrize(("function", "arguments"), RIGHT.values(), ids=RIGHT.keys())
def test_nothing_is_named_of_a_right_gradient(function: Callable, arguments: Any) -> None:
    assert check(function, arguments) == []


@pytest.mark.parametrize("name", likelihoods.LIKELIHOODS)
def test_nothing_is_named_of_a_likelihood_nor_at_its_ends(name: str) -> None:
    ends = [[np.array([z, -z, z])] for z in (17.0, 37.0, 80.0)]
    assert check(likelihood_loss(name), [X], ends=ends) == []


@pytest.mark.parametrize(("mode", "dtype"), wings.sampled(["float64", "float32"]))
def test_nothing_is_named_of_a_mode(mode: str, dtype: str) -> None:
    table = wings.small_table(rows=4, dtype=dtype)
    model = wings.make(mode, table, hidden_units=(2,), activation="tanh")
    labels = table.labels.astype(np.int64)
    assert check(model.loss_fn, [table.features, labels]) == []


def test_the_slope_of_a_mode_is_right_to_the_second_derivative() -> None:
    table = wings.small_table(rows=2)
    model = wings.make("module", table, hidden_units=(2,))

    def slope(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = model.loss_fn(x, tf.constant(table.labels))
        return tape.gradient(loss, x)

    assert check(slope, [table.features]) == []


def test_variables_are_put_back() -> None:
    table = wings.small_table(rows=2)
    model = wings.make("module", table, hidden_units=())
    before = [v.numpy().tobytes() for v in model.trainable_variables]
    check(model.loss_fn, [table.features, table.labels.astype(int)])
    assert [v.numpy().tobytes() for v in model.trainable_variables] == before


def test_two_faults_of_two_causes_are_both_named() -> None:
    exponential = ruled(tf.exp, lambda upstream, x: 2 * upstream * tf.exp(-x) ** -1)
    faults = {finding.fault for finding in check(exponential, [X], ends=[[[800.0]]])}
    assert faults == {verdicts.FACTOR, verdicts.NOT_FINITE}


def raises(x: tf.Tensor) -> tf.Tensor:
    """Raises what no caller would expect."""
    raise KeyError("two\nlines")


UNUSABLE: dict[str, tuple[Callable, Sequence, str]] = {
    "it raises": (raises, [X], "cannot be called: KeyError: 'two"),
    "too few arguments": (tf.multiply, [X], "cannot be called: TypeError"),
    "no tensor": (lambda x: "text", [X], "to floating tensors, got string"),
    "integers": (lambda x: tf.cast(x, tf.int32), [X], "to floating tensors, got int32"),
    "nothing to differentiate in": (lambda n: tf.cast(n, tf.float64), [[1]], "got nothing"),
    "half precision": (tf.square, [X.astype(np.float16)], "got float16"),
    "random numbers": (lambda x: x * tf.random.uniform([], dtype=x.dtype), [X], "fix its seeds"),
    "too few gradients": (
        ruled(lambda x, w: x * w, lambda upstream, x, w: upstream),
        [X, W],
        "expected to return 2 gradients",
    ),
}


@pytest.mark.parametrize(("function", "arguments", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_checked_is_a_clear_error(
    function: Callable, arguments: Sequence, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        check(function, arguments)
    assert "\n" not in str(raised.value)


def off_by(share: float) -> Callable:
    """Returns a square whose rule is off by a share."""
    return ruled(lambda x: x**2, lambda upstream, x: (2 + share * x) * upstream * x)


def test_a_tolerance_lets_pass_what_is_off_by_less() -> None:
    assert check(off_by(1e-4), [X], tolerance=1e-3) == []
    only(check(off_by(1e-2), [X], tolerance=1e-3), verdicts.WRONG_VALUE)


def test_executions_that_are_not_asked_for_are_not_tried() -> None:
    def gradient(upstream: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        return (2 if tf.executing_eagerly() else 3) * upstream * x

    square = ruled(lambda x: x**2, gradient)
    assert check(square, [X], executions=("eager",)) == []
    only(check(square, [X], executions=("eager", "graph")), verdicts.EXECUTIONS_DIFFER)


def test_without_elsewhere_a_function_is_called_next_to_its_arguments_alone() -> None:
    start, calls = ROWS[:4], []

    def recorded(x: tf.Tensor) -> tf.Tensor:
        if tf.executing_eagerly():
            calls.append(x.numpy())
        return tf.nn.softplus(x)

    assert check(recorded, [start], order=2, elsewhere=False) == []
    assert {(x.shape, x.dtype) for x in calls} == {(start.shape, start.dtype)}
    assert (np.abs(calls - start) <= np.maximum(np.abs(start), np.median(np.abs(start))) / 4).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 3}, "^order: expected 1 or 2, got 3"),
        ({"order": True}, "^order: expected 1 or 2, got True"),
        ({"executions": ("eager", "jit")}, "^executions: expected"),
        ({"executions": ("graph",)}, "^executions: expected"),
        ({"executions": "eager"}, "^executions: expected a list .* got 'eager'"),
        ({"tolerance": -1}, "^tolerance: expected a number above 0, got -1"),
        ({"tolerance": 0}, "^tolerance: expected a number above 0, got 0"),
        ({"tolerance": np.nan}, "^tolerance: expected a number above 0, got nan"),
        ({"tolerance": "1e-3"}, "^tolerance: expected a number above 0, got '1e-3'"),
        ({"ends": X}, "^ends: expected a list of lists"),
        ({"ends": [3.0]}, "^ends: expected a list of lists"),
        ({"surrogate": 3}, "^surrogate: expected a function, got 3"),
        ({"elsewhere": "no"}, "^elsewhere: expected True or False, got 'no'"),
        ({"exhaustive_below": -1}, "^exhaustive_below: expected a whole number from 0 on, got -1"),
        ({"seed": "a"}, "^seed: expected a whole number from 0 on, got 'a'"),
        ({"surrogate": tf.reduce_sum}, "^Expected a surrogate to"),
    ],
)
def test_an_option_that_means_nothing_is_a_clear_error(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        check(tf.square, [X], **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("function", "arguments"), [(None, [X]), (tf.square, X)])
def test_what_is_no_function_or_no_list_is_a_clear_error(function: Any, arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"^(function|arguments): expected"):
        check(function, arguments)


@pytest.mark.parametrize("x", [1e-310, 1e-200, 709.7, -np.inf])
def test_no_warning_of_overflow_escapes(x: float, recwarn: pytest.WarningsRecorder) -> None:
    check(lambda x: tf.exp(x) + 1 / x, [np.array([x])])
    assert not [warning for warning in recwarn if warning.category is RuntimeWarning]


def test_an_assertion_has_a_line_for_each_fault() -> None:
    product = ruled(lambda x, w: x * w, lambda upstream, x, w: (-upstream * w, 2 * upstream * x))
    with pytest.raises(AssertionError) as raised:
        assert_gradient(product, [X, W])
    head, *lines = str(raised.value).splitlines()
    assert head.endswith("is not right:")
    assert [line.partition(": ")[0] for line in lines] == ["argument 0", "argument 1"]


def test_what_cannot_be_told_is_a_warning() -> None:
    with pytest.warns(UndecidedWarning, match="the function has a kink there"):
        assert_gradient(tf.nn.relu, [[0.0, 1.0]])


def test_a_number_between_the_slopes_of_a_kink_is_undecided_be_it_the_mean_of_them() -> None:
    found = only(check(tf.abs, [np.array([0.0, 1.0])]), verdicts.UNDECIDED)
    assert found.element == (0,)
    assert found.expected is None


def test_a_wrong_number_at_a_kink_is_wrong() -> None:
    relu = ruled(
        tf.nn.relu, lambda upstream, x: upstream * tf.where(x == 0, -3.0, tf.nn.relu(x) / x)
    )
    only(check(relu, [np.array([0.0, 1.0])]), verdicts.WRONG_VALUE)
