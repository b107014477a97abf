"""A report's files: the page, and the pictures beside it, or a line that says how to have them."""

from collections.abc import Iterable

from lowlevel.report import page
from lowlevel.report.drawing import Picture, missing
from lowlevel.storage.contents import PICTURES, REPORT


def as_files(content: bytes, drawn: Iterable[Picture]) -> dict[str, bytes]:
    """Returns a page and its pictures by their paths in a run's folder."""
    return {REPORT: content, **{PICTURES[picture.name]: picture.png for picture in drawn}}


def how_to_have_pictures() -> str:
    """Returns a line that says what is missing for pictures; empty where nothing is."""
    packages = " ".join(missing())
    return f"{REPORT} is without pictures: pip install {packages}, for them" if packages else ""


def without_pictures() -> list[str]:
    """Returns the same for a page, if there is something to say."""
    line = how_to_have_pictures()
    return [page.paragraph(f"{line}.", "note")] if line else []
