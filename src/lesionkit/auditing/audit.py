"""An audit: every check on one set of records, and what they found."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lesionkit import checks
from lesionkit.checks import Findings
from lesionkit.data.copies import identified
from lesionkit.data.records import Records
from lesionkit.data.survey import Survey, survey
from lesionkit.errors import UnknownNameError
from lesionkit.options import called
from lesionkit.text import as_text

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
