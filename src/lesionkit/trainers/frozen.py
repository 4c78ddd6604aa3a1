"""The documented way to train: the backbone stays as it is, the head learns on its features."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from lesionkit.features.store import FeatureStore
from lesionkit.model.parts import frozen_part, parts
from lesionkit.model.views import Chosen
from lesionkit.training.distribution import check_strategy
from lesionkit.training.loop import fit_task
from lesionkit.training.options import Fitting
from lesionkit.training.preparation import Builder, built, prepare
from lesionkit.training.run import TrainingRun
from lesionkit.training.task import Data, Task


@dataclass(frozen=True, kw_only=True)
class Frozen(Fitting):
    """Fits the head on a frozen backbone in inference mode. Its fields are those of ``Fitting``.

    Example:
        >>> run = lk.trainers.Frozen(epochs=2, class_weight="balanced").fit(model, train, validation)
        >>> run.epochs
        2
    """

    def fit(
        self,
        model: "keras.Model | Builder",
        train: Data,
        validation: Data | None = None,
        *,
        augmenter: Chosen | None = None,
        store: FeatureStore | bool = True,
        strategy: "tf.distribute.Strategy | None" = None,
        resume_dir: str | os.PathLike[str] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> TrainingRun:
        """Trains the head of ``model`` in place; ``model`` itself stays uncompiled.

        With Records the backbone runs once per image (with an augmenter: ``views`` times): its features are taken from
        the store or put there, and the head trains on them. A ``tf.data.Dataset`` of (B, H, W, 3) RGB in [0, 255] and
        labels (B,) or one-hot (B, num_classes) may give other pixels in every pass, so the backbone runs for each.

        Args:
            model: what :func:`~lesionkit.build_classifier` returned, or any model with its three parts, or a function
                that builds one when it is called (the run's ``model`` is it then).
            train: the training images.
            validation: images to watch while training; without ``patience`` nothing is chosen by them.
            augmenter: random changes of the training images: a name, a Part or a Keras layer.
            store: a :class:`~lesionkit.features.store.FeatureStore`, True for the user's own, False for none: then
                augmentation is on line.
            strategy: a mirrored ``tf.distribute`` strategy, of several devices or several workers, whose replicas share
                each batch; a model that is built is copied into it, a function called in its scope. Workers need
                the images at the same paths, and of their files the chief alone writes the state.
            resume_dir: a folder for the state after each epoch. The same call on a model built the same way, after it
                was killed or interrupted, goes on from the last finished epoch. Remove the folder when all is done.
                Workers share it.
            callbacks: Keras's; they see the part of the model that learns. Each worker calls its own.

        Raises:
            OptionError: options that these data, this model or this strategy cannot have.
            DataError: no training images, images without a label, or classes that are not the model's.
            UnreadableImagesError: images that cannot be read, all of them named, before training starts.
            StorageError: the features do not fit the store.
            DivergedError: the loss is no longer a number; the images of that batch are named.
            KeyboardInterrupt: after the step in which Ctrl-C came; it says what is kept.
        """
        check_strategy(strategy, self, (train, validation), augmenter)
        model = built(model, self.precision, strategy)
        task = self.task(model, train, validation, augmenter=augmenter, store=store)
        return fit_task(
            self,
            "head",
            model,
            task,
            augmenter=augmenter,
            strategy=strategy,
            resume_dir=resume_dir,
            callbacks=callbacks,
        )

    def task(
        self,
        model: keras.Model,
        train: Data,
        validation: Data | None = None,
        *,
        augmenter: Chosen | None = None,
        store: FeatureStore | bool = True,
    ) -> Task:
        """Returns what learns in ``model``, and on what; see :meth:`fit`."""
        parts(model).backbone.trainable = False
        return prepare(model, frozen_part(model), (), self, train, validation, augmenter, store)
