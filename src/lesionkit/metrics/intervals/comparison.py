"""Whether one classifier is better than another, on the same images, and how many images it would take to tell."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from lesionkit.errors import DataError, OptionError
from lesionkit.metrics import classification
from lesionkit.metrics.classification import Labels
from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.intervals.resampling import LEVEL, RESAMPLES
from lesionkit.metrics.score_table import SCORES
from lesionkit.options import checked_count

BETTER, WORSE, CANNOT_TELL = "better", "worse", "cannot tell"


@dataclass(frozen=True)
class Comparison:
    """A classifier against a baseline: each the mean over its seeds, on the same images.

    Attributes:
        score: which one.
        baseline: its value.
        value: the other's.
        difference: ``value - baseline``; whether more is better, its entry of the table says.
        interval: (low, high) of the difference at 95%, for this comparison alone.
        adjusted: (low, high) at the level that all comparisons together need; the verdict is by it.
        verdict: ``"better"``, ``"worse"``, or ``"cannot tell"`` where ``adjusted`` holds 0.
        images_needed: about how many images of this kind would tell a difference of this size; None where there is
            none, or more images would not narrow its interval.
        by_seed: the difference of each seed.
    """

    score: str
    baseline: float
    value: float
    difference: float
    interval: tuple[float, float]
    adjusted: tuple[float, float]
    verdict: str
    images_needed: int | None
    by_seed: tuple[float, ...]


def compare(
    labels: Labels,
    baseline: npt.NDArray[np.float64],
    other: npt.NDArray[np.float64],
    groups: Labels,
    *,
    score: str = "balanced_accuracy",
    comparisons: int = 1,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Returns how ``other`` compares with ``baseline``, by a paired bootstrap over whole groups.

    A resample draws groups of images and scores all seeds of both classifiers on it, so that what the images make easy
    or hard for both cancels out (:func:`~lesionkit.metrics.intervals.resampling.bootstrap`; percentile intervals). It
    draws seeds too, a seed of both classifiers at once: the luck of a training is part of the doubt (Bouthillier et al.
    2021, "Accounting for Variance in Machine Learning Benchmarks"). Drawing both ways is cautious where seeds hardly
    differ (Owen 2007, "The pigeonhole bootstrap"); a handful of seeds that differ much still tells too little of them,
    and of one seed the interval is about that seed. ``by_seed`` shows how far apart they are. Where several variants
    are compared with one baseline, some seem better by chance: the verdict is at the level 1 - 0.05 / ``comparisons``
    (Bonferroni; Dunn 1961, "Multiple Comparisons among Means").

    Args:
        labels: (n,) places of the classes.
        baseline: (S, n, C) probabilities of S seeds, for images that the models were not trained on.
        other: (S, n, C), of the same images.
        groups: (n,) equal for images of one group; two groups or more.
        score: one of :data:`~lesionkit.metrics.score_table.SCORES`.
        comparisons: how many are made with this baseline.
        resamples: how often groups and seeds are drawn.
        seed: of the draws.

    Raises:
        DataError: arrays that do not fit together.
        OptionError: an unknown score, or no comparison.
    """
    if score not in SCORES:
        raise OptionError(f"score is one of {', '.join(SCORES)}. Received: {score!r}")
    checked_count(comparisons, "comparisons")
    shapes = np.shape(baseline), np.shape(other)
    if len(shapes[0]) != 3 or shapes[0] != shapes[1] or not shapes[0][0]:
        raise DataError(f"baseline and other are (S, n, C) both, S >= 1. Received: {shapes[0]} and {shapes[1]}")
    if np.shape(groups) != shapes[0][1:2] or len(np.unique(groups)) < 2:
        raise DataError(
            f"groups are ({shapes[0][1]},), of two groups or more: a single one cannot be drawn anew. Received: "
            f"{np.shape(groups)}, {len(np.unique(groups))} of them"
        )
    answers = [classification.checked(labels, one)[1] for one in [*baseline, *other]]
    kind, seeds = SCORES[score], len(baseline)
    values = np.array([kind(labels, one) for one in answers]).reshape(2, seeds)
    ours, theirs = answers[seeds:], answers[:seeds]
    swapped = _sorted(labels, ours) < _sorted(labels, theirs)  # resamples depend on the order in which they are given
    paired = [*ours, *theirs] if swapped else answers
    drawn = resampling.bootstrap(labels, *paired, groups=groups, scores=[score], resamples=resamples, seed=seed)
    first, second = drawn[score].reshape(2, seeds, resamples)
    chosen = np.random.default_rng([seed, 1]).integers(seeds, size=(seeds, resamples))
    apart = first - second if swapped else second - first
    spread = np.round(np.take_along_axis(apart, chosen, axis=0).mean(axis=0), 12)
    by_seed = values[1] - values[0]
    difference = float(by_seed.mean())
    adjusted = resampling.interval(spread, 1 - (1 - LEVEL) / comparisons)
    return Comparison(
        score,
        float(values[0].mean()),
        float(values[1].mean()),
        difference,
        resampling.interval(spread),
        adjusted,
        _verdict(adjusted, less_is_better=kind.direction == "min"),
        images_needed(len(labels), difference, adjusted) if kind.narrows else None,
        tuple(map(float, by_seed)),
    )


@dataclass(frozen=True)
class McNemar:
    """Two classifiers on the same images, counted image by image.

    Attributes:
        both_right: images that both answer rightly.
        only_first: images that only the first does.
        only_second: images that only the second does.
        both_wrong: images that neither does.
        p: the probability of counts at least as uneven as ``only_first`` and ``only_second`` were both classifiers
            right equally often; 1 where there are none.
    """

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p: float


def mcnemar(labels: Labels, first: classification.Probabilities, second: classification.Probabilities) -> McNemar:
    """Returns McNemar's test, two-sided and exact, of two classifiers' (n, C) probabilities for (n,) labels.

    The images on which only one is right are as a coin's throws when both are right equally often (McNemar 1947, "Note
    on the sampling error of the difference between correlated proportions or percentages"; for classifiers Dietterich
    1998, "Approximate statistical tests for comparing supervised classification learning algorithms"). It takes the
    images as independent, which images of one lesion or patient are not: where there are such, ``p`` is too small. It
    is about two trained models, not about the ways that they were trained; :func:`compare` is about more of both.

    Raises:
        DataError: arrays that do not fit together.
    """
    if np.shape(first) != np.shape(second):
        raise DataError(f"first and second are (n, C) both. Received: {np.shape(first)} and {np.shape(second)}")
    places, ours = classification.checked(labels, first)
    right, also = (classification.predicted(one) == places for one in (ours, classification.checked(labels, second)[1]))
    both, one, other, neither = (
        int(np.sum(kind)) for kind in (right & also, right & ~also, ~right & also, ~right & ~also)
    )
    p = float(stats.binomtest(one, one + other).pvalue) if one + other else 1.0
    return McNemar(both, one, other, neither, p)


def images_needed(n: int, difference: float, interval: tuple[float, float]) -> int | None:
    """Returns about how many images would tell ``difference`` from 0, by the width of its interval on ``n`` images.

    The width is taken to fall with the square root of the number of images: n * (half the width / difference)^2, to two
    digits, upwards. What the seeds add to it may fall slower. None where the difference is 0 to four digits.
    """
    half = (interval[1] - interval[0]) / 2
    if abs(difference) < 1e-4:
        return None
    exact = n * (half / difference) ** 2
    step = int(10 ** max(math.floor(math.log10(max(exact, 1))) - 1, 0))
    return max(math.ceil(exact / step) * step, 1)


def _verdict(interval: tuple[float, float], *, less_is_better: bool) -> str:
    low, high = (-interval[1], -interval[0]) if less_is_better else interval
    return BETTER if low > 0 else WORSE if high < 0 else CANNOT_TELL


def _sorted(labels: Labels, answers: list[classification.Probabilities]) -> list[float]:
    """Returns what orders two classifiers alike in whatever order their images and they themselves are given."""
    told = [labels + one[np.arange(len(labels)), labels] for one in answers]
    return [float(value) for value in np.sort(told, axis=None)]
