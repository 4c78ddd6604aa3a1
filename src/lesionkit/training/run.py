"""TrainingRun: what a trainer did and saw, the overfitting that its history shows, and what ties test images to it."""

import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.markup import html_table, html_text
from lesionkit.recipe import Recipe
from lesionkit.records import GROUPS, Records, Skipped

#: Training minus validation accuracy from which a run is said to overfit.
GAP = 0.10

# The later words win.
_KINDS = {"patient_id": "patient", "lesion_id": "lesion", "picture_id": "copy", "copy_id": "copy"}


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


@dataclass(frozen=True)
class TrainingRun:
    """What ``fit`` did.

    Attributes:
        recipe: what was asked for, as far as the model and the trainer know it; None for a model built elsewhere.
        history: ``accuracy``, ``balanced_accuracy``, ``loss`` and, with validation images, the same with ``val_``; one
            value for each epoch. A loss is what training made least: with its label smoothing, weights and so on.
        data: the training and validation images.
        timing: seconds, ``features_s`` for the frozen part and ``fit_s`` for the rest, and ``images_per_s`` of the
            frozen part (None where nothing was extracted).
        features: pictures ``extracted`` now and ``reused`` from the store; empty where no store was used.
        seen: the identities of the training and validation images; None where they did not all come as records.
        phases: name of each phase -> its epochs, in the order of the history.
        model: the classifier that was fitted.

    Example:
        >>> run.epochs, sorted(run.history)
        (2, ['accuracy', 'balanced_accuracy', 'loss', 'val_accuracy', 'val_balanced_accuracy', 'val_loss'])
    """

    recipe: Recipe | None
    history: Mapping[str, Sequence[float]]
    data: DataSummary | None
    timing: Mapping[str, float | None]
    features: Mapping[str, int] = field(default_factory=dict)
    seen: Seen | None = field(default=None, repr=False)
    phases: Mapping[str, int] = field(default_factory=dict)
    model: Any = field(default=None, repr=False, compare=False)

    def after(self, first: "TrainingRun") -> "TrainingRun":
        """Returns this run as what followed ``first``: the epochs of both, and the sums of their times."""
        extracted = first.features.get("extracted", 0) + self.features.get("extracted", 0)
        timing = {name: (first.timing[name] or 0.0) + (self.timing[name] or 0.0) for name in ("features_s", "fit_s")}
        return dataclasses.replace(
            self,
            history={
                name: (*first.history[name], *values) for name, values in self.history.items() if name in first.history
            },
            timing={**timing, "images_per_s": extracted / timing["features_s"] if extracted else None},
            features={
                name: count + self.features[name] for name, count in first.features.items() if name in self.features
            },
            phases={**first.phases, **self.phases},
        )

    @property
    def epochs(self) -> int:
        """How many epochs were finished."""
        return len(self.history["loss"])

    def overfitting(self) -> dict[str, Any]:
        """Returns ``gap`` (training minus validation accuracy, by epoch), ``best_epoch`` (from 1) and ``diagnosis``.

        The best epoch is that of the least validation loss. Without validation images all but the words is None.
        """
        if "val_loss" not in self.history:
            return {"gap": None, "best_epoch": None, "diagnosis": "Cannot be told: no validation images were held out."}
        accuracy, held_out, loss = (self.history[name] for name in ("accuracy", "val_accuracy", "val_loss"))
        gap = [train - validation for train, validation in zip(accuracy, held_out, strict=True)]
        best = min(range(self.epochs), key=lambda epoch: (math.isnan(loss[epoch]), loss[epoch]))
        ends = (
            f"After {self.epochs} epochs the accuracy is {accuracy[-1]:.1%} on training and {held_out[-1]:.1%} on "
            f"validation images, a gap of {100 * gap[-1]:.1f} points."
        )
        turn = (
            f"The validation loss was least in epoch {best + 1} ({loss[best]:.4f}) and {loss[-1]:.4f} after the last: "
            "the epochs between learned the training images more than the task."
            if best + 1 < self.epochs
            else "The validation loss was least in the last epoch: more epochs may still help."
        )
        verdict = (
            f"By a gap above {100 * GAP:.0f} points the run {'overfits' if gap[-1] > GAP else 'does not overfit'}."
        )
        return {"gap": gap, "best_epoch": best + 1, "diagnosis": f"{ends} {turn} {verdict}"}

    def _repr_html_(self) -> str:
        of = f"{self.recipe.backbone.name}, {self.recipe.trainer.name}" if self.recipe else "a model built elsewhere"
        epochs = zip(*self.history.values(), strict=True)
        rows = [(epoch, *(f"{value:.4f}" for value in values)) for epoch, values in enumerate(epochs, 1)]
        table = html_table(f"Training of {of}: {self.epochs} epochs", ("epoch", *self.history), rows)
        return f"{table}<p>{html_text(self.overfitting()['diagnosis'])}</p>"


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
