"""A folder of images with a table of their labels in it."""

import os
from pathlib import Path

from lesionkit import Records
from lesionkit.data.tables import read_table
from lesionkit.errors import DataError


def labels_csv(root: str | os.PathLike[str]) -> Records:
    """Reads ``root/labels.csv``, one row for each image: ``file,label`` and, if wanted, ``split,lesion_id,patient_id``.

    ``file`` is relative to ``root``. Classes are sorted by name; a row without a label is an image that has none.

    Raises:
        DataError: the table is missing or not sound, or an image that it names is not there.
    """
    table = read_table(Path(root, "labels.csv"), ("file", "label"), ("split", "lesion_id", "patient_id"))
    for row, file in enumerate(table["file"]):
        if file is None or not Path(root, file).is_file():
            raise table.error(row, "file", f"{file!r} is not in the folder. Put it there, or remove the row.")
    class_names = sorted({name for name in table["label"] if name is not None})
    if len(class_names) < 2:
        raise DataError(f"{table.path} names {len(class_names)} class; a classifier needs two or more.")
    place = {name: number for number, name in enumerate(class_names)}
    return Records(
        class_names=class_names,
        source=[str(Path(root, file)) for file in table["file"]],
        label=[place.get(name, -1) for name in table["label"]],
        image_id=[Path(file).stem for file in table["file"]],
        split=[split or "" for split in table["split"]],
        lesion_id=table["lesion_id"],
        patient_id=table["patient_id"],
        name=Path(root).resolve().name,
    )
