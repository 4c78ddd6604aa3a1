"""evaluate: a model and labelled images to an Evaluation."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from lesionkit.data import images
from lesionkit.data.records import Records
from lesionkit.data.relation import relate
from lesionkit.data.shortcut_forest import shortcut_probabilities
from lesionkit.data.summary import DataSummary
from lesionkit.data.survey import survey
from lesionkit.errors import DataError, OptionError
from lesionkit.evaluation.evaluation import Evaluation, HeldOut
from lesionkit.evaluation.labels import class_names_of, mapped, places
from lesionkit.features.store import FeatureStore, store_of
from lesionkit.model.inference import Inferred, infer, predict
from lesionkit.model.views import View, views_of
from lesionkit.recipe import watches
from lesionkit.training.run import TrainingRun

_EARLY_STOPPING = "training looked at them to choose its epoch (early stopping)"


def evaluate(
    model: keras.Model,
    data: Any,
    *,
    run: TrainingRun | None = None,
    train: Records | None = None,
    held_out: Records | None = None,
    class_names: Sequence[str] | None = None,
    class_mapping: Mapping[str, str | None] | None = None,
    store: FeatureStore | bool | None = False,
    batch_size: int = 32,
    views: str | Sequence[View | None] | None = None,
) -> Evaluation:
    """Returns what ``model`` answers for labelled images.

    Args:
        model: (B, H, W, 3) RGB in [0, 255] to (B, C) probabilities, such as from ``build_classifier``.
        data: Records; or ``(images, labels)`` with images (n, h, w, 3) in [0, 255] and labels (n,) whole numbers or
            class names; or a ``tf.data.Dataset`` of such batches, labels whole numbers or one-hot.
        run: how the model was trained, for the reports.
        train: its training images; a model that sees no lesion learns from them too, and what the classifier adds over
            it is told (:mod:`~lesionkit.data.shortcut_forest`). Only where ``data`` are Records.
        held_out: labelled images that the model did not learn from and that are not in ``data``, such as its
            validation images: the temperature, the operating point and the prediction sets are fitted on them.
        class_names: the model's classes in order, where neither the model nor ``data`` tells.
        class_mapping: for a folder with other classes: its class name to the model's, or to None to leave the
            class out.
        store: where to look for the frozen part's features and to put them (see ``Frozen.fit``); only Records.
        batch_size: images at once.
        views: test-time augmentation: the probabilities are the mean over these views of each image.
            ``"symmetries"``: its eight exact turns and mirror images (four where it is not square); or a sequence of
            views, such as ``[None, Augmentation(layer, seed).view(1), ...]``; None: the image itself. What a random
            view makes of an image depends on the bytes of its file, where ``data`` are Records, else on its pixels.

    Raises:
        DataError: no images, images without a label, or a class that the model does not know.
        UnreadableImagesError: images that cannot be read, all of them named.
        OptionError: ``views`` are none, or there is a store and no frozen part, as in an average.

    Example:
        >>> evaluation = lk.evaluate(model, test, run=run, held_out=validation)
        >>> 0 <= evaluation.accuracy <= 1
        True
    """
    started = time.perf_counter()
    names = class_names_of(model, data, class_names)
    if class_mapping and not isinstance(data, Records):
        raise OptionError("class_mapping is for Records; give arrays and datasets the model's own labels.")
    seen_as = views_of(views, model.input.shape[1:3])
    asking = _Asking(model, store_of(store), batch_size, seen_as)
    records: Records | None = None
    shortcut = None
    if isinstance(data, Records):
        records, labels = mapped(data, names, class_mapping or {})
        inferred = asking.records(records)
        records = dataclasses.replace(records, picture_id=inferred.picture_id)
        probabilities, features_s = inferred.probabilities, inferred.features_s
        if train is not None:
            seen = mapped(train, names, {})[0]
            shortcut = shortcut_probabilities(seen, survey(seen), records, survey(records))
    else:
        probabilities, labels = asking.arrays(data, names) if isinstance(data, tuple) else asking.dataset(data)
        features_s = 0.0
    held = None
    if held_out is not None:
        kept, truth = mapped(held_out, names, {})
        inferred = asking.records(kept)
        chosen = _EARLY_STOPPING if run and run.recipe and watches(run.recipe) else ""
        held = HeldOut(truth, inferred.probabilities, kept.groups(), chosen)
        features_s += inferred.features_s
    timing = {"features_s": features_s, "fit_s": None, "images_per_s": None} | dict(run.timing if run else {})
    timing["features_s"] = (run.timing["features_s"] or 0.0 if run else 0.0) + features_s
    timing["evaluate_s"] = time.perf_counter() - started - features_s
    evaluation = Evaluation(
        names,
        probabilities,
        labels,
        source=("",) * len(labels) if records is None else tuple(records.source),
        image_id=("",) * len(labels) if records is None else tuple(records.image_id),
        run=run,
        timing=timing,
        views=len(seen_as),
        held_out=held,
    )
    if records is None:
        return evaluation
    return dataclasses.replace(
        evaluation,
        data=DataSummary.of(records),
        relation=relate(records, run.seen if run else None),
        shortcut=shortcut,
    )


#: Probabilities (n, C) and labels (n,).
_Answered: TypeAlias = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class _Asking:
    """A model, and how it is asked: where features are kept, how many images at once, which views of each."""

    model: keras.Model
    store: FeatureStore | None
    batch_size: int
    views: Sequence[View | None]

    def records(self, records: Records) -> Inferred:
        return infer(self.model, records, self.store, self.batch_size, self.views)

    def arrays(self, data: tuple[Any, ...], names: tuple[str, ...]) -> _Answered:
        pixels, labels = data[0], data[1]
        if not len(pixels):
            raise DataError("Scores need labelled images. Received: no images.")
        resized = np.stack([images.from_array(image, self.model.input.shape[1:3]) for image in pixels])
        return predict(self.model, resized, self.batch_size, self.views), places(labels, names)

    def dataset(self, batches: Any) -> _Answered:
        probabilities, labels = [], []
        for pixels, given in batches:
            batch = np.asarray(pixels)
            probabilities.append(predict(self.model, batch, len(batch), self.views))
            labels.append(places(given, ()))
        if not labels:
            raise DataError("Scores need labelled images. Received: an empty dataset.")
        return np.concatenate(probabilities), np.concatenate(labels)
