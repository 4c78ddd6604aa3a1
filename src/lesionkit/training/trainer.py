"""``fit`` of trainers that train in phases: what is given is checked once, then each phase is made ready and fitted."""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from lesionkit.data.records import Records
from lesionkit.errors import OptionError
from lesionkit.features.store import FeatureStore
from lesionkit.model.views import Chosen
from lesionkit.training.distribution import check_shared, check_strategy
from lesionkit.training.given import Data, Given, recipe_of
from lesionkit.training.loop import fit_task
from lesionkit.training.options import Fitting
from lesionkit.training.preparation import Builder, built, check_precision, prepare
from lesionkit.training.run import TrainingRun
from lesionkit.training.task import Phase


@dataclass(frozen=True, kw_only=True)
class Trainer(Fitting):
    """Fits a classifier in one or more phases; those that derive from it say which. Adds no field to ``Fitting``."""

    def phases(self, model: keras.Model) -> Sequence[Phase]:
        """Returns the phases in their order, and leaves ``model`` as it is."""
        raise NotImplementedError

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
        """Trains ``model`` in place, phase after phase, and leaves it uncompiled; the history holds all epochs.

        With Records what stays frozen runs once per image (with an augmenter: ``views`` times): its features are taken
        from the store or put there, and the rest trains on them. A ``tf.data.Dataset`` of (B, H, W, 3) RGB in [0, 255]
        and labels (B,) or one-hot (B, num_classes) may give other pixels in every pass, so all runs for each.

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
            OptionError: options that these data, this model (such as a stage to ``unfreeze``) or this strategy cannot
                have.
            DataError: no training images, images without a label, or classes that are not the model's.
            UnreadableImagesError: images that cannot be read, all of them named, before training starts.
            StorageError: the features do not fit the store.
            DivergedError: the loss is no longer a number; the images of that batch are named.
            KeyboardInterrupt: after the step in which Ctrl-C came; it says what is kept.
        """
        given = Given.of(train, validation, augmenter, store)
        check_strategy(strategy, given)
        model = built(model, self.precision, strategy)
        phases = self.phases(model)
        given.check(model, [phase.options for phase in phases])
        for phase in phases:
            check_shared(strategy, phase.options)
            check_precision(model, phase.options.precision)
            if phase.options.patience is not None and given.validation is None:
                raise OptionError("patience needs validation images to watch. Give fit some, or leave patience out.")
        recipe = recipe_of(self, model, augmenter, [len(data) for data in given.data if isinstance(data, Records)])
        runs = [
            fit_task(
                prepare(model, phase, given),
                model,
                recipe,
                strategy=strategy,
                resume_dir=resume_dir,
                callbacks=callbacks,
            )
            for phase in phases
        ]
        return functools.reduce(lambda earlier, run: run.after(earlier), runs)
