"""Times both modes' training beside other libraries', and the memory that a growing table takes.

    python benchmarks/benchmark.py                                             the small workload
    python benchmarks/benchmark.py --rows=1000000 --batch_size=1000 --epochs=2    the large one
    python benchmarks/benchmark.py --curve [--rows=10000000]      module mode, by rows: time, memory

Every contestant does the same, on the processor, in float32: 24 features, Dense(4) -> Logistic,
the mean negative log-likelihood (NLL), SGD(1e-4), and a fresh order of the rows each epoch, whose
making is in the time. The first run of each, with all building, tracing and compiling, is timed
apart; the others go round robin, so that whatever slows the machine slows all of them alike. What
is not installed is left out; nothing beyond the project's own requirements is needed.
"""

import argparse
import contextlib
import ctypes
import dataclasses
import functools
import importlib
import importlib.metadata
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import unittest.mock
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

# As lowlevel.startup has it, and without a GPU, for every library.
os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", TF_CPP_MIN_LOG_LEVEL="3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras
import numpy as np
import tensorflow as tf

from lowlevel import experiment
from lowlevel.config import Config
from lowlevel.data import Block, Table
from lowlevel.keras_mode import batches as keras_batches
from lowlevel.keras_mode import training as keras_training
from lowlevel.likelihoods import LIKELIHOODS
from lowlevel.module_mode import batches as module_batches
from lowlevel.module_mode import training as module_training
from lowlevel.module_mode.model import CustomModel
from lowlevel.module_mode.optimizers import make_optimizer
from lowlevel.progress import Progress, State
from lowlevel.shares import row_shares

# It warns of many traces, of which every contestant has its own.
tf.get_logger().setLevel("ERROR")

ROOT = Path(__file__).resolve().parents[1]
FEATURES, UNITS = 24, 4
LEARNING_RATE = 1e-4
FLOOR = "C by hand, one core (the floor)"
ARTICLE = "the article's: train_step, tf.data, Model.fit"
# A slow contestant's run is cut to about as many rows: all of the small workload.
SLOW_ROWS = 200_000
CURVE_ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
# Rows that a run passes over at each point of the curve, at least.
CURVE_RUN_ROWS = 1_000_000
# A table's size below which its share of a process's memory cannot be told.
DROWNED_MIB = 50
PACKAGES = ("tensorflow", "keras", "numpy", "torch", "jax", "scikit-learn")

# A contestant's run, which returns the mean NLL of its last epoch or batch: so it has to be done.
Run = Callable[[], float]


@dataclasses.dataclass(frozen=True)
class Workload:
    """What there is to do: a table, in batches, for some epochs."""

    table: Table
    batch_size: int
    epochs: int

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.table.rows // self.batch_size * self.epochs

    def config(self, jit_compile: bool) -> Config:
        """The project's settings for it."""
        return Config(
            epochs=self.epochs,
            report_every=self.epochs,
            batch_size=self.batch_size,
            learning_rate=LEARNING_RATE,
            hidden_units=(UNITS,),
            jit_compile=jit_compile,
        )


class Contestant(NamedTuple):
    """One way to do it.

    Attributes:
        name: for the reader.
        build: makes the run for a workload.
        needs: what has to be installed, a module or gcc; empty for nothing more.
        slow: whether `SLOW_ROWS` limits its run.
    """

    name: str
    build: Callable[[Workload], Run]
    needs: str = ""
    slow: bool = False


def make_table(rows: int) -> Table:
    """Rows of normal features, with labels that depend on them."""
    random = np.random.default_rng(0)
    features = random.standard_normal((rows, FEATURES), np.float32)
    labels = features[:, 0] + random.standard_normal(rows, np.float32) > 0
    return Table(features, labels.astype(np.float32))


def initial_weights() -> list[np.ndarray]:
    """Kernel and bias of the layer, then of the output."""
    random = np.random.default_rng(1)
    shapes = ((FEATURES, UNITS), (UNITS,), (UNITS, 1), (1,))
    return [np.float32(0.1) * random.standard_normal(shape, np.float32) for shape in shapes]


def module_mode(
    work: Workload, jit_compile: bool, model_class: type[CustomModel] = CustomModel
) -> Run:
    """The project's module mode: what `train` does once the table is in TensorFlow's hands."""
    config = work.config(jit_compile)
    built = module_training.build(config, LIKELIHOODS["logit"], work.table)
    model = model_class(built.nn_block, built.logistic)
    state = State(model, make_optimizer(config, model.trainable_variables))
    run_steps = None

    def run() -> float:
        nonlocal run_steps
        progress = Progress(config)
        for block in work.table.blocks(config, progress.spans(0), progress.longest_span):
            tensors = module_batches.tensors(block)
            run_steps = run_steps or module_training.compile_steps(state, config, tensors)
            calls = module_training.call_for_all(
                run_steps, state, block.epochs, work.batch_size, tensors
            )
            losses = list(calls)
        return float(losses[-1][-1])

    return run


class AutodiffModel(CustomModel):
    """Module mode's model, the gradient of its whole loss left to autodiff."""

    def row_losses(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """The very loss that the custom gradient is for."""
        return self.logistic.likelihood.nll(z, y)

    def loss_fn(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        share: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """The same value as the project's."""
        z = self.logistic.linear_predictor(self.latent(x, training))
        share = row_shares(y) if share is None else share
        return tf.reduce_sum(share * self.row_losses(z, y))


class BuiltInModel(AutodiffModel):
    """The same with TensorFlow's own loss, which rounds in float32."""

    def row_losses(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """The same loss, but for rounding."""
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=z)


class Blocks:
    """The blocks of a run, from its first epoch on, as often as they are asked for."""

    def __init__(self, table: Table, config: Config) -> None:
        """Keeps what they are made of."""
        self.table, self.config = table, config

    def __iter__(self) -> Iterator[Block]:
        """Yields them once."""
        progress = Progress(self.config)
        spans, longest = progress.spans(0), progress.longest_span
        return self.table.blocks(self.config, spans, longest)


def keras_mode(work: Workload, jit_compile: bool) -> Run:
    """The project's keras mode: `train`, which keeps what it compiled in the first run."""
    config = work.config(jit_compile)
    state = keras_training.start(config, LIKELIHOODS["logit"], work.table)
    blocks = Blocks(work.table, config)
    dataset = keras_batches.dataset(blocks, work.table, work.batch_size)

    def run() -> float:
        state.epoch = 0
        progress = Progress(config)
        with contextlib.ExitStack() as kept:
            patch = unittest.mock.patch.object
            kept.enter_context(patch(keras_batches, "dataset", return_value=dataset))
            if state.model.compiled:
                kept.enter_context(patch(type(state.model), "compile"))
            keras_training.train(state, config, work.table, progress)
        return progress.history[-1].nll

    return run


@tf.custom_gradient
def mean_nll(z: tf.Tensor, y: tf.Tensor, /) -> tuple[tf.Tensor, Callable]:
    """The loss of logits and labels with its gradient, in float32, in as few steps as it takes."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return (tf.sigmoid(z) - y) * (upstream / tf.cast(tf.size(z), z.dtype)), None

    return tf.reduce_mean(tf.nn.softplus(z) - y * z), gradient


def pipeline(work: Workload) -> tf.data.Dataset:
    """The batches as the article and TensorFlow's guides make them."""
    rows = tf.data.Dataset.from_tensor_slices(work.table.columns)
    return rows.shuffle(work.table.rows).batch(work.batch_size).prefetch(tf.data.AUTOTUNE)


class ArticleModel(keras.Model):
    """A subclass with a `train_step` of its own, as the article has it."""

    def __init__(self) -> None:
        """Makes the layers."""
        super().__init__()
        self.dense = keras.layers.Dense(UNITS)
        self.logistic = keras.layers.Dense(1)
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def train_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Updates the weights by one batch."""
        x, y = data
        with tf.GradientTape() as tape:
            loss = mean_nll(tf.squeeze(self.logistic(self.dense(x)), -1), y)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What `fit` is to reset each epoch."""
        return [self.loss_tracker]


def article_fit(work: Workload) -> Run:
    """The article's pipeline: `fit` as it comes, but that it prints nothing."""
    dataset = pipeline(work)
    model = ArticleModel()
    model.compile(optimizer=keras.optimizers.SGD(LEARNING_RATE))
    # Without shuffle=False it warns that it leaves the shuffling to the dataset.
    fit = functools.partial(model.fit, dataset, epochs=work.epochs, shuffle=False, verbose=0)
    return lambda: fit().history["loss"][-1]


def guides_loop(work: Workload) -> Run:
    """The loop of TensorFlow's guides: a call of one compiled function for each batch."""
    dataset = pipeline(work)
    weights = [tf.Variable(weight) for weight in initial_weights()]
    kernel, bias, out_kernel, out_bias = weights

    @tf.function
    def train_step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            z = tf.matmul(tf.matmul(x, kernel) + bias, out_kernel) + out_bias
            loss = mean_nll(tf.squeeze(z, -1), y)
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(LEARNING_RATE * gradient)
        return loss

    def run() -> float:
        for _ in range(work.epochs):
            for x, y in dataset:
                loss = train_step(x, y)
        return float(loss)

    return run


def numpy_by_hand(work: Workload) -> Run:
    """NumPy, each gradient written out."""
    rate = np.float32(LEARNING_RATE)
    random = np.random.default_rng(0)
    kernel, bias, out_kernel, out_bias = initial_weights()

    def step(x: np.ndarray, y: np.ndarray) -> float:
        latent = x @ kernel + bias
        z = (latent @ out_kernel + out_bias)[:, 0]
        e = np.exp(-np.abs(z))
        loss = np.mean(np.maximum(z, 0) - y * z + np.log1p(e))
        slope = ((np.where(z < 0, e, 1) / (1 + e) - y) / np.float32(len(y)))[:, None]
        back = slope @ out_kernel.T
        for weight, gradient in (
            (kernel, x.T @ back),
            (bias, back.sum(axis=0)),
            (out_kernel, latent.T @ slope),
            (out_bias, slope.sum(axis=0)),
        ):
            weight -= rate * gradient
        return loss

    def run() -> float:
        for _ in range(work.epochs):
            order = random.permutation(work.table.rows)
            x, y = (column[order] for column in work.table.columns)
            for start in range(0, work.table.rows, work.batch_size):
                batch = slice(start, start + work.batch_size)
                loss = step(x[batch], y[batch])
        return float(loss)

    return run


def torch_loop(work: Workload, loader: bool) -> Run:
    """PyTorch, eager, over slices of the shuffled table or over a DataLoader."""
    import torch

    # With more, each step waits for threads that have too little to do: many times slower.
    torch.set_num_threads(1)

    class MeanNLL(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            context.save_for_backward(z, y)
            return (torch.nn.functional.softplus(z) - y * z).mean()

        @staticmethod
        def backward(context: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
            z, y = context.saved_tensors
            return (torch.sigmoid(z) - y) * (upstream / len(z)), None

    model = torch.nn.Sequential(torch.nn.Linear(FEATURES, UNITS), torch.nn.Linear(UNITS, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    columns = [torch.from_numpy(column) for column in work.table.columns]
    dataset = torch.utils.data.TensorDataset(*columns)
    batches = torch.utils.data.DataLoader(dataset, work.batch_size, shuffle=True)

    def epoch_batches() -> Any:
        if loader:
            return batches
        order = torch.randperm(work.table.rows)
        return zip(*(column[order].split(work.batch_size) for column in columns), strict=True)

    def run() -> float:
        for _ in range(work.epochs):
            for x, y in epoch_batches():
                optimizer.zero_grad()
                loss = MeanNLL.apply(model(x)[:, 0], y)
                loss.backward()
                optimizer.step()
        return loss.item()

    return run


def jax_whole_run(work: Workload, order_on_host: bool) -> Run:
    """JAX, the whole run in one compiled function that gathers each batch."""
    import jax
    import jax.numpy as jnp

    @jax.custom_vjp
    def nll(z: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.mean(jax.nn.softplus(z) - y * z)

    def backward(kept: tuple[jax.Array, jax.Array], upstream: jax.Array) -> tuple:
        z, y = kept
        return (jax.nn.sigmoid(z) - y) * (upstream / z.size), None

    nll.defvjp(lambda z, y: (nll(z, y), (z, y)), backward)

    def loss_fn(weights: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
        kernel, bias, out_kernel, out_bias = weights
        return nll(((x @ kernel + bias) @ out_kernel + out_bias)[:, 0], y)

    def step(weights: list[jax.Array], rows: jax.Array) -> tuple[list[jax.Array], jax.Array]:
        loss, gradients = jax.value_and_grad(loss_fn)(weights, features[rows], labels[rows])
        return [w - LEARNING_RATE * g for w, g in zip(weights, gradients, strict=True)], loss

    def host_order() -> np.ndarray:
        epochs = [random.permutation(work.table.rows) for _ in range(work.epochs)]
        return np.concatenate(epochs).reshape(-1, work.batch_size)

    @jax.jit
    def train_in_order(weights: list[jax.Array], order: jax.Array) -> tuple:
        return jax.lax.scan(step, weights, order)

    @jax.jit
    def train_and_shuffle(weights: list[jax.Array], key: jax.Array) -> tuple:
        def epoch(weights: list[jax.Array], key: jax.Array) -> tuple:
            order = jax.random.permutation(key, work.table.rows)
            return jax.lax.scan(step, weights, order.reshape(-1, work.batch_size))

        return jax.lax.scan(epoch, weights, jax.random.split(key, work.epochs))

    features, labels = map(jnp.asarray, work.table.columns)
    start = list(map(jnp.asarray, initial_weights()))
    random = np.random.default_rng(0)

    def run() -> float:
        if order_on_host:
            _, losses = train_in_order(start, host_order().astype(np.int32))
        else:
            _, losses = train_and_shuffle(start, jax.random.key(0))
        return float(losses[-1].mean())

    return run


def scikit_learn(work: Workload) -> Run:
    """scikit-learn's network, which has the same loss."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (UNITS,),
        activation="identity",
        solver="sgd",
        learning_rate_init=LEARNING_RATE,
        momentum=0,
        alpha=0,
        batch_size=work.batch_size,
        max_iter=work.epochs,
        n_iter_no_change=work.epochs + 1,
    )

    def run() -> float:
        with warnings.catch_warnings():
            # That it did not converge.
            warnings.simplefilter("ignore")
            return model.fit(*work.table.columns).loss_

    return run


def c_by_hand(work: Workload) -> Run:
    """floor.c, compiled for this processor."""
    with tempfile.TemporaryDirectory() as folder:
        compiled, library = f"{folder}/floor.o", f"{folder}/floor.so"
        source = Path(__file__).with_name("floor.c")
        fast = ["-O3", "-march=native", "-ffast-math", "-fPIC"]
        subprocess.run(["gcc", *fast, "-c", source, "-o", compiled], check=True)
        # Linked without -ffast-math, which would round denormals to 0 in the whole process.
        subprocess.run(["gcc", "-shared", compiled, "-o", library, "-lm"], check=True)
        train = ctypes.CDLL(library).train
    array = np.ctypeslib.ndpointer(np.float32, flags="C")
    train.argtypes = [array] * 3 + [ctypes.c_int] * 3
    train.restype = ctypes.c_float
    weights = np.concatenate([weight.T.ravel() for weight in initial_weights()])
    columns = work.table.columns
    return lambda: train(weights, *columns, work.table.rows, work.batch_size, work.epochs)


def both(name: str, build: Callable[..., Run], **arguments: Any) -> list[Contestant]:
    """One of the project's ways without XLA and with it."""
    return [
        Contestant(name + suffix, functools.partial(build, jit_compile=jit, **arguments))
        for suffix, jit in (("", False), (", XLA", True))
    ]


CONTESTANTS = (
    *both("module mode", module_mode),
    *both("module mode, autodiff", module_mode, model_class=AutodiffModel),
    *both("module mode, autodiff of TensorFlow's loss", module_mode, model_class=BuiltInModel),
    *both("keras mode", keras_mode),
    Contestant(ARTICLE, article_fit, slow=True),
    Contestant("the guides': a tf.function a step, tf.data", guides_loop, slow=True),
    Contestant("NumPy by hand", numpy_by_hand),
    Contestant("PyTorch, a loop", functools.partial(torch_loop, loader=False), "torch"),
    Contestant("PyTorch, a DataLoader", functools.partial(torch_loop, loader=True), "torch", True),
    Contestant("JAX, order by NumPy", functools.partial(jax_whole_run, order_on_host=True), "jax"),
    Contestant("JAX, order in XLA", functools.partial(jax_whole_run, order_on_host=False), "jax"),
    Contestant("scikit-learn, MLPClassifier", scikit_learn, "sklearn"),
    Contestant(FLOOR, c_by_hand, "gcc"),
)


def is_installed(needs: str) -> bool:
    """Whether a contestant can take part; imports what it needs, since that is not to be timed."""
    if needs == "gcc":
        return shutil.which(needs) is not None
    try:
        importlib.import_module(needs or "numpy")
    except ImportError:
        return False
    return True


def seconds(run: Run) -> float:
    """Wall-clock time of a run, which must end with a loss."""
    start = time.perf_counter()
    loss = run()
    passed = time.perf_counter() - start
    if not math.isfinite(loss):
        raise RuntimeError(f"Expected a finite mean NLL, got {loss}")
    return passed


class Result(NamedTuple):
    """A contestant's times.

    Attributes:
        first: seconds of building and the first run.
        epochs: in a run.
        steps: microseconds a step, of each run after the first.
    """

    first: float
    epochs: int
    steps: np.ndarray


def measure(work: Workload, repeats: int) -> dict[str, Result]:
    """Times every contestant that is installed, round robin; tells of progress on stderr."""
    # What TensorFlow does but once in a process is not to count against the first contestant.
    for jit_compile in (False, True):
        module_mode(Workload(make_table(10), batch_size=10, epochs=1), jit_compile)()
    runs: dict[str, tuple[Run, Workload, float]] = {}
    for contestant in CONTESTANTS:
        if not is_installed(contestant.needs):
            continue
        most = max(1, SLOW_ROWS // work.table.rows) if contestant.slow else work.epochs
        own = dataclasses.replace(work, epochs=min(work.epochs, most))
        start = time.perf_counter()
        run = contestant.build(own)
        first = time.perf_counter() - start + seconds(run)
        runs[contestant.name] = run, own, first
        print(f"{first:8.2f} s, first run: {contestant.name}", file=sys.stderr)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats):
        print(f"round {repeat + 1} of {repeats}", file=sys.stderr)
        for name, (run, own, _) in runs.items():
            times[name].append(seconds(run) / own.steps * 1e6)
    return {
        name: Result(first, own.epochs, np.array(times[name]))
        for name, (_, own, first) in runs.items()
    }


def report(results: dict[str, Result], work: Workload) -> str:
    """A line for each contestant, the fastest first."""
    medians = {name: float(np.median(result.steps)) for name, result in results.items()}
    lines = [
        "microseconds a step; ratios are of medians: to the floor's, and the article's to this one",
        f"{'':49}{'median':>9}{'minimum':>9}  {'quartiles':>17}{'/ floor':>9}{'article /':>10}"
        f"{'first run, s':>14}",
    ]
    for name in sorted(medians, key=medians.__getitem__):
        result, median = results[name], medians[name]
        low, high = np.percentile(result.steps, [25, 75])
        to_floor = f"{median / medians[FLOOR]:.1f}" if FLOOR in medians else "-"
        scaled = f"  {result.epochs} of {work.epochs} epochs"
        lines.append(
            f"{name:49}{median:9.2f}{result.steps.min():9.2f}  {low:8.2f}-{high:8.2f}"
            f"{to_floor:>9}{medians[ARTICLE] / median:10.1f}{result.first:14.2f}"
            f"{scaled if result.epochs < work.epochs else ''}"
        )
    missing = [entry.name for entry in CONTESTANTS if entry.name not in results]
    return "\n".join(lines + [f"{name:49}not installed" for name in missing])


def surroundings() -> str:
    """The machine, and the versions of what runs on it."""
    processor = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
    cores = len(os.sched_getaffinity(0))
    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    onednn = os.environ["TF_ENABLE_ONEDNN_OPTS"]
    load = " ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{processor}, {cores} cores, load {load}; threads: 1 in PyTorch and C, else the default\n"
        f"{', '.join(versions)}; TF_ENABLE_ONEDNN_OPTS={onednn}"
    )


def curve_point(rows: int, jit_compile: bool, repeats: int) -> None:
    """Prints nanoseconds a row of each run of module mode, and the process's peak memory in KiB.

    The memory is that of a whole run, its evaluation included.
    """
    work = Workload(make_table(rows), min(rows, 1000), max(1, CURVE_RUN_ROWS // rows))
    experiment.train("module", work.config(jit_compile), work.table)
    run = module_mode(work, jit_compile)
    seconds(run)
    times = [seconds(run) / (rows * work.epochs) * 1e9 for _ in range(repeats)]
    # Not getrusage's: that begins with the size of the process that started this one.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0])
    print(json.dumps({"times": times, "peak": peak}))


def curve(most_rows: int, repeats: int) -> None:
    """Prints time a row and peak memory by the number of rows, each in a process of its own."""
    print("module mode, batches of 1000; nanoseconds a row; peak memory in MiB, above that of the")
    print("same on 1,000 rows; it holds the table, features and labels in float32, twice: the")
    print("caller's and TensorFlow's; the ratio is left out where the allocator's MiB drown it\n")
    print(f"{'rows':>10}  {'':4}{'median':>9}{'minimum':>9}{'memory':>9}{'table':>9}{'ratio':>7}")
    for jit_compile in (False, True):
        base = None
        for rows in (1000, *(rows for rows in CURVE_ROWS if rows <= most_rows)):
            call = f"benchmark.curve_point{rows, jit_compile, repeats}"
            command = [sys.executable, "-c", f"from benchmarks import benchmark; {call}"]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
            point = json.loads(done.stdout)
            base = base or point["peak"]
            memory = (point["peak"] - base) / 1024
            table = rows * (FEATURES + 1) * 4 / 2**20
            ratio = f"{memory / table:.2f}" if table > DROWNED_MIB else "-"
            print(
                f"{rows:10}  {'XLA' if jit_compile else '':4}{np.median(point['times']):9.1f}"
                f"{min(point['times']):9.1f}{memory:9.1f}{table:9.1f}{ratio:>7}",
                flush=True,
            )


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="of the table; 1000, or with --curve 1000000")
    parser.add_argument("--batch_size", type=int, default=100, help="a divisor of the rows")
    parser.add_argument("--epochs", type=int, default=200, help="in a run")
    parser.add_argument("--repeats", type=int, default=7, help="runs that are timed")
    parser.add_argument("--curve", action="store_true", help="time and memory by rows instead")
    arguments = parser.parse_args()
    rows = arguments.rows or (1_000_000 if arguments.curve else 1000)
    if min(rows, arguments.batch_size, arguments.epochs, arguments.repeats) < 1:
        parser.error("expected numbers of at least 1")
    print(surroundings(), flush=True)
    if arguments.curve:
        curve(rows, arguments.repeats)
        return
    if rows % arguments.batch_size:
        parser.error(f"--batch_size: expected a divisor of {rows}, got {arguments.batch_size}")
    work = Workload(make_table(rows), arguments.batch_size, arguments.epochs)
    print(
        f"{rows} rows, batches of {work.batch_size}, {work.epochs} epochs: {work.steps} steps a "
        f"run; {arguments.repeats} runs after the first\n",
        flush=True,
    )
    print(report(measure(work, arguments.repeats), work))


if __name__ == "__main__":
    main()
