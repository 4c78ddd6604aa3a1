"""What a trainer is given made into a task: features found or extracted, or the whole network on line."""

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
from lesionkit.model.parts import layers_within, learning_part, origin, parts, remember
from lesionkit.model.views import Augmentation, Viewed, mixes
from lesionkit.training.distribution import copied, scope
from lesionkit.training.given import Given
from lesionkit.training.task import Feed, Learner, Phase, Task

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
                classifier = model()
            return classifier if strategy is None else _outside(classifier)
        finally:
            keras.config.set_dtype_policy(before)
    if any(isinstance(weight.value, tf.distribute.DistributedValues) for weight in model.weights):
        raise OptionError(
            "The model was built in a strategy's scope, where Keras answers once for each replica. Build it outside: "
            "fit(..., strategy=strategy) copies what learns into the scope; or give fit the function that builds it."
        )
    check_precision(model, precision)
    return model


def check_precision(model: keras.Model, precision: str) -> None:
    """Checks that the model was built in ``precision``.

    Raises:
        OptionError: it was built in another one.
    """
    policy = parts(model).backbone.layers[-1].dtype_policy.name
    if policy != precision:
        raise OptionError(
            f"The model was built in {policy}, and precision={precision!r} asked for, which is fixed when a "
            "model is built: give fit a function that builds it, such as lambda: build_classifier(...)."
        )


def _outside(model: keras.Model) -> keras.Model:
    """Returns a copy of a model that was built in a strategy's scope."""
    copy, built_from = copied(model), origin(model)
    if built_from is not None:
        remember(copy, built_from)
    return copy


def prepare(model: keras.Model, phase: Phase, given: Given) -> Task:
    """Returns the task of a phase; of ``model``'s backbone what the phase trains becomes trainable, and nothing else.

    Args:
        model: the classifier.
        phase: what to train of it, and how.
        given: checked for this model and phase.
    """
    _let_learn(parts(model).backbone, phase.above)
    factors = {id(weight): (weight, factor) for part, factor in phase.slower for weight in part.trainable_variables}
    augmentation = None if given.augmenter is None else Augmentation(given.augmenter, phase.options.seed)
    reason = _why_not_stored(phase, given)
    if reason is None:
        features = _features(phase, given, augmentation)
        learner, values = _above_stored(model, phase, given, features)
        train, held_out = _feeds(given, values, views=_views(phase, given))
    else:
        logger.info("%s: the whole network runs for every image in every epoch", reason)
        features, learner = None, Learner(parts(model).head, *phase.fixed)
        train, held_out = _online(model, phase, given, augmentation)
    return Task(
        phase,
        learner,
        train,
        held_out,
        augmentation=None if augmentation is None else augmentation.name,
        features=features,
        slower=list(factors.values()),
    )


def _let_learn(backbone: keras.Model, above: Sequence[keras.Model]) -> None:
    """Makes the layers of ``above`` learn, and the others of the backbone stay."""
    learning = {layer.name for part in above for layer in layers_within(part)}
    backbone.trainable = bool(above)
    for layer in backbone.layers:
        layer.trainable = layer.name in learning


def _why_not_stored(phase: Phase, given: Given) -> str | None:
    """Returns why there is nothing to store, or None where there is."""
    if given.store is False:
        return "no feature store asked for"
    if not all(isinstance(data, Records) for data in given.data):
        return "a tf.data.Dataset has no feature store"
    if phase.frozen is None:
        return "no stage stays frozen"
    if given.augmenter is not None and mixes(given.augmenter):
        return "an augmenter that mixes images makes new ones in every epoch"
    if given.augmenter is not None and phase.options.views is None:
        return "another view in every epoch asked for"
    return None


def _features(phase: Phase, given: Given, augmentation: Augmentation | None) -> Features:
    """Returns the stored features: of each view of the training images, and of the validation images."""
    store = given.store if isinstance(given.store, FeatureStore) else FeatureStore()
    train, *validation = (data.source for data in given.data)
    if augmentation is None:
        return store.features(phase.frozen, np.concatenate([train, *validation]))
    inspect(Records.concatenate(given.data))  # names every unreadable image, of both
    views = [augmentation.view(number) for number in range(_views(phase, given))]
    features = [store.features(phase.frozen, train, views)]
    return Features.concatenate(features + [store.features(phase.frozen, source) for source in validation])


def _views(phase: Phase, given: Given) -> int:
    """Returns how many views of each training image are stored."""
    return 1 if given.augmenter is None else phase.options.views or 1


def _above_stored(model: keras.Model, phase: Phase, given: Given, features: Features) -> tuple[keras.Model, list[Any]]:
    """Returns what learns from stored features, and its values: of the training images, of the validation images."""
    ends = [_views(phase, given) * len(given.train)]
    values: list[Any] = [features.part(rows) for rows in np.split(np.arange(len(features)), ends)[: len(given.data)]]
    if phase.above:
        return Learner(parts(model).head, *phase.above), values
    fixed, learner = learning_part(parts(model).head)
    return learner, values if fixed is None else [_through(fixed, features) for features in values]


def _online(
    model: keras.Model, phase: Phase, given: Given, augmentation: Augmentation | None
) -> tuple[Feed, Feed | None]:
    """Returns the images themselves, augmented anew where there is an augmenter."""
    records = [data for data in given.data if isinstance(data, Records)]
    survey = inspect(Records.concatenate(records)) if records else None  # names every unreadable image
    size = model.input.shape[1:3]
    values: list[Any] = [Pixels(data.source, size) if isinstance(data, Records) else None for data in given.data]
    if augmentation is None or survey is None:
        return _feeds(given, values)
    if mixes(given.augmenter):
        return _feeds(given, values, mixer=given.augmenter)
    values[0] = Viewed(values[0], augmentation.view, survey.picture_id.tolist())
    return _feeds(given, values, views=phase.options.views)


def _feeds(given: Given, values: Sequence[Any], **training: Any) -> tuple[Feed, Feed | None]:
    """Returns the values with their labels: for training, with more about its feed, and for watching it, if given."""
    train, *held_out = zip(given.data, values, strict=True)
    return Feed(*train, **training), Feed(*held_out[0]) if held_out else None


def _through(fixed: keras.Model, values: Features, batch_size: int = 256) -> npt.NDArray[np.float32]:
    """Returns ``fixed`` of all values, held in memory: 8 kB an image for the pooled features of ResNet50."""
    places = np.arange(len(values))
    runs = (places[start : start + batch_size] for start in range(0, len(values), batch_size))
    return np.concatenate([np.asarray(fixed(values[rows], training=False)) for rows in runs])
