"""How far what is served is from Keras, on images."""

import io
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionkit.data import images
from lesionkit.data.reading import read_bytes
from lesionkit.errors import OptionError
from lesionkit.serving.formats import Answer

_BATCH_SIZE = 32


def compared(model: keras.Model, answer: Answer, check: Iterable[Any], encoded: bool) -> tuple[int, float, float]:
    """Returns the number of images, the greatest difference of a probability, and the share with the same class.

    Args:
        model: (B, height, width, 3) RGB in [0, 255] to (B, C) probabilities.
        answer: what is served.
        check: file names, Pillow images or (h, w, 3) arrays in [0, 255].
        encoded: whether files are served, or pixels.

    Raises:
        ImageError: an image cannot be read.
        OptionError: there is none.
    """
    size, files = model.input.shape[1:3], _files(check)
    differences: list[float] = []
    same: list[bool] = []
    while batch := list(itertools.islice(files, _BATCH_SIZE)):
        pixels = np.stack([images.decode(data, size, source=name) for name, data in batch]).astype(np.float32)
        expected = model.predict_on_batch(pixels)
        given = [data for _, data in batch] if encoded else pixels
        found = answer(given)
        if not same:  # the size of a batch is free
            differences.append(np.abs(answer(given[:1]) - expected[:1]).max())
        differences.append(np.abs(found - expected).max())
        same += (found.argmax(axis=1) == expected.argmax(axis=1)).tolist()
    if not same:
        raise OptionError("check holds no image. Leave it out to compare on generated ones.")
    return len(same), float(np.max(differences)), float(np.mean(same))


def generated(height: int, width: int) -> list[npt.NDArray[np.uint8]]:
    """Returns 16 generated images, half as large again: noise, smooth colours, and some of both, light and dark."""
    random = np.random.default_rng(0)
    size = (height * 3 // 2 + 1, width * 3 // 2 + 1)
    down, right = np.mgrid[: size[0], : size[1]] / max(size)
    found = []
    for number in range(16):
        waves = random.uniform(-9, 9, (3, 2, 1, 1))
        colours = random.uniform(40, 220, 3) + 60 * np.stack([np.sin(a * down + b * right) for a, b in waves], axis=-1)
        found.append(np.clip(colours + random.normal(0, 4 * number, (*size, 3)), 0, 255).astype(np.uint8))
    return found


def _files(check: Iterable[Any]) -> Iterator[tuple[str, bytes]]:
    """Yields each image's name and the bytes of its file; what is no file becomes a PNG, which loses nothing."""
    for one in check:
        if isinstance(one, str):
            yield one, read_bytes(one)
        else:
            png = io.BytesIO()
            Image.fromarray(images.from_array(one)).save(png, "PNG", compress_level=1)
            yield "image", png.getvalue()
