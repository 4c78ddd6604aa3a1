"""Images drawn again by whole groups: scores, sums and shares on the resamples, and intervals of them."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from lesionkit.errors import DataError
from lesionkit.metrics.classification import Labels, Probabilities, cross_entropies, predicted
from lesionkit.metrics.score_table import SCORES, Sums

#: How often the images are drawn again, and the share of the draws that an interval holds.
RESAMPLES, LEVEL = 2000, 0.95

_AT_ONCE = 2**20


def bootstrap(
    labels: Labels,
    *answers: Probabilities,
    groups: Labels,
    scores: Iterable[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, npt.NDArray[np.float64]]:
    """Returns score -> (answers, resamples): its values for each of ``answers``, on images drawn again by whole groups.

    A resample draws as many groups as there are, with replacement, so that images of one lesion or patient, which are
    alike, come and go together (Cameron, Gelbach and Miller 2008, "Bootstrap-based improvements for inference with
    clustered errors"). All answers are scored on the same resamples: their differences are paired. A class without an
    image in a resample is left out of its balanced accuracy. Neither the order of the images nor the numbers that stand
    for groups matter.

    Args:
        labels: (n,), n >= 1.
        answers: one or more (n, C) probabilities for the same images.
        groups: (n,) whole numbers, equal for images of one group.
        scores: names of :data:`~lesionkit.metrics.score_table.SCORES`; None: all.
        resamples: how many.
        seed: of the draws.
    """
    classes, count = answers[0].shape[1], len(answers)
    hot = np.eye(classes)[labels]
    calls = [np.eye(classes)[predicted(one)] for one in answers]
    parts = [hot]
    for one, called in zip(answers, calls, strict=True):
        parts += [hot * called, cross_entropies(labels, one)[:, None]]
    sums = totals(np.concatenate([*parts, *calls], axis=1), groups, resamples, seed)
    images, right, called = np.split(sums, [classes, classes + count * (classes + 1)], axis=1)
    right = right.reshape(resamples, count, classes + 1)
    told = Sums(images[:, None], right[..., :-1], called.reshape(resamples, count, classes), right[..., -1])
    return {name: SCORES[name].of_sums(told).T for name in (SCORES if scores is None else scores)}


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


def totals(
    columns: npt.NDArray[np.float64], groups: Labels, resamples: int = RESAMPLES, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Returns (resamples, k): the sums of ``columns`` (n, k), n >= 1, over images drawn again by whole groups.

    The resamples are made as in :func:`bootstrap`: neither the order of the images nor the group numbers matter.
    """
    group = np.unique(groups, return_inverse=True)[1]
    sums = np.stack([np.bincount(group, weights=column) for column in columns.T], axis=1)
    sums = sums[np.lexsort(np.round(sums, 9).T[::-1])]
    return np.concatenate([times @ sums for times in drawn(len(sums), resamples, seed)])


def checked_groups(groups: npt.ArrayLike, n: int) -> Labels:
    """Returns ``groups`` as an array.

    Raises:
        DataError: they are not one for each of ``n`` images.
    """
    if np.shape(groups) != (n,):
        raise DataError(f"groups are ({n},), a number for each image. Received: {np.shape(groups)}")
    return np.asarray(groups)


def share_interval(hits: npt.NDArray[np.bool_], groups: Labels) -> tuple[float, float] | None:
    """Returns the 95% interval, within [0, 1], of the share of n images that are ``hits``; None where n is 0.

    Percentiles of the bootstrap by whole groups; how often each kind of group is drawn, by its images and hits, is
    multinomial. Where all resamples say the same, as when all images are hits, or
    none, or of one group, they know nothing of what was not seen; then it is Wilson's interval (Wilson 1927, "Probable
    inference, the law of succession, and statistical inference"), with the images counted as if those of one group were
    all alike: (sum of the groups' sizes)^2 / (sum of their squares) is their effective number (Kish 1965, "Survey
    sampling", on design effects).
    """
    if not len(hits):
        return None
    group, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    sums = np.stack([np.bincount(group, weights=hits), sizes], axis=1)
    kinds, times = np.unique(sums, axis=0, return_counts=True)
    random = np.random.default_rng(0)
    found = random.multinomial(len(sums), times / len(sums), size=RESAMPLES) @ kinds
    low, high = interval(found[:, 0] / found[:, 1])
    if low < high:
        return low, high
    return wilson(float(np.mean(hits)), float(len(hits) ** 2 / np.sum(sizes**2)))


def wilson(share: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Returns Wilson's interval, within [0, 1], of a ``share`` that was seen in ``n`` > 0 independent images."""
    z = float(norm.ppf((1 + level) / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return round(max(centre - half, 0.0), 12), round(min(centre + half, 1.0), 12)
