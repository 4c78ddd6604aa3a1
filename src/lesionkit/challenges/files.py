"""A submission file against a ground truth file, as the official program of the ISIC challenges scores them."""

import os

import numpy as np
import numpy.typing as npt

from lesionkit.challenges.scores import ClassificationScores, classification
from lesionkit.challenges.submissions import Layout, read_submission
from lesionkit.data.tables import Table, read_header, read_table
from lesionkit.text import as_text

#: The official program gives this image weight 0 in whatever ground truth it stands.
UNWEIGHTED = "ISIC_0035068"

_WEIGHTS = ("score_weight", "validation_weight")


def score_files(
    truth: str | os.PathLike[str], submission: str | os.PathLike[str], *, metric: str = "balanced_accuracy"
) -> ClassificationScores:
    """Returns the official scores of a submission file against a ground truth file, both CSV.

    The categories are the ground truth's columns but ``image`` or ``lesion_id``, ``score_weight`` and
    ``validation_weight``. A weight belongs to the row that it stands in. ``isic-challenge-scoring`` 5.8.0 sorts rows by
    id and leaves their weights: it agrees where the ground truth is in the order of its ids, or all weigh the same.

    Args:
        truth: a row of 0 and 1 for each image or lesion; without weights, each has weight 1.
        submission: see :func:`lesionkit.challenges.submissions.lint`.
        metric: one of :data:`~lesionkit.challenges.scores.METRICS`.

    Raises:
        DataError: a ground truth that is not sound, or a submission that would be refused.
        OptionError: an unknown metric.
    """
    header = read_header(truth)
    key = "image" if "image" in header else "lesion_id"
    names = tuple(name for name in header if name not in (key, *_WEIGHTS))
    table = read_table(truth, (key, *names), _WEIGHTS, key)
    ids = [str(one) for one in table[key]]
    actual = np.array([table.bits(name) for name in names]).T
    score_weight, validation_weight = (_weights(table, name, ids) for name in _WEIGHTS)
    given = read_submission(submission, Layout(key, names, as_text(truth)), ids)
    return classification(
        actual, given, names, score_weight=score_weight, validation_weight=validation_weight, metric=metric
    )


def _weights(table: Table, name: str, ids: list[str]) -> npt.NDArray[np.float64]:
    weight = np.ones(len(ids))
    if name in table:
        for row, value in enumerate(table[name]):
            try:
                weight[row] = float(value or "")
            except ValueError:
                raise table.error(row, name, f"{value!r} where a weight stands, a number of at least 0.") from None
    weight[[one == UNWEIGHTED for one in ids]] = 0
    return weight
