"""Colour constancy: the same skin under another light becomes the same colour."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from lesionkit.errors import OptionError
from lesionkit.preprocessors.chaining import cleaned
from lesionkit.recipe import Part


def shades_of_gray(
    image_size: tuple[int, int], *, p: float = 6.0, then: str | Part | Mapping[str, Any] = "unit_range"
) -> keras.Model:
    """Returns RGB in [0, 255] with the colour of the light divided out and clipped to [0, 255], then scaled.

    The light of an image is estimated as the Minkowski mean of each channel, ``e_c = (mean |x_c|^p)^(1/p)``, scaled
    to length 1; each channel becomes x_c / (sqrt(3) e_c). The light's strength stays in the image, so a grey image
    does not change. Finlayson and Trezzi 2004, "Shades of Gray and Colour Constancy", 12th Color Imaging Conference,
    37-41; of use on dermoscopic images of several sources in Barata, Celebi and Marques 2015,
    doi:10.1109/JBHI.2014.2336473.

    Args:
        image_size: (height, width) in pixels.
        p: of the Minkowski mean, 1 or more: 1 is the grey world, towards infinity the brightest pixel decides.
        then: the scaling that the backbone reads: a preprocessor's name, or ``{"name": ..., "options": {...}}``.

    Raises:
        OptionError: an option out of its range.
        UnknownNameError: no preprocessor is called as ``then`` says.

    Example:
        >>> clean = lk.preprocessors.get("shades_of_gray")((48, 48), p=6, then="unit_range")
        >>> yellow = np.full((1, 48, 48, 3), (200.0, 200.0, 100.0))
        >>> np.asarray(clean(yellow), float)[0, 0, 0].round(2).tolist()  # grey
        [0.68, 0.68, 0.68]
    """
    if not isinstance(p, int | float) or isinstance(p, bool) or not 1 <= p <= 1000:
        raise OptionError(f"p is a number from 1 to 1000. Received: {p!r}")

    def clean(image: Any) -> Any:
        most = ops.maximum(ops.max(image, axis=(1, 2), keepdims=True), 1e-6)  # so that no power leaves float32
        mean = ops.mean(ops.power(image / most, p), axis=(1, 2), keepdims=True)
        light = most * ops.power(ops.maximum(mean, 1e-30), 1 / p)
        strength = ops.sqrt(ops.mean(ops.square(light), axis=-1, keepdims=True))  # length / sqrt(3)
        return ops.clip(image * (strength / light), 0.0, 255.0)

    return cleaned(image_size, clean, then)
