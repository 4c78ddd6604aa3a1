"""matplotlib figures as SVG that stands in a page: its text stays text, its colours are the page's, light or dark."""

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from lesionkit.text import as_text

_PARTS = ("ink", "quiet", "grid", "ours", "other", "bad", "paper")
_STANDS_FOR = {f"#0000{place:02x}": f"var(--{name})" for place, name in enumerate(_PARTS, 1)}

#: Colours of a figure. What is seen is the variable of the page's style of the same name, such as ``--ours``.
INK, QUIET, GRID, OURS, OTHER, BAD, PAPER = _STANDS_FOR

#: The width of a figure in units: a column of a phone.
WIDTH = 350

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lesionkit",
    "text.parse_math": False,
    "text.color": INK,
    "font.size": 10.5,
    "figure.facecolor": "none",
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "axes.facecolor": "none",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.labelsize": 10.5,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "legend.labelcolor": INK,
}


def svg(draw: Callable[[Figure], Any], *, name: str, label: str, height: float, width: float = WIDTH) -> str:
    """Returns what ``draw`` puts on an empty figure as an ``<svg>`` element of ``width`` by ``height`` units.

    The same drawing gives the same text. The element takes the width of the column it stands in, up to a quarter more
    than its own.

    Args:
        draw: draws with the colours of this module, or others that are legible on black and on white. Names in it have
            gone through :func:`~lesionkit.text.as_text`.
        name: of the figure, unique in the page: the ids in it begin with it.
        label: what the figure shows, with its main figures, for those who do not see it.
        height: in units, which are pixels in a column of ``width``.
        width: in units.
    """
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has the fonts
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        draw(figure)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg")
    root = ET.fromstring(drawn.getvalue())
    used = {found for element in root.iter() for found in re.findall(r"#([\w-]+)", " ".join(element.attrib.values()))}
    children = list(_cleaned(root, name, used))
    shown = ET.Element("svg", {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "aria-label": as_text(label)})
    shown.set("style", f"max-width: {1.25 * width:g}px")
    shown.extend(children)
    return ET.tostring(shown, encoding="unicode")


def _cleaned(element: ET.Element, name: str, used: set[str]) -> Any:
    """Yields the children of ``element`` without namespaces, ids that nothing refers to, fonts and what is not seen."""
    for child in element:
        tag = child.tag.rpartition("}")[2]
        if tag in ("metadata", "style") or child.get("style") == "fill: none":
            continue
        inner = list(_cleaned(child, name, used))
        if tag in ("g", "defs") and not inner:
            continue
        kept = ET.Element(tag)
        for key, value in child.attrib.items():
            if key != "id":
                kept.set(key.rpartition("}")[2], _attribute(value, name))
            elif value in used:
                kept.set(key, f"{name}-{value}")
        kept.text = child.text if tag == "text" else None
        kept.extend(inner)
        if tag == "g" and not kept.attrib:
            yield from inner
        else:
            yield kept


def _attribute(value: str, name: str) -> str:
    value = re.sub(r"font-family: [^;]*;? ?", "", value)
    value = re.sub(r"#0000[0-9a-f]{2}\b", lambda found: _STANDS_FOR.get(found[0], found[0]), value)
    value = re.sub(r"(^|url\()#", rf"\1#{name}-", value)
    value = re.sub(r"-?\d+\.\d+", lambda found: f"{round(float(found[0]), 2):g}", value)
    return value.replace("\n", "").strip()
