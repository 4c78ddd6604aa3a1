"""Preprocessor, backbone and head joined into one ``keras.Model``, and found again in one."""

import contextlib
import dataclasses
import math
import random
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras

from lesionkit import backbones, heads, preprocessors
from lesionkit.backbones import Backbone, Stage
from lesionkit.errors import OptionError
from lesionkit.options import called, checked_image_size, checked_seed
from lesionkit.preprocessors.chaining import following
from lesionkit.recipe import Part, Recipe
from lesionkit.records import checked_class_names

Chosen = str | Part | Callable[..., Any]


class Parts(NamedTuple):
    """The three nested models of a classifier."""

    preprocessor: keras.Model
    backbone: keras.Model
    head: keras.Model


@dataclass(frozen=True)
class Origin:
    """What a classifier was built from: its classes in order; the recipe, as far as the model goes; the stages."""

    class_names: tuple[str, ...]
    recipe: Recipe | None
    stages: tuple[Stage, ...] = field(default=(), compare=False)


_origins: "weakref.WeakKeyDictionary[keras.Model, Origin]" = weakref.WeakKeyDictionary()


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
    with _seeded(seed):
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


def parts(model: keras.Model) -> Parts:
    """Returns the classifier's nested models ``preprocessor``, ``backbone`` and ``head``.

    Raises:
        OptionError: ``model`` has no such layers.
    """
    layers = {layer.name: layer for layer in model.layers}
    missing = [name for name in Parts._fields if name not in layers]
    if missing:
        raise OptionError(
            f"The model has no part named {' or '.join(missing)}; build_classifier makes one that has. "
            f"Its layers: {', '.join(layers)}"
        )
    return Parts(*(layers[name] for name in Parts._fields))


def frozen_part(model: keras.Model) -> keras.Model:
    """Returns (B, height, width, 3) RGB in [0, 255] to the feature map: the preprocessor and the backbone, shared."""
    preprocessor, backbone, _ = parts(model)
    image = keras.Input(model.input.shape[1:], name="image", dtype="float32")
    return keras.Model(image, backbone(preprocessor(image), training=False), name="frozen")


def stages(model: keras.Model) -> tuple[Stage, ...]:
    """Returns the stages of the classifier's backbone.

    Raises:
        OptionError: it is not known what backbone that is.
        UnknownNameError: the backbone it was saved with is not registered here.
    """
    built = origin(model)
    if built is not None and built.stages:
        return built.stages
    if built is None or built.recipe is None:
        raise OptionError("The backbone's stages are not known: the model was not made by build_classifier or load.")
    found: tuple[Stage, ...] = backbones.get(built.recipe.backbone.name).stages
    return found


def cut(model: keras.Model, name: str) -> "tuple[keras.Model | None, keras.Model]":
    """Returns the classifier's frozen part and backbone cut where a stage starts: (below, above), layers shared.

    ``below`` takes (B, height, width, 3) RGB in [0, 255] to the tensor that passes into the stage called ``name``,
    and ``above`` that tensor to the feature map. From the first stage on nothing is below but the preprocessor: None,
    and ``above`` starts at the image.

    Raises:
        OptionError: there is no such stage.
    """
    preprocessor, backbone, _ = parts(model)
    known = {stage.name: stage for stage in stages(model)}
    if name not in known:
        raise OptionError(f"The stages of the backbone are {', '.join(known)}. Received: {name!r}")
    stage = known[name]
    if stage.after is None and stage.before is None:
        return None, frozen_part(model)
    place = backbone.get_layer(stage.after).output if stage.after else backbone.get_layer(stage.before).input
    image = keras.Input(model.input.shape[1:], name="image", dtype="float32")
    lower = keras.Model(backbone.input, place, name="lower")
    below = keras.Model(image, lower(preprocessor(image), training=False), name="below")
    return below, keras.Model(place, backbone.output, name="above")


def layers_within(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns the model, its layers, and those of the models within, outermost first."""
    within = [layers_within(layer) if isinstance(layer, keras.Model) else [layer] for layer in model.layers]
    return [model, *(layer for layers in within for layer in layers)]


def learning_part(head: keras.Model) -> "tuple[keras.Model | None, keras.Model]":
    """Returns the head cut before its first layer that learns or draws at random: (what is fixed, what learns).

    What learns shares its layers with ``head``. What is fixed (such as the pooling) is None where nothing is, or where
    its output is no smaller than the feature map.
    """
    first = next((layer for layer in head.layers if layer.variables), None)
    cut = first.input if first is not None else head.input
    if isinstance(cut, keras.KerasTensor) and math.prod(cut.shape[1:]) < math.prod(head.input.shape[1:]):
        with contextlib.suppress(ValueError):  # another path leads around the cut
            return keras.Model(head.input, cut), keras.Model(cut, head.output)
    return None, keras.Model(head.input, head.output)


def origin(model: keras.Model) -> Origin | None:
    """Returns what ``model`` was built from in this process or loaded with, or None for any other model."""
    return _origins.get(model)


def remember(model: keras.Model, built_from: Origin) -> None:
    """Notes what ``model`` was built from, for :func:`origin`."""
    _origins[model] = built_from


def _joined(preprocessor: keras.Model, backbone: keras.Model, head: Chosen, num_classes: int, seed: int) -> keras.Model:
    with _seeded(seed):  # anew: a head's first weights do not depend on what was built before it
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


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Makes the layers built in the block start from ``seed``, and leaves the global random state as it was.

    Keras draws the seed of every initializer and dropout layer that was given none from Python's ``random``.
    """
    state = random.getstate()
    random.seed(checked_seed(seed))
    try:
        yield
    finally:
        random.setstate(state)
