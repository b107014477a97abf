"""Executions: compiled as asked, without autograph, and without a warning of retracing."""

from collections.abc import Callable

import pytest
import tensorflow as tf

from lowlevel.checks import executions


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_function_runs_compiled_as_asked(jit_compile: bool) -> None:
    def square(x: tf.Tensor) -> tf.Tensor:
        assert not tf.executing_eagerly()
        return x * x

    traced = executions.traced(square, tf.constant(3.0), jit_compile=jit_compile)
    assert traced.function_def.attr["_XlaMustCompile"].b == jit_compile
    assert executions.compiled(square, jit_compile)(tf.constant(3.0)) == 9.0


def test_a_branch_on_a_tensor_is_not_converted_as_training_does_not_convert_it() -> None:
    def halved(x: tf.Tensor) -> tf.Tensor:
        return x / 2 if x > 0 else x

    with pytest.raises(TypeError, match="not allowed"):
        executions.compiled(halved, jit_compile=False)(tf.constant(3.0))


@pytest.mark.parametrize(
    ("compiled", "warns"),
    [(lambda f: tf.function(f), True), (lambda f: executions.compiled(f, False), False)],
    ids=["outright", "traced first"],
)
def test_many_functions_of_one_name_give_no_warning_of_retracing(
    compiled: Callable, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def doubled(x: tf.Tensor) -> tf.Tensor:
        return x + x

    tf.get_logger().addHandler(caplog.handler)
    try:
        for _ in range(8):
            compiled(doubled)(tf.constant(1.0))
    finally:
        tf.get_logger().removeHandler(caplog.handler)
    assert ("retracing" in caplog.text) == warns
