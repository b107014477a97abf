"""The report of a run: one page, and its pictures as files beside it."""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.data.settings import DataSettings
from lowlevel.experiment import Run, judgements, modes
from lowlevel.experiment.tables import Tables
from lowlevel.judging.rows import Rows, sorted_rows
from lowlevel.likelihoods import loading
from lowlevel.report import page, plots
from lowlevel.report.drawing import HEIGHT, Picture, draw, missing
from lowlevel.report.files import as_files, without_pictures
from lowlevel.report.holdout import HoldoutLosses
from lowlevel.storage.run_folder import Results

ABOUT = (
    "The same run gives the same bytes, hence no time is in it. The pictures are beside it as PNG."
)

# Of coefficients, in a picture; and how many it has room for at the height of the others.
MOST_SHOWN, ROWS = 40, 16


def files(
    mode: str, run: Run, found: Tables, results: Results, data: DataSettings, held: HoldoutLosses
) -> dict[str, bytes]:
    """Returns a run's page and pictures, by their paths in its folder.

    Args:
        mode: that it was trained in.
        run: the run.
        found: the tables that it was trained on and is judged by.
        results: what else is kept of it.
        data: which rows they are.
        held: the losses of the rows held out.
    """
    drawn = _pictures(mode, run, found, results, data, held) if not missing() else []
    losses, of_coefficients = (
        page.pictures([picture for picture in drawn if picture.name == name])
        for name in ("nll", "coefficients")
    )
    others = [picture for picture in drawn if picture.name not in ("nll", "coefficients")]
    parts = [
        page.paragraph(_lead(run, found), "lead"),
        *without_pictures(),
        page.section("Loss by epoch", page.paragraph(_about_losses(run, held)), losses),
        page.section("Metrics", *_metrics(results.metrics)),
        *_probabilities(others, found),
        *_coefficients(results, of_coefficients),
        page.section("Settings", page.settings(run.config, data)),
    ]
    about = f"{ABOUT} TensorFlow {tf.__version__}."
    return as_files(page.page(f"{found.name}: {mode} mode", parts, about), drawn)


def _lead(run: Run, found: Tables) -> str:
    """Returns what was trained on what, in a sentence or two."""
    config = run.config
    layers = ", ".join(f"Dense({units})" for units in config.hidden_units)
    held = f", {found.held} held out" if found.held else ""
    epochs = f"{len(run.history)} epochs of {config.optimizer}"
    best = f", the weights of epoch {run.best_epoch}" if run.best_epoch is not None else ""
    return (
        f"{found.train.rows} rows to train on{held}, {found.train.width} features; "
        f"{f'{layers}, then ' if layers else ''}{page.likelihood_name(config)}; {epochs}{best}. "
        f"NLL on the training rows: {run.metrics['nll']:.6f}."
    )


def _about_losses(run: Run, held: HoldoutLosses) -> str:
    """Returns what the two losses are."""
    text = (
        "The mean negative log-likelihood of a row. That of training is of each batch before its "
        "update"
    )
    if held.test is None:
        return f"{text}. No rows were held out."
    text += (
        "; that of the rows held out is of the model as it stood after an epoch, at every report"
    )
    first = min(run.config.report_every, run.config.epochs)
    epochs, losses = held.memory.T
    if not len(epochs) or epochs[0] > first:
        text += " since the run was resumed"
    lowest = f" It was lowest after epoch {epochs[np.argmin(losses)]:g}." if len(epochs) else ""
    return f"{text}.{lowest}"


def _pictures(
    mode: str, run: Run, found: Tables, results: Results, data: DataSettings, held: HoldoutLosses
) -> list[Picture]:
    """Returns every picture that there is something for."""
    show = functools.partial(plots.losses, history=run.history, held=held.memory)
    drawn = [draw("nll", "NLL by epoch", "Solid: training. Dashed: the rows held out.", show)]
    likelihood = loading.load(run.config.likelihood)
    if judgements.can_judge(likelihood):
        table = found.plain if found.test is None else found.test
        predicted = judgements.predictions(modes.load(mode), run.model, likelihood, table)
        # A likelihood of one's own may have means that are no probabilities: nothing to draw.
        with contextlib.suppress(ValueError):
            rows = sorted_rows(table.labels, *predicted, table.sample_weight)
            drawn += _of_probabilities(rows, data.cost)
    if results.coefficients:
        head, *known = results.coefficients
        at = head.index("z")
        known = sorted(known, key=lambda row: -abs(row[at]))[:MOST_SHOWN]
        names, z = ([row[head.index(column)] for row in known] for column in ("name", "z"))
        show = functools.partial(plots.coefficients, names=names, z=z)
        height = HEIGHT * max(1, len(names) / ROWS)
        title = "Coefficients, in standard errors"
        drawn.append(draw("coefficients", title, _ABOUT_COEFFICIENTS, show, height))
    return drawn


def _of_probabilities(rows: Rows, cost: Sequence[float]) -> list[Picture]:
    """Returns the pictures of probabilities held against labels, those that mean something."""
    drawn = []
    if rows.hard and not rows.one_label:
        drawn += [
            draw(
                "roc",
                "ROC curve",
                "The share of positive rows that a threshold finds, by the share of negative ones "
                "that it takes for positive. Dotted: a guess.",
                functools.partial(plots.roc, rows=rows),
            ),
            draw(
                "precision_recall",
                "Precision and recall",
                "The share of positive rows among those that a threshold finds, by the share of "
                "all positive rows among them. Dotted: a guess.",
                functools.partial(plots.precision_recall, rows=rows),
            ),
        ]
    show = functools.partial(plots.reliability, rows=rows)
    drawn.append(draw("reliability", "Reliability", _ABOUT_RELIABILITY, show))
    if not rows.one_label:
        show = functools.partial(plots.cost_curve, rows=rows, cost=cost)
        drawn.append(draw("cost", "Cost curve", _ABOUT_COSTS, show))
    show = functools.partial(plots.scores, rows=rows)
    caption = "How the probabilities of each label are spread: those of label 1 up, of 0 down."
    return [*drawn, draw("scores", "Probabilities by label", caption, show)]


_ABOUT_COEFFICIENTS = (
    f"The {MOST_SHOWN} that are furthest from 0, if there are more. Grey: within 1.96 of 0, as one "
    "that is 0 is found to be in 95 tables of 100."
)
_ABOUT_RELIABILITY = (
    "Dots: rows in ten bins by probability, with Clopper and Pearson's 95% intervals. Line: by "
    "isotonic regression, free of bins (CORP). On the dotted line a probability of 0.3 comes true "
    "three times in ten."
)
_ABOUT_COSTS = (
    "What wrong decisions cost, as a share of taking every row wrongly, by how much of that is "
    "due to the positive rows: 0.5 where both labels count alike. Blue: the best threshold of "
    "these very rows. Orange: the one that is best if the probabilities are right. Dotted: the "
    "same answer for all rows."
)


def _metrics(metrics: Mapping[str, Any]) -> list[str]:
    """Returns the metrics: of both kinds of rows, with intervals, where rows were held out."""
    if "judged" not in metrics:
        own = [(name, f"{value:.6f}") for name, value in metrics["training"].items()]
        return [page.table(("", "training rows"), own)]
    training, holdout = (metrics["judged"][n] for n in (judgements.TRAINING, judgements.HOLDOUT))
    rows = []
    for name, (value, low, high) in holdout["metrics"].items():
        interval = "" if low is None else f"{low:.6f} to {high:.6f}"
        other = training["metrics"].get(name)
        rows.append((name, f"{value:.6f}", interval, f"{other[0]:.6f}" if other else ""))
    return [
        page.table(("", "held out", "95% interval", "trained on"), rows),
        *(page.paragraph(note, "note") for note in dict.fromkeys(holdout["notes"])),
    ]


def _probabilities(drawn: Sequence[Picture], found: Tables) -> list[str]:
    """Returns the section of the pictures of probabilities, if there are any."""
    if not drawn:
        return []
    judged, kind, rows = found.test, "held out", found.held
    if judged is None:
        judged, rows = found.plain, found.train.rows
        kind = "trained on, since none were held out"
    some = f", of which they are {judged.rows} at random" if judged.rows < rows else ""
    about = page.paragraph(f"All of these are of the rows {kind}{some}.")
    return [page.section("Probabilities", about, page.pictures(drawn))]


def _short(p: float) -> str:
    """Returns a probability as text, not as 0 where it is none."""
    return f"{p:.4f}" if p >= 5e-5 else "<0.0001"


def _coefficients(results: Results, picture: str) -> list[str]:
    """Returns the section of the coefficients, if there are any."""
    if not results.coefficients:
        return []
    _, *known = results.coefficients
    rows = [
        (name, f"{coef:.6g}", f"{se:.5g}", f"{z:.3f}", _short(p), f"{low:.5g} to {high:.5g}")
        for name, coef, se, z, p, low, high in known
    ]
    head = ("", "coef", "se", "z", "p", "95% interval")
    return [page.section("Coefficients", page.table(head, rows), picture)]
