"""The shortcut baseline: a random forest on file metadata and the image border only."""

import hashlib
import re
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier

from lesionkit.data.records import Records
from lesionkit.data.survey import THUMBNAIL, Survey, readable
from lesionkit.errors import DataError
from lesionkit.options import checked_seed
from lesionkit.text import as_text

Array = npt.NDArray[Any]

#: Families of features, and what each looks at. The border is the outermost 4 of the thumbnail's 64 pixels.
FAMILIES = {
    "image_number": ("number",),
    "file_size": ("bytes",),
    "dimensions": ("width", "height"),
    "encoding": ("format", "mode", "tables"),
    "border_colour": tuple(f"border {what} {colour}" for what in ("mean", "spread") for colour in "RGB"),
}

_BORDER = 4
_TREES = 50
_DIGITS = re.compile(r"[0-9]{1,12}")


def shortcut_probabilities(
    train: Records, train_survey: Survey, test: Records, test_survey: Survey, *, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Returns (n, C) the probabilities for ``test`` of a forest that was fitted on all of ``train``.

    It is the one of :func:`~lesionkit.checks.shortcuts.shortcuts`, and looks at all families together. Columns are in
    the order of ``train.class_names``, rows sum to 1; a class without training images gets 0. Training images that
    cannot be read or have no label are left out.

    Raises:
        OptionError: the seed is not a whole number from 0 to 2**32 - 1.
        DataError: no training image can be read and has a label.
        UnreadableImagesError: a test image cannot be read.
    """
    checked_seed(seed)
    rows = learnable(train, train_survey)
    if not len(rows):
        raise DataError(f"{as_text(train.name)} has no readable, labelled image to learn from. Received: {len(train)}")
    test, test_survey = readable(test, test_survey)
    known = np.column_stack(list(shortcut_features(train[rows], train_survey[rows]).values()))
    asked = np.column_stack(list(shortcut_features(test, test_survey).values()))
    varied = np.any(known != known[0], axis=0)
    varied |= not varied.any()
    forest = fitted_forest(known[:, varied], train.label[rows], seed)
    found = np.zeros((len(test), len(train.class_names)))
    if len(test):
        found[:, forest.classes_] = forest.predict_proba(asked[:, varied])
    return found


def learnable(records: Records, surveyed: Survey) -> Array:
    """Returns the readable, labelled rows, ordered by content, so that the order of the records changes no figure."""
    rows = np.flatnonzero(surveyed.readable & (records.label >= 0))
    key = [(surveyed.looks[row].picture_id, records.source[row], records.label[row]) for row in rows]
    return rows[sorted(range(len(rows)), key=key.__getitem__)]


def shortcut_features(records: Records, surveyed: Survey) -> dict[str, Array]:
    """Returns the name of a feature -> (n,) its values; an image without a number has -1, a text is hashed."""
    frame = np.ones(THUMBNAIL, dtype=bool)
    frame[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    border = np.zeros((len(records), 6))
    for row, thumbnail in enumerate(surveyed.thumbnails):
        border[row] = *thumbnail[frame].mean(axis=0), *thumbnail[frame].std(axis=0)
    found = {"number": np.array([_number(image_id) for image_id in records.image_id], dtype=float)}
    for name in ("bytes", "width", "height"):
        found[name] = surveyed.column(name).astype(float)
    for name in ("format", "mode", "tables"):
        found[name] = np.array([_hashed(text) for text in surveyed.column(name)], dtype=float)
    return found | dict(zip(FAMILIES["border_colour"], border.T, strict=True))


def fitted_forest(values: Array, labels: Array, seed: int) -> RandomForestClassifier:
    """Returns a fitted forest, on one thread: several would add its trees up in another order each time."""
    forest = RandomForestClassifier(_TREES, min_samples_leaf=3, class_weight="balanced", random_state=seed)
    return forest.fit(values, labels)


def _number(image_id: str) -> float:
    digits = _DIGITS.findall(image_id)
    return float(digits[-1]) if digits else -1.0


def _hashed(text: str) -> float:
    """Returns a whole number below 2**24, which the forest's float32 holds exactly: two splits single it out."""
    return float(int.from_bytes(hashlib.sha256(text.encode()).digest()[:3]))
