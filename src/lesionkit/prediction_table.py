"""Answers of a classifier as a table: one row an image, one probability column a class."""

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from lesionkit.evaluation import Evaluation
from lesionkit.files import as_text, whole_file

#: The columns before those of the classes.
COLUMNS = ("path", "image_id", "label", "predicted", "confidence")


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
