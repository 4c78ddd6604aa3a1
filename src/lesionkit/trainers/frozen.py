"""The documented way to train: the backbone stays as it is, the head learns on its features."""

import dataclasses
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lesionkit.assembly import frozen_part, learning_part, origin, parts
from lesionkit.errors import DataError, OptionError
from lesionkit.features import Features, FeatureStore
from lesionkit.files import as_text
from lesionkit.options import checked_count, checked_seed
from lesionkit.pipeline import Pixels, batches, one_hot, order
from lesionkit.recipe import Part, Recipe
from lesionkit.records import Records, as_column
from lesionkit.run import DataSummary, Seen, TrainingRun
from lesionkit.survey import inspect

logger = logging.getLogger(__name__)

#: Records, or a ``tf.data.Dataset`` (which has no types).
Data: TypeAlias = Records | Any


@dataclass(frozen=True)
class Frozen:
    """Fits the head on a frozen backbone in inference mode: Adam, categorical cross-entropy.

    Attributes:
        epochs: passes over the training images.
        learning_rate: Adam's.
        batch_size: images a step.
        seed: of the order of the training images, which is a function of it, the epoch and the image's place.
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        checked_count(self.epochs, "epochs")
        checked_count(self.batch_size, "batch_size")
        checked_seed(self.seed)
        number = isinstance(self.learning_rate, int | float) and not isinstance(self.learning_rate, bool)
        if not number or not 0 < self.learning_rate < float("inf"):
            raise OptionError(f"learning_rate is a number above 0. Received: {self.learning_rate!r}")

    def fit(
        self,
        model: keras.Model,
        train: Data,
        validation: Data | None = None,
        *,
        store: FeatureStore | bool = True,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> TrainingRun:
        """Trains the head of ``model`` in place; ``model`` itself stays uncompiled.

        With Records the backbone runs once per image: its features are taken from the store or put there, and the
        head trains on them. A ``tf.data.Dataset`` of (B, H, W, 3) RGB in [0, 255] and labels (B,) or one-hot
        (B, num_classes) may give other pixels in every pass, so the backbone runs for each.

        Args:
            model: what :func:`~lesionkit.build_classifier` returned, or any model with its three parts.
            train: the training images.
            validation: images to watch while training; nothing is chosen by them.
            store: a :class:`~lesionkit.features.FeatureStore`, True for the user's own, False for none.
            callbacks: Keras's; they see the part of the model that learns.

        Raises:
            DataError: no training images, images without a label, or classes that are not the model's.
            UnreadableImagesError: images that cannot be read, all of them named, before training starts.
            StorageError: the features do not fit the store.
        """
        watched = None if isinstance(validation, Records) and not len(validation) else validation
        given = [train] if watched is None else [train, watched]
        for data in given:
            _check(model, data)
        parts(model).backbone.trainable = False
        learner, inputs, found = self._inputs(model, given, store)
        learner.compile(
            optimizer=keras.optimizers.Adam(self.learning_rate), loss="categorical_crossentropy", metrics=["accuracy"]
        )
        epoch = _Epoch(self.epochs)
        data = [
            self._batches(values, one, model, epoch, shuffle=place == 0)
            for place, (values, one) in enumerate(zip(inputs, given, strict=True))
        ]
        started = time.perf_counter()
        history = learner.fit(
            data[0],
            epochs=self.epochs,
            validation_data=data[1] if len(data) > 1 else None,
            callbacks=[epoch, *callbacks],
            shuffle=False,  # the datasets have their order
            verbose=0,
        ).history
        fitted = _fitted(given, found)
        return TrainingRun(
            recipe=self._recipe(model, given),
            history={name: tuple(map(float, values)) for name, values in history.items()},
            data=None if fitted is None else DataSummary.of(fitted),
            timing={
                "features_s": found.seconds if found else 0.0,
                "fit_s": time.perf_counter() - started,
                "images_per_s": found.extracted / found.seconds if found and found.extracted else None,
            },
            features={"extracted": found.extracted, "reused": found.reused} if found else {},
            seen=None if fitted is None else Seen.of(fitted),
        )

    def _inputs(
        self, model: keras.Model, given: Sequence[Data], store: FeatureStore | bool
    ) -> tuple[keras.Model, Sequence[Any], Features | None]:
        """Returns the model that learns, what goes into it for each of ``given``, and the stored features."""
        records = [one for one in given if isinstance(one, Records)]
        if store is False or len(records) < len(given):
            reason = "no feature store asked for" if store is False else "a tf.data.Dataset has no feature store"
            logger.info("%s: the backbone runs for every image in every epoch", reason)
            size = model.input.shape[1:3]
            if records:
                inspect(Records.concatenate(records))
            return _Whole(model), [Pixels(one.source, size) if isinstance(one, Records) else one for one in given], None
        sources = [one.source for one in given]
        kept = FeatureStore() if store is True else store
        found = kept.features(frozen_part(model), np.concatenate(sources))
        fixed, learner = learning_part(parts(model).head)
        ends = np.cumsum([len(one) for one in sources])[:-1]
        rows = np.split(np.arange(len(found)), ends)
        return learner, [found.part(one) if fixed is None else _through(fixed, found.part(one)) for one in rows], found

    def _batches(self, values: Any, given: Data, model: keras.Model, epoch: "_Epoch", shuffle: bool) -> tf.data.Dataset:
        classes = model.output.shape[-1]
        if not isinstance(given, Records):
            return given.map(lambda images, labels: (images, _one_hot(labels, classes)))
        rows = (lambda: order(len(given), self.seed, epoch.now)) if shuffle else (lambda: np.arange(len(given)))
        return batches(values, one_hot(given.label, classes), self.batch_size, rows)

    def _recipe(self, model: keras.Model, given: Sequence[Data]) -> Recipe | None:
        built = origin(model)
        if built is None:
            return None
        options = dataclasses.asdict(self)
        if options["seed"] == built.recipe.seed:
            del options["seed"]
        counts = [len(one) for one in given if isinstance(one, Records)]
        share = round(counts[1] / sum(counts), 2) if len(counts) == 2 else 0.0
        return dataclasses.replace(built.recipe, trainer=Part("Frozen", **options), validation=share)


class _Whole(keras.Model):
    """The classifier with its backbone in inference mode also while the head learns.

    Called inside a functional model the backbone would take over ``training=True`` from it, whatever it was
    built with, and its dropout and stochastic depth would be at work.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__(name="whole")
        self.frozen, self.head = frozen_part(model), parts(model).head

    def call(self, images: Any, training: bool | None = None) -> Any:
        return self.head(self.frozen(images, training=False), training=training)


class _Epoch(keras.callbacks.Callback):
    """Knows which epoch it is, and writes a line at its end."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.now = 0
        self._epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.now = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        figures = ", ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        logger.info("epoch %d of %d: %s", epoch + 1, self._epochs, figures)


def _check(model: keras.Model, data: Data) -> None:
    if not isinstance(data, Records):
        return
    if not len(data):
        raise DataError("There are no training images.")
    unlabelled = [record.source for record in data[data.label < 0][:3]]
    if unlabelled:
        raise DataError(
            f"Training needs a label for every image. Without one: {', '.join(map(as_text, unlabelled))} ..."
        )
    built = origin(model)
    names = built.class_names if built else f"{model.output.shape[-1]} classes"
    if model.output.shape[-1] != len(data.class_names) or (built and built.class_names != data.class_names):
        raise DataError(f"The model was built for {names}, the records have {data.class_names}, in this order.")


def _through(fixed: keras.Model, values: Features, batch_size: int = 256) -> npt.NDArray[np.float32]:
    """Returns ``fixed`` of all values, held in memory: 8 kB an image for the pooled features of ResNet50."""
    places = np.arange(len(values))
    runs = (places[start : start + batch_size] for start in range(0, len(values), batch_size))
    return np.concatenate([fixed.predict_on_batch(values[rows]) for rows in runs])


def _one_hot(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    return tf.one_hot(labels, num_classes) if labels.shape.rank == 1 else labels


def _fitted(given: Sequence[Data], found: Features | None) -> Records | None:
    """Returns all images that ``fit`` was given, with their ``picture_id`` where the store found it."""
    if not all(isinstance(one, Records) for one in given):
        return None
    records = Records.concatenate(given)
    return dataclasses.replace(records, picture_id=as_column(found.picture_id)) if found else records
