"""What other gradient checkers find of the planted faults, and whom they accuse.

    python benchmarks/checkers.py [--list]

Each checker gets the functions of tests/checks/planted.py and sound.py, which are TensorFlow's: for
PyTorch and JAX in a thin shell, whose forward calls the function and whose backward calls its
gradient, in a shell of its own for the second derivative. Settings are the checkers' own defaults;
two of them return numbers and no answer, which `ALLOWED` turns into one. They are asked at the
arguments and, where a case has them, at its extreme ones.

What a checker does not take is not applicable (n/a): dicts, whole numbers, variables, float32,
another function's gradient, more than 3,000 numbers, for SciPy a second derivative. A checker that
raises for a fault has shown that something is wrong, but not what; it is counted by itself. What is
not installed is left out.
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
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", TF_CPP_MIN_LOG_LEVEL="3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import tensorflow as tf

from lowlevel.checks import check
from lowlevel.checks.verdicts import UNDECIDED
from tests.checks.planted import FAULTS, Case
from tests.checks.sound import SOUND

KINDS = FOUND, PASSED, UNTOLD, RAISES, NOT_APPLICABLE = "found", "passed", "untold", "raises", "n/a"
# A checker of every number makes a matrix of the square of how many there are.
MOST_NUMBERS = 3000
# Relative and absolute: TensorFlow's own tests often hold the difference of its two Jacobians to
# 1e-4. SciPy's documentation leaves it to the reader.
ALLOWED = 1e-4


class Question(NamedTuple):
    """A function of float64 arrays to one tensor.

    Attributes:
        function: of tensors.
        points: the arrays at which its gradient is asked for.
        order: 2 for the second derivative as well.
    """

    function: Callable
    points: list[list[np.ndarray]]
    order: int


def question(case: Case) -> Question | None:
    """Returns a case as all checkers take it; None if it is none for them."""
    function, arguments = case.make()
    if "surrogate" in case.options or not isinstance(arguments, list):
        return None
    if any(isinstance(a, (dict, list, int, tf.Variable)) for a in arguments):
        return None
    ends = case.options.get("ends", [])
    points = [[np.asarray(a) for a in given] for given in (arguments, *ends)]
    if any(a.dtype != np.float64 for a in points[0]):
        return None
    if sum(a.size for a in points[0]) > MOST_NUMBERS:
        return None
    with tf.GradientTape() as tape:
        value = function(*map(tf.constant, points[0]))
    if isinstance(value, (dict, tuple)) or tape.watched_variables():
        return None
    return Question(function, points, case.options.get("order", 1))


def tupled(values: Any) -> tuple:
    """Returns one or several tensors as a tuple."""
    return tuple(values) if isinstance(values, (list, tuple)) else (values,)


def gradient_of(function: Callable, results: int = 1) -> Callable[..., tuple]:
    """Returns a TensorFlow function's gradients, zeros where it has None, as a function.

    It takes the upstream gradients, as many as there are results, and then the tensors.
    """

    def gradients(*given: tf.Tensor) -> tuple:
        upstream, tensors = given[:results], given[results:]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            values = tupled(function(*tensors))
        found = tape.gradient(values, tensors, upstream)
        return tuple(
            tf.zeros_like(x) if g is None else tf.convert_to_tensor(g)
            for g, x in zip(found, tensors, strict=True)
        )

    return gradients


def slopes(function: Callable) -> Callable[..., tf.Tensor]:
    """Returns the gradients of the sum of a function's values, flat, as a function."""

    def flat(*tensors: tf.Tensor) -> tf.Tensor:
        found = gradient_of(function)(tf.ones_like(function(*tensors)), *tensors)
        return tf.concat([tf.reshape(g, [-1]) for g in found], 0)

    return flat


def tensorflow_accuses(function: Callable, arrays: Sequence[np.ndarray], order: int) -> bool:
    """`tf.test.compute_gradient`, of the gradient for the second derivative."""
    for asked in (function, slopes(function))[:order]:
        for pair in zip(*tf.test.compute_gradient(asked, arrays), strict=True):
            if not np.allclose(*pair, rtol=ALLOWED, atol=ALLOWED):
                return True
    return False


def scipy_accuses(function: Callable, arrays: Sequence[np.ndarray], order: int) -> bool:
    """`scipy.optimize.check_grad`, of the sum of the values."""
    optimize = importlib.import_module("scipy.optimize")
    ends = np.cumsum([a.size for a in arrays])[:-1]

    def tensors(flat: np.ndarray) -> list[tf.Tensor]:
        parts = zip(np.split(flat, ends), arrays, strict=True)
        return [tf.constant(part.reshape(a.shape)) for part, a in parts]

    def value(flat: np.ndarray) -> float:
        return float(tf.reduce_sum(function(*tensors(flat))))

    def slope(flat: np.ndarray) -> np.ndarray:
        return slopes(function)(*tensors(flat)).numpy()

    start = np.concatenate([a.ravel() for a in arrays])
    error = optimize.check_grad(value, slope, start)
    return not error <= ALLOWED * (1 + np.linalg.norm(slope(start)))


def torch_accuses(function: Callable, arrays: Sequence[np.ndarray], order: int) -> bool:
    """`torch.autograd.gradcheck`, and `gradgradcheck` for the second derivative."""
    torch = importlib.import_module("torch")

    def shell(function: Callable, results: int = 1) -> Callable:
        class Shell(torch.autograd.Function):
            @staticmethod
            def forward(context: Any, *given: Any) -> Any:
                context.save_for_backward(*given)
                values = tupled(function(*(tf.constant(t.detach().numpy()) for t in given)))
                found = tuple(torch.tensor(v.numpy()) for v in values)
                return found if len(found) > 1 else found[0]

            @staticmethod
            def backward(context: Any, *upstream: Any) -> Any:
                given = context.saved_tensors
                return shell(gradient_of(function, results), len(given))(*upstream, *given)

        return Shell.apply

    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    checks = (torch.autograd.gradcheck, torch.autograd.gradgradcheck)[:order]
    return not all(check(shell(function), inputs, raise_exception=False) for check in checks)


def jax_accuses(function: Callable, arrays: Sequence[np.ndarray], order: int) -> bool:
    """`jax.test_util.check_grads`, in reverse mode."""
    jax = importlib.import_module("jax")
    test_util = importlib.import_module("jax.test_util")
    jax.config.update("jax_enable_x64", True)

    def shell(function: Callable, shapes: Sequence[Any]) -> Callable:
        def values(*given: Any) -> tuple:
            tensors = [tf.constant(np.asarray(a)) for a in given]
            return tuple(v.numpy() for v in tupled(function(*tensors)))

        def backward(given: tuple, upstream: tuple) -> tuple:
            inputs = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in given]
            return shell(gradient_of(function, len(shapes)), inputs)(*upstream, *given)

        called = jax.custom_vjp(lambda *given: jax.pure_callback(values, tuple(shapes), *given))
        called.defvjp(lambda *given: (called(*given), given), backward)
        return called

    shape = function(*map(tf.constant, arrays)).shape
    called = shell(function, [jax.ShapeDtypeStruct(tuple(shape), np.float64)])
    try:
        test_util.check_grads(called, tuple(arrays), order=order, modes=["rev"])
    except AssertionError:
        return True
    return False


def lowlevel_says(case: Case) -> str:
    """Returns what this project's check says of a case."""
    function, arguments = case.make()
    findings = check(function, arguments, **case.options)
    if any(finding.is_fault for finding in findings):
        return FOUND
    return UNTOLD if any(finding.fault == UNDECIDED for finding in findings) else PASSED


def asked(accuses: Callable[..., bool], most: int = 2) -> Callable[[Case], str]:
    """Returns what another checker, of derivatives up to an order, says of a case."""

    def says(case: Case) -> str:
        given = question(case)
        if given is None or given.order > most:
            return NOT_APPLICABLE
        accused = any(accuses(given.function, point, given.order) for point in given.points)
        return FOUND if accused else PASSED

    return says


CHECKERS: dict[str, tuple[str, Callable[[Case], str]]] = {
    "lowlevel.checks.check": ("lowlevel", lowlevel_says),
    "tf.test.compute_gradient": ("tensorflow", asked(tensorflow_accuses)),
    "torch.autograd.gradcheck": ("torch", asked(torch_accuses)),
    "jax.test_util.check_grads": ("jax", asked(jax_accuses)),
    "scipy.optimize.check_grad": ("scipy", asked(scipy_accuses, most=1)),
}


def answer(says: Callable[[Case], str], case: Case) -> str:
    """Returns what a checker says of a case; that it raises, if it does."""
    try:
        return says(case)
    # Each raises what it likes.
    except Exception:
        return RAISES


def version(package: str) -> str:
    """Returns a package's version; empty for this project, which need not be installed."""
    return "" if package == "lowlevel" else metadata.version(package)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="what each says of each function")
    listed = parser.parse_args().list
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    print(f"{'':37}{f'{len(FAULTS)} planted faults':>40}{f'{len(SOUND)} sound functions':>40}")
    head = (*KINDS, "accused", *KINDS[1:], "seconds")
    print(f"{'':37}" + "".join(f"{name:>8}" for name in head))
    answers: dict[str, dict[str, str]] = {}
    for name, (package, says) in CHECKERS.items():
        if importlib.util.find_spec(package) is None:
            continue
        start = time.perf_counter()
        answers[name] = {n: answer(says, c) for n, c in {**FAULTS, **SOUND}.items()}
        counts = [
            sum(answers[name][n] == kind for n in cases)
            for cases in (FAULTS, SOUND)
            for kind in KINDS
        ]
        seconds = time.perf_counter() - start
        figures = "".join(f"{n:8d}" for n in counts) + f"{seconds:8.0f}"
        print(f"{name} {version(package)}".ljust(37) + figures, flush=True)
    if listed:
        print(f"{'':47}" + "".join(f"{name.split('.')[0]:>10}" for name in answers))
        for n in (*FAULTS, *SOUND):
            print(f"{n:47}" + "".join(f"{answers[c][n]:>10}" for c in answers))


if __name__ == "__main__":
    main()
