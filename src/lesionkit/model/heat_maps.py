"""Where a classifier looked: heat maps of what in an image speaks for a class.

A map is computed on the feature map that enters the head, which has far fewer places than the image pixels, and for
the class's score before the softmax. The methods differ in what they make of the features A (B, h, w, K) and the
score's gradient G by them; :data:`METHODS` has them by name.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lesionkit.errors import DataError, OptionError
from lesionkit.model.overlays import Maps
from lesionkit.model.unrolling import Halves, halves_of
from lesionkit.options import checked_count


def hires_cam(features: Maps, gradients: Maps) -> Maps:
    """Returns (B, h, w): the sum over k of A_k G_k at each place.

    Draelos and Carin 2020, "Use HiResCAM instead of Grad-CAM for faithful explanations", arXiv:2011.08891.
    Where the head is a pooling or flattening and one dense layer, the values of a map add up to the score less its
    bias: each is what its place contributed.
    """
    return np.asarray(np.einsum("bhwk,bhwk->bhw", features, gradients))


def grad_cam(features: Maps, gradients: Maps) -> Maps:
    """Returns (B, h, w): the sum over k of A_k and the mean of G_k over the places.

    Selvaraju et al. 2017, "Grad-CAM", ICCV, arXiv:1610.02391. The same as :func:`hires_cam` where all places have
    one gradient, as below an average pooling.
    """
    return np.asarray(np.einsum("bhwk,bk->bhw", features, gradients.mean(axis=(1, 2))))


def grad_cam_plus_plus(features: Maps, gradients: Maps) -> Maps:
    """Returns (B, h, w): as :func:`grad_cam`, with gradients above 0 alone and each place weighted.

    Chattopadhay et al. 2018, "Grad-CAM++", WACV, arXiv:1710.11063, for a score that is linear around the features, of
    which the paper takes the exponential. Made for features of at least 0: others can bring the divisor near 0.
    """
    squares = gradients**2
    divisor = 2 * squares + features.sum(axis=(1, 2), keepdims=True) * squares * gradients
    places = np.divide(squares, divisor, out=np.zeros_like(squares), where=divisor != 0)
    weights = (places * np.maximum(gradients, 0)).sum(axis=(1, 2))
    return np.asarray(np.einsum("bhwk,bk->bhw", features, weights))


def layer_cam(features: Maps, gradients: Maps) -> Maps:
    """Returns (B, h, w): as :func:`hires_cam`, with gradients above 0 alone.

    Jiang et al. 2021, "LayerCAM", IEEE Transactions on Image Processing 30, doi:10.1109/TIP.2021.3089943.
    """
    return hires_cam(features, np.maximum(gradients, 0))


#: The methods of :func:`heat_maps`: (features, gradients), both (B, h, w, K), to (B, h, w) of any sign.
METHODS: dict[str, Callable[[Maps, Maps], Maps]] = {
    "hires_cam": hires_cam,
    "grad_cam": grad_cam,
    "grad_cam++": grad_cam_plus_plus,
    "layer_cam": layer_cam,
}


def heat_maps(
    model: keras.Model,
    images: Any,
    classes: npt.ArrayLike | None = None,
    *,
    method: str = "hires_cam",
    batch_size: int = 32,
) -> Maps:
    """Returns (n, H, W) in [0, 1]: how much each place of each image speaks for a class, the most as 1.

    What speaks against the class is 0, and a map is 0 everywhere where nothing speaks for it. Maps are of the features'
    resolution, such as 4 x 4 of an image of 128 pixels, enlarged bilinearly; since each has its own scale, they do not
    tell how sure the classifier is.

    The features are those that enter the head of a classifier of ``build_classifier``, and in any other functional
    model the last (B, h, w, K) of more than one place through which all of the answer passes. The score is what enters
    a softmax that comes last; of other outputs, taken for probabilities p, it is log p, whose gradient fades where p
    comes to 1. The map of an average is the mean of its members' maps, each for the same class.

    Args:
        model: (B, H, W, 3) RGB in [0, 255] to (B, C) probabilities, such as from ``build_classifier``, ``average`` or
            Keras alone.
        images: (n, H, W, 3) of the model's size: an array, or what has ``shape`` and ``[rows]`` as
            :class:`~lesionkit.data.pipeline.Pixels`.
        classes: (n,) places of the classes to explain; None: each image's likeliest.
        method: a name in :data:`METHODS`.
        batch_size: images at once. It changes values by rounding alone.

    Raises:
        OptionError: an unknown method; or the model is not functional, or has no such features.
        DataError: images of another size, classes that the model does not know, or values that are no numbers.

    Example:
        >>> from lesionkit.data import images
        >>> pixels = images.load(test.source[0], (48, 48))
        >>> lk.heat_maps(model, pixels[None]).shape
        (1, 48, 48)
    """
    if method not in METHODS:
        raise OptionError(f"method is one of {', '.join(METHODS)}. Received: {method!r}")
    checked_count(batch_size, "batch_size")
    shape = tuple(images.shape)
    found = list(halves_of(model))
    size, known = model.inputs[0].shape[1:], model.outputs[0].shape[-1]
    if len(shape) != 4 or any(side not in (one, None) for one, side in zip(shape[1:], size, strict=True)):
        raise DataError(f"The model takes images of {size}, n of them. Received: {shape}")
    wanted = None if classes is None else _checked_classes(classes, shape[0], known)
    maps = np.zeros(shape[:3], np.float32)
    for start in range(0, shape[0], batch_size):
        rows = np.arange(start, min(start + batch_size, shape[0]))
        batch = np.asarray(images[rows], np.float32)
        chosen = model.predict_on_batch(batch).argmax(axis=1) if wanted is None else wanted[rows]
        each = [share * _maps(halves, batch, chosen, METHODS[method]) for share, halves in found]
        maps[rows] = _scaled(np.sum(each, axis=0))
    return maps


def _checked_classes(classes: npt.ArrayLike, count: int, known: int) -> npt.NDArray[np.int64]:
    places = np.asarray(classes)
    whole = np.issubdtype(places.dtype, np.integer) or not places.size
    if places.shape != (count,) or not whole or np.any((places < 0) | (places >= known)):
        raise DataError(
            f"classes are a whole number from 0 to {known - 1} for each of the {count} images. Received: {classes!r}"
        )
    return places.astype(np.int64)


def _maps(halves: Halves, batch: Maps, classes: npt.NDArray[np.int64], method: Callable[..., Maps]) -> Maps:
    """Returns (B, H, W) in [0, 1] of one member."""
    found = np.maximum(method(*_features_and_gradients(halves, batch, classes)), 0)
    if not np.isfinite(found).all():
        raise DataError(
            "The classifier's features or gradients are no numbers: its training diverged, or they overflow."
        )
    return _scaled(np.asarray(tf.image.resize(found[..., None], batch.shape[1:3]))[..., 0])


def _features_and_gradients(halves: Halves, batch: Maps, classes: npt.NDArray[np.int64]) -> tuple[Maps, Maps]:
    features = tf.convert_to_tensor(halves.below.predict_on_batch(batch))  # not eager: that keeps every layer's output
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(features)
        score = tf.gather(halves.above(features, training=False), classes, batch_dims=1)
    gradients = tape.gradient(score, features, unconnected_gradients="zero")
    return np.asarray(tf.cast(features, tf.float32)), np.asarray(tf.cast(gradients, tf.float32))


def _scaled(maps: Maps) -> Maps:
    """Returns (B, H, W) with the greatest value of each as 1, unless it is 0."""
    greatest = maps.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(maps, greatest, out=np.zeros_like(maps), where=greatest > 0))
