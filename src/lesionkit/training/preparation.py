"""What a trainer is given made into a task: features found or extracted, or the whole network on line."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lesionkit.data.pipeline import Pixels
from lesionkit.data.records import Records
from lesionkit.data.survey import inspect
from lesionkit.errors import OptionError
from lesionkit.features.shards import Features
from lesionkit.features.store import FeatureStore
from lesionkit.model.parts import learning_part, origin, parts, remember
from lesionkit.model.views import Augmentation, Chosen, mixes
from lesionkit.model.views import augmenter as augmenter_of
from lesionkit.training.distribution import copied, scope
from lesionkit.training.given import check_given
from lesionkit.training.options import Fitting
from lesionkit.training.task import Data, Feed, Learner, Task

logger = logging.getLogger(__name__)

#: What builds a classifier when it is called.
Builder: TypeAlias = Callable[[], keras.Model]


def built(
    model: "keras.Model | Builder", precision: str, strategy: "tf.distribute.Strategy | None" = None
) -> keras.Model:
    """Returns the model; where a function that builds it was given, built now, in ``precision``.

    Under a strategy the function is called in its scope, so that all workers start from the chief's weights, and what
    is returned is a copy outside of it, which Keras can save and ask as any other.

    Raises:
        OptionError: a model that is built already has another precision, or was built in a strategy's scope.
    """
    if not isinstance(model, keras.Model):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(precision)
        try:
            with scope(strategy):
                found = model()
            return found if strategy is None else _outside(found)
        finally:
            keras.config.set_dtype_policy(before)
    if any(isinstance(one.value, tf.distribute.DistributedValues) for one in model.weights):
        raise OptionError(
            "The model was built in a strategy's scope, where Keras answers once for each replica. Build it outside: "
            "fit(..., strategy=strategy) copies what learns into the scope; or give fit the function that builds it."
        )
    found = parts(model).backbone.layers[-1].dtype_policy.name
    if found != precision:
        raise OptionError(
            f"The model was built in {found}, and precision={precision!r} asked for, which is fixed when a "
            "model is built: give fit a function that builds it, such as lambda: build_classifier(...)."
        )
    return model


def _outside(model: keras.Model) -> keras.Model:
    """Returns a copy of a model that was built in a strategy's scope."""
    copy, known = copied(model), origin(model)
    if known is not None:
        remember(copy, known)
    return copy


def prepare(
    model: keras.Model,
    frozen: "keras.Model | None",
    above: Sequence[keras.Model],
    options: Fitting,
    train: Data,
    validation: Data | None,
    chosen: Chosen | None,
    store: FeatureStore | bool,
) -> Task:
    """Returns the task of fitting what is above ``frozen``.

    Args:
        model: the classifier.
        frozen: from the image to what is stored; None where nothing stays as it is.
        above: what runs between that and the head, in inference mode.
        options: the trainer.
        train: the training data.
        validation: what to watch, if anything.
        chosen: the augmenter of the training images.
        store: a feature store, True for the user's own, False for none.
    """
    nothing = validation is None or (isinstance(validation, Records) and not len(validation))
    given: list[Data] = [train] if nothing else [train, validation]
    for data in given:
        check_given(model, data)
    if not isinstance(train, Records) and (chosen is not None or options.sampling == "balanced"):
        raise OptionError("An augmenter and balanced sampling need the training images as Records.")
    augmenter = None if chosen is None else augmenter_of(chosen)
    fixed = [one for one in (frozen, *above) if one is not None]
    reason = _why_not_stored(frozen, options, given, augmenter, store)
    if reason is None:
        kept = store if isinstance(store, FeatureStore) else FeatureStore()
        task = _stored(model, frozen, above, options, given, augmenter, kept)
    else:
        logger.info("%s: the whole network runs for every image in every epoch", reason)
        task = _online(Learner(parts(model).head, *fixed), model.input.shape[1:3], options, given, augmenter)
    named = None if augmenter is None else Augmentation(augmenter, options.seed).name
    return dataclasses.replace(task, fixed=tuple(fixed), augmentation=named)


def _why_not_stored(
    frozen: "keras.Model | None",
    options: Fitting,
    given: Sequence[Data],
    augmenter: "keras.layers.Layer | None",
    store: FeatureStore | bool,
) -> str | None:
    """Returns why there is nothing to store, or None where there is."""
    if store is False:
        return "no feature store asked for"
    if not all(isinstance(one, Records) for one in given):
        return "a tf.data.Dataset has no feature store"
    if frozen is None:
        return "no stage stays frozen"
    if augmenter is not None and mixes(augmenter):
        return "an augmenter that mixes images makes new ones in every epoch"
    if augmenter is not None and options.views is None:
        return "another view in every epoch asked for"
    return None


def _stored(
    model: keras.Model,
    frozen: Any,
    above: Sequence[keras.Model],
    options: Fitting,
    given: Sequence[Records],
    augmenter: "keras.layers.Layer | None",
    store: FeatureStore,
) -> Task:
    """Returns the task on stored features: of each view of the training images, and of the validation images."""
    sources = [one.source for one in given]
    views = 1
    if augmenter is None or options.views is None:
        found = store.features(frozen, np.concatenate(sources))
    else:
        inspect(Records.concatenate(given))  # names every unreadable image, of both
        views = options.views
        augmentation = Augmentation(augmenter, options.seed)
        parts_found = [store.features(frozen, sources[0], [augmentation.view(number) for number in range(views)])]
        parts_found += [store.features(frozen, one) for one in sources[1:]]
        found = Features.concatenate(parts_found)
    rows = np.split(np.arange(len(found)), [views * len(sources[0])])[: len(given)]
    values: list[Any] = [found.part(one) for one in rows]
    if above:
        learner = Learner(parts(model).head, *above)
    else:
        fixed, learner = learning_part(parts(model).head)
        values = values if fixed is None else [_through(fixed, one) for one in values]
    train, *held_out = (Feed(one, value) for one, value in zip(given, values, strict=True))
    return Task(learner, dataclasses.replace(train, views=views), held_out[0] if held_out else None, found=found)


class _AugmentedPixels:
    """Images of files, decoded and augmented when asked for: row r is image r % n in view r // n."""

    dtype = np.dtype(np.float32)

    def __init__(self, pixels: Pixels, picture_id: npt.NDArray[Any], augmentation: Augmentation) -> None:
        self._pixels, self._ids, self._augmentation = pixels, picture_id, augmentation
        self.shape = pixels.shape

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        number, places = divmod(rows, self.shape[0])
        found = np.empty((len(rows), *self.shape[1:]), dtype=np.float32)
        for view in np.unique(number):
            here = number == view
            chosen = places[here]
            found[here] = self._augmentation.view(int(view))(self._pixels[chosen], self._ids[chosen])
        return found


def _online(
    learner: keras.Model,
    image_size: tuple[int, int],
    options: Fitting,
    given: Sequence[Data],
    augmenter: "keras.layers.Layer | None",
) -> Task:
    """Returns the task on the images themselves, augmented anew where an augmenter is given."""
    records = [one for one in given if isinstance(one, Records)]
    known = inspect(Records.concatenate(records)) if records else None  # names every unreadable image
    train, *held_out = (
        Feed(one, Pixels(one.source, image_size) if isinstance(one, Records) else None) for one in given
    )
    if augmenter is not None and mixes(augmenter):
        train = dataclasses.replace(train, mixer=augmenter)
    elif augmenter is not None and known is not None:
        values = _AugmentedPixels(train.values, known.picture_id, Augmentation(augmenter, options.seed))
        train = dataclasses.replace(train, values=values, views=options.views)
    return Task(learner, train, held_out[0] if held_out else None)


def _through(fixed: keras.Model, values: Features, batch_size: int = 256) -> npt.NDArray[np.float32]:
    """Returns ``fixed`` of all values, held in memory: 8 kB an image for the pooled features of ResNet50."""
    places = np.arange(len(values))
    runs = (places[start : start + batch_size] for start in range(0, len(values), batch_size))
    return np.concatenate([np.asarray(fixed(values[rows], training=False)) for rows in runs])
