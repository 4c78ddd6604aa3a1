"""Pictures, lesions and patients that stand in more than one split."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from lesionkit.checks.finding import Finding, Findings, named
from lesionkit.data.identities import alike
from lesionkit.data.records import SPLITS, Column, Records
from lesionkit.data.survey import Survey
from lesionkit.text import as_text

#: Kind of finding -> the column that is equal on both sides, and how to say so; the worst kind first.
KINDS = {
    "same_bytes": ("picture_id", "Equal files"),
    "near_copy": ("copy_id", "Near copies of one picture"),
    "same_lesion": ("lesion_id", "Lesion {}"),
    "same_patient": ("patient_id", "Patient {}"),
}


def leakage(records: Records, surveyed: Survey) -> Findings:  # noqa: ARG001
    """Returns each picture, lesion and patient that a later split shares with an earlier one.

    The order is train, validation, test. The figures count, for each pair of splits, the images of the later one whose
    score the earlier one may have given away. ``near_copy`` leaves out equal files, which are ``same_bytes``; what is a
    copy may be counted under ``same_lesion`` as well; ``any`` counts an image once.

    Example:
        >>> found = lk.audit(records, only=["leakage"]).findings["leakage"]
        >>> print(found.summary)
        0 of the 27 images in test show what train shows too (same bytes 0, near copy 0). ...
    """
    present = [split for split in SPLITS if np.any(records.split == split)]
    left_out = int(np.count_nonzero(records.split == ""))
    if len(present) < 2:
        where = f"all images are in {present[0]}" if present and not left_out else "the images name no two splits"
        return Findings("leakage", f"Nothing to compare: {where}.", figures={"pairs": []})
    known = {column: int(np.count_nonzero(getattr(records, column) != np.array(None))) for column, _ in KINDS.values()}
    found: dict[str, list[Finding]] = {kind: [] for kind in KINDS}
    pairs = []
    for earlier, later in sorted(itertools.combinations(present, 2), key=lambda pair: -SPLITS.index(pair[1])):
        affected = {kind: np.zeros(len(records), dtype=bool) for kind in KINDS}
        for kind in KINDS:
            for ahead, behind in _shared(records, kind, earlier, later):
                affected[kind][behind] = True
                found[kind].append(_finding(records, kind, ahead, behind))
        pairs.append(
            {
                "later": later,
                "earlier": earlier,
                "images": int(np.count_nonzero(records.split == later)),
                **{kind: int(mask.sum()) if known[KINDS[kind][0]] else None for kind, mask in affected.items()},
                "any": int(np.any(list(affected.values()), axis=0).sum()),
            }
        )
    figures = {"pairs": pairs, "known": known, "without_split": left_out}
    every = tuple(itertools.chain.from_iterable(found.values()))
    return Findings("leakage", _summary(figures, len(records)), every, figures)


def _shared(records: Records, kind: str, earlier: str, later: str) -> Iterator[tuple[list[int], list[int]]]:
    """Yields the rows of ``earlier`` and of ``later`` that share one picture, lesion or patient."""
    column: Column = getattr(records, KINDS[kind][0])
    for rows in alike(np.where(np.isin(records.split, (earlier, later)), column, np.array(None))):
        ahead = [row for row in rows if records.split[row] == earlier]
        behind = [row for row in rows if records.split[row] == later]
        if kind == "near_copy":
            pictures = records.picture_id
            ahead, behind = _differing(pictures, ahead, behind), _differing(pictures, behind, ahead)
        if ahead and behind:
            yield ahead, behind


def _differing(pictures: Column, rows: list[int], others: list[int]) -> list[int]:
    """Returns those of ``rows`` with another picture than at least one of ``others``; an unknown picture differs."""
    there = {pictures[row] for row in others}
    return [row for row in rows if pictures[row] is None or there - {pictures[row]}]


def _finding(records: Records, kind: str, ahead: list[int], behind: list[int]) -> Finding:
    column, words = KINDS[kind]
    what = words.format(as_text(getattr(records, column)[behind[0]]))
    later, earlier = records.split[behind[0]], records.split[ahead[0]]
    rows = [behind[0], ahead[0], *behind[1:], *ahead[1:]]
    return Finding(
        kind=kind,
        message=f"{what} in {later} and in {earlier}: {named(records, behind, 3)} and {named(records, ahead, 3)}.",
        sources=tuple(records.source[rows]),
        details={
            "later": later,
            "earlier": earlier,
            "later_sources": [as_text(source) for source in records.source[behind]],
            "earlier_sources": [as_text(source) for source in records.source[ahead]],
        },
    )


def _summary(figures: dict[str, Any], images: int) -> str:
    words = {kind: kind.replace("_", " ") for kind in KINDS}
    told = [
        f"{pair['any']} of the {pair['images']} images in {pair['later']} show what {pair['earlier']} shows too ("
        + ", ".join(f"{words[kind]} {pair[kind]}" for kind in KINDS if pair[kind] is not None)
        + ")."
        for pair in figures["pairs"]
    ]
    for column, noun in (("lesion_id", "Lesions"), ("patient_id", "Patients")):
        number = figures["known"][column]
        if number < images:
            told.append(f"{noun} are {f'known for {number} of {images} images' if number else 'unknown'}.")
    if figures["without_split"]:
        told.append(f"{figures['without_split']} images name no split and were left out.")
    return " ".join(told)
