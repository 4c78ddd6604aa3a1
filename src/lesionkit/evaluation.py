"""A model and labelled images to an Evaluation: each image's probabilities, and the scores they give."""

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from lesionkit import images, metrics, scores
from lesionkit.assembly import frozen_part, origin, parts
from lesionkit.augmentation import View, Viewed, views_of
from lesionkit.checks.shortcuts import shortcut_probabilities
from lesionkit.errors import DataError, ImageError, OptionError, UnreadableImagesError
from lesionkit.features import FeatureStore
from lesionkit.files import as_text
from lesionkit.options import checked_count
from lesionkit.pipeline import Pixels
from lesionkit.records import Records, as_column
from lesionkit.run import DataSummary, Relation, TrainingRun, relate, unrelated
from lesionkit.scores import Gain, Score
from lesionkit.survey import inspect, survey


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a classifier answered for n labelled images of C classes.

    Attributes:
        class_names: the C classes in the order of the probabilities.
        probabilities: (n, C), each row sums to 1.
        labels: (n,) places in ``class_names``.
        source: n file names, or empty texts for images that came from no file.
        image_id: n image ids, or empty texts.
        run: how the classifier was trained, if that is known.
        data: the images that were scored, if they came as records.
        timing: seconds of each step, and images a second of the frozen part.
        substitutions: what stands in for what was asked for, in words for the top of every report.
        relation: what ties the images to those in training, and which belong together.
        shortcut: (n, C) probabilities of a model that sees no lesion, for the same images.
        views: how many views of each image the probabilities are the mean of.
        patch: the label patch that was applied to the training images, as what JSON can hold: ``file``, ``sha256``
            and counts.
    """

    class_names: tuple[str, ...]
    probabilities: npt.NDArray[np.float64] = field(repr=False)
    labels: npt.NDArray[np.int64] = field(repr=False)
    source: tuple[str, ...] = field(repr=False)
    image_id: tuple[str, ...] = field(repr=False)
    run: TrainingRun | None = field(default=None, repr=False)
    data: DataSummary | None = field(default=None, repr=False)
    timing: Mapping[str, float | None] = field(default_factory=dict, repr=False)
    substitutions: tuple[str, ...] = ()
    relation: Relation = field(default=None, repr=False)  # type: ignore[assignment]
    shortcut: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    patch: Mapping[str, Any] | None = field(default=None, repr=False)
    views: int = 1

    def __post_init__(self) -> None:
        """Makes arrays of the labels and probabilities.

        Raises:
            DataError: they are no labels and probabilities, or there is not one row for each image.
        """
        labels, probabilities = metrics.checked(self.labels, self.probabilities)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "probabilities", probabilities)
        if self.shortcut is not None:
            object.__setattr__(self, "shortcut", metrics.checked(labels, self.shortcut)[1])
            if np.shape(self.shortcut) != probabilities.shape:
                raise DataError(f"shortcut is {probabilities.shape}. Received: {np.shape(self.shortcut)}")
        if self.relation is None:
            why = "the test images did not come as records: nothing is known of their pictures, lesions and patients"
            object.__setattr__(self, "relation", unrelated(np.arange(len(labels)), why))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """(n,) the likeliest class of each image."""
        return metrics.predicted(self.probabilities)

    @property
    def accuracy(self) -> float:
        """Share of images whose likeliest class is their label."""
        return metrics.accuracy(self.labels, self.probabilities)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes that have images."""
        return metrics.balanced_accuracy(self.labels, self.probabilities)

    @property
    def loss(self) -> float:
        """Mean categorical cross-entropy."""
        return metrics.loss(self.labels, self.probabilities)

    @property
    def confusion_matrix(self) -> npt.NDArray[np.int64]:
        """(C, C) images of class i whose likeliest class is j."""
        return metrics.confusion_matrix(self.labels, self.probabilities)

    @property
    def per_class(self) -> dict[str, dict[str, float | int | None]]:
        """Class name -> n, precision, recall, specificity, f1, auc; None where the images cannot tell."""
        return metrics.per_class(self.labels, self.probabilities, self.class_names)

    @functools.cached_property
    def scores(self) -> dict[str, Score | None]:
        """``as_shipped``, ``deduplicated``, ``lesion_clean`` and ``lesion_clean.known_only`` -> score.

        None where ``relation.missing`` says why. Computed when first asked for.
        """
        return scores.three_ways(self.labels, self.probabilities, self.class_names, self.relation)

    @functools.cached_property
    def gain(self) -> Gain | None:
        """What the classifier adds over a model that sees no lesion; None without ``shortcut``."""
        if self.shortcut is None:
            return None
        return scores.gain(self.labels, self.probabilities, self.shortcut, self.class_names, self.relation.group)

    def __str__(self) -> str:
        shown = f", each in {self.views} views" if self.views > 1 else ""
        return (
            f"{len(self)} images{shown}: accuracy {self.accuracy:.2%}, balanced accuracy {self.balanced_accuracy:.2%}, "
            f"loss {self.loss:.4f}\n{scores.in_words(self.scores, self.relation, self.gain)}"
        )


def evaluate(
    model: keras.Model,
    data: Any,
    *,
    run: TrainingRun | None = None,
    train: Records | None = None,
    class_names: Sequence[str] | None = None,
    class_mapping: Mapping[str, str | None] | None = None,
    store: FeatureStore | bool = False,
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
            it is told (:func:`~lesionkit.checks.shortcuts.shortcut_probabilities`). Only where ``data`` are Records.
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
    """
    started = time.perf_counter()
    built = origin(model)
    known = tuple(class_names or (built.class_names if built else ())) or getattr(data, "class_names", None)
    names = known or tuple(f"class {place}" for place in range(model.output.shape[-1]))
    if len(names) != model.output.shape[-1]:
        raise DataError(f"The model tells {model.output.shape[-1]} classes apart. Received: {', '.join(names)}")
    if class_mapping and not isinstance(data, Records):
        raise OptionError("class_mapping is for Records; give arrays and datasets the model's own labels.")
    seen_as = views_of(views, model.input.shape[1:3])
    features_s = 0.0
    source: Sequence[str] = ()
    image_id: Sequence[str] = ()
    summary, relation, shortcut = None, None, None
    if isinstance(data, Records):
        data, labels = _mapped(data, names, class_mapping or {})
        source, image_id = data.source, data.image_id
        if store is False:
            data = data if seen_as == (None,) else inspect(data)
            ids = data.picture_id.tolist()
            probabilities = predict(model, Pixels(source, model.input.shape[1:3]), batch_size, seen_as, ids)
        else:
            frozen, head = _cut(model)
            found = (FeatureStore() if store is True else store).features(frozen, source, seen_as)
            features_s = found.seconds
            answers = predict(head, found, batch_size)
            probabilities = answers.reshape(len(seen_as), len(data), -1).mean(axis=0)
            data = dataclasses.replace(data, picture_id=as_column(found.picture_id[: len(data)]))
        summary, relation = DataSummary.of(data), relate(data, run.seen if run else None)
        if train is not None:
            seen = _mapped(train, names, {})[0]
            shortcut = shortcut_probabilities(seen, survey(seen), data, survey(data))
    elif isinstance(data, tuple):
        if not len(data[0]):
            raise DataError("Scores need labelled images. Received: no images.")
        pixels = np.stack([images.from_array(image, model.input.shape[1:3]) for image in data[0]])
        labels = _places(data[1], names)
        probabilities = predict(model, pixels, batch_size, seen_as)
    else:
        probabilities, labels = _over_dataset(model, data, seen_as)
    timing = {"features_s": features_s, "fit_s": None, "images_per_s": None} | dict(run.timing if run else {})
    timing["features_s"] = (run.timing["features_s"] or 0.0 if run else 0.0) + features_s
    timing["evaluate_s"] = time.perf_counter() - started - features_s
    empty = ("",) * len(labels)
    return Evaluation(
        names,
        probabilities,
        labels,
        tuple(source) or empty,
        tuple(image_id) or empty,
        run,
        summary,
        timing,
        relation=relation,  # type: ignore[arg-type]
        shortcut=shortcut,
        views=len(seen_as),
    )


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
    shown = [values if view is None else Viewed(values, view, picture_id) for view in views]
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


def _mapped(
    records: Records, names: tuple[str, ...], mapping: Mapping[str, str | None]
) -> tuple[Records, npt.NDArray[np.int64]]:
    """Returns the records whose class the mapping keeps, and their labels as places in ``names``."""
    unknown = sorted(set(mapping) - set(records.class_names))
    if unknown:
        raise DataError(f"class_mapping names classes that the records lack: {', '.join(map(as_text, unknown))}.")
    targets = {name: mapping.get(name, name) for name in records.class_names}
    used = {records.class_names[place] for place in np.unique(records.label[records.label >= 0])}
    foreign = sorted(f"{name} -> {targets[name]}" for name in used if targets[name] not in {*names, None})
    if foreign:
        raise DataError(
            f"The model does not know these classes: {', '.join(map(as_text, foreign))}. It knows "
            f"{', '.join(map(as_text, names))}. Give class_mapping={{its name: the model's name, or None}}."
        )
    place = np.array(
        [names.index(target) if (target := targets[name]) in names else -1 for name in records.class_names]
    )
    left_out = [number for number, name in enumerate(records.class_names) if targets[name] is None]
    kept = records[~np.isin(records.label, left_out)]
    if not len(kept) or kept.label.min() < 0:
        count = int(np.count_nonzero(kept.label < 0))
        raise DataError(f"Scores need labelled images. Received: {len(kept)} images, {count} of them without a label.")
    return kept, np.asarray(place[kept.label], dtype=np.int64)


def _places(labels: Any, names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    values = np.asarray(labels)
    if values.dtype.kind in "UO":
        unknown = sorted(set(map(str, values)) - set(names))
        if unknown:
            raise DataError(
                f"The model does not know these classes: {', '.join(unknown)}. It knows {', '.join(names)}."
            )
        return np.array([names.index(str(value)) for value in values], dtype=np.int64)
    return np.asarray(values.argmax(axis=1) if values.ndim == 2 else values, dtype=np.int64)


def _over_dataset(
    model: keras.Model, data: Any, views: Sequence[View | None]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    probabilities, labels = [], []
    for pixels, given in data:
        images = np.asarray(pixels)
        probabilities.append(predict(model, images, len(images), views))
        labels.append(_places(given, ()))
    if not labels:
        raise DataError("Scores need labelled images. Received: an empty dataset.")
    return np.concatenate(probabilities), np.concatenate(labels)
