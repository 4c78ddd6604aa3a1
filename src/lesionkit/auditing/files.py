"""An audit as files: for programs, for people, a patch to edit, and a sheet of the pairs to look at."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lesionkit.auditing.audit import Audit
from lesionkit.auditing.patches import ACTIONS, Change, relative_paths, write_patch
from lesionkit.auditing.suggestions import suggest_patch
from lesionkit.files import whole_file, write_json, write_text
from lesionkit.pages.page import Section, Table, document, embedded
from lesionkit.reproducibility import environment
from lesionkit.text import as_markdown

SCHEMA_VERSION = 1

#: The files of an audit.
FILES = ("audit.json", "audit.md", "labels.patch.csv", "pairs.png", "report.html")

#: Findings that show one picture twice, in the order in which the sheet shows them.
_PAIRS = ("picture_conflict", "near_copy", "same_bytes", "near_copies", "equal_bytes")
_ON_SHEET, _IN_TEXT = 20, 50


def write_audit(audit: Audit, folder: str | os.PathLike[str], *, policy: str = "keep", min_per_class: int = 10) -> Path:
    """Writes :data:`FILES` into ``folder`` and returns it.

    Args:
        audit: what was found.
        folder: made if it is not there; files of these names in it are replaced.
        policy: see :func:`~lesionkit.auditing.suggestions.suggest_patch`.
        min_per_class: see there.

    Raises:
        OptionError: the policy would leave a class too few training images.
        StorageError: a file cannot be written.
    """
    changes = suggest_patch(audit.records, policy=policy, min_per_class=min_per_class)
    target = Path(folder)
    content = {"schema_version": SCHEMA_VERSION, **audit.to_dict(), "environment": environment()}
    content["patch"] = {"policy": policy, **_actions(changes)}
    write_json(target / "audit.json", content)
    write_text(target / "audit.md", _text(audit, changes, policy))
    write_patch(changes, target / "labels.patch.csv")
    with whole_file(target / "pairs.png") as beside:
        _sheet(audit, beside)
        pairs = embedded(beside)
    write_text(target / "report.html", _page(audit, changes, policy, pairs))
    return target


def _page(audit: Audit, changes: Sequence[Change], policy: str, pairs: str) -> str:
    counts = audit.records.counts()
    rows = [(name, *(str(row[name]) for row in counts.values())) for name in audit.records.class_names]
    parts = [Section("Images", table=Table("Images", ("class", *(split or "no split" for split in counts)), rows))]
    for name, findings in audit.findings.items():
        more = len(findings) - _IN_TEXT
        items = [item.message for item in findings.found[:_IN_TEXT]]
        items += [f"and {more} more, all of them in audit.json"] if more > 0 else []
        parts.append(Section(name.replace("_", " ").capitalize(), [findings.summary], items=items))
    parts += [
        Section("Pairs to look at", picture=(pairs, "Pairs of images that the checks take for the same picture")),
        Section("Label patch", [_patch(changes, policy)]),
    ]
    found = f"{len(audit.records)} images of {len(audit.records.class_names)} classes, {len(audit)} findings."
    return document(f"Audit of {audit.records.name}", [found, "Nothing was changed."], parts)


def _patch(changes: Sequence[Change], policy: str) -> str:
    told = ", ".join(f"{number} to {action}" for action, number in _actions(changes).items())
    return (
        f"labels.patch.csv holds suggestions for {len(changes)} training images ({told}; policy {policy}). Nothing was "
        "applied: read it, edit it, then give it to apply_patch or to examples/baseline.py --patch."
    )


def _actions(changes: Sequence[Change]) -> dict[str, int]:
    return {action: sum(change.action == action for change in changes) for action in ACTIONS}


def _text(audit: Audit, changes: Sequence[Change], policy: str) -> str:
    lines = [f"# Audit of {as_markdown(audit.records.name)}", "", "```text", repr(audit.records), "```", ""]
    for name, findings in audit.findings.items():
        lines += [f"## {as_markdown(name)}", "", as_markdown(findings.summary), ""]
        lines += [f"- {as_markdown(item.message)}" for item in findings.found[:_IN_TEXT]]
        if len(findings) > _IN_TEXT:
            lines.append(f"- and {len(findings) - _IN_TEXT} more, all of them in audit.json")
        lines.append("")
    lines.append(f"## Label patch\n\n{as_markdown(_patch(changes, policy))}\n")
    return "\n".join(lines)


def _pairs(audit: Audit) -> Iterator[tuple[int, int, str]]:
    """Yields (row, row, kind) of two images of one finding, those of the worst kinds first."""
    place = {source: row for row, source in enumerate(audit.records.source)}
    every = [item for one in audit.findings.values() for item in one.found if item.kind in _PAIRS]
    seen = set()
    for item in sorted(every, key=lambda item: _PAIRS.index(item.kind)):
        rows = tuple(place[source] for source in item.sources[:2])
        if len(rows) == 2 and rows not in seen:
            seen.add(rows)
            yield (*rows, item.kind)


def _sheet(audit: Audit, path: Path) -> None:
    pairs = list(_pairs(audit))
    spread = [
        pairs[place] for place in np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), _ON_SHEET), dtype=int))
    ]
    paths = relative_paths(audit.records)
    columns = 4
    rows = max(-(-len(spread) // columns), 1)
    figure = Figure(figsize=(columns * 3.4, rows * 2.4 + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    title = f"{len(spread)} of {len(pairs)} pairs, from the worst kind on" if pairs else "no pairs were found"
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (first, second, kind) in zip(axes, spread, strict=False):
        gap = np.full((audit.surveyed.thumbnails.shape[1], 4, 3), 255, dtype=np.uint8)
        axis.imshow(np.hstack([audit.surveyed.thumbnails[first], gap, audit.surveyed.thumbnails[second]]))
        named = "\n".join(_short(paths[row]) for row in (first, second))
        axis.set_title(f"{kind}\n{named}", fontsize=6, parse_math=False)
    figure.savefig(path, dpi=120)


def _short(path: str) -> str:
    return path if len(path) <= 52 else f"...{path[-49:]}"
