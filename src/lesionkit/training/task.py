"""What a trainer fits and on what: the part of a classifier that learns, and the values that go into it."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lesionkit.data.pipeline import batches, one_hot, order
from lesionkit.data.records import Records, as_column
from lesionkit.features.fingerprint import fingerprint
from lesionkit.features.shards import Features
from lesionkit.training.balance import balanced_order
from lesionkit.training.given import Data
from lesionkit.training.options import Fitting


class Learner(keras.Model):
    """A head, behind parts that run in inference mode also while it learns.

    Called inside a functional model those parts would take over ``training=True`` from it, whatever they were built
    with: batch normalisation would follow the batch, and dropout and stochastic depth be at work.
    """

    def __init__(self, head: keras.Model, *before: keras.Model) -> None:
        super().__init__(name="learner")
        self.before, self.head = list(before), head

    def call(self, values: Any, training: bool | None = None) -> Any:
        """Returns (B, num_classes) probabilities."""
        for part in self.before:
            values = part(values, training=False)
        return self.head(values, training=training)


@dataclass(frozen=True)
class Feed:
    """Images or features with their labels, for training or for watching it.

    Attributes:
        data: the records, or the ``tf.data.Dataset``.
        values: n images or features, or several times n: further views; None for a dataset.
        views: how many views there are; None: one for each epoch.
        mixer: an augmenter that mixes whole batches.
    """

    data: Data = field(repr=False)
    values: Any = field(default=None, repr=False)
    views: int | None = 1
    mixer: "keras.layers.Layer | None" = None

    @property
    def labels(self) -> npt.NDArray[np.int64] | None:
        """(n,) places of the classes, or None for a dataset."""
        return self.data.label if isinstance(self.data, Records) else None

    def rows(self, options: Fitting, epoch: int) -> npt.NDArray[np.int64]:
        """Returns the n places among the values that an epoch trains on, in its order."""
        many = len(self.data)
        places = order(many, options.seed, epoch)
        if options.sampling == "balanced":
            places = balanced_order(self.data.label, options.seed, epoch)
        return places + many * (epoch if self.views is None else epoch % self.views)

    def steps(self, batch_size: int) -> int | None:
        """Returns the batches of an epoch, or None where a dataset does not tell."""
        if isinstance(self.data, Records):
            return -(-len(self.data) // batch_size)
        count = int(self.data.cardinality())
        return count if count > 0 else None

    def batches(self, options: Fitting, num_classes: int, epoch: Callable[[], int] | None = None) -> tf.data.Dataset:
        """Returns batches of (values, one-hot labels): in the order of ``epoch()``, or without it in their own."""
        if not isinstance(self.data, Records):
            return self.data.map(lambda images, labels: (images, _one_hot(labels, num_classes)))
        count = len(self.data)
        rows = (lambda: np.arange(count)) if epoch is None else (lambda: self.rows(options, epoch()))
        data = batches(self.values, one_hot(self.data.label, num_classes), options.batch_size, rows)
        return data if self.mixer is None else data.map(lambda images, labels: _mixed(self.mixer, images, labels))


@dataclass(frozen=True)
class Phase:
    """One of the trainings, one after the other, that a ``fit`` is made of, and where it cuts the classifier.

    Attributes:
        name: for the log and the files of its state.
        options: of this phase.
        frozen: from the image to what is stored; None where nothing stays as it is.
        above: what runs between that and the head, in inference mode, and learns with it.
        slower: (part of what is above, factor): its weights learn at this factor of the learning rate, in (0, 1]; for
            a weight in several parts the last one counts.
    """

    name: str
    options: Fitting
    frozen: "keras.Model | None"
    above: tuple[keras.Model, ...] = ()
    slower: tuple[tuple[keras.Model, float], ...] = ()

    @property
    def fixed(self) -> tuple[keras.Model, ...]:
        """The parts in inference mode, from the image up."""
        return self.above if self.frozen is None else (self.frozen, *self.above)


@dataclass(frozen=True)
class Task:
    """A phase made ready: the model that learns in it, and what goes into it.

    Attributes:
        phase: what was asked for.
        learner: the model; its output is (B, num_classes).
        train: what it learns from.
        held_out: what it is watched on, if anything.
        augmentation: the name of what augments the training images, if anything does.
        features: the stored features behind the values, if any.
        slower: (variable, factor) of those that learn at a factor of the learning rate.
    """

    phase: Phase
    learner: keras.Model
    train: Feed
    held_out: Feed | None = None
    augmentation: str | None = None
    features: Features | None = field(default=None, repr=False)
    slower: Sequence[tuple[Any, float]] = field(default=(), repr=False)

    @property
    def source(self) -> list[str]:
        """What the values are besides their files: the fingerprints of the fixed parts, and the augmenter."""
        return [*map(fingerprint, self.phase.fixed), *([] if self.augmentation is None else [self.augmentation])]

    @property
    def num_classes(self) -> int:
        """How many classes the learner tells apart."""
        classes: int = getattr(self.learner, "head", self.learner).output.shape[-1]
        return classes

    @property
    def data(self) -> list[Data]:
        """The training images, and the validation images if there are any."""
        return [self.train.data] if self.held_out is None else [self.train.data, self.held_out.data]

    @property
    def learned(self) -> list[Any]:
        """The weights that change: those that learn, and what the head keeps besides (such as moving means)."""
        fixed = {id(weight) for part in getattr(self.learner, "before", ()) for weight in part.weights}
        return [one for one in self.learner.weights if one.trainable or id(one) not in fixed]

    def records(self) -> Records | None:
        """Returns all images, with their ``picture_id`` where the store found it; None where not all are records."""
        if not all(isinstance(one, Records) for one in self.data):
            return None
        records = Records.concatenate(self.data)
        if self.features is None:
            return records
        picture_id, first = self.features.picture_id, len(self.data[0])  # further views lie between the two
        ends = picture_id[:first] + picture_id[len(picture_id) - len(records) + first :]
        return dataclasses.replace(records, picture_id=as_column(ends))


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Sets each variable to its value."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def values_of(variables: Sequence[Any]) -> list[npt.NDArray[Any]]:
    """Returns copies of the variables' values."""
    return [np.array(variable.numpy()) for variable in variables]


def _mixed(mixer: keras.layers.Layer, images: Any, labels: Any) -> tuple[Any, Any]:
    mixed = mixer({"images": tf.cast(images, tf.float32), "labels": labels}, training=True)
    return mixed["images"], mixed["labels"]


def _one_hot(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    return tf.one_hot(labels, num_classes) if labels.shape.rank == 1 else labels
