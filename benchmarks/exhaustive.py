"""Sweeps every finite float32 logit and prints the largest error of each quantity, in ulp.

    python benchmarks/exhaustive.py [--likelihood=logit,probit,cloglog] [--stride=N] [--processes=N]

All 4,278,190,080 logits, with both labels, eager, in a graph and under XLA; with a stride, every
N-th bit pattern. For the logit, other libraries' losses and gradients go through the same test.
"""

import argparse
import functools
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0")
# So that the processes that sweep keep their memory, in place of asking for each array anew.
os.environ.update(MALLOC_MMAP_THRESHOLD_=str(1 << 30), MALLOC_TRIM_THRESHOLD_=str(1 << 30))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import tensorflow as tf

from lowlevel.likelihoods import LIKELIHOODS
from tests import reference

CHUNK = 1 << 18
CHUNKS_A_TASK = 8
EXECUTIONS: dict[str, Callable] = {
    "eager": lambda function: function,
    "graph": tf.function,
    "XLA": lambda function: tf.function(function, jit_compile=True),
}

# A computation gives the named quantities of an array of logits and a label. A finding is the
# largest error so far, its logit and its label.
Computation = Callable[[np.ndarray, int], dict[str, np.ndarray]]
Finding = tuple[float, float, int]
Findings = dict[tuple[str, str], Finding]


def ours(name: str, execution: str) -> Computation:
    """One of the project's likelihoods in one of TensorFlow's executions."""
    wrap, likelihood = EXECUTIONS[execution], LIKELIHOODS[name]
    functions = {quantity: wrap(getattr(likelihood, quantity)) for quantity in reference.QUANTITIES}
    labels = {y: tf.fill([CHUNK], float(y)) for y in (0, 1)}

    def compute(z: np.ndarray, y: int) -> dict[str, np.ndarray]:
        logits = tf.constant(z)
        values = {q: functions[q](logits, labels[y]) for q in reference.QUANTITIES if q != "mean"}
        if y == 0:  # The mean has no label: once is enough.
            values["mean"] = functions["mean"](logits)
        return {quantity: value.numpy() for quantity, value in values.items()}

    return compute


def tensorflow_peer(jit_compile: bool) -> Computation:
    """The loss of TensorFlow, and its gradient."""

    @tf.function(jit_compile=jit_compile)
    def loss_and_gradient(z: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=z)
        return loss, tape.gradient(loss, z)

    def compute(z: np.ndarray, y: int) -> dict[str, np.ndarray]:
        loss, gradient = loss_and_gradient(tf.constant(z), tf.fill(z.shape, float(y)))
        return {"nll": loss.numpy(), "slope": gradient.numpy()}

    return compute


def scikit_learn_peer() -> Computation:
    """The loss and gradient of scikit-learn's logistic regression and boosted trees."""
    from sklearn._loss import HalfBinomialLoss

    def compute(z: np.ndarray, y: int) -> dict[str, np.ndarray]:
        loss, gradient = HalfBinomialLoss().loss_gradient(np.full_like(z, y), z)
        return {"nll": loss, "slope": gradient}

    return compute


def torch_peer() -> Computation:
    """The loss of PyTorch, and its gradient."""
    import torch

    torch.set_num_threads(1)

    def compute(z: np.ndarray, y: int) -> dict[str, np.ndarray]:
        logits = torch.tensor(z, requires_grad=True)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, torch.full_like(logits, float(y)), reduction="none"
        )
        loss.sum().backward()
        return {"nll": loss.detach().numpy(), "slope": logits.grad.numpy()}

    return compute


def optax_peer() -> Computation:
    """The loss of optax, and JAX's gradient of it."""
    import jax
    import optax

    loss = optax.sigmoid_binary_cross_entropy
    both = jax.jit(jax.vmap(jax.value_and_grad(loss), in_axes=(0, None)))

    def compute(z: np.ndarray, y: int) -> dict[str, np.ndarray]:
        value, gradient = both(z, float(y))
        return {"nll": np.asarray(value), "slope": np.asarray(gradient)}

    return compute


PEERS: dict[str, Callable[[], Computation]] = {
    "tensorflow graph": functools.partial(tensorflow_peer, jit_compile=False),
    "tensorflow XLA": functools.partial(tensorflow_peer, jit_compile=True),
    "scikit-learn": scikit_learn_peer,
    "torch": torch_peer,
    "optax": optax_peer,
}


@functools.cache
def computations(name: str) -> dict[str, Computation]:
    """What is swept for a likelihood, by the name of its row; peers only if they are installed."""
    found = {f"{name} {execution}": ours(name, execution) for execution in EXECUTIONS}
    for peer, build in PEERS.items() if name == "logit" else ():
        try:
            found[peer] = build()
        except ImportError:
            continue
    return found


def prepare_process() -> None:
    """Leaves one core to each process."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def chunks(first: int, stride: int) -> Iterator[np.ndarray]:
    """The logits of one task, those that are not finite replaced by 0."""
    for chunk in range(first, first + CHUNKS_A_TASK):
        patterns = (np.arange(chunk * CHUNK, (chunk + 1) * CHUNK, dtype=np.int64)) * stride
        z = np.where(patterns < 1 << 32, patterns, 0).astype(np.uint32).view(np.float32)
        yield np.where(np.isfinite(z), z, np.float32(0))


def sweep(task: tuple[str, int, int]) -> Findings:
    """The largest errors among the logits of one task."""
    name, first, stride = task
    findings: Findings = {}
    for z in chunks(first, stride):
        wide = z.astype(np.float64)
        for y in (0, 1):
            truth = reference.rapid(name, wide, y)
            with np.errstate(all="ignore"):
                rounded = {q: getattr(truth, q).astype(np.float32) for q in reference.QUANTITIES}
            for row, compute in computations(name).items():
                for quantity, values in compute(z, y).items():
                    found = largest(values, rounded[quantity], getattr(truth, quantity), z, y)
                    merge(findings, {(row, quantity): found})
    return findings


def largest(
    values: np.ndarray, rounded: np.ndarray, truth: np.ndarray, z: np.ndarray, y: int
) -> Finding:
    """The largest error; no more than 0.5, and not looked at, where all are correctly rounded."""
    differing = np.flatnonzero(values != rounded)
    if not len(differing):
        return 0.5, np.nan, y
    errors = reference.ulp_errors(values[differing], truth[differing])
    worst = errors.argmax()
    if errors[worst] <= 0.5:
        return 0.5, np.nan, y
    return float(errors[worst]), float(z[differing[worst]]), y


def merge(findings: Findings, others: Findings) -> None:
    """Keeps the larger of two findings about the same thing."""
    for key, found in others.items():
        if key not in findings or found[0] > findings[key][0]:
            findings[key] = found


def sweep_all(name: str, stride: int, processes: int) -> Findings:
    """The largest errors among all logits, with progress on stderr."""
    length = CHUNK * CHUNKS_A_TASK * stride
    tasks = [(name, i * CHUNKS_A_TASK, stride) for i in range(-(-(1 << 32) // length))]
    findings: Findings = {}
    start = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(processes, prepare_process) as pool:
        for done, found in enumerate(pool.imap_unordered(sweep, tasks), 1):
            merge(findings, found)
            minutes = (time.monotonic() - start) / 60
            left = minutes / done * (len(tasks) - done)
            progress = f"\r{name}: {done / len(tasks):4.0%}, {minutes:.1f} min, {left:.1f} to go "
            print(progress, end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return findings


def table(findings: Findings) -> str:
    """A line for each row and quantity."""
    lines = [f"{'':18}{'quantity':12}{'ulp':>10}  at"]
    for (row, quantity), (error, z, y) in findings.items():
        where = "anywhere" if np.isnan(z) else f"z = {z!r}, y = {y}"
        lines.append(f"{row:18}{quantity:12}{error:>10.4g}  {where}")
    return "\n".join(lines)


def main() -> None:
    """Runs the sweeps that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--likelihood", default="logit,probit,cloglog", help="which, with commas")
    parser.add_argument("--stride", type=int, default=1, help="sweep every STRIDE-th logit only")
    parser.add_argument("--processes", type=int, default=2, help="of one core each")
    arguments = parser.parse_args()
    names = arguments.likelihood.split(",")
    for name in names:
        if name not in reference.RAPID:
            parser.error(f"no rapid reference for {name!r}, only for {', '.join(reference.RAPID)}")
    for name in names:
        print(table(sweep_all(name, arguments.stride, arguments.processes)), flush=True)


if __name__ == "__main__":
    main()
