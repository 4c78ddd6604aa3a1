"""Names and texts that any file, terminal, Markdown or page shows as they are, whatever is in them."""

import html
import os
import re
from collections.abc import Iterable, Sequence


def as_text(name: str | os.PathLike[str]) -> str:
    r"""Returns a file name that any text file and terminal can hold.

    Names on disk need not be UTF-8. Python keeps their undecodable bytes as lone surrogates; here these and
    what does not print become backslash escapes (``caf\udce9.jpg``), everything else stays.
    """
    text = os.fspath(name).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def as_markdown(text: str) -> str:
    """Returns text that Markdown and the HTML made of it show as it is."""
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", html.escape(as_text(text), quote=False))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table of cells that show as they are."""
    lines = [[as_markdown(cell) for cell in line] for line in (head, *rows)]
    lines.insert(1, ["---"] * len(head))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_interval(
    value: float | None,
    ends: Sequence[float] | None = None,
    kind: str = ".3f",
    ends_kind: str | None = None,
    unit: str = "",
) -> str:
    """Returns a value with its interval for people, such as ``56.7% [45.0%, 67.5%]``; ``n/a`` without a value.

    Args:
        value: the value, if there is one.
        ends: the low and the high end of its interval, if there is one.
        kind: how the value is written: a format of Python, or one that ends in ``p``, percent without the sign.
        ends_kind: how the ends are written, if otherwise.
        unit: what stands between the value and the interval.
    """
    if value is None:
        return "n/a"
    text = _formatted(value, kind) + unit
    return text + (f" [{', '.join(_formatted(end, ends_kind or kind) for end in ends)}]" if ends else "")


def _formatted(value: float, kind: str) -> str:
    return f"{value:{kind[:-1]}%}".removesuffix("%") if kind.endswith("p") else f"{value:{kind}}"


def html_table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns an HTML table whose cells show as they are."""
    top = "".join(f"<th>{html_text(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{html_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{html_text(caption)}</caption><tr>{top}</tr>{body}</table>"


def html_text(value: object) -> str:
    """Returns text that HTML shows as it is."""
    return html.escape(as_text(str(value)))
