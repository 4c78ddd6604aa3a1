"""Preprocessor, backbone and head joined into one ``keras.Model``."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras

from lesionkit import backbones, heads, preprocessors
from lesionkit.backbones import Backbone
from lesionkit.data.records import checked_class_names
from lesionkit.errors import OptionError
from lesionkit.model.parts import Origin, origin, parts, remember
from lesionkit.options import called, checked_image_size
from lesionkit.recipe import Part, Recipe, following
from lesionkit.reproducibility import random_kept

Chosen = str | Part | Callable[..., Any]


def build_classifier(
    class_names: Sequence[str],
    *,
    image_size: tuple[int, int] = (128, 128),
    preprocessor: Chosen = "unit_range",
    backbone: str | Part | Backbone = "resnet50",
    head: Chosen = "pooled",
    seed: int = 0,
) -> keras.Model:
    """Returns (B, height, width, 3) RGB in [0, 255] to (B, num_classes) float32 probabilities.

    A plain functional model of stock Keras layers, not compiled. Saved, it loads with Keras alone, and since the
    preprocessor is inside it cannot be fed the wrong scaling. Whether the backbone learns, and in which mode it
    runs meanwhile, is for the trainer to say.

    Args:
        class_names: the classes in the order of the probabilities.
        image_size: (height, width) in pixels.
        preprocessor: a name, a :class:`Part`, or a function ``(image_size) -> keras.Model``.
        backbone: a name, a Part, or a :class:`Backbone`. The option ``weights`` is ``"imagenet"`` (the
            default), a local file, or None for random weights.
        head: a name, a Part, or a function ``(feature_shape, num_classes) -> keras.Model``.
        seed: of the initial weights and of dropout.

    Raises:
        DataError: fewer than two class names, or two equal ones.
        OptionError: an option out of its range, such as an image smaller than the backbone's least size.
        UnknownNameError: a name is not registered.
        WeightsError: the backbone's weights cannot be had or do not fit.

    Example:
        >>> network = lk.build_classifier(("benign", "malignant"), image_size=(64, 64), backbone=small)
        >>> network.input.shape, network.output.shape
        ((None, 64, 64, 3), (None, 2))
    """
    names = checked_class_names(class_names)
    size = checked_image_size(image_size)
    body = backbone if isinstance(backbone, Backbone) else backbones.get(Part.of(backbone).name)
    body_part = Part.of(body.name if isinstance(backbone, Backbone) else backbone)
    body_part = body_part.with_options(**{"weights": "imagenet", **body_part.options})
    if min(size) < body.min_size:
        raise OptionError(f"{body.name} reads images of at least {body.min_size} pixels a side. Received: {size}")
    with random_kept(seed):
        scaled = _member(preprocessors, _with_native(preprocessor, body.native))(size)
        features = called(body.build, body.name, (*size, 3), **body_part.options)
    scaled, features = (
        keras.Model(part.input, part.output, name=name)
        for part, name in ((scaled, "preprocessor"), (features, "backbone"))
    )
    model = _joined(scaled, features, head, len(names), seed)
    recipe = Recipe(Part.of(preprocessor), body_part, Part.of(head), size, seed=seed)
    remember(model, Origin(names, recipe, body.stages))
    return model


def with_head(model: keras.Model, head: Chosen, *, seed: int = 0) -> keras.Model:
    """Returns a classifier with a new head on the preprocessor and backbone of ``model``, which both then share.

    It is what :func:`build_classifier` makes of the same parts, head and seed, as long as the backbone has not learned.

    Raises:
        OptionError: ``model`` was not made by ``build_classifier`` or ``load``; or an option out of its range.
    """
    built = origin(model)
    if built is None:
        raise OptionError("The classes are not known: the model was not made by build_classifier or load.")
    old = parts(model)
    found = _joined(old.preprocessor, old.backbone, head, len(built.class_names), seed)
    recipe = None if built.recipe is None else dataclasses.replace(built.recipe, head=Part.of(head), seed=seed)
    remember(found, dataclasses.replace(built, recipe=recipe))
    return found


def _joined(preprocessor: keras.Model, backbone: keras.Model, head: Chosen, num_classes: int, seed: int) -> keras.Model:
    with random_kept(seed):  # anew: a head's first weights do not depend on what was built before it
        classify = _member(heads, head)(backbone.output.shape[1:], num_classes)
    classify = keras.Model(classify.input, classify.output, name="head")
    image = keras.Input(preprocessor.input.shape[1:], name="image", dtype="float32")
    return keras.Model(image, classify(backbone(preprocessor(image))), name="classifier")


def _with_native(preprocessor: Chosen, native: Part) -> Chosen:
    """Returns the preprocessor, with the backbone's own in place of "native" in it or behind its option ``then``."""
    if callable(preprocessor):
        return preprocessor
    part = Part.of(preprocessor)
    if part == Part("native"):
        return native
    if "then" not in part.options:
        return part
    return part.with_options(then=Part.of(_with_native(following(part.options["then"]), native)).to_dict())


def _member(family: Any, chosen: Chosen) -> Callable[..., keras.Model]:
    factory = chosen if callable(chosen) else family.get(Part.of(chosen).name)
    options = {} if callable(chosen) else Part.of(chosen).options

    return lambda *shape: called(factory, Part.of(chosen).name, *shape, **options)
