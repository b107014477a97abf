"""Trains one network on its own likelihood: by hand, with Keras, or both ways side by side."""

import dataclasses
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import app, flags, logging

from lowlevel import config as settings
from lowlevel import runs, startup
from lowlevel.config import Config
from lowlevel.errors import in_one_line

if TYPE_CHECKING:
    from lowlevel import comparison, modes
    from lowlevel.data import Table

_DEFAULTS = Config()

flags.DEFINE_enum(
    "mode",
    _DEFAULTS.mode,
    settings.MODES,
    "module: tf.Module and a loop by hand; keras: Model.fit; compare: both, side by side; "
    "check: the gradients of the likelihood, in both (only --likelihood, --dtype, --jit_compile "
    "and --seed count)",
)
flags.DEFINE_integer("epochs", _DEFAULTS.epochs, "passes over the rows, at least 1")
flags.DEFINE_integer("batch_size", _DEFAULTS.batch_size, "rows in a batch, at least 1")
flags.DEFINE_float("learning_rate", _DEFAULTS.learning_rate, "size of a step, above 0")
flags.DEFINE_enum(
    "optimizer", _DEFAULTS.optimizer, settings.OPTIMIZERS, "momentum is SGD with momentum 0.9"
)
flags.DEFINE_list(
    "hidden_units",
    list(_DEFAULTS.hidden_units),
    "width of each hidden layer, whole numbers of at least 1, with commas between; empty for none",
)
flags.DEFINE_enum(
    "activation", _DEFAULTS.activation, settings.ACTIVATIONS, "after each hidden layer"
)
flags.DEFINE_float(
    "l2", _DEFAULTS.l2, "weight of the penalty, the sum of every kernel's squares; at least 0"
)
flags.DEFINE_bool(
    "standardize", _DEFAULTS.standardize, "scale the features, inside the model, to deviation 1"
)
flags.DEFINE_string(
    "likelihood",
    _DEFAULTS.likelihood,
    "a name in lowlevel/likelihoods.py, such as logit or probit, or one's own as FILE.py:NAME",
)
flags.DEFINE_integer(
    "seed", _DEFAULTS.seed, "of the initial weights and the order of the batches, at least 0"
)
flags.DEFINE_enum("dtype", _DEFAULTS.dtype, settings.DTYPES, "of the weights and of all arithmetic")
flags.DEFINE_enum(
    "keras_hook",
    _DEFAULTS.keras_hook,
    settings.KERAS_HOOKS,
    "what keras mode overrides to train with its own loss",
)
flags.DEFINE_bool("jit_compile", _DEFAULTS.jit_compile, "compile the training step with XLA")
flags.DEFINE_integer(
    "report_every", _DEFAULTS.report_every, "epochs from one report to the next, at least 1"
)
flags.DEFINE_bool("report_weights", _DEFAULTS.report_weights, "report every trainable array too")
flags.DEFINE_string(
    "output_dir", _DEFAULTS.output_dir, "folder for the settings, history, metrics and weights"
)
flags.DEFINE_string(
    "data_dir",
    _DEFAULTS.data_dir,
    "folder where the prepared table is kept; empty for ~/tensorflow_datasets",
)


def main(config: Config) -> None:
    """Does what the flags ask for."""
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)
    try:
        run(config)
    except ValueError as error:
        sys.exit(f"main.py: {error}")
    except BrokenPipeError:
        # Whoever read the lines is gone, as `| head` is; Python would flush them once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit("main.py: interrupted")


def run(config: Config) -> None:
    """Runs the chosen mode, or both; raises ValueError for what a user can cause."""
    if config.output_dir:
        for mode in settings.TRAINING_MODES if config.mode == "compare" else ("",):
            runs.check_folder(f"{config.output_dir}/{mode}")
    startup.import_tensorflow()
    import tensorflow as tf

    try:
        run_mode(config)
    except tf.errors.OpError as error:
        # A likelihood of one's own, as a rule: of an operation that XLA does not have, say.
        raise ValueError(f"TensorFlow cannot run this: {in_one_line(error)}") from error


def run_mode(config: Config) -> None:
    """Runs the chosen mode, or both, now that TensorFlow is there."""
    from lowlevel import data, likelihoods

    likelihoods.load(config.likelihood)
    if config.mode == "check":
        check(config)
        return
    table = data.load_german_credit(config.dtype, config.data_dir)
    print(f"{data.NAME}: {table.rows} rows, {table.features.shape[1]} features; {config.mode} mode")
    if config.mode == "compare":
        run_both(config, table)
    else:
        run_one(config, table)


def run_one(config: Config, table: "Table") -> None:
    """Trains in one mode; prints the loss of each epoch, then the metrics."""
    from lowlevel import modes

    def show(epochs: Sequence[runs.Epoch], model: Any) -> None:
        latest = epochs[-1]
        print(f"{latest.epoch:5d}  {latest.nll:.9f}  {latest.seconds:7.3f}", flush=True)

    print("epoch          nll  seconds")
    finished = modes.run(config.mode, config, table, show)
    print("trained: " + describe(finished.metrics))
    keep(config, finished, config.output_dir)


def run_both(config: Config, table: "Table") -> None:
    """Trains in both modes; prints them side by side, then the verdict, which decides the exit."""
    from lowlevel import comparison

    def show(row: comparison.Row) -> None:
        module, keras = row.module, row.keras
        print(
            f"{module.epoch:5d}  {module.nll:.9f}  {keras.nll:.9f}  {row.absolute:13.1e}  "
            f"{row.relative:13.1e}  {module.seconds:8.3f}  {keras.seconds:7.3f}",
            flush=True,
        )

    print("                nll          nll    difference of weights         seconds")
    print("epoch        module        keras       absolute       relative    module    keras")
    result = comparison.compare(config, table, show)
    for mode, finished in result.runs.items():
        print(f"{mode} trained: " + describe(finished.metrics))
        keep(config, finished, config.output_dir and f"{config.output_dir}/{mode}")
    print(verdict(result))
    if not result.agrees:
        sys.exit(1)


def check(config: Config) -> None:
    """Prints how right the gradients of the likelihood are, which decides the exit."""
    from lowlevel import likelihood_check

    rows = likelihood_check.check_likelihood(config)
    for line in likelihood_check.format_rows(rows):
        print(line)
    wrong = sum(not row.agrees for row in rows)
    if wrong:
        counted = sum(not row.mistake for row in rows)
        print(f"{config.likelihood}: {wrong} of {counted} rows are NOT right")
        sys.exit(1)
    print(f"{config.likelihood}: all is right")


def verdict(result: "comparison.Comparison") -> str:
    """Returns the outcome of a comparison as one line."""
    promised = f"at most {result.tolerance:.0e} of it" if result.tolerance else "not a bit"
    if result.agrees and not result.tolerance:
        return "the same experiment, bit for bit: no weight differs at any report"
    same = "the same experiment" if result.agrees else "NOT the same experiment"
    return f"{same}: a weight differs by {result.relative:.1e} of its size; promised: {promised}"


def describe(metrics: dict[str, float]) -> str:
    """Returns metrics as one line."""
    return "  ".join(f"{name} {value:.6f}" for name, value in metrics.items())


def keep(config: Config, finished: "modes.Run", folder: str) -> None:
    """Writes what a run leaves into a folder, if there is to be one."""
    if folder:
        runs.write(folder, config, finished.history, finished.metrics, finished.weights)


def parse_flags(arguments: Sequence[str]) -> Config:
    """Returns the settings that the command line asks for, or ends with one line on what is off."""
    try:
        rest = flags.FLAGS(arguments)[1:]
        if rest:
            sys.exit(f"main.py: expected flags only, got {rest[0]}; see python main.py --help")
    except flags.IllegalFlagValueError as error:
        name = re.match(r"flag --(\w+)=", str(error)).group(1)
        sys.exit(f"main.py: {error}; --{name} wants: {flags.FLAGS[name].help}")
    # absl's, of a value for a flag that takes none, is a plain ValueError.
    except (flags.Error, ValueError) as error:
        sys.exit(f"main.py: {error}")
    values = {field.name: flags.FLAGS[field.name].value for field in dataclasses.fields(Config)}
    try:
        return Config(**{**values, "hidden_units": whole_numbers(values["hidden_units"])})
    except ValueError as error:
        sys.exit(f"main.py: --{error}")


def whole_numbers(texts: Sequence[Any]) -> tuple[Any, ...]:
    """Returns numbers for the texts that are whole numbers; Config refuses the others by name."""
    return tuple(int(text) if str(text).isdecimal() else text for text in texts)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
