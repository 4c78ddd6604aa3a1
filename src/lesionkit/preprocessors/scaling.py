"""Scaling of pixel values: each function returns a functional ``keras.Model`` of stock layers.

All take (B, height, width, 3) RGB in [0, 255], float or uint8, and return float32 of the same shape. The
ImageNet constants are those of ``keras.applications.imagenet_utils.preprocess_input`` (modes ``caffe``,
``torch`` and ``tf``).
"""

from collections.abc import Sequence
from typing import Any

import keras

from lesionkit.options import checked_image_size
from lesionkit.recipe import Part

_CAFFE_MEAN = (123.68, 116.779, 103.939)
_TORCH_MEAN = (0.485, 0.456, 0.406)
_TORCH_STD = (0.229, 0.224, 0.225)


def unit_range(image_size: tuple[int, int]) -> keras.Model:
    """Returns x / 255: values in [0, 1], the documented baseline's.

    Example:
        >>> scale = lk.preprocessors.get("unit_range")((48, 48))
        >>> np.asarray(scale(np.zeros((1, 48, 48, 3))), float)[0, 0, 0].round(2).tolist()
        [0.0, 0.0, 0.0]
    """
    return rescale(image_size, scale=1 / 255)


def symmetric_range(image_size: tuple[int, int]) -> keras.Model:
    """Returns x / 127.5 - 1: values in [-1, 1].

    Example:
        >>> scale = lk.preprocessors.get("symmetric_range")((48, 48))
        >>> np.asarray(scale(np.zeros((1, 48, 48, 3))), float)[0, 0, 0].round(2).tolist()
        [-1.0, -1.0, -1.0]
    """
    return rescale(image_size, scale=1 / 127.5, offset=-1.0)


def imagenet_torch(image_size: tuple[int, int]) -> keras.Model:
    """Returns (x / 255 - mean) / std for each channel: about [-2.1, 2.7].

    Example:
        >>> scale = lk.preprocessors.get("imagenet_torch")((48, 48))
        >>> np.asarray(scale(np.zeros((1, 48, 48, 3))), float)[0, 0, 0].round(2).tolist()
        [-2.12, -2.04, -1.8]
    """
    scale = [1 / (255 * std) for std in _TORCH_STD]
    return rescale(image_size, scale=scale, offset=[-m / s for m, s in zip(_TORCH_MEAN, _TORCH_STD, strict=True)])


def imagenet_caffe(image_size: tuple[int, int]) -> keras.Model:
    """Returns BGR minus the channel means: about [-124, 152].

    Example:
        >>> scale = lk.preprocessors.get("imagenet_caffe")((48, 48))
        >>> np.asarray(scale(np.zeros((1, 48, 48, 3))), float)[0, 0, 0].round(2).tolist()
        [-103.94, -116.78, -123.68]
    """
    return _model(image_size, [-mean for mean in _CAFFE_MEAN], scale=1.0, flip=True)


def rescale(
    image_size: tuple[int, int], *, scale: float | Sequence[float], offset: float | Sequence[float] = 0.0
) -> keras.Model:
    """Returns x * scale + offset, each a number or one number for each of R, G, B.

    Example:
        >>> scale = lk.preprocessors.get("rescale")((48, 48), scale=1 / 128, offset=-1.0)
        >>> np.asarray(scale(np.zeros((1, 48, 48, 3))), float)[0, 0, 0].round(2).tolist()
        [-1.0, -1.0, -1.0]
    """
    return _model(image_size, offset, scale=scale)


def native(image_size: tuple[int, int], *, of: Part) -> keras.Model:
    """Returns the preprocessor that a backbone's ImageNet weights were trained with.

    ``of`` is that backbone's ``native``. In a recipe or in ``build_classifier`` the name alone is enough:
    there the backbone is known.

    Example:
        >>> scale = lk.preprocessors.get("native")((48, 48), of=lk.backbones.get("mobilenet_v3_small").native)
        >>> np.asarray(scale(np.zeros((1, 48, 48, 3))), float)[0, 0, 0].round(2).tolist()
        [-1.0, -1.0, -1.0]
    """
    from lesionkit.preprocessors import get

    model: keras.Model = get(of.name)(image_size, **of.options)
    return model


def _model(image_size: tuple[int, int], offset: Any, *, scale: Any, flip: bool = False) -> keras.Model:
    image = keras.Input((*checked_image_size(image_size), 3), name="image", dtype="float32")
    scale, offset = (list(v) if isinstance(v, Sequence) else v for v in (scale, offset))
    values = keras.layers.Rescaling(scale, offset, name="rescale", dtype="float32")(image)
    if flip:
        values = keras.ops.flip(values, axis=-1)
    return keras.Model(image, values, name="preprocessor")
