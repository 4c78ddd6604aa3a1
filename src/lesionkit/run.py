"""TrainingRun: what a trainer did, and the overfitting that its history shows."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lesionkit.recipe import Recipe
from lesionkit.records import Records, Skipped

#: Training minus validation accuracy from which a run is said to overfit.
GAP = 0.10


@dataclass(frozen=True)
class DataSummary:
    """What a model was fitted or scored on, without the images.

    Attributes:
        name: where the records come from.
        class_names: the classes in order.
        counts: split -> class name -> number of images.
        fingerprint: SHA-256 over the sorted (picture, label, split) of all images: equal data, equal text.
        skipped: images that were left out, and why.
    """

    name: str
    class_names: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    fingerprint: str | None
    skipped: tuple[Skipped, ...] = ()

    @classmethod
    def of(cls, records: Records) -> "DataSummary":
        """Returns the summary of records; without ``picture_id`` (see ``inspect``) it has no fingerprint."""
        rows = sorted(zip(map(str, records.picture_id), map(str, records.label), records.split, strict=True))
        known = all(picture is not None for picture in records.picture_id)
        digest = hashlib.sha256("\n".join("\t".join(row) for row in rows).encode()).hexdigest()
        return cls(records.name, records.class_names, records.counts(), digest if known else None, records.skipped)


@dataclass(frozen=True)
class TrainingRun:
    """What ``fit`` did.

    Attributes:
        recipe: what was asked for, as far as the model and the trainer know it; None for a model built elsewhere.
        history: ``accuracy``, ``loss`` and, with validation images, ``val_accuracy`` and ``val_loss``; one value for
            each epoch.
        data: the training and validation images.
        timing: seconds, ``features_s`` for the frozen part and ``fit_s`` for the rest, and ``images_per_s`` of the
            frozen part (None where nothing was extracted).
        features: pictures ``extracted`` now and ``reused`` from the store; empty where no store was used.
    """

    recipe: Recipe | None
    history: Mapping[str, Sequence[float]]
    data: DataSummary | None
    timing: Mapping[str, float | None]
    features: Mapping[str, int] = field(default_factory=dict)

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
