"""Markdown that shows what it is given, whatever is in a class or file name."""

import html
import re
from collections.abc import Iterable, Sequence

from lesionkit.files import as_text


def plain(text: str) -> str:
    """Returns text that Markdown and the HTML made of it show as it is."""
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", html.escape(as_text(text), quote=False))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table of cells that show as they are."""
    lines = [[plain(cell) for cell in line] for line in (head, *rows)]
    lines.insert(1, ["---"] * len(head))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
