"""What a model was trained or evaluated on, and which identities it has seen, without the images."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lesionkit.data.records import GROUPS, Records, Skipped


@dataclass(frozen=True)
class DataSummary:
    """What a model was fitted or scored on, without the images.

    Attributes:
        name: where the records come from.
        class_names: the classes in order.
        counts: split -> class name -> number of images.
        fingerprint: SHA-256 over the sorted (picture, label, split) of all images: equal data, equal text.
        skipped: images that were left out, and why.
        licences: (licence, attribution, number of images) of each that a table names, the most frequent first.
    """

    name: str
    class_names: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    fingerprint: str | None
    skipped: tuple[Skipped, ...] = ()
    licences: tuple[tuple[str | None, str | None, int], ...] = ()

    @classmethod
    def of(cls, records: Records) -> "DataSummary":
        """Returns the summary of records; without ``picture_id`` (see ``inspect``) it has no fingerprint."""
        rows = sorted(zip(map(str, records.picture_id), map(str, records.label), records.split, strict=True))
        known = all(picture is not None for picture in records.picture_id)
        digest = hashlib.sha256("\n".join("\t".join(row) for row in rows).encode()).hexdigest()
        named = Counter(zip(records.licence, records.attribution, strict=True))
        licences = tuple((*whose, n) for whose, n in named.most_common() if any(whose))
        fingerprint = digest if known else None
        return cls(records.name, records.class_names, records.counts(), fingerprint, records.skipped, licences)


@dataclass(frozen=True)
class Seen:
    """The identities of the n images that a model was fitted or watched on: training and validation images.

    Validation images count, since they are what a person chooses epochs, options and networks by.

    Attributes:
        n: images.
        picture_id: those that are known.
        copy_id: those that are known.
        lesion_id: those that are known.
        patient_id: those that are known.
        unknown_picture: images with neither picture nor copy id: whether a test image is a copy of one cannot be told.
        unknown_lesion: images with neither lesion nor patient id.
    """

    n: int
    picture_id: frozenset[str] = frozenset()
    copy_id: frozenset[str] = frozenset()
    lesion_id: frozenset[str] = frozenset()
    patient_id: frozenset[str] = frozenset()
    unknown_picture: int = 0
    unknown_lesion: int = 0

    @classmethod
    def of(cls, records: Records) -> "Seen":
        """Returns what ``records`` name."""
        lacks = {name: getattr(records, name) == None for name in GROUPS}  # noqa: E711  (each value of a column)
        return cls(
            len(records),
            **{name: frozenset(getattr(records, name)[~lacks[name]]) for name in GROUPS},
            unknown_picture=int((lacks["picture_id"] & lacks["copy_id"]).sum()),
            unknown_lesion=int((lacks["lesion_id"] & lacks["patient_id"]).sum()),
        )
