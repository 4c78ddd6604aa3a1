"""Records to decoded batches: NumPy for what runs once, ``tf.data`` for what trains.

Example:
    >>> images, labels = next(iter(lk.pipeline.dataset(train, image_size=(48, 48), batch_size=8)))
    >>> images.shape, labels.shape
    (TensorShape([8, 48, 48, 3]), TensorShape([8, 9]))
"""

import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from lesionkit.data import images
from lesionkit.data.reading import read, read_ahead
from lesionkit.data.records import Records, Sources
from lesionkit.errors import ImageError, UnreadableImagesError
from lesionkit.options import checked_count, checked_image_size, checked_seed


class Decoded(NamedTuple):
    """One image as read: the SHA-256 of its file's bytes, and its pixels or why there are none."""

    picture_id: str
    pixels: npt.NDArray[np.uint8] | None
    error: ImageError | None


def decode_each(sources: Sources, image_size: tuple[int, int]) -> Iterator[Decoded]:
    """Yields each image in order, decoded to uint8 (height, width, 3) on other threads a little ahead of need."""
    size = checked_image_size(image_size)
    return read_ahead(lambda source: _decode(source, size), sources)


def order(count: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Returns the order of ``count`` images in an epoch: a permutation that depends on nothing else."""
    return np.random.default_rng([checked_seed(seed), epoch]).permutation(count)


def one_hot(labels: npt.ArrayLike, num_classes: int) -> npt.NDArray[np.float32]:
    """Returns (n, num_classes): 1 at each label's place; a row of zeros where the label is -1."""
    places = np.asarray(labels, dtype=np.int64)
    hot: npt.NDArray[np.float32] = (places[:, None] == np.arange(num_classes)).astype(np.float32)
    return hot


def dataset(
    records: Records,
    *,
    image_size: tuple[int, int] = (128, 128),
    batch_size: int = 32,
    shuffle: bool = False,
    seed: int = 0,
) -> Any:
    """Returns a ``tf.data.Dataset`` of (B, height, width, 3) uint8 RGB and (B, num_classes) one-hot labels.

    Args:
        records: the images.
        image_size: (height, width) in pixels.
        batch_size: images a batch; the last batch holds what is left.
        shuffle: every pass over the dataset has another order, :func:`order` of ``seed`` and the pass.
        seed: of the order.

    Raises:
        tf.errors.InvalidArgumentError: while it is read, at an image that cannot be decoded; its text names the
            image. :func:`inspect` finds them all before.
    """
    passes = itertools.count()
    pixels = Pixels(records.source, checked_image_size(image_size))
    return batches(
        pixels,
        one_hot(records.label, len(records.class_names)),
        batch_size,
        lambda: order(len(records), seed, next(passes)) if shuffle else np.arange(len(records)),
    )


class Rows(Protocol):
    """Images or features, in memory or made when asked for: an array, :class:`Pixels`, stored features, views."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""

    def __getitem__(self, rows: npt.NDArray[np.int64], /) -> npt.NDArray[Any]:
        """Returns (len(rows), ...)."""


class Pixels:
    """Images of files, decoded when asked for: ``pixels[rows]`` is uint8 (len(rows), height, width, 3)."""

    dtype = np.dtype(np.uint8)

    def __init__(self, sources: Sources, image_size: tuple[int, int]) -> None:
        self._sources = sources
        self.shape = (len(sources), *image_size, 3)

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Returns the images in ``rows``, or raises UnreadableImagesError."""
        decoded = list(decode_each([self._sources[row] for row in rows], self.shape[1:3]))
        errors = [one.error for one in decoded if one.error]
        if errors:
            raise UnreadableImagesError(errors)
        return np.stack([one.pixels for one in decoded if one.pixels is not None])


def batches(values: Rows, labels: npt.NDArray[Any], batch_size: int, rows: Callable[[], npt.NDArray[np.int64]]) -> Any:
    """Returns a ``tf.data.Dataset`` of (``values[batch]``, ``labels[batch]``), the last batch as large as what is left.

    Args:
        values: images or features, n or several times n of them. Those from n on are further views of the same n
            images, in the same order.
        labels: (n, ...) what goes with them.
        batch_size: images a batch.
        rows: called at the start of each pass; returns n places among the values in the order of that pass.
    """
    import tensorflow as tf

    checked_count(batch_size, "batch_size")

    def one_pass(
        values: Rows, rows: Callable[[], npt.NDArray[np.int64]]
    ) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        places = rows()
        for start in range(0, len(places), batch_size):
            batch = places[start : start + batch_size]
            yield values[batch], labels[batch % len(labels)]

    if isinstance(values, np.ndarray):  # in memory already: Python is asked for the order only, once a pass
        tensors = tf.constant(values), tf.constant(labels)
        kept = [rows]
        passes = tf.data.Dataset.from_tensors(0)
        weakref.finalize(passes, kept.clear)  # see generated
        places = passes.map(lambda _: tf.numpy_function(lambda: kept[0](), (), tf.int64))
        places = places.flat_map(
            lambda order: tf.data.Dataset.from_tensor_slices(tf.ensure_shape(order, (None,))).batch(batch_size)
        )
        data = places.map(lambda batch: (tf.gather(tensors[0], batch), tf.gather(tensors[1], batch % len(labels))))
    else:
        signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in (values, labels))
        data = generated(one_pass, signature, values, rows)
    return data.apply(tf.data.experimental.assert_cardinality(-(-len(labels) // batch_size))).prefetch(2)


def generated(one_pass: Callable[..., Iterator[Any]], signature: Any, *held: Any) -> Any:
    """Returns a ``tf.data.Dataset`` of what ``one_pass(*held)`` yields; ``held`` is let go when the dataset is gone.

    TensorFlow keeps a dataset's generator for ever, and with it all that it refers to: of each training the features
    and the model. So what is large comes by ``held``, and whatever is made of the dataset keeps it.
    """
    import tensorflow as tf

    kept = list(held)
    data = tf.data.Dataset.from_generator(lambda: one_pass(*kept), output_signature=signature)
    weakref.finalize(data, kept.clear)
    return data


def _decode(source: str, image_size: tuple[int, int]) -> Decoded:
    picture_id, data, error = read(source)
    if error is not None:
        return Decoded(picture_id, None, error)
    try:
        return Decoded(picture_id, images.decode(data, image_size, source=source), None)
    except ImageError as undecodable:
        return Decoded(picture_id, None, undecodable)
