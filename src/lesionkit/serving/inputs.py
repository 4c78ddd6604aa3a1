"""What a classifier is given to predict: files, folders or pixels, opened in batches."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from lesionkit.data import images
from lesionkit.data.pipeline import Pixels
from lesionkit.errors import DataError
from lesionkit.files import is_hidden
from lesionkit.text import as_text


def runs_of(inputs: Any, size: tuple[int, int]) -> Iterable[tuple[Sequence[str], Any]]:
    """Yields runs of (file names, images at ``size``) of what :meth:`~lesionkit.Bundle.predict` takes.

    Files that follow each other decode together; arrays come as they are, under empty names.
    """
    files: list[str] = []
    for one in _several(inputs):
        if isinstance(one, str | os.PathLike):
            files += image_files(os.fspath(one))
            continue
        if files:
            yield files, Pixels(files, size)
            files = []
        many = one if _is_batch(one) else [one]
        if not len(many):
            continue
        yield [""] * len(many), np.stack([images.from_array(image, size) for image in many])
    if files:
        yield files, Pixels(files, size)


def each_image(inputs: Any) -> Iterator[Any]:
    """Yields each image of what :meth:`~lesionkit.Bundle.predict` takes: a file's name, an array or a Pillow image."""
    for one in _several(inputs):
        if isinstance(one, str | os.PathLike):
            yield from image_files(os.fspath(one))
        elif _is_batch(one):
            yield from one
        else:
            yield one


def image_files(path: str) -> list[str]:
    """Returns the file ``path``, or all but hidden files in the folder ``path`` and below it, sorted by name.

    Raises:
        DataError: there is no such file or folder, or no file in it.
    """
    if not os.path.isdir(path):  # noqa: PTH112  (names that are not UTF-8 stay text)
        if not os.path.exists(path):  # noqa: PTH110
            raise DataError(f"{as_text(path)}: there is no such file or folder.")
        return [path]
    found: list[str] = []
    for folder, below, names in os.walk(path):
        below[:] = [name for name in below if not is_hidden(name)]
        found += [os.path.join(folder, name) for name in names if not is_hidden(name)]  # noqa: PTH118
    if not found:
        raise DataError(f"{as_text(path)} holds no files.")
    return sorted(found)


def _several(inputs: Any) -> Iterable[Any]:
    return inputs if isinstance(inputs, list | tuple) else [inputs]


def _is_batch(one: Any) -> bool:
    return isinstance(one, np.ndarray) and one.ndim == 4
