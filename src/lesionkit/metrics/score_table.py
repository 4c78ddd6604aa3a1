"""The scores: how each is computed, on images and on resamples of them, compared and shown; all of it is read here.

A score of labels and probabilities is one entry of :data:`SCORES`. Evaluations, intervals, every report and card,
comparisons, searches and improvements go through that table, so that an entry more is all that a new score needs.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lesionkit.errors import OptionError
from lesionkit.metrics import classification
from lesionkit.metrics.classification import Labels, Probabilities
from lesionkit.text import with_interval

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over n >= 1 images, or over each of many resamples at once: all that the value of a score depends on.

    Attributes:
        images: (..., C) images of each class.
        correct: (..., C) those of them whose likeliest class is the label.
        predicted: (..., C) images of which it is the likeliest class.
        losses: (...) their cross-entropies.
    """

    images: Values
    correct: Values
    predicted: Values
    losses: Values

    @classmethod
    def of(cls, labels: Labels, probabilities: Probabilities) -> "Sums":
        """Returns the sums over the images as they are."""
        likeliest, classes = classification.predicted(probabilities), probabilities.shape[1]
        counted = (labels, labels[likeliest == labels], likeliest)
        images, correct, predicted = (np.bincount(places, minlength=classes).astype(float) for places in counted)
        return cls(images, correct, predicted, classification.cross_entropies(labels, probabilities).sum())

    @property
    def n(self) -> Values:
        """(...) how many images."""
        return np.asarray(self.images.sum(axis=-1))


@dataclass(frozen=True)
class ScoreKind:
    """A score of labels and probabilities.

    Attributes:
        name: its key in files and tables of figures, such as ``"balanced_accuracy"``.
        label: what people read.
        meaning: what it is, in a few words.
        of_sums: its values, (...) finite ones, of :class:`Sums`.
        limits: the least and the greatest value that it can have.
        direction: ``"max"`` where more is better, ``"min"`` where less is.
        share: whether it is shown in percent and its differences in points.
        digits: behind the point, where it is shown with its interval; the ends of the interval have half as many.
        function: its value on (n,) labels and (n, C) probabilities; None: by ``of_sums``.
        headline: whether summaries of a line or two tell it; tables tell every score.
        over_classes: whether the number of classes that it is a mean over is told with it.
        narrows: whether a larger sample narrows its interval, by the square root of its size, so that the images
            needed to tell a difference can be estimated.
    """

    name: str
    label: str
    meaning: str
    of_sums: Callable[[Sums], Values]
    limits: tuple[float, float] = (0.0, 1.0)
    direction: Literal["max", "min"] = "max"
    share: bool = False
    digits: int = 4
    function: Callable[[Labels, Probabilities], float] | None = None
    headline: bool = False
    over_classes: bool = False
    narrows: bool = True

    def __call__(self, labels: Labels, probabilities: Probabilities) -> float:
        """Returns its value on n >= 1 images."""
        if self.function is not None:
            return self.function(labels, probabilities)
        return float(self.of_sums(Sums.of(labels, probabilities)))

    def shown(self, value: float | None, ends: tuple[float, float] | None = None) -> str:
        """Returns a value with its interval for people, such as ``56.67% [45.0%, 67.5%]``."""
        unit = "%" if self.share else "f"
        return with_interval(value, ends, f".{self.digits}{unit}", f".{self.digits // 2}{unit}")

    def shown_difference(self, value: float, ends: tuple[float, float] | None = None) -> str:
        """Returns a difference of two values, in points where they are shares, such as ``+12.34 [+5.6, +20.1]``."""
        unit = "p" if self.share else "f"
        return with_interval(value, ends, f"+.{self.digits}{unit}", f"+.{self.digits // 2}{unit}")


def _accuracy(sums: Sums) -> Values:
    return np.asarray(sums.correct.sum(axis=-1) / sums.n)


def _balanced_accuracy(sums: Sums) -> Values:
    recalls = sums.correct / np.maximum(sums.images, 1)
    return np.asarray(recalls.sum(axis=-1) / np.count_nonzero(sums.images, axis=-1))


def _loss(sums: Sums) -> Values:
    return np.asarray(sums.losses / sums.n)


def _matthews_correlation(sums: Sums) -> Values:
    """Returns R_K of Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".

    The covariance of labels and predicted classes over the product of their standard deviations. 0, as in
    scikit-learn, where all labels or all predictions are of one class: nothing can vary together then.
    """
    spread = [sums.n**2 - (counts**2).sum(axis=-1) for counts in (sums.images, sums.predicted)]
    return _ratio(_beyond_chance(sums), np.sqrt(spread[0] * spread[1]))


def _cohen_kappa(sums: Sums) -> Values:
    """Returns kappa of Cohen 1960, "A coefficient of agreement for nominal scales", unweighted: classes have no order.

    0 where all labels and predictions are of one class, of which scikit-learn says NaN: such images cannot show any
    agreement beyond chance.
    """
    return _ratio(_beyond_chance(sums), sums.n**2 - (sums.images * sums.predicted).sum(axis=-1))


def _beyond_chance(sums: Sums) -> Values:
    """Returns n^2 (share of correct images - the share that independent labels and predictions would give)."""
    return np.asarray(sums.n * sums.correct.sum(axis=-1) - (sums.images * sums.predicted).sum(axis=-1))


def _ratio(part: Values, whole: Values) -> Values:
    """Returns part / whole of whole numbers and their roots, 0 where ``whole`` is."""
    return np.where(whole > 0, part / np.maximum(whole, 1), 0.0)


#: Name -> score, in the order in which they are told; :func:`register` adds to it.
SCORES: dict[str, ScoreKind] = {
    kind.name: kind
    for kind in (
        ScoreKind(
            "accuracy",
            "accuracy",
            "share of images whose likeliest class is the label",
            _accuracy,
            share=True,
            digits=2,
            function=classification.accuracy,
            headline=True,
        ),
        ScoreKind(
            "balanced_accuracy",
            "balanced accuracy",
            "mean recall of the classes with images",
            _balanced_accuracy,
            share=True,
            digits=2,
            function=classification.balanced_accuracy,
            headline=True,
            over_classes=True,
        ),
        ScoreKind(
            "loss",
            "loss",
            "mean cross-entropy",
            _loss,
            limits=(0.0, float("inf")),
            direction="min",
            function=classification.loss,
            headline=True,
        ),
        ScoreKind(
            "matthews_correlation",
            "Matthews correlation",
            "correlation of labels and predicted classes, 0 by chance and 1 where all are correct",
            _matthews_correlation,
            limits=(-1.0, 1.0),
        ),
        ScoreKind(
            "cohen_kappa",
            "Cohen's kappa",
            "agreement of labels and predicted classes, 0 by chance and 1 where all are correct",
            _cohen_kappa,
            limits=(-1.0, 1.0),
        ),
    )
}


def headlines() -> list[ScoreKind]:
    """Returns the scores that summaries tell, in order."""
    return [kind for kind in SCORES.values() if kind.headline]


def register(kind: ScoreKind) -> ScoreKind:
    """Adds a score to :data:`SCORES` for this process: all that computes, compares or shows scores has it from then on.

    Raises:
        OptionError: the name is taken, or cannot stand in tables and files.

    Example:
        >>> from lesionkit.metrics.score_table import SCORES, ScoreKind, register
        >>> errors = ScoreKind("errors", "errors", "images whose likeliest class is not the label",
        ...     lambda sums: sums.n - sums.correct.sum(axis=-1), limits=(0, float("inf")), direction="min")
        >>> register(errors)(evaluation.labels, evaluation.probabilities) == len(evaluation) * (1 - evaluation.accuracy)
        True
        >>> del SCORES["errors"]
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", kind.name):
        raise OptionError(f"The name of a score is lower-case letters, digits and _. Received: {kind.name!r}")
    if SCORES.setdefault(kind.name, kind) is not kind:
        raise OptionError(f"{kind.name!r} is a score already. Choose another name.")
    return kind
