"""What a classifier predicts for an image, the likeliest class first, and predictions as a table."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.files import whole_file
from lesionkit.text import as_text

#: The columns before those of the classes.
COLUMNS = ("path", "image_id", "label", "predicted", "confidence")


@dataclass(frozen=True)
class Prediction:
    """What a classifier answers for one image.

    Attributes:
        source: the file's name, or an empty text for an image that came from no file.
        ranked: (class name, probability) of every class, the likeliest first.
        applied: ``views``, how many the answer is the mean of; ``temperature``, what calibrated it, or None.
        malignant: the sum of the malignant classes' probabilities, not calibrated; None where the classes do not tell.
        referred: whether ``malignant`` is at or above the bundle's operating point; None where it has none.
        possible: the classes that cannot be ruled out, in the order of ``ranked``, from the bundle's conformal sets;
            None where it has none.

    Example:
        >>> answer = lk.Prediction("mole.jpg", ranked=(("nevus", 0.7), ("melanoma", 0.3)))
        >>> answer.label, answer.confidence
        ('nevus', 0.7)
    """

    source: str
    ranked: tuple[tuple[str, float], ...]
    applied: Mapping[str, Any] = field(default_factory=dict)
    malignant: float | None = None
    referred: bool | None = None
    possible: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """The likeliest class."""
        return self.ranked[0][0]

    @property
    def confidence(self) -> float:
        """Its probability: as the network gives it, unless ``applied`` names a temperature."""
        return self.ranked[0][1]


def write_predictions(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Writes :data:`COLUMNS` and one probability column per class, UTF-8 CSV, a row for each image; returns ``path``.

    Raises:
        StorageError: the file cannot be written.
    """
    names = evaluation.class_names
    labels = [names[label] for label in evaluation.labels]
    return write_answers(path, names, evaluation.source, evaluation.image_id, labels, evaluation.probabilities.tolist())


def write_answers(
    path: str | os.PathLike[str],
    class_names: Sequence[str],
    sources: Iterable[str],
    image_ids: Iterable[str],
    labels: Iterable[str],
    probabilities: Iterable[Sequence[float]],
) -> Path:
    """Writes n answers as :func:`write_predictions` does.

    Args:
        path: the file.
        class_names: C names.
        sources: n file names.
        image_ids: n image ids.
        labels: n class names, empty where the label is not known.
        probabilities: n times C of them, seven digits are written.

    Raises:
        StorageError: the file cannot be written.
    """
    names = [as_text(name) for name in class_names]
    with whole_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow([*COLUMNS, *names])
        for source, image_id, label, row in zip(sources, image_ids, labels, probabilities, strict=True):
            most = max(range(len(names)), key=row.__getitem__)
            told = [as_text(source), as_text(image_id), as_text(label), names[most], f"{row[most]:.7g}"]
            table.writerow([*told, *(f"{value:.7g}" for value in row)])
    return Path(path)
