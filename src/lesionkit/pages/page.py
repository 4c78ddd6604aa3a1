"""Templates to whole HTML pages, in which everything that is told appears as text."""

import base64
import functools
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from PIL import Image

from lesionkit.text import as_text

TEMPLATES = Path(__file__).parent / "templates"

#: What stands where there is no figure.
NOTHING = "\N{EN DASH}"


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
        chart: an ``<svg>`` that :func:`~lesionkit.pages.svg.svg` drew.
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


def page(template: str, **told: Any) -> str:
    """Returns the page that ``template``, a file of :data:`TEMPLATES`, makes of what it is ``told``.

    Every text that is told is escaped, and shown by :func:`~lesionkit.text.as_text`. A name that the template asks for
    and that is not told is an error. The functions below are filters of every template.
    """
    return _environment().get_template(template).render(**told).strip() + "\n"


def document(title: str, lede: Iterable[str], parts: Iterable[Section]) -> str:
    """Returns a whole HTML page: a title, sentences to begin with, and sections. Every text shows as text."""
    return page("document.html", title=title, lede=list(lede), parts=list(parts))


def number(value: float | None, digits: int = 3) -> str:
    """Returns a figure for people, ``digits`` behind the point, or none where it is a whole number."""
    if value is None:
        return NOTHING
    return _minus(f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}")


def signed(value: float | None, digits: int = 3) -> str:
    """Returns a difference with its sign."""
    return NOTHING if value is None else _minus(f"{value:+.{digits}f}")


def percent(value: float | None, digits: int = 1) -> str:
    """Returns a share in 0..1 in per cent."""
    return NOTHING if value is None else f"{number(100 * float(value), digits)}%"


def points(value: float | None, digits: int = 1) -> str:
    """Returns a difference of shares in points of per cent, with its sign."""
    return NOTHING if value is None else signed(100 * value, digits)


_KINDS = {"number": number, "signed": signed, "percent": percent, "points": points}


def shown(value: float | None, kind: str = "percent", digits: int = 1) -> str:
    """Returns a figure as one of the functions above shows it."""
    return _KINDS[kind](value, digits)


def ends(interval: Sequence[float] | None, kind: str = "percent", digits: int = 1) -> str:
    """Returns an interval for people, such as ``39.1 to 54.0%``; nothing where there is none."""
    if interval is None:
        return ""
    low, high = (shown(end, kind, digits) for end in interval)
    return f"{low.removesuffix('%')} to {high}"


def between(interval: Sequence[float] | None, kind: str = "percent", digits: int = 1) -> str:
    """Returns an interval in brackets, to be put behind a figure; nothing where there is none."""
    return f" ({ends(interval, kind, digits)})" if interval else ""


def picture(pixels: npt.NDArray[np.uint8], quality: int = 85) -> str:
    """Returns a picture (h, w, 3) as the address of an ``<img>`` that holds it, as JPEG."""
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, format="JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode("ascii")


def embedded(path: Path) -> str:
    """Returns a PNG file as the address of an ``<img>`` that holds it."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def as_json(value: Any) -> Markup:
    """Returns a value as indented JSON whose lines stay lines."""
    return Markup("\n").join(as_text(line) for line in json.dumps(value, indent=2, ensure_ascii=False).split("\n"))


def as_line(value: Any) -> str:
    """Returns a value, which may be a mapping, on one line."""
    return (
        ", ".join(f"{name} {as_line(one)}" for name, one in value.items()) if isinstance(value, Mapping) else str(value)
    )


_FILTERS = (number, signed, percent, points, shown, ends, between, as_json, as_line)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) or not isinstance(value, str) else as_text(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {one.__name__: one for one in _FILTERS}
    return environment


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
