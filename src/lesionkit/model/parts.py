"""The three parts of a classifier found again in it, cut at a stage, and what it was built from."""

import contextlib
import math
import weakref
from dataclasses import dataclass, field
from typing import NamedTuple

import keras

from lesionkit import backbones
from lesionkit.backbones import Stage
from lesionkit.errors import OptionError
from lesionkit.recipe import Recipe


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
