"""Labels and probabilities to scores, by scikit-learn where it has the metric; what chance and the majority score.

scikit-learn is imported by what calls it: the names of scores are asked for by commands that should start at once.

Everywhere ``labels`` are (n,) whole numbers from 0 to C - 1 and ``probabilities`` (n, C) with rows that sum to 1. A
score that its images cannot give (the recall of a class without images) is None, never a guess.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.errors import DataError
from lesionkit.text import as_text

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.floating[Any]]


def accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the share of images whose likeliest class is the label."""
    from sklearn import metrics as sk

    return float(sk.accuracy_score(labels, predicted(probabilities)))


def balanced_accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the mean recall over the classes that have images."""
    from sklearn import metrics as sk

    recalls = sk.recall_score(labels, predicted(probabilities), labels=np.unique(labels), average=None)
    return float(np.mean(recalls))


def loss(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the mean categorical cross-entropy, -log of the label's probability.

    Probabilities are kept within [1e-7, 1 - 1e-7], as ``keras.losses.categorical_crossentropy`` does, so that the
    value is comparable with a Keras loss.
    """
    return float(np.mean(cross_entropies(labels, probabilities)))


def confusion_matrix(labels: Labels, probabilities: Probabilities) -> npt.NDArray[np.int64]:
    """Returns (C, C) counts: images of class i whose likeliest class is j."""
    from sklearn import metrics as sk

    places = np.arange(probabilities.shape[1])
    return np.asarray(sk.confusion_matrix(labels, predicted(probabilities), labels=places), dtype=np.int64)


def per_class(
    labels: Labels, probabilities: Probabilities, class_names: Sequence[str]
) -> dict[str, dict[str, float | int | None]]:
    """Returns class name -> ``n``, ``precision``, ``recall``, ``specificity``, ``f1``, ``auc``: it against the rest.

    None where the divisor is 0: precision when the class is never predicted, recall, F1 and AUC when it has no
    images, specificity and AUC when every image is of it.
    """
    from sklearn import metrics as sk

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


def cross_entropies(labels: Labels, probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """Returns (n,) the cross-entropy of each image."""
    given = np.asarray(probabilities, dtype=np.float64)[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.clip(given, 1e-7, 1 - 1e-7)), dtype=np.float64)


def references(
    labels: Labels, class_names: Sequence[str], train_counts: Mapping[str, int] | None
) -> dict[str, dict[str, Any] | None]:
    """Returns ``"chance"`` and ``"majority"`` -> ``accuracy`` and ``balanced_accuracy`` on n images, as JSON holds it.

    Chance is a uniform guess among the C classes: both scores are 1/C on average, whatever the labels. The majority is
    the class with most training images, the first among equals, as the answer to everything: its accuracy is its share
    of the images, and its balanced accuracy 1 over the number of classes with images, or 0 where it has none. Scores
    of no images are None; so is the majority where the training images are not known.

    Args:
        labels: (n,) places of the classes, n >= 0.
        class_names: C names.
        train_counts: class name -> number of training images, if they are known.
    """
    guess = 1 / len(class_names) if len(labels) else None
    found: dict[str, dict[str, Any] | None] = {
        "chance": {"class": None, "accuracy": guess, "balanced_accuracy": guess},
        "majority": None,
    }
    known = train_counts or {}
    counts = [known.get(name, 0) for name in class_names]
    if any(counts):
        most = int(np.argmax(counts))
        share = float(np.mean(labels == most)) if len(labels) else None
        balanced = bool(share) / len(np.unique(labels)) if len(labels) else None
        found["majority"] = {"class": as_text(class_names[most]), "accuracy": share, "balanced_accuracy": balanced}
    return found


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
