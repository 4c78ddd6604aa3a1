"""Arrays to scores, by scikit-learn where it has the metric.

Everywhere ``labels`` are (n,) whole numbers from 0 to C - 1 and ``probabilities`` (n, C) with rows that sum to 1. A
score that its images cannot give (the recall of a class without images) is None, never a guess.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from lesionkit.errors import DataError

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.floating[Any]]

#: The scores that :func:`bootstrap` gives, in its order.
SCORED = ("accuracy", "balanced_accuracy", "loss")

#: How often the images are drawn again, and the share of the draws that an interval holds.
RESAMPLES, LEVEL = 2000, 0.95

_AT_ONCE = 2**20


def accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the share of images whose likeliest class is the label."""
    return float(sk.accuracy_score(labels, predicted(probabilities)))


def balanced_accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the mean recall over the classes that have images."""
    recalls = sk.recall_score(labels, predicted(probabilities), labels=np.unique(labels), average=None)
    return float(np.mean(recalls))


def loss(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the mean categorical cross-entropy, -log of the label's probability.

    Probabilities are kept within [1e-7, 1 - 1e-7], as ``keras.losses.categorical_crossentropy`` does, so that the
    value is comparable with a Keras loss.
    """
    return float(np.mean(_losses(labels, probabilities)))


def confusion_matrix(labels: Labels, probabilities: Probabilities) -> npt.NDArray[np.int64]:
    """Returns (C, C) counts: images of class i whose likeliest class is j."""
    places = np.arange(probabilities.shape[1])
    return np.asarray(sk.confusion_matrix(labels, predicted(probabilities), labels=places), dtype=np.int64)


def per_class(
    labels: Labels, probabilities: Probabilities, class_names: Sequence[str]
) -> dict[str, dict[str, float | int | None]]:
    """Returns class name -> ``n``, ``precision``, ``recall``, ``specificity``, ``f1``, ``auc``: it against the rest.

    None where the divisor is 0: precision when the class is never predicted, recall, F1 and AUC when it has no
    images, specificity and AUC when every image is of it.
    """
    matrix = confusion_matrix(labels, probabilities)
    found = {}
    for place, name in enumerate(class_names):
        hits, images, calls = int(matrix[place, place]), int(matrix[place].sum()), int(matrix[:, place].sum())
        others = len(labels) - images
        found[name] = {
            "n": images,
            "precision": _ratio(hits, calls),
            "recall": _ratio(hits, images),
            "specificity": _ratio(others - (calls - hits), others),
            "f1": _ratio(2 * hits, images + calls) if images else None,
            "auc": float(sk.roc_auc_score(labels == place, probabilities[:, place])) if images and others else None,
        }
    return found


def bootstrap(
    labels: Labels, *answers: Probabilities, groups: Labels, resamples: int = RESAMPLES, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Returns (answers, resamples, 3): :data:`SCORED` for each of ``answers``, on images drawn again by whole groups.

    A resample draws as many groups as there are, with replacement, so that images of one lesion or patient, which
    are alike, come and go together (Cameron, Gelbach and Miller 2008, "Bootstrap-based improvements for inference
    with clustered errors"). All answers are scored on the same resamples: their differences are paired. A class
    without an image in a resample is left out of its balanced accuracy. Neither the order of the images nor the
    numbers that stand for groups matter.

    Args:
        labels: (n,), n >= 1.
        answers: one or more (n, C) probabilities for the same images.
        groups: (n,) whole numbers, equal for images of one group.
        resamples: how many.
        seed: of the draws.
    """
    classes = answers[0].shape[1]
    hot = np.eye(classes)[labels]
    parts = [hot]
    for one in answers:
        parts += [hot * (predicted(one) == labels)[:, None], _losses(labels, one)[:, None]]
    group = np.unique(groups, return_inverse=True)[1]
    sums = np.stack([np.bincount(group, weights=part) for part in np.concatenate(parts, axis=1).T], axis=1)
    sums = sums[np.lexsort(np.round(sums, 9).T[::-1])]
    totals = np.concatenate([times @ sums for times in drawn(len(sums), resamples, seed)])
    images = totals[:, None, :classes]
    sums_of_answers = totals[:, classes:].reshape(resamples, len(answers), classes + 1)
    hits, losses = sums_of_answers[..., :-1], sums_of_answers[..., -1]
    recalls = (hits / np.maximum(images, 1)).sum(axis=-1) / np.count_nonzero(images, axis=-1)
    found = [hits.sum(axis=-1) / images.sum(axis=-1), recalls, losses / images.sum(axis=-1)]
    return np.stack(found, axis=-1).transpose(1, 0, 2)


def drawn(count: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Yields (some, count): how often each of ``count`` things is drawn, some resamples at a time."""
    random = np.random.default_rng(seed)
    some = max(1, _AT_ONCE // count)
    for start in range(0, resamples, some):
        now = min(some, resamples - start)
        places = random.integers(count, size=(now, count), dtype=np.int32)
        yield np.stack([np.bincount(row, minlength=count) for row in places]).astype(np.float64)


def interval(values: npt.NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """Returns the percentiles between which the middle ``level`` of ``values`` (resamples,) lies."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def predicted(probabilities: Probabilities) -> Labels:
    """Returns (n,) the likeliest class of each image, the first among equals."""
    return np.asarray(np.argmax(probabilities, axis=1), dtype=np.int64)


def checked(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Labels, Probabilities]:
    """Returns labels and probabilities as arrays that the scores above take.

    Raises:
        DataError: no images, shapes that do not match, labels out of range, or values that are not probabilities.
    """
    places, values = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or places.shape != values.shape[:1] or not len(values):
        raise DataError(f"labels are (n,), probabilities (n, C), n >= 1. Received: {places.shape} and {values.shape}")
    if not np.issubdtype(places.dtype, np.integer) or places.min() < 0 or places.max() >= values.shape[1]:
        raise DataError(f"labels are whole numbers from 0 to {values.shape[1] - 1}. Received: {np.unique(places)}")
    if not np.all(np.isfinite(values)) or values.min() < 0 or not np.allclose(values.sum(axis=1), 1, atol=1e-3):
        raise DataError(
            "probabilities are finite, at least 0, and each row sums to 1. A network whose training diverged gives "
            "others: train it with a lower learning rate."
        )
    return places.astype(np.int64), values


def _losses(labels: Labels, probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """Returns (n,) the cross-entropy of each image."""
    given = np.asarray(probabilities, dtype=np.float64)[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.clip(given, 1e-7, 1 - 1e-7)), dtype=np.float64)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
