"""The commands: train in one mode, in both, or check; each prints as it goes."""

from typing import TYPE_CHECKING, Any

from lowlevel import startup
from lowlevel.cli import output
from lowlevel.cli.flags import Call
from lowlevel.config import TRAINING_MODES
from lowlevel.errors import in_one_line
from lowlevel.storage import run_folder

if TYPE_CHECKING:
    from lowlevel.data import Table
    from lowlevel.experiment import Run


def execute(call: Call) -> int:
    """Does what a command line asks for; returns the exit code.

    Raises:
        ValueError: for what a user can cause.
    """
    if call.output_dir and call.mode != "check":
        run_folder.check_folder(call.output_dir, call.overwrite)
    startup.import_tensorflow()
    startup.start_devices(call.config.threads)
    try:
        return check(call) if call.mode == "check" else train(call)
    except ValueError:
        raise
    except (Exception, SystemExit) as error:
        import tensorflow as tf

        if isinstance(error, tf.errors.OpError):
            raise ValueError(f"TensorFlow cannot run this: {in_one_line(error)}") from error
        # A user's likelihood may raise anything, and not before it meets a certain shape.
        if ":" in call.config.likelihood:
            raise ValueError(f"{call.config.likelihood} fails: {in_one_line(error)}") from error
        raise


def train(call: Call) -> int:
    """Trains on the German credit table in one mode or both; returns 1 if both differ too much."""
    from lowlevel.data import german_credit
    from lowlevel.experiment import modes
    from lowlevel.likelihoods import loading

    loading.load(call.config.likelihood)
    trained = TRAINING_MODES if call.mode == "compare" else (call.mode,)
    for mode in trained:
        modes.load(mode)
    table = german_credit.load_german_credit(call.config.dtype or "float32", call.data_dir)
    columns = table.features.shape[1]
    if call.output_dir:
        # Those of the layers, and each column's moments.
        weights = call.config.count_weights(columns) + 2 * columns
        needed = run_folder.bytes_needed(call.config, weights)
        run_folder.check_room(call.output_dir, needed * len(trained))
    print(f"{german_credit.NAME}: {table.rows} rows, {columns} features; {call.mode} mode")
    return (train_both if call.mode == "compare" else train_one)(call, table)


def train_one(call: Call, table: "Table") -> int:
    """Trains in one mode; prints the loss of each epoch, then the metrics."""
    from lowlevel import experiment
    from lowlevel.experiment import modes

    observers: list[Any] = [output.show_epoch]
    if call.report_weights:
        observers.append(output.weights_shower(modes.load(call.mode)))
    print("epoch          nll  seconds")
    run = experiment.train(call.mode, call.config, table, observers)
    output.show_trained("", run)
    keep(call, {"": run})
    return 0


def train_both(call: Call, table: "Table") -> int:
    """Trains in both modes; prints them side by side, then the verdict."""
    from lowlevel import experiment

    output.show_comparison_head()
    result = experiment.compare(call.config, table, output.show_row)
    for mode, run in result.runs.items():
        output.show_trained(mode, run)
    keep(call, result.runs)
    print(output.verdict(result))
    return 0 if result.agrees else 1


def keep(call: Call, runs: "dict[str, Run]") -> None:
    """Writes what runs leave into the folder, if there is to be one."""
    if call.output_dir:
        results = {
            name: run_folder.Results(run.config, run.history, run.metrics, run.weights)
            for name, run in runs.items()
        }
        run_folder.write(call.output_dir, results, call.overwrite)


def check(call: Call) -> int:
    """Prints how right the gradients of the likelihood are; returns 1 if one is not."""
    from lowlevel.checks import likelihood

    rows = likelihood.check_likelihood(
        call.config.likelihood,
        call.config.dtype or "float32",
        call.config.jit_compile,
        call.config.seed,
    )
    for line in output.check_report(call.config.likelihood, rows, call.verbose_check):
        print(line)
    return 0 if all(row.agrees for row in rows) else 1
