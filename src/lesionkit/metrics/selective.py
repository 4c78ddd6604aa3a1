"""Selective prediction: accuracy on the images that a classifier is surest of, the others left to a person."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from lesionkit.metrics.classification import Labels, Probabilities, checked, predicted
from lesionkit.metrics.intervals.resampling import checked_groups, share_interval

#: Shares of the images that are answered, for the table beside the curve: a choice.
COVERAGES = (1.0, 0.9, 0.8, 0.5)

_POINTS = 200


@dataclass(frozen=True)
class Answered:
    """The surest images, at least the share ``asked`` of all: with one image come all that are as sure.

    Attributes:
        asked: share in (0, 1].
        coverage: share of the images that are answered.
        n: how many these are.
        confidence: the least of their confidences.
        accuracy: share of them whose likeliest class is the label.
        interval: 95% interval of the accuracy, see :func:`~lesionkit.metrics.intervals.resampling.share_interval`.
    """

    asked: float
    coverage: float
    n: int
    confidence: float
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Selective:
    """Accuracy against coverage, on n images.

    Attributes:
        n: images.
        accuracy: on all of them; so also what any share of them has on average when it is chosen at random.
        coverage: shares of the images answered, rising to 1: one for each distinct confidence, or about 200 of them.
        accuracy_at: the accuracy on each share.
        confidence_at: the least confidence in each.
        area: area under the risk-coverage curve, in [0, 1], less is better; ``1 - accuracy`` for a random order.
        answered: the images answered at each of :data:`COVERAGES`.
    """

    n: int
    accuracy: float
    coverage: tuple[float, ...]
    accuracy_at: tuple[float, ...]
    confidence_at: tuple[float, ...]
    area: float
    answered: tuple[Answered, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns the curve as what JSON can hold."""
        return dataclasses.asdict(self)


def selective(labels: Labels, probabilities: Probabilities, groups: Labels | None = None) -> Selective:
    """Returns accuracy against coverage when the images with the least confidence are left to a person.

    An image's confidence is its largest probability. Risk and coverage are those of El-Yaniv and Wiener 2010, "On the
    foundations of noise-free selective classification", with the confidence of Geifman and El-Yaniv 2017, "Selective
    classification for deep neural networks" (softmax response). The area is the mean over images of the risk
    on all images that are at least as sure (Geifman, Uziel and El-Yaniv 2019, "Bias-reduced uncertainty estimation for
    deep neural classifiers").

    Args:
        labels: (n,), n >= 1.
        probabilities: (n, C).
        groups: (n,) for the intervals, equal for images of one group; None: each image is a group.

    Raises:
        DataError: arrays that are no labels and probabilities, or do not fit together.
    """
    labels, probabilities = checked(labels, probabilities)
    groups = np.arange(len(labels)) if groups is None else checked_groups(groups, len(labels))
    hits, confidence = predicted(probabilities) == labels, probabilities.max(axis=1)
    levels, place, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)
    count = np.cumsum(sizes)
    accuracy = np.cumsum(np.bincount(place, weights=hits)) / count
    coverage = count / len(labels)
    answered = []
    for asked in COVERAGES:
        last = int(np.searchsorted(coverage, asked - 1e-9))
        kept = place <= last
        ends = share_interval(hits[kept], groups[kept])
        assert ends is not None
        figures = (float(coverage[last]), int(count[last]), float(-levels[last]), float(accuracy[last]))
        answered.append(Answered(asked, *figures, ends))
    shown = np.unique(np.linspace(0, len(levels) - 1, _POINTS).round().astype(int))
    return Selective(
        len(labels),
        float(accuracy[-1]),
        tuple(coverage[shown].tolist()),
        tuple(accuracy[shown].tolist()),
        tuple((-levels[shown]).tolist()),
        float(sizes @ (1 - accuracy) / len(labels)),
        tuple(answered),
    )
