"""Views of an image: what an augmenter makes of it, as a function of the seed, the view's number and the image."""

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lesionkit import augmenters
from lesionkit.data.pipeline import Rows
from lesionkit.errors import OptionError
from lesionkit.features.fingerprint import anonymous
from lesionkit.options import called
from lesionkit.recipe import Part

#: Changes whenever lesionkit's own layers make other pixels than before, or an image gets other draws.
ENGINE = "views/1"

Images = npt.NDArray[Any]
#: A registered name, a Part, or a Keras layer (which is called with images).
Chosen: TypeAlias = str | Part | Callable[..., Any]


class View(Protocol):
    """A change of images that depends on each image alone: the others in the batch do not matter."""

    @property
    def name(self) -> str:
        """A short text that differs where the pixels may differ."""

    def __call__(self, images: Images, picture_id: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns (B, height, width, 3) in [0, 255] of (B, height, width, 3) RGB in [0, 255] and their B ids."""


class Augmentation:
    """The views that an augmenter gives: what an image gets depends on ``seed``, the view's number and the image.

    The layer's own seed does not matter, and its state stays as it is. What it draws has to come from
    ``keras.random.SeedGenerator`` attributes, as in Keras's layers.
    """

    def __init__(self, layer: keras.layers.Layer, seed: int) -> None:
        """Makes the views of ``layer``.

        Raises:
            OptionError: the layer does not tell how it was made.
        """
        try:
            config = anonymous(_plain(json.loads(json.dumps(layer.get_config(), default=str))))
        except NotImplementedError as error:
            raise OptionError(
                f"The augmenter {layer.name} ({type(layer).__name__}) does not tell how it was made, by which its "
                "views are found again. Give it get_config, as keras.layers.Layer documents."
            ) from error
        told = json.dumps([ENGINE, type(layer).__module__, type(layer).__name__, config], sort_keys=True)
        self.name = f"{hashlib.sha256(told.encode()).hexdigest()[:16]}/{seed}"
        self._apply = _one_by_one(layer)

    def view(self, number: int) -> "Augmented":
        """Returns a view; each image is told by its ``picture_id``."""
        return Augmented(f"{self.name}/{number}", self._apply)


@dataclass(frozen=True)
class Augmented:
    """One view of an :class:`Augmentation`."""

    name: str
    _apply: Callable[..., Any] = field(repr=False)

    def __call__(self, images: Images, picture_id: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns the augmented images, each as if it were alone."""
        keys = np.stack([_key(f"{self.name}/{one}") for one in picture_id])
        return np.asarray(self._apply(np.asarray(images, dtype=np.float32), keys))


@dataclass(frozen=True)
class Symmetry:
    """One of the eight symmetries of a square, exact: ``number`` % 4 quarter turns, then mirrored from 4 on.

    Images that are not square are turned by halves only: of theirs, the even numbers are the four.
    """

    number: int

    @property
    def name(self) -> str:
        """Its number, told from those of augmenters."""
        return f"symmetry {self.number}"

    def __call__(self, images: Images, picture_id: Sequence[str]) -> npt.NDArray[np.float32]:  # noqa: ARG002
        """Returns the images turned and mirrored."""
        turned = np.rot90(images, self.number % 4, axes=(1, 2))
        return np.ascontiguousarray(turned[:, :, ::-1] if self.number >= 4 else turned, dtype=np.float32)


def symmetries(image_size: tuple[int, int]) -> tuple[View | None, ...]:
    """Returns the views that keep an image's shape exactly: eight of a square, else four; None is the image itself."""
    step = 1 if image_size[0] == image_size[1] else 2
    turned: Sequence[View] = [Symmetry(number) for number in range(step, 8, step)]
    return (None, *turned)


_NO_VIEWS = 'views is None, "symmetries" or a sequence of views. Received: '


def views_of(chosen: "str | Sequence[View | None] | None", image_size: tuple[int, int]) -> tuple[View | None, ...]:
    """Returns the views that a classifier's answers are averaged over.

    Args:
        chosen: None: the image itself; ``"symmetries"``: :func:`symmetries`; or views, None for the image itself.
        image_size: (height, width) in pixels.

    Raises:
        OptionError: it is none of these, or no view at all.
    """
    if chosen is None:
        return (None,)
    if isinstance(chosen, str):
        if chosen != "symmetries":
            raise OptionError(_NO_VIEWS + repr(chosen))
        return symmetries(image_size)
    if not isinstance(chosen, Sequence):
        raise OptionError(_NO_VIEWS + repr(chosen))
    if not chosen:
        raise OptionError("views is empty: give at least one, None for the image itself.")
    found: list[Any] = list(chosen)
    return tuple(found)


class Viewed:
    """Images in one view or several, made when asked for: row r is image r % n in view r // n.

    Args:
        images: n images (height, width, 3), RGB in [0, 255].
        view: returns the view of a number.
        picture_id: n ids; None: the SHA-256 of each image's pixels.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, images: Rows, view: Callable[[int], View], picture_id: Sequence[str] | None = None) -> None:
        self._images, self._view, self._ids = images, view, picture_id
        self.shape = images.shape

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Returns the images in ``rows`` as their views show them."""
        numbers, places = divmod(rows, self.shape[0])
        viewed = np.empty((len(rows), *self.shape[1:]), dtype=np.float32)
        for number in np.unique(numbers):
            here = numbers == number
            images = self._images[places[here]]
            if self._ids is None:
                ids = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
            else:
                ids = [self._ids[place] for place in places[here]]
            viewed[here] = self._view(int(number))(images, ids)
        return viewed


def augmenter(chosen: Chosen) -> keras.layers.Layer:
    """Returns the augmenter of a name or a Part; a layer is its own.

    Raises:
        OptionError: it is none of these, an option is wrong, or what is registered makes no layer.
        UnknownNameError: the name is not registered.
    """
    if isinstance(chosen, keras.layers.Layer):
        return chosen
    if not isinstance(chosen, str | Part):
        raise OptionError(f"An augmenter is a registered name, a Part or a Keras layer. Received: {chosen!r}")
    part = Part.of(chosen)
    layer = called(augmenters.get(part.name), part.name, **part.options)
    if not isinstance(layer, keras.layers.Layer):
        raise OptionError(f"An augmenter returns a Keras layer. {part.name!r} returned {layer!r}")
    return layer


def mixes(layer: keras.layers.Layer) -> bool:
    """Returns whether an augmenter mixes the images of a batch, with their labels: MixUp, CutMix, or one within."""
    within = getattr(layer, "layers", ())
    return isinstance(layer, keras.layers.MixUp | keras.layers.CutMix) or any(map(mixes, within))


def reseed(layer: keras.layers.Layer, *key: int) -> None:
    """Makes all that draws at random in ``layer`` (dropout, augmentation) start from ``key``."""
    start = _key("/".join(map(str, key)))
    for state, value in _started(layer, start):
        state.assign(value)


def _started(layer: keras.layers.Layer, key: Any) -> list[tuple[Any, Any]]:
    """Returns (state, its value at the start from ``key``) of each seed generator in ``layer``, in order."""
    states = [variable for variable in layer.variables if variable.name == "seed_generator_state"]
    unique = {id(state): state for state in states}.values()
    return [(state, key + np.array([number, 0])) for number, state in enumerate(unique)]


def _plain(config: Any) -> Any:
    """Returns a configuration without seeds, which views replace, and what Keras adds once a layer was used."""
    if isinstance(config, dict):
        kept = {key: value for key, value in config.items() if key != "seed" and not key.startswith("build_")}
        return {key: _plain(value) for key, value in kept.items()}
    if isinstance(config, list):
        return [_plain(value) for value in config if not _is_input(value)]
    return config


def _is_input(config: Any) -> bool:
    return isinstance(config, dict) and config.get("class_name") == "InputLayer"


def _key(text: str) -> npt.NDArray[np.int64]:
    return np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], dtype="<u4").astype(np.int64)


def _one_by_one(layer: keras.layers.Layer) -> Callable[[npt.NDArray[np.float32], npt.NDArray[np.int64]], Any]:
    """Returns the layer as a function of images (B, h, w, 3) and keys (B, 2), each image alone with its key."""

    def one(image_and_key: tuple[Any, Any]) -> Any:
        image, key = image_and_key
        with keras.StatelessScope(state_mapping=_started(layer, key)):
            changed = tf.cast(layer(image[None], training=True), tf.float32)[0]
        if changed.shape != image.shape:
            raise OptionError(
                f"An augmenter returns images of the shape it got. {layer.name} got {tuple(image.shape)} and returned "
                f"{tuple(changed.shape)}."
            )
        return changed

    @functools.cache
    def of_size(shape: tuple[int, ...]) -> Callable[..., Any]:
        if not layer.built:
            layer.build((None, *shape))
        signature = tf.TensorSpec(shape, tf.float32)
        each = tf.function(
            lambda images, keys: tf.map_fn(one, (images, keys), fn_output_signature=signature), autograph=False
        )
        concrete: Callable[..., Any] = each.get_concrete_function(
            tf.TensorSpec((None, *shape), tf.float32), tf.TensorSpec((None, 2), tf.int64)
        )
        return concrete

    return lambda images, keys: of_size(images.shape[1:])(tf.constant(images), tf.constant(keys))
