"""A recipe to a classifier, and the classifier fitted as the recipe says."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from lesionkit import trainers
from lesionkit.data.records import Records
from lesionkit.features.store import FeatureStore
from lesionkit.model.assembly import build_classifier
from lesionkit.model.parts import parts
from lesionkit.model.views import augmenter
from lesionkit.options import called
from lesionkit.recipe import Recipe
from lesionkit.training.preparation import built
from lesionkit.training.run import TrainingRun


def build(recipe: Recipe, class_names: Sequence[str]) -> keras.Model:
    """Returns the classifier of a recipe, in the precision that its trainer wants.

    Raises:
        LesionkitError: see :func:`~lesionkit.build_classifier`; also where the trainer or the augmenter cannot be made.
    """
    if recipe.augmenter is not None:
        augmenter(recipe.augmenter)
    return built(
        lambda: build_classifier(
            class_names,
            image_size=recipe.image_size,
            preprocessor=recipe.preprocessor,
            backbone=recipe.backbone,
            head=recipe.head,
            seed=recipe.seed,
        ),
        getattr(_trainer(recipe), "precision", "float32"),
    )


def fit(
    recipe: Recipe,
    model: keras.Model,
    train: Records,
    validation: Records,
    *,
    store: FeatureStore | None = None,
    strategy: "tf.distribute.Strategy | None" = None,
    resume_dir: str | os.PathLike[str] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingRun:
    """Fits ``model`` in place as the recipe says; see ``Frozen.fit``."""
    optional = {"augmenter": recipe.augmenter, "strategy": strategy}
    options = {name: value for name, value in optional.items() if value is not None}  # a plugin may know neither
    options |= {"store": store or False, "resume_dir": resume_dir, "callbacks": callbacks}
    run: TrainingRun = _trainer(recipe).fit(model, train, validation, **options)
    return dataclasses.replace(run, recipe=recipe)  # trainers, those of plugins too, write down only what they see


def shared(model: keras.Model, store: FeatureStore | None) -> FeatureStore | None:
    """Returns where the features of a fitted model belong: nowhere when its backbone has learned, like no other has."""
    return None if parts(model).backbone.trainable_weights else store


def _trainer(recipe: Recipe) -> Any:
    name, options = recipe.trainer.name, {"seed": recipe.seed, **recipe.trainer.options}
    if isinstance(options.get("first"), Mapping):  # the phase before has the recipe's seed too
        options["first"] = {"seed": recipe.seed, **options["first"]}
    return called(trainers.get(name), name, **options)
