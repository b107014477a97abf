"""Executions: how TensorFlow runs a function, eager, in a graph or under XLA."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

EAGER, GRAPH, XLA = EXECUTIONS = ("eager", "graph", "xla")

# In words.
WORDS = {EAGER: "eagerly", GRAPH: "in a graph", XLA: "under XLA"}
# By whether XLA compiles.
COMPILED = {False: WORDS[GRAPH], True: WORDS[XLA]}


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


def draws_random_numbers(function: Callable[..., Any], *arguments: Any) -> bool:
    """Whether a function has an operation that draws, of which XLA has bits of its own."""
    traced_function: Any = traced(function, *arguments)
    return any("Random" in operation.type for operation in traced_function.graph.get_operations())


def running(function: Callable[..., Any], execution: str) -> Callable[..., Any]:
    """Returns a function that runs in one of `EXECUTIONS`."""
    return function if execution == EAGER else compiled(function, execution == XLA)
