"""Pictures that are there more than once: with equal bytes, with equal pixels, or changed a little."""

import collections
import hashlib

import numpy as np

from lesionkit.checks.finding import Finding, Findings
from lesionkit.data import images
from lesionkit.data.identities import alike
from lesionkit.data.near_copies import pairs
from lesionkit.data.records import Column, Records
from lesionkit.data.survey import Survey
from lesionkit.errors import ImageError
from lesionkit.text import as_text

_SHOWN = 10


def exact_duplicates(records: Records, surveyed: Survey) -> Findings:
    """Returns one finding for each group of files of equal bytes, or of other bytes and equal pixels.

    Files whose thumbnails are equal are decoded in full, to compare their pixels.

    Example:
        >>> found = lk.audit(records, only=["exact_duplicates"]).findings["exact_duplicates"]
        >>> print(found.summary)
        No two files have equal bytes.
    """
    equal = alike(records.picture_id)
    found = [_finding(records, rows, "equal_bytes", "have equal bytes") for rows in equal]
    same = [rows for rows in _equal_pixels(records, surveyed) if _pictures(records, rows) > 1]
    found += [_finding(records, rows, "equal_pixels", "show equal pixels in files of other bytes") for rows in same]
    figures = {**_figures(equal), "equal_pixels": _figures(same)}
    summary = f"{_told(equal)} of equal bytes." if equal else "No two files have equal bytes."
    if same:
        summary += f" {_told(same)} of equal pixels in files of other bytes."
    return Findings("exact_duplicates", summary, _worst_first(found), figures)


def near_duplicates(records: Records, surveyed: Survey) -> Findings:
    """Returns one finding for each group of one ``copy_id`` whose files are not all of equal bytes.

    Its details name the pairs that link it (:func:`lesionkit.data.near_copies.pairs`): how alike, how flipped and
    turned.

    Example:
        >>> found = lk.audit(records, only=["near_duplicates"]).findings["near_duplicates"]
        >>> print(found.summary)
        No picture is a near copy of another.
    """
    groups = [rows for rows in alike(records.copy_id) if _pictures(records, rows) > 1]
    member = {row: number for number, rows in enumerate(groups) for row in rows}
    rows = np.array([row for row in member if surveyed.readable[row]], dtype=np.int64)
    links = collections.defaultdict(list)
    linked = pairs(surveyed.thumbnails[rows])
    for place, (first, second) in enumerate(zip(rows[linked.first], rows[linked.second], strict=True)):
        if member[first] == member[second]:
            links[member[first]].append(
                {
                    "files": [as_text(records.source[first]), as_text(records.source[second])],
                    "likeness": round(float(linked.likeness[place]), 3),
                    "flipped": bool(linked.flipped[place]),
                    "quarter_turns": int(linked.turns[place]),
                }
            )
    found = []
    for number, rows_of_one in enumerate(groups):
        what = "show one picture, or the same skin almost alike"
        found.append(_finding(records, rows_of_one, "near_copies", what, pairs=links[number]))
    summary = f"{_told(groups)} of near copies." if groups else "No picture is a near copy of another."
    return Findings("near_duplicates", summary, _worst_first(found), _figures(groups))


def _equal_pixels(records: Records, surveyed: Survey) -> list[list[int]]:
    """Returns the rows of each picture that is there more than once, by all of its pixels."""
    ids: Column = np.full(len(records), None, dtype=object)
    ids[surveyed.readable] = [one.tobytes() for one in surveyed.thumbnails[surveyed.readable]]
    digests: Column = np.full(len(records), None, dtype=object)
    for rows in alike(ids):
        if _pictures(records, rows) > 1:
            digests[rows] = [_digest(records.source[row]) for row in rows]
    return alike(digests)


def _digest(source: str) -> str | None:
    try:
        pixels = images.load(source)
    except ImageError:  # changed since the survey
        return None
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def _pictures(records: Records, rows: list[int]) -> int:
    return len(set(records.picture_id[rows]))


def _finding(records: Records, rows: list[int], kind: str, what: str, **details: object) -> Finding:
    sources = [records.source[row] for row in rows]
    labels = sorted({as_text(records.class_names[place]) for place in records.label[rows] if place >= 0})
    splits = sorted({split for split in records.split[rows] if split})
    names = ", ".join(as_text(source) for source in sources[:_SHOWN]) + (", ..." if len(rows) > _SHOWN else "")
    where = f" Labels: {', '.join(labels) or 'none'}. Splits: {', '.join(splits) or 'none'}."
    return Finding(
        kind,
        f"{len(rows)} files {what}: {names}.{where}",
        tuple(sources),
        {"images": len(rows), "labels": labels, "splits": splits, **details},
    )


def _worst_first(found: list[Finding]) -> tuple[Finding, ...]:
    """Returns the findings, those across splits first, then those across labels, then the largest."""
    return tuple(
        sorted(
            found,
            key=lambda one: [-len(rows) for rows in (one.details["splits"], one.details["labels"], one.sources)],
        )
    )


def _figures(groups: list[list[int]]) -> dict[str, int]:
    count = sum(map(len, groups))
    return {"groups": len(groups), "images": count, "extra_copies": count - len(groups)}


def _told(groups: list[list[int]]) -> str:
    figures = _figures(groups)
    noun = "group" if len(groups) == 1 else "groups"
    return f"{figures['images']:,} files in {figures['groups']:,} {noun} ({figures['extra_copies']:,} extra copies)"
