"""Label patches: what could be done about copies and wrong labels among the training images, for a person to decide.

A patch is a CSV table with one row for each training image that something is said of. It is suggested by
:func:`~lesionkit.auditing.suggestions.suggest_patch`, read and edited by a person, and applied by :func:`apply_patch`
only when asked for. It never touches images that are scored.
"""

import csv
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionkit.data.records import Records
from lesionkit.errors import DataError
from lesionkit.files import whole_file
from lesionkit.text import as_text

ACTIONS = ("keep", "drop", "relabel")

COLUMNS = ("path", "image_id", "label_now", "action", "suggested_label", "evidence")


@dataclass(frozen=True)
class Change:
    """One row of a patch.

    Attributes:
        path: the image's file, relative to the folder that holds all images of the records, as text.
        image_id: its image id, for the reader.
        label_now: the class that it is filed under.
        action: one of :data:`ACTIONS`.
        suggested_label: the class to file it under; only with ``"relabel"``.
        evidence: why, in words.
    """

    path: str
    image_id: str
    label_now: str
    action: str
    suggested_label: str = ""
    evidence: str = ""


def apply_patch(records: Records, patch: "str | os.PathLike[str] | Sequence[Change]") -> Records:
    """Returns the records with a patch applied: training images dropped and relabelled, nothing else changed.

    Args:
        records: the whole set that the patch was made for.
        patch: its file, or its rows.

    Raises:
        DataError: the file is not a patch, or a row names no image, an image that is scored, another label than the
            image has, an unknown action or class; or a class would be left without training images.

    Example:
        >>> patch = lk.suggest_patch(lk.inspect(records), min_per_class=1)  # nothing: these images have no copies
        >>> len(lk.apply_patch(records, patch)) == len(records)
        True
    """
    changes = read_patch(patch) if isinstance(patch, str | os.PathLike) else tuple(patch)
    where = as_text(patch) if isinstance(patch, str | os.PathLike) else "the patch"
    places = {path: row for row, path in enumerate(relative_paths(records))}
    label, kept = records.label.copy(), np.ones(len(records), dtype=bool)
    seen: set[str] = set()
    for number, change in enumerate(changes, 2):
        row = places.get(change.path)
        problem = _problem(records, row, change, seen)
        if problem or row is None:
            raise DataError(f"{where}, row {number} ({change.path}): {problem}")
        seen.add(change.path)
        kept[row] = change.action != "drop"
        if change.action == "relabel":
            label[row] = text_names(records).index(change.suggested_label)
    patched = dataclasses.replace(records, label=label)[kept]
    _refuse_empty_classes(records, patched, where)
    return patched


def write_patch(changes: Sequence[Change], path: str | os.PathLike[str]) -> Path:
    """Writes a patch as CSV (UTF-8, :data:`COLUMNS`) and returns its path.

    Raises:
        StorageError: the file cannot be written.
    """
    with whole_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(dataclasses.astuple(change) for change in changes)
    return Path(path)


def read_patch(path: str | os.PathLike[str]) -> tuple[Change, ...]:
    """Reads what :func:`write_patch` wrote and a person edited; a spreadsheet's byte-order mark is no matter.

    Raises:
        DataError: the file is missing, not UTF-8, or not a patch.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{as_text(path)} cannot be read as a patch ({error}). Give a labels.patch.csv.") from error
    if not rows or tuple(rows[0]) != COLUMNS:
        found = ", ".join(map(as_text, rows[0])) if rows else "nothing"
        raise DataError(f"{as_text(path)} is not a patch: its first row is {', '.join(COLUMNS)}. Received: {found}")
    for number, row in enumerate(rows[1:], 2):
        if row and len(row) != len(COLUMNS):
            raise DataError(f"{as_text(path)}, row {number}: {len(row)} cells where there are {len(COLUMNS)} columns.")
    return tuple(Change(*row) for row in rows[1:] if row)


def described(path: str | os.PathLike[str]) -> dict[str, str | int]:
    """Returns which patch a file is, for reports: its name, the SHA-256 of its bytes, and how many rows do what."""
    changes = read_patch(path)
    counts = {action: sum(change.action == action for change in changes) for action in ACTIONS}
    return {"file": as_text(Path(path).name), "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(), **counts}


def relative_paths(records: Records) -> list[str]:
    """Returns each image's path from the folder that holds all of them, as text with forward slashes."""
    folders = {os.path.dirname(source) for source in records.source}  # noqa: PTH120  (names that are not UTF-8 stay text)
    root = os.path.commonpath(folders) if folders else ""
    return [as_text(os.path.relpath(source, root or ".").replace(os.sep, "/")) for source in records.source]


def text_names(records: Records) -> list[str]:
    """Returns the class names as any text file can hold them."""
    return [as_text(name) for name in records.class_names]


def _problem(records: Records, row: int | None, change: Change, seen: set[str]) -> str:
    names = text_names(records)
    if row is None:
        return "there is no such image among the records. Make the patch anew for these images, or remove the row."
    if change.path in seen:
        return "a second row for this image. Keep one."
    if change.action not in ACTIONS:
        return f"action is one of {', '.join(ACTIONS)}. Received: {change.action!r}"
    if change.action != "keep" and records.split[row] not in ("", "train"):
        return f"it is a {records.split[row]} image; a patch changes training images only. Remove the row."
    now = names[records.label[row]] if records.label[row] >= 0 else ""
    if change.label_now != now:
        return f"the image is filed under {now!r}, the patch was made for {change.label_now!r}."
    if change.action == "relabel" and change.suggested_label not in names:
        return f"suggested_label is one of {', '.join(names)}. Received: {change.suggested_label!r}"
    return ""


def _refuse_empty_classes(before: Records, after: Records, where: str) -> None:
    for place, name in enumerate(before.class_names):
        if np.any(before.label == place) and not np.any(after.label[np.isin(after.split, ("", "train"))] == place):
            raise DataError(f"{where} leaves no training image of {as_text(name)}. Keep some of its rows.")
