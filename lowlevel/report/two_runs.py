"""The report of a comparison: one page for both ways, their code and what came of it."""

import functools
import math
import statistics
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from lowlevel.checks.likelihood import Row as CheckRow
from lowlevel.checks.likelihood import check_likelihood
from lowlevel.config import KERAS, MODULE, Config
from lowlevel.data.settings import DataSettings
from lowlevel.errors import in_one_line
from lowlevel.experiment import Comparison, Run
from lowlevel.experiment.tables import Tables
from lowlevel.report import page, plots
from lowlevel.report.code import method
from lowlevel.report.drawing import Picture, draw, missing
from lowlevel.report.files import as_files, without_pictures

HEADS = ("by hand: module mode", "in Keras: keras mode")
ABOUT = (
    "The same comparison gives the same bytes, but for the section on time. The pictures are "
    "beside it as PNG."
)


def files(result: Comparison, found: Tables, data: DataSettings, verdict: str) -> dict[str, bytes]:
    """Returns the page and the pictures of a comparison, by their paths in its folder.

    Args:
        result: both runs, compared.
        found: the tables that they were trained on.
        data: which rows they are.
        verdict: what has come of it, as a line.
    """
    module, keras = (result.runs[mode] for mode in (MODULE, KERAS))
    config = module.config
    drawn = _pictures(result, found) if not missing() else []
    lead = (
        f"{found.train.rows} rows, {found.train.width} features, {len(module.history)} epochs of "
        f"{config.optimizer}; likelihood {page.likelihood_name(config)}. {verdict.capitalize()}."
    )
    parts = [
        page.paragraph(lead, "lead"),
        *without_pictures(),
        page.section("The two ways", page.paragraph(_ABOUT_CODE), *_code(module, keras)),
        page.section("What came of it", page.pictures(drawn), _outcome(result)),
        page.section("Time a step", *_times(result, found), name="time"),
        page.section("The gradient, checked", *_check(config)),
        page.section("Settings", page.settings(config, data)),
    ]
    about = f"{ABOUT} TensorFlow {tf.__version__}."
    return as_files(page.page(f"{found.name}: two ways", parts, about), drawn)


_ABOUT_CODE = (
    "This is the source of the very classes that were trained. Lines that differ are marked: blue "
    "by hand, orange in Keras; all others are in both. The custom gradient covers the output "
    "layer alone. By hand its weights are arguments, and their gradients go back by place; in "
    "Keras they are captured, and matched by identity."
)


def _code(module: Run, keras: Run) -> Iterator[str]:
    """Yields the loss and the step of both ways, and Keras's shorter hook where that was used."""
    classes = type(module.model), type(keras.model)
    for name in ("loss_fn", "train_step"):
        yield f"<h3><code>{name}</code></h3>"
        first, second = (method(cls, name) for cls in classes)
        yield page.side_by_side(HEADS, (first, second))
    hook = keras.config.keras_hook
    if hook != "train_step":
        yield page.paragraph(f"Keras's own step calls this one, {hook}, for the loss:")
        yield page.listing(HEADS[1], method(classes[1], hook))


def _pictures(result: Comparison, found: Tables) -> list[Picture]:
    """Returns the curves of both modes, and how far apart they are."""
    first, second = (result.runs[mode].history for mode in (MODULE, KERAS))
    show = functools.partial(plots.both_losses, first=first, second=second)
    caption = "Wide, blue: by hand. Dashed, orange, over it: in Keras."
    drawn = [draw("nll", "NLL by epoch, both ways", caption, show)]
    unit = float(np.finfo(found.train.dtype).eps)
    # Under XLA one of them may stop early, and the other later.
    pairs = list(zip(first, second, strict=False))
    epochs = [one.epoch for one, _ in pairs]
    sizes = [abs(one.nll - other.nll) for one, other in pairs]
    show = functools.partial(plots.differences, epochs=epochs, sizes=sizes, unit=unit)
    caption = (
        "Each mode adds up an epoch's NLL in its own way, so that its last digits may differ where "
        "no weight does. 0 is at the foot of the scale."
    )
    drawn.append(draw("nll_difference", "Difference of the NLL", caption, show))
    epochs, sizes = [row.module.epoch for row in result.rows], [row.relative for row in result.rows]
    show = functools.partial(plots.differences, epochs=epochs, sizes=sizes, unit=unit)
    caption = (
        "The largest of any weight, as a share of the largest number in its array, at every "
        "report. 0 is at the foot of the scale: the same bits."
    )
    return [*drawn, draw("weights_difference", "Difference of the weights", caption, show)]


def _outcome(result: Comparison) -> str:
    """Returns a table of what both have come to."""
    runs = [result.runs[mode] for mode in (MODULE, KERAS)]
    rows = [(name, *(f"{run.metrics[name]:.9f}" for run in runs)) for name in runs[0].metrics]
    largest = max(row.absolute for row in result.rows)
    about = (
        f"On the training rows, at the end. The largest difference of any weight at any report: "
        f"{largest:.1e}, {result.relative:.1e} of its array's largest number."
    )
    return page.table(("", "by hand", "in Keras"), rows) + page.paragraph(about, "note")


def _times(result: Comparison, found: Tables) -> list[str]:
    """Returns what a step took, in a table, and how it was measured."""
    batch = min(result.runs[MODULE].config.batch_size, found.train.rows)
    steps = math.ceil(found.train.rows / batch)
    rows = [
        (head, _microseconds(seconds[0] / steps), _microseconds(_later(seconds) / steps))
        for head, seconds in (
            ("by hand", [row.module.seconds for row in result.rows]),
            ("in Keras", [row.keras.seconds for row in result.rows]),
        )
    ]
    about = (
        f"Microseconds of wall-clock time a step of {batch} rows: at the first report, with "
        "what was compiled until then, and at the later ones. This section alone changes from run "
        "to run."
    )
    return [
        page.paragraph(about),
        page.table(("", "first report", "later ones, median"), rows),
    ]


def _later(seconds: Sequence[float]) -> float:
    """Returns the median but for the first; NaN where there is no other."""
    return statistics.median(seconds[1:]) if len(seconds) > 1 else math.nan


def _microseconds(seconds: float) -> str:
    return "none" if math.isnan(seconds) else f"{1e6 * seconds:,.1f}"


def _check(config: Config) -> list[str]:
    """Returns the table of --mode=check for the likelihood, or why there is none."""
    dtype = config.dtype or "float32"
    try:
        rows = check_likelihood(config.likelihood, dtype, config.jit_compile, config.seed)
    # A user's likelihood may raise anything, and a run that is done is not to be lost by that.
    except Exception as error:
        said = error if isinstance(error, ValueError) else in_one_line(error)
        return [page.paragraph(f"It could not be: {said}.", "note")]
    counted = [row for row in rows if not row.mistake]
    wrong = sum(not row.right for row in counted)
    name = page.likelihood_name(config)
    said = f"{wrong} of {len(counted)} rows are NOT right" if wrong else "all is right"
    head = ("", "autodiff", "differences", "best", "at z", "verdict")
    parts = [
        page.paragraph(f"{name}, {dtype}: {said}. {_ABOUT_CHECK}"),
        page.table(head, [_texts(row) for row in counted], _CHECKED, [_mark(r) for r in counted]),
    ]
    mistakes = [row for row in rows if row.mistake]
    if mistakes:
        about = page.paragraph("Mistakes, made on purpose, and what the check says of them:")
        parts += [about, page.table(head, [_texts(row) for row in mistakes], _CHECKED)]
    return parts


_CHECKED = "numbers verdict"
_ABOUT_CHECK = (
    "The largest relative errors: against TensorFlow's derivative of nll, against differences of "
    "nll in float64, and against the best reference there is, exact values where they are known; "
    "of the gradients in a network, as shares of the largest number."
)


def _mark(row: CheckRow) -> str:
    return "" if row.right else "wrong"


def _texts(row: CheckRow) -> tuple[str, ...]:
    """Returns a row as texts."""
    subject = row.subject + ("" if row.label is None else f", y = {row.label:g}")
    errors = (row.autodiff, row.differences, row.best)
    shown = ("-" if error is None else f"{error:.0e}" for error in errors)
    return (subject, *shown, "-" if row.logit is None else f"{row.logit:.4g}", row.verdict)
