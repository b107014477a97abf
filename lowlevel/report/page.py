"""A page: its parts as text, put together into one file that needs no other, nor any program."""

import dataclasses
import html
import importlib.resources
import re
from collections.abc import Iterable, Sequence
from typing import Any

from lowlevel.config import Config, Settings, shown
from lowlevel.report.code import Method, aligned
from lowlevel.report.drawing import Picture
from lowlevel.version import VERSION

escape = html.escape


def page(title: str, parts: Iterable[str], about: str) -> bytes:
    """Returns a page.

    Args:
        title: of it.
        parts: what is in it, as HTML.
        about: a sentence for its foot.
    """
    # A name or a path may be longer than a phone is wide.
    breakable = re.sub("([_/])", r"\1<wbr>", escape(title))
    style = importlib.resources.files("lowlevel.report").joinpath("page.css").read_text()
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            # A browser would ask for an icon.
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>",
            f"<h1>{breakable}</h1>",
            *parts,
            f"<footer>{escape(about)} Made by lowlevel {VERSION}.</footer>\n</body>\n</html>\n",
        ]
    ).encode()


def section(title: str, *parts: str, name: str = "") -> str:
    """Returns parts under a heading; the name is for whoever looks for them."""
    named = f' id="{name}"' if name else ""
    return "\n".join([f"<section{named}>\n<h2>{escape(title)}</h2>", *parts, "</section>"])


def paragraph(text: str, kind: str = "") -> str:
    """Returns a paragraph; its kind is for the style."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def pictures(found: Sequence[Picture]) -> str:
    """Returns pictures, beside one another where there is room."""
    figures = [
        f"<figure>\n<h3>{escape(picture.title)}</h3>\n{picture.svg}"
        f"<figcaption>{escape(picture.caption)}</figcaption>\n</figure>"
        for picture in found
    ]
    return "\n".join(['<div class="pictures">', *figures, "</div>"]) if found else ""


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    kind: str = "numbers",
    marks: Sequence[str] = (),
) -> str:
    """Returns a table whose rows begin with what they are about.

    Args:
        head: of each column.
        rows: texts.
        kind: for the style: of "numbers", with a "verdict" at the end or not, or of "words", whose
            rows are stacked on a phone.
        marks: of each row, for the style; left out, none.
    """
    heads = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    body = []
    for (first, *rest), mark in zip(rows, marks or [""] * len(rows), strict=True):
        cells = "".join(f"<td>{escape(text)}</td>" for text in rest)
        opened = f'<tr class="{mark}">' if mark else "<tr>"
        body.append(f'{opened}<th scope="row">{escape(first)}</th>{cells}</tr>')
    return "\n".join(
        [
            f'<div class="wide" tabindex="0"><table class="{kind}">',
            f"<thead><tr>{heads}</tr></thead>\n<tbody>",
            *body,
            "</tbody></table></div>",
        ]
    )


def side_by_side(heads: tuple[str, str], methods: tuple[Method, Method]) -> str:
    """Returns two methods, each line of either, with those that differ marked.

    Args:
        heads: what each is.
        methods: the two.
    """
    sides = ("first", "second")
    parts = ['<div class="code">', '<div class="hunk heads">']
    for side, head, method in zip(sides, heads, methods, strict=True):
        place = f"<small>{escape(method.place)}</small>"
        parts.append(f'<div class="{side}">{escape(head)}{place}</div>')
    parts.append("</div>")
    for hunk in aligned(methods[0].lines, methods[1].lines):
        parts.append(f'<div class="hunk {"same" if hunk.same else "different"}">')
        for side, method, (start, end) in zip(sides, methods, hunk[1:], strict=True):
            lines = "".join(_line(line, hunk.same) for line in method.lines[start:end])
            parts.append(f'<pre class="{side if lines else "none"}">{lines}</pre>')
        parts.append("</div>")
    return "\n".join([*parts, "</div>"])


def listing(head: str, method: Method) -> str:
    """Returns one method that nothing stands beside."""
    lines = "".join(_line(line, same=True) for line in method.lines)
    return "\n".join(
        [
            f'<div class="code">\n<div class="heads"><div>{escape(head)}',
            f"<small>{escape(method.place)}</small></div></div>",
            f"<pre>{lines}</pre></div>",
        ]
    )


def _line(text: str, same: bool) -> str:
    """Returns a line of code, which is indented as far where it goes on in a further one."""
    indented = len(text) - len(text.lstrip())
    # Where a line is too long for a phone, it goes on after a bracket, and not within an arrow.
    shown = re.sub(r"(?<=\w)([(\[{])(?=\w)", r"\1<wbr>", escape(text))
    shown = shown.replace("-&gt;", "<b>-&gt;</b>")
    shown = shown if same else f"<mark>{shown}</mark>"
    return f'<code style="--in:{indented}">{shown}\n</code>'


def settings(*groups: Settings) -> str:
    """Returns the settings of some groups, with their help; those that are not the default first.

    Args:
        *groups: of settings.
    """
    found = []
    for group in groups:
        for field in dataclasses.fields(group):
            value = getattr(group, field.name)
            mark = "" if value == getattr(type(group)(), field.name) else "set"
            found.append((mark, (field.name, _value(value), field.metadata["help"])))
    # The others keep their order.
    found.sort(key=lambda one: not one[0])
    marks = [mark for mark, _ in found]
    return table(("setting", "value", "what it is"), [row for _, row in found], "words", marks)


def _value(value: Any) -> str:
    """Returns a setting's value as one would type it; a likelihood's class."""
    if value is None or value in ("", ()):
        return "none"
    plain = isinstance(value, (str, int, float, tuple))
    return shown(value) if plain else type(value).__name__


def likelihood_name(config: Config) -> str:
    """Returns what a likelihood is called: its name, or its class."""
    return _value(config.likelihood)
