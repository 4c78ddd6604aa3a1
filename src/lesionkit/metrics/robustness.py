"""What artefacts on the pictures do to a classifier's answers, as scores."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.metrics import classification
from lesionkit.metrics.classification import Labels
from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.intervals.comparison import BETTER, CANNOT_TELL, WORSE
from lesionkit.metrics.intervals.resampling import LEVEL, share_interval

#: An artefact and its strength.
Change = tuple[str, int]


@dataclass(frozen=True)
class Stressed:
    """How the images were answered with one artefact on all of them.

    Attributes:
        artefact: a name in :data:`~lesionkit.evaluation.artefacts.ARTEFACTS`.
        strength: 1, 2 or 3.
        accuracy: share of images whose likeliest class is the label.
        balanced_accuracy: mean recall of the classes that have images.
        accuracy_change: ``accuracy`` minus that of the same images untouched.
        balanced_accuracy_change: the same of ``balanced_accuracy``.
        flip_rate: share of images whose likeliest class is another than untouched, whichever is right.
        intervals: of both changes and the flip rate -> (low, high) at 95%, by whole groups; None where all images are
            of one group.
        adjusted: (low, high) of ``balanced_accuracy_change`` at the level that all rows together need.
        verdict: ``"worse"`` or ``"better"`` than untouched by ``adjusted``, or ``"cannot tell"``.
    """

    artefact: str
    strength: int
    accuracy: float
    balanced_accuracy: float
    accuracy_change: float
    balanced_accuracy_change: float
    flip_rate: float
    intervals: Mapping[str, tuple[float, float]] | None
    adjusted: tuple[float, float] | None
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Returns the row as what JSON can hold."""
        ends = {name: list(pair) for name, pair in self.intervals.items()} if self.intervals else None
        adjusted = list(self.adjusted) if self.adjusted else None
        return dataclasses.asdict(self) | {"intervals": ends, "adjusted": adjusted}


@dataclass(frozen=True)
class Stress:
    """How ``n`` images were answered untouched, and with each artefact at each strength.

    Attributes:
        n: images.
        available: images that there were; ``n`` of them were drawn.
        groups: groups of images that share a picture, lesion or patient: what the intervals draw.
        seed: of what was drawn, images and artefacts.
        accuracy: of the untouched images.
        balanced_accuracy: the same.
        rows: one for each artefact and strength.
        reason: why there are no intervals.
    """

    n: int
    available: int
    groups: int
    seed: int
    accuracy: float
    balanced_accuracy: float
    rows: tuple[Stressed, ...]
    reason: str | None = None

    def worst(self) -> str:
        """Returns which row costs the most balanced accuracy, and whether that can be told from no change, in words."""
        row = min(self.rows, key=lambda one: one.balanced_accuracy_change)
        if row.balanced_accuracy_change >= 0:
            return f"No artefact lowers the balanced accuracy of {self.balanced_accuracy:.1%}."
        told = (
            f"{row.artefact.replace('_', ' ').capitalize()} at strength {row.strength} costs the most: balanced "
            f"accuracy {row.balanced_accuracy:.1%} instead of {self.balanced_accuracy:.1%}, and {row.flip_rate:.1%} of "
            "the images get another answer."
        )
        if row.adjusted is None:
            return f"{told} Whether that is chance cannot be told: {self.reason}."
        low, high = (100 * end for end in row.adjusted)
        verdict = "cannot be told" if row.verdict == CANNOT_TELL else "can be told"
        return (
            f"{told} That {verdict} from no change: {low:+.1f} to {high:+.1f} points, widened because {len(self.rows)} "
            "rows are compared."
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the panel as what JSON can hold."""
        rows = [row.to_dict() for row in self.rows]
        return dataclasses.asdict(self) | {"rows": rows, "worst": self.worst()}

    def __str__(self) -> str:
        drawn = f" of {self.available}" if self.n < self.available else ""
        return (
            f"{self.n}{drawn} images untouched: accuracy {self.accuracy:.1%}, balanced accuracy "
            f"{self.balanced_accuracy:.1%}. {self.worst()}"
        )


def stress_of(
    labels: Labels,
    answers: npt.NDArray[np.float64],
    changes: Sequence[Change],
    groups: Labels,
    *,
    available: int,
    seed: int,
) -> Stress:
    """Returns the scores of the probabilities that n images got untouched and with each change.

    A change of a score is paired: both are scored on the same resamples of whole groups
    (:func:`~lesionkit.metrics.intervals.resampling.bootstrap`, percentiles). Among many rows some seem worse by chance:
    each verdict is at the level 1 - 0.05 / rows (Bonferroni; Dunn 1961, "Multiple Comparisons among Means"). The
    interval of a flip rate is that of :func:`~lesionkit.metrics.intervals.resampling.share_interval`.

    Args:
        labels: (n,) places of the classes.
        answers: (1 + changes, n, C) probabilities, untouched first.
        changes: artefacts with their strengths, one or more.
        groups: (n,) equal for images of one group.
        available: how many images the n were drawn from.
        seed: by which they were drawn.

    Raises:
        DataError: what the model answered are no probabilities.
    """
    for one in answers:
        classification.checked(labels, one)
    count = len(np.unique(groups))
    drawn = (
        resampling.bootstrap(labels, *answers, groups=groups, scores=("accuracy", "balanced_accuracy"))
        if count > 1
        else None
    )
    untouched = _scores(labels, answers[0])
    rows = []
    for place, change in enumerate(changes, start=1):
        scores = _scores(labels, answers[place])
        flips = classification.predicted(answers[place]) != classification.predicted(answers[0])
        apart = drawn and {name: np.round(values[place] - values[0], 12) for name, values in drawn.items()}
        lost = scores[0] - untouched[0], scores[1] - untouched[1]
        intervals, adjusted, verdict = _doubt(apart, flips, groups, len(changes))
        rows.append(Stressed(*change, *scores, *lost, float(np.mean(flips)), intervals, adjusted, verdict))
    reason = None if count > 1 else "all images are of one group"
    return Stress(len(labels), available, count, seed, *untouched, tuple(rows), reason)


def _scores(labels: Labels, answers: npt.NDArray[np.float64]) -> tuple[float, float]:
    return classification.accuracy(labels, answers), classification.balanced_accuracy(labels, answers)


def _doubt(
    apart: Mapping[str, npt.NDArray[np.float64]] | None, flips: npt.NDArray[np.bool_], groups: Labels, comparisons: int
) -> tuple[dict[str, tuple[float, float]] | None, tuple[float, float] | None, str]:
    """Returns the intervals, the adjusted one and the verdict of a row from score -> (resamples,) changes of it."""
    flip_rate = share_interval(flips, groups)
    if apart is None or flip_rate is None:
        return None, None, CANNOT_TELL
    ends = {f"{name}_change": resampling.interval(values) for name, values in apart.items()}
    low, high = resampling.interval(apart["balanced_accuracy"], 1 - (1 - LEVEL) / comparisons)
    verdict = WORSE if high < 0 else BETTER if low > 0 else CANNOT_TELL
    return ends | {"flip_rate": flip_rate}, (low, high), verdict
