"""Whether one classifier is better than another, on the same images, and how many images it would take to tell."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lesionkit import metrics
from lesionkit.errors import DataError, OptionError
from lesionkit.metrics import LEVEL, RESAMPLES, SCORED, Labels
from lesionkit.options import checked_count

BETTER, WORSE, CANNOT_TELL = "better", "worse", "cannot tell"


@dataclass(frozen=True)
class Comparison:
    """A classifier against a baseline: each the mean over its seeds, on the same images.

    Attributes:
        score: which one.
        baseline: its value.
        value: the other's.
        difference: ``value - baseline``; for ``loss``, less is better.
        interval: (low, high) of the difference at 95%, for this comparison alone.
        adjusted: (low, high) at the level that all comparisons together need; the verdict is by it.
        verdict: ``"better"``, ``"worse"``, or ``"cannot tell"`` where ``adjusted`` holds 0.
        images_needed: about how many images of this kind would tell a difference of this size; None where there is
        none.
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
    or hard for both cancels out (:func:`~lesionkit.metrics.bootstrap`; percentile intervals). Seeds are not drawn: with
    a handful of them that would say little, so the interval is about these seeds, and ``by_seed`` shows how far apart
    they are (Bouthillier et al. 2021, "Accounting for Variance in Machine Learning Benchmarks"). Where several variants
    are compared with one baseline, some seem better by chance: the verdict is at the level 1 - 0.05 / ``comparisons``
    (Bonferroni; Dunn 1961, "Multiple Comparisons among Means").

    Args:
        labels: (n,) places of the classes.
        baseline: (S, n, C) probabilities of S seeds, for images that the models were not trained on.
        other: (S, n, C), of the same images.
        groups: (n,) equal for images of one group.
        score: one of :data:`~lesionkit.metrics.SCORED`.
        comparisons: how many are made with this baseline.
        resamples: how often the groups are drawn.
        seed: of the draws.

    Raises:
        DataError: arrays that do not fit together.
        OptionError: an unknown score, or no comparison.
    """
    if score not in SCORED:
        raise OptionError(f"score is one of {', '.join(SCORED)}. Received: {score!r}")
    checked_count(comparisons, "comparisons")
    shapes = np.shape(baseline), np.shape(other)
    if len(shapes[0]) != 3 or shapes[0] != shapes[1] or not shapes[0][0]:
        raise DataError(f"baseline and other are (S, n, C) both, S >= 1. Received: {shapes[0]} and {shapes[1]}")
    answers = [metrics.checked(labels, one)[1] for one in [*baseline, *other]]
    place, seeds = SCORED.index(score), len(baseline)
    score_of = getattr(metrics, score)
    values = np.array([score_of(labels, one) for one in answers]).reshape(2, seeds)
    drawn = metrics.bootstrap(labels, *answers, groups=groups, resamples=resamples, seed=seed)[..., place]
    both = drawn.reshape(2, seeds, resamples).mean(axis=1)
    spread = both[1] - both[0]
    by_seed = values[1] - values[0]
    difference = float(by_seed.mean())
    adjusted = metrics.interval(spread, 1 - (1 - LEVEL) / comparisons)
    return Comparison(
        score,
        float(values[0].mean()),
        float(values[1].mean()),
        difference,
        metrics.interval(spread),
        adjusted,
        _verdict(adjusted, less_is_better=score == "loss"),
        images_needed(len(labels), difference, adjusted),
        tuple(map(float, by_seed)),
    )


def images_needed(n: int, difference: float, interval: tuple[float, float]) -> int | None:
    """Returns about how many images would tell ``difference`` from 0, by the width of its interval on ``n`` images.

    The width falls with the square root of the number of images: n * (half the width / difference)^2, to two digits,
    upwards. None where the difference is 0 to four digits.
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
