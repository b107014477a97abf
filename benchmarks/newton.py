"""Times Newton's method beside other libraries' logistic regressions, to the same gradient.

    python benchmarks/newton.py                           a million rows, 24 columns, in float64
    python benchmarks/newton.py --correlation=0.9         columns that resemble one another

Every contestant goes to the maximum, without a penalty, until the largest number in the gradient
of the mean negative log-likelihood is at most 1e-8 by its own account; what it came to is printed.
The first run of each, with all tracing and compiling, is timed apart; the others go round robin,
so that whatever slows the machine slows all of them alike. What is not installed is left out.
"""

import argparse
import functools
import importlib
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.benchmark import surroundings
from lowlevel.config import Config
from lowlevel.data import Table
from lowlevel.likelihoods import LIKELIHOODS
from lowlevel.module_mode import training
from lowlevel.progress import Progress

LARGEST_GRADIENT = 1e-8
MOST_PASSES = 1000


class Fit(NamedTuple):
    """What a contestant came to.

    Attributes:
        kernel: a coefficient for each column.
        intercept: the constant.
        passes: over the table, or steps, as it counts them.
    """

    kernel: np.ndarray
    intercept: float
    passes: int


Contestant = Callable[[Table], Fit]


def newton(table: Table, jit_compile: bool) -> Fit:
    """The project's module mode, from the table to the weights."""
    config = Config(
        optimizer="newton",
        hidden_units=(),
        epochs=100,
        report_every=100,
        jit_compile=jit_compile,
    )
    state = training.start(config, LIKELIHOODS["logit"], table)
    progress = Progress(config)
    training.train(state, config, table, progress)
    logistic = state.model.logistic
    kernel, bias = logistic.kernel.numpy()[:, 0], logistic.bias.numpy()[0]
    return Fit(kernel, float(bias), len(progress.history))


def scikit_learn(table: Table, solver: str) -> Fit:
    """scikit-learn's LogisticRegression."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=np.inf, solver=solver, tol=LARGEST_GRADIENT, max_iter=MOST_PASSES)
    model.fit(table.features, table.labels)
    return Fit(model.coef_[0], float(model.intercept_[0]), int(model.n_iter_[0]))


def glum(table: Table) -> Fit:
    """Glum's iteratively reweighted least squares."""
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(
        family="binomial", alpha=0, gradient_tol=LARGEST_GRADIENT, max_iter=MOST_PASSES
    )
    model.fit(table.features, table.labels)
    return Fit(model.coef_, float(model.intercept_), int(model.n_iter_))


CONTESTANTS: dict[str, tuple[Contestant, str]] = {
    "module mode, newton": (functools.partial(newton, jit_compile=False), "tensorflow"),
    "module mode, newton, XLA": (functools.partial(newton, jit_compile=True), "tensorflow"),
    "scikit-learn, newton-cholesky": (
        functools.partial(scikit_learn, solver="newton-cholesky"),
        "sklearn",
    ),
    "scikit-learn, lbfgs": (functools.partial(scikit_learn, solver="lbfgs"), "sklearn"),
    "glum, irls": (glum, "glum"),
}


def make_table(rows: int, columns: int, correlation: float) -> Table:
    """Rows of normal features, any two as correlated as asked, with labels that depend on them."""
    random = np.random.default_rng(0)
    features = random.standard_normal((rows, columns)) * np.sqrt(1 - correlation)
    features += random.standard_normal((rows, 1)) * np.sqrt(correlation)
    labels = features[:, 0] - features[:, 1] / 2 + random.logistic(size=rows) > 1
    return Table(features, labels.astype(np.float64))


def largest_gradient(table: Table, fit: Fit) -> float:
    """The largest number in the gradient of the mean loss, intercept included."""
    z = table.features @ fit.kernel + fit.intercept
    slope = 1 / (1 + np.exp(-z)) - table.labels
    return float(max(np.abs(table.features.T @ slope).max(), abs(slope.sum())) / table.rows)


def is_installed(needs: str) -> bool:
    """Whether a contestant can take part; imports what it needs, since that is not to be timed."""
    try:
        importlib.import_module(needs)
    except ImportError:
        return False
    return True


def measure(table: Table, repeats: int) -> tuple[dict[str, list[float]], dict[str, Fit]]:
    """Returns the seconds of each run of every contestant that is installed, and where it ended."""
    entries = {name: run for name, (run, needs) in CONTESTANTS.items() if is_installed(needs)}
    times: dict[str, list[float]] = {name: [] for name in entries}
    fits: dict[str, Fit] = {}
    for _ in range(repeats + 1):
        for name, run in entries.items():
            start = time.perf_counter()
            fits[name] = run(table)
            times[name].append(time.perf_counter() - start)
    return times, fits


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=24, help="at least 2")
    parser.add_argument("--correlation", type=float, default=0.0, help="of columns, below 1")
    parser.add_argument("--repeats", type=int, default=7, help="runs that are timed")
    arguments = parser.parse_args()
    # Of scikit-learn, that a setting will be named otherwise.
    warnings.simplefilter("ignore")
    table = make_table(arguments.rows, arguments.columns, arguments.correlation)
    print(surroundings())
    print(
        f"{table.rows} rows, {arguments.columns} columns, correlation {arguments.correlation:g}\n"
    )
    times, fits = measure(table, arguments.repeats)
    print(f"{'seconds':32}{'median':>9}{'minimum':>9}{'first':>9}{'passes':>8}{'gradient':>10}")
    for name in sorted(times, key=lambda name: np.median(times[name][1:])):
        first, *rest = times[name]
        print(
            f"{name:32}{np.median(rest):9.3f}{min(rest):9.3f}{first:9.3f}"
            f"{fits[name].passes:8}{largest_gradient(table, fits[name]):10.1g}"
        )
    for name in CONTESTANTS.keys() - times.keys():
        print(f"{name:32} not installed")


if __name__ == "__main__":
    main()
