"""Labels that the joined metadata contradict."""

import collections
from typing import Any

from lesionkit.checks.finding import Finding, Findings, named
from lesionkit.data import taxonomy
from lesionkit.data.records import Records
from lesionkit.data.survey import Survey
from lesionkit.text import as_text

#: How HAM10000 confirmed a diagnosis (``dx_type``), in words: Tschandl et al. 2018, doi:10.1038/sdata.2018.161.
CONFIRMED = {
    "histo": "histopathology",
    "follow_up": "follow-up without change",
    "consensus": "consensus of experts",
    "confocal": "confocal microscopy in vivo",
}

_ABSENT = "no diagnosis was joined"


def metadata_disagreement(records: Records, surveyed: Survey) -> Findings:  # noqa: ARG001
    """Returns each image whose class and whose joined diagnosis cannot both be true, by :mod:`lesionkit.data.taxonomy`.

    They disagree only where both are known and mean sets of diagnoses that have nothing in common. The findings where
    one is benign and the other malignant come first.

    Example:
        >>> found = lk.audit(records, only=["metadata_disagreement"]).findings["metadata_disagreement"]
        >>> print(found.summary)
        No diagnosis was joined, so no label was compared: join a table of metadata first (records.join).
    """
    classes = [taxonomy.of_class(name) for name in records.class_names]
    pairs: dict[tuple[int, str], list[int]] = collections.defaultdict(list)
    apart: collections.Counter[str] = collections.Counter()
    for row, (label, diagnosis) in enumerate(zip(records.label, records.diagnosis, strict=True)):
        reason = _incomparable(classes[label] if label >= 0 else None, diagnosis)
        if reason:
            apart[reason] += 1
        else:
            pairs[int(label), diagnosis].append(row)
    against = {
        pair: rows
        for pair, rows in pairs.items()
        if not taxonomy.agree(classes[pair[0]], taxonomy.of_diagnosis(pair[1]))
    }
    ordered = sorted(against, key=lambda pair: (not _opposed(classes[pair[0]], taxonomy.of_diagnosis(pair[1])), pair))
    figures = {
        "compared": sum(map(len, pairs.values())),
        "disagreeing": sum(map(len, against.values())),
        "not_comparable": dict(sorted(apart.items())),
        "pairs": [
            {
                "class": as_text(records.class_names[pair[0]]),
                "diagnosis": as_text(pair[1]),
                "images": len(pairs[pair]),
                "agree": pair not in against,
            }
            for pair in sorted(pairs)
        ],
    }
    found = tuple(_finding(records, row) for pair in ordered for row in against[pair])
    return Findings("metadata_disagreement", _summary(figures), found, figures)


def _incomparable(means: taxonomy.Meaning | None, diagnosis: str | None) -> str | None:
    """Returns why a class of this meaning (None: no label) and a diagnosis cannot be compared, or None."""
    if diagnosis is None:
        return _ABSENT
    if means is None:
        return "the image has no label"
    if not means:
        return "the class has a name that no collection uses"
    return None if taxonomy.of_diagnosis(diagnosis) else "the diagnosis has no known meaning"


def _opposed(a: taxonomy.Meaning, b: taxonomy.Meaning) -> bool:
    return {taxonomy.malignancy(a), taxonomy.malignancy(b)} == {"benign", "malignant"}


def _finding(records: Records, row: int) -> Finding:
    one = records.record(row)
    means = " or ".join(sorted(taxonomy.of_diagnosis(one.diagnosis)))
    how = CONFIRMED.get(one.confirmed_by or "", one.confirmed_by)
    said = as_text(
        f"{str(one.diagnosis).replace(':', ' says ', 1)} ({means})" + (f", confirmed by {how}" if how else "")
    )
    return Finding(
        kind="metadata_disagreement",
        message=f"{named(records, [row])}: {said}.",
        sources=(one.source,),
        details={
            "class": as_text(one.label or ""),
            "diagnosis": as_text(one.diagnosis or ""),
            "confirmed_by": how and as_text(how),
            "split": one.split,
        },
    )


def _summary(figures: dict[str, Any]) -> str:
    apart = figures["not_comparable"]
    rest = "; ".join(f"{number} because {reason}" for reason, number in apart.items())
    if not figures["compared"]:
        if set(apart) <= {_ABSENT}:
            return "No diagnosis was joined, so no label was compared: join a table of metadata first (records.join)."
        return f"No label could be compared with a diagnosis: {rest}."
    listed = "; ".join(
        f"{pair['class']} where {pair['diagnosis']} was diagnosed: {pair['images']}"
        for pair in figures["pairs"]
        if not pair["agree"]
    )
    told = (
        f"{figures['disagreeing']} of the {figures['compared']} images that could be compared have a label that the "
        f"metadata exclude{f' ({listed})' if listed else ''}."
    )
    return told + (f" Not compared: {rest}." if rest else "")
