"""An audit: every check on one set of records, and what they found."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lesionkit import checks
from lesionkit.checks import Findings
from lesionkit.errors import UnknownNameError
from lesionkit.files import as_text
from lesionkit.near_copies import copy_ids
from lesionkit.options import called
from lesionkit.records import Records, as_column
from lesionkit.survey import Survey, survey

logger = logging.getLogger(__name__)

#: The checks in the order in which they are told.
ORDER = (
    "integrity",
    "exact_duplicates",
    "near_duplicates",
    "label_conflicts",
    "leakage",
    "metadata_disagreement",
    "shortcuts",
    "imbalance",
)


@dataclass(frozen=True, eq=False)
class Audit:
    """What the checks found in one set of images.

    Attributes:
        records: the images with ``picture_id`` and ``copy_id`` filled, None for those that cannot be read.
        surveyed: what each image file tells, one row for each record.
        findings: check name -> what it found.

    Example:
        >>> found = lk.audit(records, only=["exact_duplicates"])
        >>> print(found.summary())
        synthetic lesions (generated, not real images): 99 images, 9 classes
        - exact_duplicates: ...
    """

    records: Records
    surveyed: Survey = field(repr=False)
    findings: dict[str, Findings] = field(repr=False)

    def __len__(self) -> int:
        return sum(map(len, self.findings.values()))

    def summary(self) -> str:
        """Returns a line or two for each check, for a person."""
        head = f"{as_text(self.records.name)}: {len(self.records)} images, {len(self.records.class_names)} classes"
        return "\n".join([head, *(f"- {name}: {one.summary}" for name, one in self.findings.items())])

    def to_dict(self) -> dict[str, Any]:
        """Returns all of it as what JSON can hold; the documentation lists its entries."""
        return {
            "name": as_text(self.records.name),
            "class_names": [as_text(name) for name in self.records.class_names],
            "counts": {
                split or "no split": {as_text(name): number for name, number in row.items()}
                for split, row in self.records.counts().items()
            },
            "checks": {
                name: {
                    "summary": one.summary,
                    "figures": dict(one.figures),
                    "findings": [
                        {
                            "kind": item.kind,
                            "message": item.message,
                            "files": [as_text(source) for source in item.sources],
                            "details": dict(item.details),
                        }
                        for item in one.found
                    ],
                }
                for name, one in self.findings.items()
            },
        }


def audit(records: Records, *, only: Sequence[str] | None = None) -> Audit:
    """Runs the checks on every image of ``records`` and returns what they found; changes nothing on disk.

    Args:
        records: the images; join metadata first (:meth:`Records.join`), for what depends on lesions and diagnoses.
        only: names of the checks to run; all that are registered when left out.

    Raises:
        UnknownNameError: no check of that name.

    Example:
        >>> found = lk.audit(records, only=["leakage", "imbalance"])
        >>> found.findings["leakage"].figures["pairs"][0]["any"]  # test images that training gives away
        0
    """
    members = {name: checks.get(name) for name in only} if only is not None else working_checks()
    surveyed = survey(records)
    known = identified(records, surveyed)
    found = {}
    for name, check in members.items():
        found[name] = called(check, name, known, surveyed)
        logger.info("%s: %s", name, found[name].summary)
    return Audit(known, surveyed, found)


def working_checks() -> dict[str, Callable[..., Findings]]:
    """Returns all checks in the order in which they are told, but, with a warning, those that cannot be imported."""
    names, found = checks.names(), {}
    for name in [*(name for name in ORDER if name in names), *(name for name in names if name not in ORDER)]:
        try:
            found[name] = checks.get(name)
        except UnknownNameError as error:
            logger.warning("left out: %s", error)
    return found


def identified(records: Records, surveyed: Survey) -> Records:
    """Returns the records with ``picture_id`` and ``copy_id`` as the survey tells them, None for unreadable images.

    A ``copy_id`` that was known (a published list of duplicates) links its images as well.
    """
    pictures = as_column([None if one.error else one.picture_id for one in surveyed.looks])
    found = dataclasses.replace(records, picture_id=pictures, copy_id=copy_ids(records, surveyed))
    if np.any(records.copy_id != np.array(None)):
        linked = Records(
            records.class_names,
            records.source,
            records.label,
            records.image_id,
            picture_id=records.copy_id,
            copy_id=found.copy_id,
        ).groups()
        names = [None if one is None else f"copies {group}" for one, group in zip(pictures, linked, strict=True)]
        found = dataclasses.replace(found, copy_id=as_column(names))
    return found
