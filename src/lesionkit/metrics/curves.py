"""ROC and precision-recall curves for drawing, with no more points than the eye can tell."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from lesionkit.metrics.classification import Labels, Probabilities

Points = npt.NDArray[np.float64]

#: The most points of a curve, and the distance below which more of them are not worth it.
POINTS, TOLERANCE = 200, 0.0025


@dataclass(frozen=True, eq=False)
class Curves:
    """How one class is told from the rest at every threshold; a curve that the images cannot give is None.

    Both are lines through (k, 2) points in [0, 1], k at most 200. That is enough to stay within 0.005 of scikit-learn's
    points in each coordinate, for all sizes from 2 to 10,000 images that were tried.

    Attributes:
        roc: false positive rate and sensitivity, from (0, 0) to (1, 1); None unless there are images of the class and
            of the rest.
        precision_recall: recall and precision, from recall 0 to 1, in steps: no precision between two thresholds is
            made up (Davis and Goadrich 2006, "The relationship between Precision-Recall and ROC curves"), and the area
            below is the average precision. None without an image of the class.
    """

    roc: Points | None = field(repr=False)
    precision_recall: Points | None = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns the points, to four digits, as what JSON can hold."""
        return {"roc": _lists(self.roc), "precision_recall": _lists(self.precision_recall)}


def class_curves(labels: Labels, probabilities: Probabilities, class_names: Sequence[str]) -> dict[str, Curves]:
    """Returns class name -> curves of it against the rest, for (n,) labels and (n, C) probabilities, n >= 0."""
    return {name: curves(labels == place, probabilities[:, place]) for place, name in enumerate(class_names)}


def curves(positive: npt.NDArray[np.bool_], score: npt.NDArray[np.floating[Any]]) -> Curves:
    """Returns the curves of n >= 0 images.

    Args:
        positive: (n,) whether the image is one of those looked for, such as malignant.
        score: (n,) finite; the higher, the likelier.
    """
    roc, precision_recall = None, None
    if np.any(positive) and not np.all(positive):
        false_positives, sensitivity, _ = sk.roc_curve(positive, score)
        roc = thinned(np.stack([false_positives, sensitivity], axis=1))
    if np.any(positive):
        precision, recall, _ = sk.precision_recall_curve(positive, score)
        precision, recall = precision[-2::-1], recall[-2::-1]  # without the point (0, 1), which is no threshold's
        along = np.repeat(np.append(0.0, recall), 2)[1:-1]
        precision_recall = thinned(np.stack([along, np.repeat(precision, 2)], axis=1))
    return Curves(roc, precision_recall)


def thinned(points: Points, most: int = POINTS, tolerance: float = TOLERANCE) -> Points:
    """Returns those of (n, 2) points, n >= 2, that are needed to draw the line through all of them, at most ``most``.

    The point farthest from the line is added until none is farther than ``tolerance`` (Ramer 1972, "An iterative
    procedure for the polygonal approximation of plane curves"; Douglas and Peucker 1973).
    """
    kept = [0, len(points) - 1]
    waiting: list[tuple[float, int, int, int]] = []

    def look_between(first: int, last: int) -> None:
        if last - first > 1:
            distance = _distance(points[first + 1 : last], points[first], points[last])
            farthest = int(distance.argmax())
            heapq.heappush(waiting, (-float(distance[farthest]), first, first + 1 + farthest, last))

    look_between(*kept)
    while waiting and len(kept) < most and -waiting[0][0] > tolerance:
        _, first, between, last = heapq.heappop(waiting)
        kept.append(between)
        look_between(first, between)
        look_between(between, last)
    return points[sorted(kept)]


def _distance(points: Points, start: Points, end: Points) -> Points:
    """Returns (n,) the distance of (n, 2) points from the line between two (2,) points, its ends included."""
    along, away = end - start, points - start
    length = along @ along
    share = np.clip(away @ along / length, 0, 1) if length else np.zeros(len(points))
    off = away - share[:, None] * along
    return np.hypot(off[:, 0], off[:, 1])


def _lists(points: Points | None) -> list[list[float]] | None:
    return None if points is None else points.round(4).tolist()
