"""What each picture of a report shows, drawn onto matplotlib's axes."""

from collections.abc import Sequence, Sized
from typing import Any

import numpy as np

from lowlevel.judging.rows import Rows
from lowlevel.progress import Epoch
from lowlevel.report import curves
from lowlevel.report.drawing import FIRST, GREY, SECOND, THIRD

DOTTED = {"color": GREY, "linestyle": (0, (2, 2)), "linewidth": 1.0}
# From so many points on a line alone shows them.
MANY = 40
# That can be told apart.
MOST_DOTS = 1000


def losses(axes: Any, history: Sequence[Epoch], held: np.ndarray) -> None:
    """Draws the NLL by epoch: of training, and of the rows held out, `[reports, 2]`."""
    axes.plot(*_columns(history), color=FIRST, label="training", **_marker(history, "o"))
    if len(held):
        style = {"linestyle": (0, (5, 1.5)), **_marker(held, "s")}
        axes.plot(*held.T, color=SECOND, label="held out", **style)
    _by_epoch(axes, "NLL a row, in nats")
    axes.legend()


def roc(axes: Any, rows: Rows) -> None:
    """Draws the true positive rate by the false positive rate."""
    axes.plot([0, 1], [0, 1], **DOTTED)
    axes.plot(*curves.roc(rows), color=FIRST, drawstyle="steps-post")
    _unit(axes, "false positive rate", "true positive rate")


def precision_recall(axes: Any, rows: Rows) -> None:
    """Draws the precision by the recall, and the share of positive rows, which a guess has."""
    axes.axhline(float(np.average(rows.labels, weights=rows.weight)), **DOTTED)
    axes.plot(*curves.precision_recall(rows), color=FIRST, drawstyle="steps-post")
    _unit(axes, "recall", "precision")


def reliability(axes: Any, rows: Rows) -> None:
    """Draws the share of positive rows by the probability: in bins, and by isotonic regression."""
    bins = curves.binned(rows)
    axes.plot([0, 1], [0, 1], **DOTTED)
    axes.plot(*curves.recalibrated(rows), color=SECOND, label="CORP", drawstyle="steps-mid")
    # An interval may leave out the share by the last bit.
    sides = np.maximum([bins.share - bins.low, bins.high - bins.share], 0)
    axes.errorbar(
        bins.probability,
        bins.share,
        yerr=sides,
        fmt="o",
        color=FIRST,
        markersize=4,
        linewidth=1.1,
        capsize=2.5,
        label="bins, 95%",
    )
    _unit(axes, "probability", "share of positive rows")
    axes.legend(loc="lower right")


def cost_curve(axes: Any, rows: Rows, cost: Sequence[float]) -> None:
    """Draws what decisions cost by what the two errors cost.

    Args:
        axes: to draw onto.
        rows: that are judged.
        cost: of a false positive and of a false negative, which is marked; or nothing.
    """
    curve = curves.cost_curve(rows)
    axes.plot([0, 0.5, 1], [0, 0.5, 0], label="one answer for all", **DOTTED)
    axes.plot(curve.weight, curve.own, color=SECOND, linewidth=1.2, label="its probabilities")
    axes.plot(curve.weight, curve.best, color=FIRST, label="best threshold")
    if cost:
        share = float(np.average(rows.labels, weights=rows.weight))
        wrong_positive, wrong_negative = (1 - share) * cost[0], share * cost[1]
        weight = wrong_negative / (wrong_positive + wrong_negative)
        axes.axvline(weight, color=THIRD, linewidth=1.2, label="the costs given")
    axes.set(xlim=(0, 1), ylim=(0, None))
    axes.set(xlabel="weight of the positive rows", ylabel="cost, of the most there is")
    axes.legend()


def scores(axes: Any, rows: Rows) -> None:
    """Draws how the probabilities of each label are spread: one label up, the other down."""
    edges, negative, positive = curves.score_shares(rows)
    width = np.diff(edges)
    style = {"align": "edge", "edgecolor": "white", "linewidth": 0.5}
    axes.bar(edges[:-1], positive, width, color=FIRST, label="label 1", **style)
    axes.bar(edges[:-1], -negative, width, color=SECOND, hatch="////", label="label 0", **style)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set(xlim=(0, 1), xlabel="probability", ylabel="share of the label's rows")
    axes.yaxis.set_major_formatter(lambda value, place: f"{abs(value):.2g}")
    axes.legend()


def coefficients(axes: Any, names: Sequence[str], z: Sequence[float]) -> None:
    """Draws coefficients in standard errors, the first name on top."""
    places = np.arange(len(names))[::-1]
    axes.axvspan(-1.96, 1.96, color="#efefef", linewidth=0)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.plot(z, places, "o", color=FIRST, markersize=4)
    # A column's name may hold dollars, and is no formula.
    axes.set_yticks(places, names, fontsize=8, parse_math=False)
    axes.set_xlabel("coefficient / standard error")
    axes.grid(axis="x", visible=False)


def both_losses(axes: Any, first: Sequence[Epoch], second: Sequence[Epoch]) -> None:
    """Draws the NLL by epoch of both modes, the second over the first."""
    axes.plot(*_columns(first), color=FIRST, linewidth=3.2, alpha=0.55, label="module")
    axes.plot(*_columns(second), color=SECOND, linestyle=(0, (4, 2)), label="keras")
    _by_epoch(axes, "NLL a row, in nats")
    axes.legend()


def differences(axes: Any, epochs: Any, sizes: Any, unit: float) -> None:
    """Draws differences by epoch, on a log scale which has a 0 at its foot.

    Of more than `MOST_DOTS` it is the largest of some neighbours each time.

    Args:
        axes: to draw onto.
        epochs: whole numbers, counted from 1.
        sizes: numbers, of the differences, at least 0.
        unit: the dtype's own step at 1, for a measure.
    """
    spans = np.array_split(np.arange(len(sizes)), min(len(sizes), MOST_DOTS))
    largest = [int(span[np.argmax(np.take(sizes, span))]) for span in spans]
    places, heights = np.take(epochs, largest), np.take(sizes, largest)
    above = heights[heights > 0]
    least = 10.0 ** np.floor(np.log10(min([*above, unit]) / 10))
    axes.set_yscale("symlog", linthresh=least, linscale=0.5)
    axes.axhline(unit, **DOTTED)
    text = {"ha": "right", "va": "bottom", "fontsize": 8, "color": GREY}
    axes.text(1, unit, "the dtype's step at 1", transform=axes.get_yaxis_transform(), **text)
    size = 3 if len(places) > MANY else 5
    axes.plot(places, heights, "o", color=FIRST, markersize=size, clip_on=False)
    axes.set(ylim=(0, 10 * max([*above, unit])))
    _by_epoch(axes, "difference")


def _columns(history: Sequence[Epoch]) -> tuple[list[int], list[float]]:
    return [one.epoch for one in history], [one.nll for one in history]


def _marker(points: Sized, kind: str) -> dict[str, Any]:
    """Returns how points are marked, where they are few enough to be told apart."""
    return {"marker": kind, "markersize": 4} if len(points) <= MANY else {}


def _by_epoch(axes: Any, what: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set(xlabel="epoch", ylabel=what)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def _unit(axes: Any, across: str, up: str) -> None:
    """Has both axes go from 0 to 1, with room for a line along the edge."""
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=across, ylabel=up)
