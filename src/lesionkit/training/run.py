"""TrainingRun: what a trainer did and saw, and the overfitting that its history shows."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lesionkit.data.summary import DataSummary, Seen
from lesionkit.recipe import Recipe
from lesionkit.text import html_table, html_text

#: Training minus validation accuracy from which a run is said to overfit.
GAP = 0.10


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
