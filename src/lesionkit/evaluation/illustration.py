"""The images of an evaluation that are worth a look, with what spoke for the answer."""

import dataclasses

import keras
import numpy as np
import numpy.typing as npt

from lesionkit.data.pipeline import Pixels
from lesionkit.errors import DataError
from lesionkit.evaluation.evaluation import Evaluation, Picture
from lesionkit.model.heat_maps import heat_maps
from lesionkit.model.overlays import border_share
from lesionkit.options import checked_count

#: How many images of each class are shown.
SAMPLES = 4


def illustrate(model: keras.Model, evaluation: Evaluation, *, limit: int = 12) -> Evaluation:
    """Returns the evaluation with ``pictures``: its most confident mistakes, its least certain hits, and samples.

    The first two come with the map of what spoke for the class that was answered
    (:func:`~lesionkit.model.heat_maps.heat_maps`), of the image as it is, also where ``evaluation`` is over several
    views.

    Args:
        model: the classifier that was evaluated.
        evaluation: of images from files.
        limit: how many mistakes and how many hits at most.

    Raises:
        DataError: the images came from no files.
        UnreadableImagesError: a file cannot be read any more.

    Example:
        >>> shown = lk.illustrate(model, evaluation, limit=2)
        >>> shown.pictures[0].kind
        'mistake'
    """
    checked_count(limit, "limit")
    if not all(evaluation.source):
        raise DataError("Pictures are read from files, and the evaluated images came from none. Evaluate Records.")
    mistakes, hits = telling(evaluation, limit)
    places = np.concatenate([mistakes, hits, samples(evaluation)])
    kinds = ["mistake"] * len(mistakes) + ["least certain hit"] * len(hits)
    pixels = Pixels(evaluation.source, model.input.shape[1:3])[places]
    maps = heat_maps(model, pixels[: len(kinds)], evaluation.predicted[places[: len(kinds)]])
    shares = [None if np.isnan(share) else float(share) for share in border_share(maps)]
    explained = zip(places, kinds, pixels, maps, shares, strict=False)
    pictures = [Picture(int(place), *rest) for place, *rest in explained]
    pictures += [Picture(int(place), "sample", pixels[row]) for row, place in enumerate(places) if row >= len(kinds)]
    return dataclasses.replace(evaluation, pictures=tuple(pictures))


def samples(evaluation: Evaluation) -> npt.NDArray[np.int64]:
    """Returns rows of up to :data:`SAMPLES` images of each class, from one group where there are no others."""
    found: list[int] = []
    for label in range(len(evaluation.class_names)):
        rows = np.flatnonzero(evaluation.labels == label)
        first = rows[np.unique(evaluation.relation.group[rows], return_index=True)[1]]
        of_others = [row for row in rows if row not in set(first)]
        found += [*np.sort(first), *of_others][:SAMPLES]
    return np.array(found, dtype=np.int64)


def telling(evaluation: Evaluation, limit: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the rows of the most confident mistakes and of the least certain hits, at most ``limit`` of each."""
    confidence = evaluation.probabilities.max(axis=1)
    right = evaluation.predicted == evaluation.labels
    mistakes = np.flatnonzero(~right)[np.argsort(-confidence[~right], kind="stable")]
    hits = np.flatnonzero(right)[np.argsort(confidence[right], kind="stable")]
    return mistakes[:limit], hits[:limit]
