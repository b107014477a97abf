"""Executions: how TensorFlow runs a function, eager, in a graph or under XLA."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

# By whether XLA compiles.
COMPILED = {False: "in a graph", True: "under XLA"}


def traced(
    function: Callable[..., Any], *arguments: Any, jit_compile: bool = False
) -> Callable[..., Any]:
    """Returns a function as training has it, without autograph, for arguments of a kind.

    Called outright, a `tf.function` would warn of tracing in vain after a few checks.
    """
    wrapped = tf.function(function, autograph=False, jit_compile=jit_compile)
    return wrapped.get_concrete_function(*arguments)


def compiled(function: Callable[..., Any], jit_compile: bool) -> Callable[..., Any]:
    """Returns a function that runs compiled, traced anew by each call."""

    @functools.wraps(function)
    def run(*arguments: Any) -> Any:
        return traced(function, *arguments, jit_compile=jit_compile)(*arguments)

    return run
