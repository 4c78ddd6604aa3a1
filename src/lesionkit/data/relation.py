"""How test images overlap with the images that a model was trained on: copies, lesions, patients."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.data.records import GROUPS, Records
from lesionkit.data.summary import Seen

# The later words win.
_KINDS = {"patient_id": "patient", "lesion_id": "lesion", "picture_id": "copy", "copy_id": "copy"}


@dataclass(frozen=True, eq=False)
class Relation:
    """What ties n test images to the images that the model was trained on.

    Attributes:
        kind: (n,) ``"copy"`` of a picture in training; else ``"lesion"`` or ``"patient"`` that is in training, the
            latter also where only another test image of the group tells; else ``"clean"``.
        group: (n,) group numbers, see :meth:`~lesionkit.Records.groups`.
        unknown: (n,) whether neither its lesion nor its patient can be compared with those in training.
        missing: ``"deduplicated"`` and ``"lesion_clean"``, where it cannot be computed, -> why.
        notes: sentences for the reader of the scores.
    """

    kind: npt.NDArray[Any] = field(repr=False)
    group: npt.NDArray[np.int64] = field(repr=False)
    unknown: npt.NDArray[np.bool_] = field(repr=False)
    missing: Mapping[str, str]
    notes: tuple[str, ...]

    def counts(self) -> dict[str, int | None]:
        """Returns images of each kind, and ``unknown_lesion``; None where it cannot be told."""
        found: dict[str, int | None] = {
            kind: int(np.count_nonzero(self.kind == kind)) for kind in ("copy", "lesion", "patient", "clean")
        }
        found["unknown_lesion"] = int(np.count_nonzero(self.unknown))
        if "deduplicated" in self.missing:
            found |= dict.fromkeys(("copy", "clean"))
        if "lesion_clean" in self.missing:
            found |= dict.fromkeys(("lesion", "patient", "clean", "unknown_lesion"))
        return found


def relate(records: Records, seen: Seen | None) -> Relation:
    """Returns what ties the n test images ``records`` to those that a model has ``seen``; None: that is not known.

    Only ids that are known on both sides are compared. All images of a group are of one patient, so that each
    belongs with training as soon as one of them does.
    """
    group = records.groups()
    if seen is None:
        return unrelated(
            group, "which images the model was trained on is not known: give evaluate run, of a fit on Records"
        )
    known = {name: getattr(records, name) != np.array(None) for name in GROUPS}
    both = {name for name in GROUPS if known[name].any() and getattr(seen, name)}
    kind = np.full(len(records), "clean", dtype=object)
    for name, word in _KINDS.items():
        kind[[value in getattr(seen, name) for value in getattr(records, name)]] = word
    kind[np.isin(group, group[kind != "clean"]) & (kind == "clean")] = "patient"
    unnamed, unknown = (
        ~np.logical_or.reduce([known[name] for name in names if name in both] or [np.zeros(len(records), dtype=bool)])
        for names in (("picture_id", "copy_id"), ("lesion_id", "patient_id"))
    )
    relation = Relation(kind, group, unknown, _missing(both), ())
    return dataclasses.replace(relation, notes=tuple(_notes(relation, seen, both, int(unnamed.sum()))))


def unrelated(group: npt.NDArray[np.int64], why: str) -> Relation:
    """Returns the relation of n images in groups of which nothing is known, and ``why``."""
    missing = dict.fromkeys(("deduplicated", "lesion_clean"), why)
    return Relation(np.full(len(group), None, dtype=object), group, np.ones(len(group), dtype=bool), missing, ())


def _missing(both: Collection[str]) -> dict[str, str]:
    """Returns why scores cannot be computed when the ids ``both`` are those known on both sides."""
    found = {}
    if not {"picture_id", "copy_id"} & set(both):
        found["deduplicated"] = (
            "picture_id is not known of both test and training images: inspect the records first, or train and score "
            "with a feature store"
        )
    if not {"lesion_id", "patient_id"} & set(both):
        found["lesion_clean"] = (
            "neither lesion_id nor patient_id is known of both test and training images: add them with records.join"
        )
    return found


def _notes(relation: Relation, seen: Seen, both: Collection[str], unnamed: int) -> Iterator[str]:
    count, many = relation.counts(), len(relation.kind)
    copies = "deduplicated" not in relation.missing
    if copies:
        copy = "an exact or near copy" if "copy_id" in both else "an exact copy"
        yield f"{count['copy']} of {many} test images have {copy} among the {seen.n} training and validation images."
    if copies and "copy_id" not in both:
        yield "copy_id is not known of both: only files of equal bytes count as copies, near copies do not."
    if copies and (unnamed or seen.unknown_picture):
        yield (
            f"Of {unnamed} test and {seen.unknown_picture} training images it cannot be told whether they are copies: "
            "no picture_id and no copy_id."
        )
    if "lesion_clean" in relation.missing:
        return
    yield (
        f"{count['lesion']} {'more' if copies else f'of {many} test images'} show a lesion that is in training or "
        f"validation too, and {count['patient']} more are of a patient who is."
    )
    for name in {"lesion_id", "patient_id"} - set(both):
        yield f"{name} is not known of both: images that share nothing else are not told by it."
    if count["unknown_lesion"] or seen.unknown_lesion:
        yield (
            f"Of {count['unknown_lesion']} test and {seen.unknown_lesion} training images neither lesion nor patient "
            "is known. lesion_clean keeps such test images unless they are copies, lesion_clean.known_only does not."
        )
    if not copies:
        yield "Whether test images are copies is not known, so that lesion_clean may hold copies of unknown lesions."
