"""What other gradient checkers find of the planted faults, and whom they accuse.

    python benchmarks/checkers.py [--list]

Each checker gets the functions of tests/checks/planted.py and sound.py, which are TensorFlow's: for
PyTorch and JAX in a thin shell, whose forward calls the function and whose backward calls its
gradient. Defaults are the checkers' own; what a checker does not take is not applicable: dicts,
whole numbers, variables, float32, another function's gradient, second derivatives of a shell.
Raising for a sound function is not an accusation, but no answer either. What is not installed is
left out.
"""

import argparse
import importlib
import importlib.util
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", TF_CPP_MIN_LOG_LEVEL="3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import tensorflow as tf

from lowlevel.checks import check
from lowlevel.checks.verdicts import SECOND_ORDER
from tests.checks.planted import FAULTS, Case
from tests.checks.sound import SOUND

FOUND, PASSED, RAISES, NOT_APPLICABLE = "found", "passed", "raises", "-"
# The largest size that a checker of every number is tried on: it makes a matrix of its square.
MOST_NUMBERS = 3000


def arrays_of(case: Case) -> tuple[Callable, list[np.ndarray]] | None:
    """Returns a case as a function of float64 arrays to one tensor; None if it is none."""
    function, arguments = case.make()
    if "surrogate" in case.options or not isinstance(arguments, list):
        return None
    if case.fault == SECOND_ORDER:
        return None
    if any(isinstance(a, (dict, list, int, tf.Variable)) for a in arguments):
        return None
    given = [np.asarray(a) for a in arguments]
    if any(a.dtype != np.float64 for a in given) or sum(a.size for a in given) > MOST_NUMBERS:
        return None
    return (
        None if isinstance(function(*map(tf.constant, given)), (dict, tuple)) else (function, given)
    )


def of_lowlevel(case: Case) -> str:
    """This project's."""
    function, arguments = case.make()
    findings = check(function, arguments, **case.options)
    return FOUND if any(finding.is_fault for finding in findings) else PASSED


def of_tensorflow(case: Case) -> str:
    """`tf.test.compute_gradient`, whose two Jacobians its own tests hold to 1e-3 or so."""
    if (given := arrays_of(case)) is None:
        return NOT_APPLICABLE
    theoretical, numerical = tf.test.compute_gradient(*given)
    pairs = zip(theoretical, numerical, strict=True)
    return PASSED if all(np.allclose(t, n, rtol=1e-3, atol=1e-3) for t, n in pairs) else FOUND


def with_gradient(function: Callable, arrays: Sequence[np.ndarray], upstream: Any) -> list:
    """Returns the gradients of a TensorFlow function at arrays, zeros where it has None."""
    tensors = [tf.constant(np.asarray(a)) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    found = tape.gradient(value, tensors, tf.constant(np.asarray(upstream)))
    return [
        np.zeros_like(a) if g is None else tf.convert_to_tensor(g).numpy()
        for g, a in zip(found, arrays, strict=True)
    ]


def of_torch(case: Case) -> str:
    """`torch.autograd.gradcheck`."""
    torch = importlib.import_module("torch")
    if (given := arrays_of(case)) is None:
        return NOT_APPLICABLE
    function, arrays = given

    class Shell(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, *tensors: Any) -> Any:
            context.save_for_backward(*tensors)
            values = [tf.constant(t.detach().numpy()) for t in tensors]
            return torch.tensor(function(*values).numpy())

        @staticmethod
        def backward(context: Any, upstream: Any) -> Any:
            arrays = [t.detach().numpy() for t in context.saved_tensors]
            found = with_gradient(function, arrays, upstream.numpy())
            return tuple(torch.tensor(g) for g in found)

    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    return PASSED if torch.autograd.gradcheck(Shell.apply, inputs, raise_exception=False) else FOUND


def of_jax(case: Case) -> str:
    """`jax.test_util.check_grads`, in reverse mode."""
    jax = importlib.import_module("jax")
    test_util = importlib.import_module("jax.test_util")
    jax.config.update("jax_enable_x64", True)
    if (given := arrays_of(case)) is None:
        return NOT_APPLICABLE
    function, arrays = given

    def value(*given: Any) -> np.ndarray:
        return function(*(tf.constant(np.asarray(a)) for a in given)).numpy()

    shape = jax.ShapeDtypeStruct(value(*arrays).shape, np.float64)
    shapes = [jax.ShapeDtypeStruct(a.shape, np.float64) for a in arrays]
    shell = jax.custom_vjp(lambda *given: jax.pure_callback(value, shape, *given))

    def backward(given: Any, upstream: Any) -> Any:
        found = lambda u, *a: tuple(with_gradient(function, a, u))  # noqa: E731
        return jax.pure_callback(found, tuple(shapes), upstream, *given)

    shell.defvjp(lambda *given: (shell(*given), given), backward)
    try:
        test_util.check_grads(shell, arrays, order=1, modes=["rev"])
    except AssertionError:
        return FOUND
    return PASSED


CHECKERS: dict[str, tuple[str, Callable[[Case], str]]] = {
    "lowlevel.checks.check": ("lowlevel", of_lowlevel),
    "tf.test.compute_gradient": ("tensorflow", of_tensorflow),
    "torch.autograd.gradcheck": ("torch", of_torch),
    "jax.test_util.check_grads": ("jax", of_jax),
}


def answer(checker: Callable[[Case], str], case: Case) -> str:
    """Returns what a checker says of a case; that it raises, if it does."""
    try:
        return checker(case)
    # Each raises what it likes.
    except Exception:
        return RAISES


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="what each says of each function")
    listed = parser.parse_args().list
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    print(f"{len(FAULTS)} planted faults, {len(SOUND)} sound functions")
    print(f"{'':27}{'faults':>37}{'sound functions':>35}")
    head = ("found", "passed", "raises", "n/a", "accused", "passed", "raises", "n/a", "seconds")
    print(f"{'':27}" + "".join(f"{name:>9}" for name in head))
    answers: dict[str, dict[str, str]] = {}
    for name, (package, checker) in CHECKERS.items():
        if importlib.util.find_spec(package) is None:
            continue
        start = time.perf_counter()
        answers[name] = {n: answer(checker, c) for n, c in {**FAULTS, **SOUND}.items()}
        counts = [
            sum(answers[name][n] == kind for n in cases)
            for cases in (FAULTS, SOUND)
            for kind in (FOUND, PASSED, RAISES, NOT_APPLICABLE)
        ]
        seconds = time.perf_counter() - start
        print(f"{name:27}" + "".join(f"{n:9d}" for n in counts) + f"{seconds:9.0f}", flush=True)
    if listed:
        for n in (*FAULTS, *SOUND):
            print(f"{n:45}" + "".join(f"{answers[c][n]:>10}" for c in answers))


if __name__ == "__main__":
    main()
