"""Pictures: drawn by matplotlib, where it is installed, as SVG for a page and as PNG beside it."""

import html
import importlib.util
import io
import logging
import re
from collections.abc import Callable
from typing import Any, NamedTuple

# For whoever tells red from green, and for whoever does not (Okabe and Ito, "Color universal
# design", 2008). Module mode, or the rows trained on; keras mode, or those held out.
FIRST, SECOND, THIRD, GREY = "#0072b2", "#d55e00", "#009e73", "#6b6b6b"
# What a page needs for its pictures: the module, and the package that it comes in.
NEEDED = {"matplotlib": "matplotlib", "sklearn": "scikit-learn"}
WIDTH, HEIGHT, DOTS = 4.6, 3.3, 160
# What would change with the date, and what names other places.
_SVG_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 9.5,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    # Of a line with a hundred thousand points, those that the eye can tell apart.
    "path.simplify": True,
    "path.simplify_threshold": 0.5,
}


class Picture(NamedTuple):
    """A picture.

    Attributes:
        name: of its file.
        title: what it shows, for whoever cannot see it.
        caption: how to read it.
        svg: an element for a page, which names nothing outside of it.
        png: the same as a file.
    """

    name: str
    title: str
    caption: str
    svg: str
    png: bytes


def missing() -> list[str]:
    """Returns the packages that pictures need and that are not installed."""
    return [NEEDED[name] for name in NEEDED if importlib.util.find_spec(name) is None]


def draw(
    name: str, title: str, caption: str, onto: Callable[[Any], None], height: float = HEIGHT
) -> Picture:
    """Returns a picture, the same bytes for the same numbers.

    Args:
        name: of its file, and of what is in it.
        title: what it shows.
        caption: how to read it.
        onto: draws onto matplotlib's axes.
        height: of the whole, in inches.
    """
    import matplotlib
    from matplotlib import style
    from matplotlib.figure import Figure

    # It tells of its first cache of fonts.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # Not as the user's own file of settings has it, nor the program that this is called from.
    with style.context(["default", _STYLE]), matplotlib.rc_context({"svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        onto(figure.subplots())
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata=_SVG_METADATA)
        figure.savefig(png, format="png", dpi=DOTS, metadata={"Software": None})
    return Picture(name, title, caption, _inline(svg.getvalue(), name, title), png.getvalue())


def _inline(svg: str, name: str, title: str) -> str:
    """Returns an SVG file as an element of a page that holds others, which it can be told from."""
    box = re.search(r'viewBox="[^"]*"', svg)
    body = svg.partition("<svg")[2].partition(">")[2]
    # matplotlib's rule for lines is in the page's style, where it is for all of them.
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body).replace("xlink:href", "href")
    # Its fonts are the page's, and its size.
    body = re.sub(r" ?font-family: [^;\"]*;?", "", body)
    return f'<svg {box[0] if box else ""} role="img"><title>{html.escape(title)}</title>{body}'
