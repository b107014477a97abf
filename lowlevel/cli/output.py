"""What the commands print: observers of a run, and tables of what was found."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lowlevel.data.settings import HC1, OBSERVED
from lowlevel.progress import Epoch, Observer, State

if TYPE_CHECKING:
    from lowlevel.checks.likelihood import Row as CheckRow
    from lowlevel.experiment import Comparison, Row, Run
    from lowlevel.experiment.modes import Mode
    from lowlevel.experiment.original_scale import Coefficients
    from lowlevel.experiment.tables import Tables
    from lowlevel.judging import Judgement
    from lowlevel.serving.exporting import Exported


# What standard errors are, in words.
ERRORS = {OBSERVED: "the errors of maximum likelihood", HC1: "robust errors (HC1)"}


def show_epoch(epochs: Sequence[Epoch], state: State) -> None:
    """Prints the latest epoch."""
    latest = epochs[-1]
    print(f"{latest.epoch:5d}  {latest.nll:.9f}  {latest.seconds:7.3f}", flush=True)


def weights_shower(wing: "Mode") -> Observer:
    """Returns an observer that prints each layer's trainable arrays, to see that they move.

    Layer by layer in the order of the network, weight first, then bias.
    """

    def show(epochs: Sequence[Epoch], state: State) -> None:
        for name, values in wing.named_weights(state.model, trainable_only=True).items():
            print(f"{name}\n{values}")

    return show


def show_tables(found: "Tables", mode: str) -> None:
    """Prints what is trained on, and what was found in the rows held out."""
    table = found.train
    held = f", {found.held} held out" if found.held else ""
    print(f"{found.name}: {table.rows} rows{held}, {table.width} features; {mode} mode")
    if table.sample is not table:
        print(
            "it does not fit into --memory_limit: read a window of rows at a time; what is said of "
            f"them below, the nll aside, is of {table.sample.rows} at random"
        )
    if found.test is not None and found.test.rows < found.held:
        print(f"of the rows held out, {found.test.rows} at random are judged")
    for name, count in found.unknown.items():
        print(f"{count} of the rows held out have a level of {name} that is not known: taken for 0")


def show_judgements(name: str, judged: "Mapping[str, Judgement]") -> None:
    """Prints what a model is worth on the rows trained on and on those held out."""
    training, holdout = judged.values()
    of = f"{name}, " if name else ""
    print(f"{of}judged on {holdout.rows} rows held out, and on {training.rows} trained on:")
    print(f"{'':22} {'held out':>10}  {'95% interval':^22}  {'trained on':>10}")
    for metric, (value, low, high) in holdout.metrics.items():
        interval = "" if low is None else f"{low:.6f} to {high:.6f}"
        other = training.metrics.get(metric)
        own = f"{other.value:10.6f}" if other else ""
        print(f"{metric:22} {value:10.6f}  {interval:>22}  {own}".rstrip())
    for note in dict.fromkeys(holdout.notes):
        print(f"note: {note}")


def show_coefficients(name: str, known: "Coefficients") -> None:
    """Prints coefficients with their errors, or why there are none."""
    if known.note:
        print(known.note)
    if known.rows:
        of = f"{name}, " if name else ""
        width = max(len(row.name) for row in known.rows)
        print(f"{of}coefficients, with {ERRORS[known.errors]}:")
        head = f"{'coef':>12} {'se':>11} {'z':>8} {'p':>8} {'95% interval':^25}"
        print(f"{'':{width}} {head}".rstrip())
        for row in known.rows:
            interval = f"{row.ci_lower:.5g} to {row.ci_upper:.5g}"
            p = f"{row.p:.4f}" if row.p >= 5e-5 else "<0.0001"
            figures = f"{row.coef:12.6g} {row.se:11.5g} {row.z:8.3f} {p:>8} {interval:^25}"
            print(f"{row.name:{width}} {figures}".rstrip())


def show_trained(mode: str, run: "Run") -> None:
    """Prints a run's metrics, and whether it has learnt anything at all."""
    name = f"{mode}, trained" if mode else "trained"
    metrics = "  ".join(f"{name} {value:.6f}" for name, value in run.metrics.items())
    print(f"{name}, on the training rows: {metrics}")
    if run.best_epoch is not None:
        ended = run.history[-1].epoch
        print(
            f"{name}: the best weights by the rows held out, of epoch {run.best_epoch} of {ended}"
        )
    base = run.base_rate_nll
    if base is not None and run.metrics["nll"] > base:
        print(
            f"{name}: worse than a guess, since predicting the mean label for every row scores an "
            f"nll of {base:.6f}; standardize, train longer, or change learning_rate"
        )


def show_export(name: str, exported: "Exported", held_out: bool) -> None:
    """Prints what was written for other programs, and how a fresh process found it to score."""
    of = f"{name}, " if name else ""
    kind = "held out" if held_out else "trained on"
    found = ", ".join(f"{ulp:g} in {name}" for name, ulp in exported.ulp.items())
    print(
        f"{of}exported, and loaded in a fresh process: the largest difference from the run's own "
        f"scores of {exported.rows} rows {kind}, in ulp: {found}"
    )


def show_note(line: str) -> None:
    """Prints a line, if there is one."""
    if line:
        print(f"note: {line}")


def show_comparison_head() -> None:
    """Prints the head of a comparison's table."""
    print("                nll          nll    difference of weights         seconds")
    print("epoch        module        keras       absolute       relative    module    keras")


def show_row(row: "Row") -> None:
    """Prints a line of a comparison's table."""
    module, keras = row.module, row.keras
    print(
        f"{module.epoch:5d}  {module.nll:.9f}  {keras.nll:.9f}  {row.absolute:13.1e}  "
        f"{row.relative:13.1e}  {module.seconds:8.3f}  {keras.seconds:7.3f}",
        flush=True,
    )


def verdict(result: "Comparison") -> str:
    """Returns the outcome of a comparison as one line."""
    promised = f"at most {result.tolerance:.0e} of it" if result.tolerance else "not a bit"
    if result.agrees and not result.tolerance:
        return "the same experiment, bit for bit: no weight differs at any report"
    if len({*result.epochs.values()}) > 1:
        ended = " and ".join(f"{mode} mode after {n}" for mode, n in result.epochs.items())
        return f"NOT the same experiment: {ended} epochs"
    same = "the same experiment" if result.agrees else "NOT the same experiment"
    return (
        f"{same}: a weight differs by {result.relative:.1e} of its array's largest number; "
        f"promised: {promised}"
    )


def check_report(name: str, rows: "Sequence[CheckRow]", verbose: bool) -> list[str]:
    """Returns what a check says of a likelihood: the verdict, then what is not right.

    Args:
        name: of the likelihood.
        rows: of the check.
        verbose: whether every row is shown, and the mistakes at the end.
    """
    counted = [row for row in rows if not row.mistake]
    wrong = [row for row in counted if not row.right]
    if not wrong and not verbose:
        return [f"{name}: all is right, in {len(counted)} rows; --verbose_check shows them"]
    verdict = f"{len(wrong)} of {len(counted)} rows are NOT right" if wrong else "all is right"
    shown = rows if verbose else wrong
    return [f"{name}: {verdict}", *_HEAD, *(line for part in _parts(shown) for line in part)]


_HEAD = (
    "the largest relative errors: against TensorFlow's derivative of `nll`, against differences of",
    "`nll` in float64, and against the best reference there is, exact values where they are known",
)


def _parts(rows: "Sequence[CheckRow]") -> list[list[str]]:
    """Returns rows as the lines of tables: formulas, networks and mistakes, each under a head."""
    head = _columns("", "autodiff", "differences", "best", "at z", "verdict")
    heads = {
        head: [row for row in rows if row.logit is not None and not row.mistake],
        "gradients in a network, errors as shares of the largest number:": [
            row for row in rows if row.logit is None and not row.mistake
        ],
        "mistakes, shown on purpose:": [row for row in rows if row.mistake],
    }
    return [[title, *map(_line, part)] for title, part in heads.items() if part]


def _line(row: "CheckRow") -> str:
    """Returns a row as one line."""
    subject = row.subject + ("" if row.label is None else f", y = {row.label:g}")
    errors = [_short(error, ".0e") for error in (row.autodiff, row.differences, row.best)]
    return _columns(subject, *errors, _short(row.logit, ".4g"), row.verdict)


def _columns(*texts: str) -> str:
    """Returns texts in the columns of the table."""
    return "{:22} {:>8} {:>11} {:>5} {:>8}  {}".format(*texts).rstrip()


def _short(number: float | None, form: str) -> str:
    """Returns a number as text, or a dash."""
    return "-" if number is None else format(number, form)
