"""The commands: train in one mode, in both, or check, or predict; each prints as it goes."""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lowlevel import startup
from lowlevel.cli import output, predict, reports, tensorboard
from lowlevel.cli.flags import PREDICT, Call
from lowlevel.cli.progress_bar import Bar
from lowlevel.config import MULTIWORKER, NEVER, TRAINING_MODES
from lowlevel.distribution import cluster
from lowlevel.errors import LostWorkerError, in_one_line
from lowlevel.storage import checkpoints, event_files, run_folder
from lowlevel.storage.run_folder import Results

if TYPE_CHECKING:
    from lowlevel.experiment import Run
    from lowlevel.experiment.tables import Tables


def execute(call: Call) -> int:
    """Does what a command line asks for; returns the exit code.

    Raises:
        ValueError: for what a user can cause.
    """
    if call.mode == PREDICT:
        return predict.execute(call)
    if call.config.distributed and not trained(call):
        raise ValueError("--strategy: expected with a --mode that trains, got it without")
    for mode in trained(call):
        call.config.check(mode)
    rank = cluster.from_environment().rank if call.config.strategy == MULTIWORKER else 0
    if rank:
        # What a run leaves, the chief does.
        call = call._replace(output_dir="", tensorboard=False)
    before = latest_facts(call)
    if call.output_dir and call.mode != "check":
        goes_on = before and not before["stopped"] and before["epoch"] < call.config.epochs
        run_folder.check_folder(call.output_dir, call.overwrite or bool(goes_on))
    tensorboard.check(call)
    startup.import_tensorflow()
    # Those that the run was begun with, if it is to go on: the last bits depend on them.
    threads_before = before.get("environment", {}).get("threads", 0)
    from lowlevel.distribution import strategies

    threads = call.config.threads or threads_before
    strategies.start(dataclasses.replace(call.config, threads=threads))
    try:
        return check(call) if call.mode == "check" else train(call, rank)
    except (ValueError, LostWorkerError):
        raise
    except (Exception, SystemExit) as error:
        import tensorflow as tf

        if isinstance(error, tf.errors.OpError):
            raise ValueError(f"TensorFlow cannot run this: {in_one_line(error)}") from error
        # A user's likelihood may raise anything, and not before it meets a certain shape.
        if ":" in call.config.likelihood:
            raise ValueError(f"{call.config.likelihood} fails: {in_one_line(error)}") from error
        raise


def latest_facts(call: Call) -> dict[str, Any]:
    """Returns what is known of the checkpoint that a run would go on from; nothing for none."""
    if call.mode not in TRAINING_MODES or not call.output_dir or call.resume == NEVER:
        return {}
    return checkpoints.latest_facts(call.output_dir, call.overwrite)


def trained(call: Call) -> tuple[str, ...]:
    """Returns the modes that a command trains in."""
    if call.mode == "compare":
        return TRAINING_MODES
    return (call.mode,) if call.mode in TRAINING_MODES else ()


def train(call: Call, rank: int = 0) -> int:
    """Trains in one mode or both; returns 1 if both differ too much.

    Args:
        call: what was asked for.
        rank: of this worker; the chief, which reports, is 0.
    """
    from lowlevel.experiment import judgements, modes, original_scale, tables
    from lowlevel.likelihoods import loading

    original_scale.check_errors(call.config, call.data.standard_errors)
    if call.data.cost and not (call.data.holdout or call.data.test):
        raise ValueError("cost: expected with holdout or test, got it without rows to judge by")
    likelihood = loading.load(call.config.likelihood)
    for mode in trained(call):
        modes.load(mode)
    found = tables.load(call.data, call.config, likelihood, call.data_dir)
    if found.test is not None:
        judgements.check_can_judge(likelihood)
    columns = found.train.width
    if call.output_dir:
        # Those of the layers, and each column's moments.
        weights = call.config.count_weights(columns) + 2 * columns
        needed = run_folder.bytes_needed(call.config, weights, call.export, call.report)
        run_folder.check_room(call.output_dir, needed * len(trained(call)))
    if rank:
        return train_as_worker(call, found, rank)
    output.show_tables(found, call.mode)
    code = (train_both if call.mode == "compare" else train_one)(call, found)
    if call.config.strategy == MULTIWORKER:
        from lowlevel.distribution import exchange

        # Whoever is gone by now had nothing left to do.
        with contextlib.suppress(LostWorkerError):
            exchange.barrier()
    return code


def train_as_worker(call: Call, found: "Tables", rank: int) -> int:
    """Trains along with the chief, and waits until that has written what the run leaves."""
    from lowlevel import experiment
    from lowlevel.distribution import exchange

    print(f"worker {rank}: trains along with worker 0, which reports", flush=True)
    experiment.train(call.mode, call.config, found.train, (), found.test)
    exchange.barrier()
    return 0


def train_one(call: Call, found: "Tables") -> int:
    """Trains in one mode; prints the loss of each epoch, then the metrics."""
    from lowlevel import experiment
    from lowlevel.experiment import modes

    shown: list[Any] = [output.show_epoch]
    if call.report_weights:
        shown.append(output.weights_shower(modes.load(call.mode)))
    held = reports.observer(call, found)
    keeper = keeper_of(call) if call.output_dir else None
    print("epoch          nll  seconds")
    with Bar(call.config.epochs) as bar:
        observers: list[Any] = [
            *map(bar.above, shown),
            *tensorboard.observers(call, call.mode, "", found),
            *([held] if held else []),
        ]
        run = experiment.train(
            call.mode, call.config, found.train, observers, found.test, keeper, [bar.follow]
        )
    results = conclude(call, call.mode, "", run, found)
    if keeper:
        results = results._replace(checkpoint=keeper.newest_file())
    report = reports.of_run(call, run, found, results, held) if held else {}
    keep(call, found, {"": run}, {"": results}, report)
    if keeper:
        keeper.close(done=True)
    if call.tensorboard:
        event_files.remove(call.output_dir)
    return 0


def keeper_of(call: Call) -> checkpoints.Checkpoints:
    """Returns the keeper of a run's checkpoints."""
    import tensorflow as tf

    return checkpoints.Checkpoints(
        call.output_dir,
        call.checkpoint_every,
        call.resume,
        call.overwrite,
        {"threads": startup.start_devices(0), "tensorflow": tf.__version__},
        lambda line: print(f"{call.output_dir}: {line}", flush=True),
    )


def train_both(call: Call, found: "Tables") -> int:
    """Trains in both modes; prints them side by side, then the verdict."""
    from lowlevel import experiment

    output.show_comparison_head()
    observers = {m: tensorboard.observers(call, m, m, found) for m in TRAINING_MODES}
    with Bar(len(TRAINING_MODES) * call.config.epochs) as bar:
        result = experiment.compare(
            call.config,
            found.train,
            bar.above(output.show_row),
            found.test,
            observers,
            [bar.follow],
        )
    results = {mode: conclude(call, mode, mode, run, found) for mode, run in result.runs.items()}
    report = reports.of_comparison(call, result, found)
    keep(call, found, result.runs, results, report)
    if call.tensorboard:
        event_files.remove(call.output_dir)
    print(output.verdict(result))
    return 0 if result.agrees else 1


def conclude(call: Call, mode: str, name: str, run: "Run", found: "Tables") -> Results:
    """Prints what a run has come to, and returns what is kept of it."""
    from lowlevel.experiment import judgements, original_scale

    output.show_trained(name, run)
    metrics: dict[str, Any] = {"training": run.metrics}
    if found.test is not None:
        judged = judgements.judge(mode, run, found.plain, found.test, call.data.cost)
        output.show_judgements(name, judged)
        metrics["judged"] = {part: judgements.as_dict(one) for part, one in judged.items()}
    known = original_scale.of_run(run, found, call.data.standard_errors)
    output.show_coefficients(name, known)
    if known.rows:
        metrics["standard_errors"] = known.errors
    schema = found.encoder.schema.to_json()
    table = [known.head, *map(dataclasses.astuple, known.rows)] if known.rows else []
    about = {"mode": mode}
    results = Results(run.config, run.history, metrics, run.weights, schema, table, about)
    if not call.tensorboard:
        return results
    return results._replace(events=event_files.while_training(call.output_dir, name))


def keep(
    call: Call,
    found: "Tables",
    runs: "Mapping[str, Run]",
    results: Mapping[str, Results],
    report: Mapping[str, bytes],
) -> None:
    """Writes what runs leave into the folder, if there is to be one, and their models with it.

    Args:
        call: what was asked for.
        found: the tables of the runs.
        runs: by the name of the folder within.
        results: what is kept of each, likewise.
        report: files for a reader, by path.
    """
    if not call.output_dir:
        return
    if not call.export:
        run_folder.write(call.output_dir, results, replaces(results, call), report)
        return
    from lowlevel.serving import exporting

    kept, made = {}, {}
    with run_folder.staging(call.output_dir) as stage:
        for name, run in runs.items():
            mode = results[name].about["mode"]
            made[name] = exported = exporting.export(mode, run, found, stage / mode)
            kept[name] = results[name]._replace(
                metrics={**results[name].metrics, "export": exported.verified},
                about={**results[name].about, **exported.about},
                exported=stage / mode,
            )
        run_folder.write(call.output_dir, kept, replaces(kept, call), report)
    for name, exported in made.items():
        output.show_export(name, exported, held_out=found.test is not None)


def replaces(results: Mapping[str, Results], call: Call) -> bool:
    """Returns whether results may take the place of a run: as asked for, or as it was trained on.

    Whoever has made checkpoints has seen to it that the run that is there is the same.
    """
    return call.overwrite or any(result.checkpoint for result in results.values())


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
