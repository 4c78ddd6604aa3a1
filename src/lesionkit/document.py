"""A page of sections, for what is no report of one run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lesionkit.pages import page


@dataclass(frozen=True)
class Table:
    """A table of texts: what it shows, the names of its columns, and its rows, each named by its first cell."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """A section of a page: what of it is there is shown in this order.

    Attributes:
        title: its heading.
        text: paragraphs.
        chart: an ``<svg>`` that :func:`~lesionkit.figures.svg` drew.
        picture: the address of a picture, and what it shows for those who do not see it.
        table: a table.
        items: lines of a list.
    """

    title: str
    text: Sequence[str] = ()
    chart: str | None = None
    picture: tuple[str, str] | None = None
    table: Table | None = None
    items: Sequence[str] = ()


def document(title: str, lede: Iterable[str], parts: Iterable[Section]) -> str:
    """Returns a whole HTML page: a title, sentences to begin with, and sections. Every text shows as text."""
    return page("document.html", title=title, lede=list(lede), parts=list(parts))
