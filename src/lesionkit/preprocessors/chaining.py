"""A cleaning step, RGB in [0, 255] to the same, followed by the scaling that the backbone reads."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from lesionkit.options import called, checked_image_size
from lesionkit.recipe import Part, following


def cleaned(
    image_size: tuple[int, int], clean: Callable[[Any], Any], then: str | Part | Mapping[str, Any]
) -> keras.Model:
    """Returns the ``keras.Model`` of ``clean``, on (B, height, width, 3) float32, and of the preprocessor ``then``.

    Args:
        image_size: (height, width) in pixels.
        clean: RGB in [0, 255] to the same shape and range.
        then: a preprocessor's name, a Part, or ``{"name": ..., "options": {...}}``, as a Part is written in a recipe.

    Raises:
        OptionError: ``then`` is none of these, or its options do not fit.
        UnknownNameError: no preprocessor has this name.
    """
    from lesionkit.preprocessors import get

    part = following(then)
    image = keras.Input((*checked_image_size(image_size), 3), name="image", dtype="float32")
    scale = called(get(part.name), part.name, image_size, **part.options)
    return keras.Model(image, scale(clean(image)), name="preprocessor")
