"""The scores of each class as a table for a spreadsheet."""

import csv
import os
from pathlib import Path

from lesionkit import Evaluation
from lesionkit.files import whole_file
from lesionkit.text import as_text

COLUMNS = ("n", "precision", "recall", "specificity", "f1", "auc")


def class_csv(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Writes ``class,n,precision,recall,specificity,f1,auc`` in UTF-8, a row for each class, and returns the path.

    A score that the images cannot tell is an empty cell.

    Raises:
        StorageError: the file cannot be written.
    """
    with whole_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["class", *COLUMNS])
        for name, scores in evaluation.per_class.items():
            writer.writerow([as_text(name), *(scores[column] for column in COLUMNS)])
    return Path(path)
