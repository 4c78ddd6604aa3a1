"""How well a score tells some images from the rest, on the images as they are and on all resamples at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from lesionkit.errors import DataError
from lesionkit.metrics.classification import Labels
from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.intervals.resampling import RESAMPLES

#: The figures of a :class:`Question`, in the order of the arrays here.
FIGURES = ("sensitivity", "specificity", "precision", "f1", "auc", "average_precision")

_AT_ONCE = 2**20


@dataclass(frozen=True, eq=False)
class Question:
    """n images, each of which is one of those looked for or not, and what a classifier says of it.

    Attributes:
        positive: (n,) whether it is.
        score: (n,) finite; the higher, the likelier.
        called: (n,) whether the classifier says so.
    """

    positive: npt.NDArray[np.bool_] = field(repr=False)
    score: npt.NDArray[np.floating[Any]] = field(repr=False)
    called: npt.NDArray[np.bool_] = field(repr=False)

    def __post_init__(self) -> None:
        """Refuses what is no question.

        Raises:
            DataError: arrays of different lengths, or scores that are no numbers.
        """
        shapes = [np.shape(one) for one in (self.positive, self.score, self.called)]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1:
            raise DataError(f"positive, score and called are (n,) each. Received: {', '.join(map(str, shapes))}")
        if not np.all(np.isfinite(self.score)):
            raise DataError("scores are finite numbers. Received: some that are not. Look at what made them.")


def figures(question: Question) -> npt.NDArray[np.float64]:
    """Returns (6,): :data:`FIGURES` of the images as they are, nan where the divisor is 0.

    Sensitivity, precision and F1 are of those looked for, specificity of the rest; F1 has none without an image looked
    for, as in :func:`~lesionkit.metrics.classification.per_class`. AUC is the share of pairs, one image looked for and
    one other, in which the first has the higher score, a tie counting half (Hanley and McNeil 1982, "The meaning and
    use of the area under a receiver operating characteristic (ROC) curve"). Average precision is the precision at the
    score of each image looked for, on average (Buckley and Voorhees 2000, "Evaluating evaluation measure stability";
    images of one score are taken in together). All are those of scikit-learn.
    """
    alone = np.arange(len(question.positive))
    return _figures(_counting(question, alone) @ np.ones((len(alone), 1)))[:, 0]


def resampled(
    questions: Sequence[Question], groups: Labels, resamples: int = RESAMPLES, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Returns (questions, 6, resamples): :func:`figures` on images drawn again by whole groups.

    Groups are drawn as in :func:`~lesionkit.metrics.intervals.resampling.bootstrap`. What a question gets depends on
    its own images and groups alone: not on their order, nor on the numbers of the groups, nor on the other questions.

    All that the figures need are counts of images at and between neighbouring scores. One sparse matrix for each
    question, with an entry for each image, gives those of many resamples in one product.

    Args:
        questions: about the same n images, in two groups or more.
        groups: (n,) equal for images of one group.
        resamples: how many.
        seed: of the draws.
    """
    group = np.unique(groups, return_inverse=True)[1]
    count = int(group.max()) + 1
    counting = [_counting(question, _renumbered(question, group)) for question in questions]
    some = max(1, _AT_ONCE // len(group))
    found = []
    for times in resampling.drawn(count, resamples, seed):
        for start in range(0, len(times), some):
            columns = np.ascontiguousarray(times[start : start + some].T)
            found.append(np.stack([_figures(matrix @ columns) for matrix in counting]))
    return np.concatenate(found, axis=-1)


def _counting(question: Question, group: Labels) -> sparse.csr_array:
    """Returns (3k + 3, groups): how many images of each group fall into each bin, k the distinct scores looked for.

    The first 2k + 1 bins take the rest: above the highest score looked for, at it, between it and the next, at that,
    and so on down. The next k take those looked for, from the highest score down. The last two take those looked for
    that are called, and the rest that is called.
    """
    positive, called, score = question.positive, question.called, -np.asarray(question.score)
    values = np.unique(score[positive])
    place = np.searchsorted(values, score, "left") + np.searchsorted(values, score, "right")
    bins = np.where(positive, 2 * len(values) + 1 + place // 2, place)
    calls = 3 * len(values) + 1 + ~positive[called]
    rows, columns = np.concatenate([bins, calls]), np.concatenate([group, group[called]])
    shape = (3 * len(values) + 3, int(group.max(initial=-1)) + 1)
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


def _figures(bins: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns (6, m) :data:`FIGURES` of m columns of the counts of :func:`_counting`, nan where the divisor is 0."""
    scores = len(bins) // 3 - 1
    rest, looked_for, (hits, alarms) = np.split(bins, [2 * scores + 1, 3 * scores + 1])
    passed, found = rest.cumsum(axis=0), looked_for.cumsum(axis=0)
    above, reached = passed[:-1:2], passed[1::2]  # of the rest: above each score looked for, and at or above it
    images, others = looked_for.sum(axis=0), passed[-1]
    below = (looked_for * (others - (above + reached) / 2)).sum(axis=0)
    precisions = (looked_for * found / np.maximum(found + reached, 1)).sum(axis=0)
    parts = [hits, others - alarms, hits, np.where(images > 0, 2 * hits, 0), below, precisions]
    wholes = [images, others, hits + alarms, np.where(images > 0, images + hits + alarms, 0), images * others, images]
    divisor = np.stack(wholes)
    return np.where(divisor > 0, np.stack(parts) / np.maximum(divisor, 1), np.nan)


def _renumbered(question: Question, group: Labels) -> Labels:
    """Returns (n,) the groups by numbers that tell what is in them and not how they were numbered."""
    images = np.stack([question.score, question.positive, question.called], axis=1)
    kind = np.unique(images, axis=0, return_inverse=True)[1].reshape(-1)
    held: list[list[int]] = [[] for _ in range(int(group.max()) + 1)]
    for place in np.argsort(kind):
        held[group[place]].append(int(kind[place]))
    number = np.empty(len(held), dtype=np.int64)
    number[sorted(range(len(held)), key=held.__getitem__)] = np.arange(len(held))
    return number[group]
