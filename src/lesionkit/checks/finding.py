"""What a check returns, and how it names images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lesionkit.data.records import Records
from lesionkit.text import as_text, html_table, html_text


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that a reader of the scores should know.

    Attributes:
        kind: what it is, in snake_case, the same for all findings of its kind.
        message: in words, with its evidence.
        sources: the image files that it is about; it names at least one unless it is about the whole set.
        details: figures, as what JSON can hold.
    """

    kind: str
    message: str
    sources: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Findings:
    """What one check found.

    Attributes:
        check: the registered name of the check.
        summary: in one or two sentences, also when nothing was found, or why it could not be checked.
        found: the findings, the worst first.
        figures: the counts and scores, as what JSON can hold.
    """

    check: str
    summary: str
    found: tuple[Finding, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.found)

    def _repr_html_(self) -> str:
        rows = [(one.kind, one.message, ", ".join(map(as_text, one.sources[:5]))) for one in self.found]
        summary = f"<p>{html_text(self.summary)}</p>"
        caption = f"{self.check}: {len(self)} finding{'s' * (len(self) != 1)}"
        return (html_table(caption, ("kind", "what", "files"), rows) if rows else "") + summary


def named(records: Records, rows: Iterable[int], most: int = 6) -> str:
    """Returns the images of these rows for a sentence: file name, split and class, the first ``most`` of them."""
    rows = list(rows)
    shown = []
    for row in rows[:most]:
        one = records.record(row)
        where = ", ".join(as_text(part) for part in (one.split, one.label) if part)
        shown.append(as_text(one.source.replace("\\", "/").rpartition("/")[2]) + (f" ({where})" if where else ""))
    return ", ".join(shown) + (f" and {len(rows) - most} more" if len(rows) > most else "")
