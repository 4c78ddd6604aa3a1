"""The official scores of the ISIC challenges: arrays to figures.

Each figure is that of ``isic-challenge-scoring`` 5.8.0 (https://github.com/ImageMarkup/isic-challenge-scoring,
``classification.py`` and ``metrics.py``), which scores the challenges of 2018 and 2019 and MILK10k. It needs Python
3.13 and a NumPy below 2.3; these need neither. ``docs/challenge.md`` says which score is what.

Example:
    >>> lk.challenge.classification([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], ("NV", "MEL")).overall
    0.75
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from lesionkit.errors import DataError, OptionError
from lesionkit.text import as_text

#: What a challenge can rank by: 2018 and 2019 by the first, MILK10k by ``dice``.
METRICS = ("balanced_accuracy", "auc", "ap", "dice")

#: The figures of each category, it against the rest.
FIGURES = ("accuracy", "sensitivity", "specificity", "dice", "ppv", "npv", "auc", "auc_sens_80", "ap")

#: Scores above this say yes.
THRESHOLD = 0.5

#: The sensitivity above which the partial areas lie.
SENSITIVITY = 0.80

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassificationScores:
    """The official scores of one submission; a figure that the images cannot give is None.

    Attributes:
        metric: what the challenge ranks by, one of :data:`METRICS`.
        overall: its value.
        validation: its value under the validation weights.
        balanced_accuracy: mean recall of the categories that have weight; a tie for the largest score is no answer.
        per_category: category -> :data:`FIGURES`.
        macro_average: the mean of each of them over the categories that have it.
    """

    metric: str
    overall: float | None
    validation: float | None
    balanced_accuracy: float | None
    per_category: Mapping[str, Mapping[str, float | None]]
    macro_average: Mapping[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Returns the scores as what JSON can hold."""
        return {
            "metric": self.metric,
            "overall": self.overall,
            "validation": self.validation,
            "balanced_accuracy": self.balanced_accuracy,
            "per_category": {as_text(name): dict(figures) for name, figures in self.per_category.items()},
            "macro_average": dict(self.macro_average),
        }


def classification(
    truth: npt.ArrayLike,
    scores: npt.ArrayLike,
    class_names: Sequence[str],
    *,
    score_weight: npt.ArrayLike | None = None,
    validation_weight: npt.ArrayLike | None = None,
    metric: str = "balanced_accuracy",
) -> ClassificationScores:
    """Returns the official scores of n images in C categories.

    A category's score above :data:`THRESHOLD` (not at it) is a yes. Sensitivity, specificity, dice, ppv and npv are 1
    where their divisor is 0, as the official program has them; its average precision is 0 in a category without
    positives. AUC and ``auc_sens_80`` are None where a category has no positives or nothing else; the official program
    gives no number there, and ends in an error for the second.

    ``auc_sens_80`` is the area under the part of the ROC curve at or above a sensitivity of 0.80, down to the axis: the
    best is 1, that of chance 0.18. It is neither normalised nor the measure of 2024 (:func:`partial_auc`).

    Args:
        truth: (n,) places of the categories, or (n, C) of 0 and 1.
        scores: (n, C) in [0, 1]; rows need not sum to 1.
        class_names: C categories.
        score_weight: (n,) at least 0, the ground truth's column of this name; None: 1 for each.
        validation_weight: the same for ``validation``.
        metric: what ``overall`` and ``validation`` are, one of :data:`METRICS`; all but the first are macro averages.

    Raises:
        DataError: arrays that do not fit together, or values out of range.
        OptionError: an unknown metric.
    """
    if metric not in METRICS:
        raise OptionError(f"metric is one of {', '.join(METRICS)}. Received: {metric!r}")
    actual, given = _checked(truth, scores)
    if len(class_names) != given.shape[1] or len(set(class_names)) != len(class_names):
        raise DataError(
            f"class_names are {given.shape[1]} distinct names. Received: {', '.join(map(repr, class_names))}"
        )
    weight = _weights("score_weight", score_weight, len(given))
    other = _weights("validation_weight", validation_weight, len(given))
    figures = _per_category(actual, given, weight)
    average = {name: _mean(one[name] for one in figures) for name in FIGURES}
    balanced = _balanced_accuracy(actual, given, weight)
    return ClassificationScores(
        metric,
        balanced if metric == "balanced_accuracy" else average[metric],
        _ranked(metric, actual, given, other),
        balanced,
        dict(zip(class_names, figures, strict=True)),
        average,
    )


def macro_f1(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Returns MILK10k's score: the mean over all C categories of F1 (dice), each category's yes or no by itself.

    https://challenge.isic-archive.com/landing/milk10k, "Evaluation", where 0.5 itself is a yes; in the official
    program it is a no, and so it is here. A category without positives that is never said counts 1.

    Args:
        truth: (n,) places of the categories, or (n, C) of 0 and 1; n lesions.
        scores: (n, C) in [0, 1].

    Raises:
        DataError: arrays that do not fit together, or values out of range.
    """
    actual, given = _checked(truth, scores)
    return float(np.mean([one["dice"] for one in _per_category(actual, given, np.ones(len(given)))]))


def partial_auc(malignant: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """Returns the score of ISIC 2024: the area under the ROC curve that lies above a sensitivity of 0.80, in [0, 0.2].

    The best is 0.2, that of chance 0.02; None where all or none are malignant. With classes and scores turned round it
    is the partial area up to a false positive rate of 0.2, which scikit-learn gives scaled after McClish 1989
    ("Analyzing a portion of the ROC curve"); that is undone. Source: the challenge's code,
    https://github.com/ISIC-Research/Challenge-2024-Metrics, ``PrimaryMetric-pAUC.py``.

    Args:
        malignant: (n,) 0 or 1, or booleans.
        scores: (n,) any finite numbers, larger where malignancy is likelier.

    Raises:
        DataError: arrays that do not fit together, or values out of range.
    """
    actual, given = np.asarray(malignant, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if (
        actual.ndim != 1
        or actual.shape != given.shape
        or not np.isin(actual, (0, 1)).all()
        or not np.isfinite(given).all()
    ):
        raise DataError(
            f"malignant are (n,) of 0 and 1, scores (n,) finite. Received: {actual.shape} and {given.shape}"
        )
    if len(np.unique(actual)) < 2:
        return None
    width = 1 - SENSITIVITY
    least = width**2 / 2
    scaled = sk.roc_auc_score(1 - actual, -given, max_fpr=width)
    return float(least + (width - least) * (scaled - 0.5) / 0.5)


def _ranked(metric: str, actual: _Floats, given: _Floats, weight: _Floats) -> float | None:
    if metric == "balanced_accuracy":
        return _balanced_accuracy(actual, given, weight)
    return _mean(one[metric] for one in _per_category(actual, given, weight))


def _balanced_accuracy(actual: _Floats, given: _Floats, weight: _Floats) -> float | None:
    right, said = _decided(actual), _decided(given)
    count = actual.shape[1]
    total = np.bincount(right[right >= 0], weight[right >= 0], count)
    hit = (right == said) & (right >= 0)
    hits = np.bincount(right[hit], weight[hit], count)
    seen = total > 0
    return float(np.mean(hits[seen] / total[seen])) if seen.any() else None


def _decided(values: _Floats) -> npt.NDArray[np.int64]:
    """Returns (n,) the place of the only largest value of each row, -1 where several are largest."""
    tied = np.count_nonzero(values == values.max(axis=1, keepdims=True), axis=1) > 1
    return np.where(tied, -1, values.argmax(axis=1))


def _per_category(actual: _Floats, given: _Floats, weight: _Floats) -> list[dict[str, float | None]]:
    kept = weight > 0
    return [_figures(*columns, weight[kept]) for columns in zip(actual[kept].T > 0, given[kept].T, strict=True)]


def _figures(actual: npt.NDArray[np.bool_], given: _Floats, weight: _Floats) -> dict[str, float | None]:
    """Returns :data:`FIGURES` of one category, from images that have weight."""
    if not len(weight):
        return dict.fromkeys(FIGURES)
    said = given > THRESHOLD
    tp, tn, fp, fn = (
        float(weight[cell].sum()) for cell in (actual & said, ~actual & ~said, ~actual & said, actual & ~said)
    )
    both = actual.any() and not actual.all()
    return {
        "accuracy": (tp + tn) / (tp + tn + fp + fn),
        "sensitivity": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "dice": _ratio(2 * tp, 2 * tp + fp + fn),
        "ppv": _ratio(tp, tp + fp),
        "npv": _ratio(tn, tn + fn),
        "auc": float(sk.roc_auc_score(actual, given, sample_weight=weight)) if both else None,
        "auc_sens_80": _auc_above(actual, given, weight) if both else None,
        "ap": float(sk.average_precision_score(actual, given, sample_weight=weight)) if actual.any() else 0.0,
    }


def _auc_above(actual: npt.NDArray[np.bool_], given: _Floats, weight: _Floats) -> float:
    """Returns the area under the ROC curve from where its sensitivity reaches :data:`SENSITIVITY`."""
    equal = bool((weight == 1).all())  # whole counts then, which reach 0.80 exactly
    curve = sk.roc_curve(actual, given, sample_weight=None if equal else weight, drop_intermediate=False)
    false_rate, true_rate = curve[0], curve[1]
    first = int(np.searchsorted(true_rate, SENSITIVITY))
    start = np.interp(SENSITIVITY, true_rate[first - 1 : first + 1], false_rate[first - 1 : first + 1])
    start = min(start, false_rate[first])  # rounding must not put it behind its neighbour
    return float(sk.auc([start, *false_rate[first:]], [SENSITIVITY, *true_rate[first:]]))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _checked(truth: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[_Floats, _Floats]:
    """Returns truth as (n, C) of 0 and 1, and scores (n, C)."""
    given, actual = np.asarray(scores, dtype=np.float64), np.asarray(truth)
    if given.ndim != 2 or not given.size or actual.shape not in (given.shape, given.shape[:1]):
        raise DataError(f"truth is (n,) or (n, C), scores (n, C), n >= 1. Received: {actual.shape} and {given.shape}")
    if actual.ndim == 1:
        if not np.issubdtype(actual.dtype, np.integer) or actual.min() < 0 or actual.max() >= given.shape[1]:
            raise DataError(f"truth holds whole numbers from 0 to {given.shape[1] - 1}. Received: {np.unique(actual)}")
        actual = np.eye(given.shape[1])[actual]
    if not np.isin(actual, (0, 1)).all():
        raise DataError(f"truth (n, C) holds 0 and 1. Received: {np.unique(actual)}")
    if not (given >= 0).all() or not (given <= 1).all():
        raise DataError(f"scores lie in [0, 1]. Received: {given.min()} to {given.max()}")
    return actual.astype(np.float64), given


def _weights(name: str, values: npt.ArrayLike | None, count: int) -> _Floats:
    weight = np.ones(count) if values is None else np.asarray(values, dtype=np.float64)
    if weight.shape != (count,) or not np.isfinite(weight).all() or weight.min() < 0:
        raise DataError(f"{name} is ({count},), finite and at least 0. Received: {weight.shape}, {weight}")
    return weight
