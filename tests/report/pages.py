"""What tests read of a page: its elements as a parser finds them."""

import html.parser
from typing import NamedTuple


class Element(NamedTuple):
    """An element: its tag, its attributes, and the text in it and below it."""

    tag: str
    attributes: dict[str, str | None]
    text: list[str]

    @property
    def classes(self) -> list[str]:
        """The names that its style goes by."""
        return (self.attributes.get("class") or "").split()


# They have no end of their own.
EMPTY = {"meta", "link", "wbr", "br", "img"}


class Page(html.parser.HTMLParser):
    """A page, parsed; each element is closed where it has to be.

    Attributes:
        elements: all of them, in the order in which they begin.
    """

    def __init__(self, content: bytes) -> None:
        """Parses a page."""
        super().__init__()
        self.elements: list[Element] = []
        self.opened: list[Element] = []
        self.feed(content.decode())
        self.close()
        assert not self.opened, f"left open: {[element.tag for element in self.opened]}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Opens an element."""
        element = Element(tag, dict(attributes), [])
        self.elements.append(element)
        if tag not in EMPTY:
            self.opened.append(element)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Takes an element that closes itself, as SVG has them."""
        self.elements.append(Element(tag, dict(attributes), []))

    def handle_endtag(self, tag: str) -> None:
        """Closes the element that was opened last."""
        assert self.opened.pop().tag == tag

    def handle_data(self, data: str) -> None:
        """Adds text to all that is open."""
        for element in self.opened:
            element.text.append(data)

    def all(self, tag: str, of_class: str = "") -> list[Element]:
        """Returns the elements of a tag, and of a class."""
        return [
            element
            for element in self.elements
            if element.tag == tag and (not of_class or of_class in element.classes)
        ]
