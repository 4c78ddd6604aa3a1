"""The scores of each class against the rest, and of the malignant against the benign, with intervals."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.errors import DataError
from lesionkit.metrics import classification
from lesionkit.metrics.classification import Labels, Probabilities
from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.intervals.ranking import FIGURES, Question, figures, resampled
from lesionkit.metrics.intervals.resampling import LEVEL


@dataclass(frozen=True)
class ClassScore:
    """How well one class is told from the rest; a figure that the images cannot give is None.

    Attributes:
        n: images of the class.
        others: images of the rest.
        sensitivity: share of the class that is called so (recall); None without an image of it.
        specificity: share of the rest that is not called so; None where every image is of the class.
        precision: share of the calls that are right; None where it is never called.
        f1: harmonic mean of precision and sensitivity; None without an image of the class.
        auc: area under the ROC curve; None unless there are images of the class and of the rest.
        average_precision: mean precision at the images of the class; None without an image of it. Chance gives the
            share of the class.
        intervals: figure -> (low, high), 95% by percentiles, or None. Where every resample gives the same value, as
            when all images are answered rightly, the ends are equal: it does not say that the figure is certain.
        left_out: figure -> share of the resamples that could not give it, as those without an image of the class;
            1 where all images are of one group, which cannot be drawn anew.
    """

    n: int
    others: int
    sensitivity: float | None
    specificity: float | None
    precision: float | None
    f1: float | None
    auc: float | None
    average_precision: float | None
    intervals: Mapping[str, tuple[float, float] | None]
    left_out: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Returns the scores as what JSON can hold."""
        ends = {name: list(one) if one else None for name, one in self.intervals.items()}
        return dataclasses.asdict(self) | {"intervals": ends, "left_out": dict(self.left_out)}


def class_scores(
    labels: Labels, probabilities: Probabilities, class_names: Sequence[str], groups: Labels
) -> dict[str, ClassScore]:
    """Returns class name -> score of it against the rest, for n >= 0 images.

    A class is called where it is the likeliest. Intervals are from 2,000 resamples by whole groups
    (:func:`~lesionkit.metrics.intervals.ranking.resampled`). A resample that cannot give a figure is left out of its
    interval. Where more of them are left out than an interval leaves beyond one of its ends, 2.5%, that end could be
    anything and the interval is None: so it is for a class in less than about four groups.

    Args:
        labels: (n,) places of the classes.
        probabilities: (n, C).
        class_names: C names.
        groups: (n,) equal for images of one group.

    Raises:
        DataError: arrays of different lengths, or scores that are no numbers.
    """
    said, values = classification.predicted(probabilities), np.asarray(probabilities)
    questions = [Question(labels == place, values[:, place], said == place) for place in range(len(class_names))]
    return dict(zip(class_names, _scores(questions, groups), strict=True))


def binary_scores(
    malignant: npt.NDArray[np.bool_], score: npt.NDArray[np.floating[Any]], groups: Labels, threshold: float = 0.5
) -> ClassScore:
    """Returns how well ``score`` tells malignant images from benign ones, n >= 0; see :func:`class_scores`.

    Args:
        malignant: (n,) whether the image is.
        score: (n,) the probability that it is.
        groups: (n,) equal for images of one group.
        threshold: called malignant from this score on; 0.5: where that is the likelier side.

    Raises:
        DataError: arrays of different lengths, or scores that are no numbers.
    """
    values = np.asarray(score)
    return _scores([Question(np.asarray(malignant, dtype=bool), values, values >= threshold)], groups)[0]


def _scores(questions: Sequence[Question], groups: Labels) -> list[ClassScore]:
    shape = questions[0].positive.shape
    if np.shape(groups) != shape:
        raise DataError(f"groups are {shape}, one for each image. Received: {np.shape(groups)}")
    nothing = np.full((len(questions), len(FIGURES), 1), np.nan)
    drawn = resampled(questions, groups) if len(np.unique(groups)) > 1 else nothing
    return [_score(question, rows) for question, rows in zip(questions, drawn, strict=True)]


def _score(question: Question, drawn: npt.NDArray[np.float64]) -> ClassScore:
    """Returns the score of a question with (6, resamples) figures."""
    n = int(question.positive.sum())
    values: dict[str, Any] = {
        name: None if np.isnan(value) else float(value) for name, value in zip(FIGURES, figures(question), strict=True)
    }
    left_out = dict(zip(FIGURES, np.isnan(drawn).mean(axis=1).tolist(), strict=True))
    intervals = {
        name: resampling.interval(row[~np.isnan(row)]) if left_out[name] <= (1 - LEVEL) / 2 else None
        for name, row in zip(FIGURES, drawn, strict=True)
    }
    return ClassScore(n, len(question.positive) - n, **values, intervals=intervals, left_out=left_out)
