"""A model and images to probabilities."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from lesionkit.data.pipeline import Pixels
from lesionkit.data.records import Column, Records, as_column
from lesionkit.data.survey import inspect
from lesionkit.errors import ImageError, OptionError, UnreadableImagesError
from lesionkit.features.store import FeatureStore
from lesionkit.model.parts import frozen_part, parts
from lesionkit.model.views import View, Viewed
from lesionkit.options import checked_count


class Inferred(NamedTuple):
    """What a classifier answered for n images.

    Attributes:
        probabilities: (n, C).
        picture_id: (n,) the SHA-256 of each file's bytes, where they were read as a whole, else what was known.
        features_s: seconds that features took which were not in the store.
    """

    probabilities: npt.NDArray[np.float64]
    picture_id: Column
    features_s: float


def infer(
    model: keras.Model, records: Records, store: FeatureStore | None, batch_size: int, views: Sequence[View | None]
) -> Inferred:
    """Returns what ``model`` answers for n >= 1 images, its frozen part's features from the store or put there.

    Raises:
        UnreadableImagesError: images that cannot be read, all of them named.
        OptionError: there is a store, and no frozen part.
    """
    if store is None:
        known = records if tuple(views) == (None,) else inspect(records)
        pixels = Pixels(records.source, model.input.shape[1:3])
        return Inferred(predict(model, pixels, batch_size, views, known.picture_id.tolist()), known.picture_id, 0.0)
    frozen, head = _cut(model)
    found = store.features(frozen, records.source, views)
    mean = predict(head, found, batch_size).reshape(len(views), len(records), -1).mean(axis=0)
    return Inferred(mean, as_column(found.picture_id[: len(records)]), found.seconds)


def predict(
    model: keras.Model,
    values: Any,
    batch_size: int = 32,
    views: Sequence[View | None] = (None,),
    picture_id: Sequence[str] | None = None,
) -> npt.NDArray[np.float64]:
    """Returns (n, C) probabilities of n images or features with ``shape`` and ``[rows]``, n >= 1.

    Args:
        model: from the values to the probabilities.
        values: the images or features.
        batch_size: how many at once.
        views: of images: the probabilities are the mean over them (as over the ten crops of Krizhevsky et al. 2012,
            "ImageNet Classification with Deep Convolutional Neural Networks", section 4.1); None: the image itself.
        picture_id: n ids for the views; None: the pixels stand for themselves.

    Raises:
        UnreadableImagesError: images that cannot be read, all of them named.
    """
    shown = [values if view is None else Viewed(values, [view].__getitem__, picture_id) for view in views]
    mean: npt.NDArray[np.float64] = np.mean([_predict(model, one, batch_size) for one in shown], axis=0)
    return mean


def _predict(model: keras.Model, values: Any, batch_size: int) -> npt.NDArray[np.float64]:
    checked_count(batch_size, "batch_size")
    starts = range(0, values.shape[0], batch_size)
    found: list[npt.NDArray[Any]] = []
    errors: list[ImageError] = []
    with ThreadPoolExecutor(1) as reader:  # reads one batch ahead; tf.data would hide which error it was
        rows = (np.arange(start, min(start + batch_size, values.shape[0])) for start in starts)
        ahead = reader.submit(values.__getitem__, next(rows))
        for _ in starts:
            now, following = ahead, next(rows, None)
            if following is not None:
                ahead = reader.submit(values.__getitem__, following)
            try:
                batch = now.result()
            except UnreadableImagesError as error:
                errors += error.errors
            if not errors:  # the rest is only read, to name every file that cannot be
                found.append(np.asarray(model.predict_on_batch(batch)))
    if errors:
        raise UnreadableImagesError(errors)
    return np.concatenate(found).astype(np.float64)


def _cut(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Returns the frozen part, whose features can be stored, and the head."""
    try:
        return frozen_part(model), parts(model).head
    except OptionError as error:
        raise OptionError(f"{error}. Evaluate it without a feature store: evaluate(..., store=False).") from error
