"""One picture, or one lesion, under different labels."""

import collections
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from lesionkit.checks.finding import Finding, Findings, named
from lesionkit.data.copies import pictures_of
from lesionkit.data.identities import alike
from lesionkit.data.records import Column, Records
from lesionkit.data.survey import Survey
from lesionkit.text import as_text


def label_conflicts(records: Records, surveyed: Survey) -> Findings:  # noqa: ARG001
    """Returns each picture, and each lesion, that stands under more than one label.

    Pictures are the same where ``copy_id`` is, or ``picture_id`` where there is none. Two different classes of the
    records always conflict, whatever they mean, since a classifier has to tell them apart. Images without a label are
    left out.

    Example:
        >>> found = lk.audit(records, only=["label_conflicts"]).findings["label_conflicts"]
        >>> print(found.summary)
        0 pictures (0 images) under different labels; lesions are unknown.
    """
    found: list[Finding] = []
    figures: dict[str, Any] = {}
    told = []
    for noun, column in (("picture", pictures_of(records)), ("lesion", records.lesion_id)):
        groups = _conflicts(records, column)
        known = bool(np.any(column != np.array(None)))
        found += [_finding(records, rows, noun) for rows in groups]
        figures[f"{noun}s"] = _figures(records, groups) if known else None
        told.append(f"{_counted(groups, noun)} under different labels" if known else f"{noun}s are unknown")
    return Findings("label_conflicts", "; ".join(told) + ".", tuple(found), figures)


def _conflicts(records: Records, column: Column) -> list[list[int]]:
    """Returns the labelled rows of each value that stands under several labels, the first image of each first."""
    groups = alike(np.where(records.label >= 0, column, np.array(None)))
    return [_mixed(records, rows) for rows in groups if len(set(records.label[rows])) > 1]


def _mixed(records: Records, rows: list[int]) -> list[int]:
    """Returns the rows, one of each label first: whoever shows two images of a conflict shows two labels."""
    first = {records.label[row]: row for row in reversed(rows)}
    return [*sorted(first.values()), *(row for row in rows if row not in first.values())]


def _finding(records: Records, rows: list[int], noun: str) -> Finding:
    labels = _classes(records, rows)
    same_bytes = len(set(records.picture_id[rows])) == 1 and records.picture_id[rows[0]] is not None
    if noun == "lesion":
        what = f"Lesion {as_text(records.lesion_id[rows[0]])}"
    else:
        what = f"One picture ({'equal files' if same_bytes else 'near copies'})"
    return Finding(
        kind=f"{noun}_conflict",
        message=f"{what} stands under {len(labels)} labels, {' and '.join(labels)}: {named(records, rows)}.",
        sources=tuple(records.source[rows]),
        details={
            "labels": [as_text(records.class_names[label]) for label in records.label[rows]],
            "sources": [as_text(source) for source in records.source[rows]],
            "splits": list(records.split[rows]),
            "same_bytes": same_bytes,
        },
    )


def _classes(records: Records, rows: Sequence[int]) -> list[str]:
    return [as_text(records.class_names[label]) for label in sorted(set(records.label[rows]))]


def _figures(records: Records, groups: list[list[int]]) -> dict[str, Any]:
    pairs = collections.Counter(pair for rows in groups for pair in itertools.combinations(_classes(records, rows), 2))
    return {
        "groups": len(groups),
        "images": sum(map(len, groups)),
        "class_pairs": [{"classes": list(pair), "groups": number} for pair, number in pairs.most_common()],
    }


def _counted(groups: list[list[int]], noun: str) -> str:
    return f"{len(groups)} {noun}{'' if len(groups) == 1 else 's'} ({sum(map(len, groups))} images)"
