"""Augmenters that are Keras's own, set for RGB in [0, 255]."""

import keras

from lesionkit.errors import OptionError
from lesionkit.options import checked_count, checked_seed


def randaugment(*, operations: int = 2, strength: float = 0.5, seed: int = 0) -> keras.layers.Layer:
    """Returns Keras's RandAugment (Cubuk et al. 2020, arXiv:1909.13719); (B, H, W, 3) in [0, 255] to the same.

    Operations are drawn from a list of eleven; some of them, such as shear and solarisation, change what a diagnosis
    rests on, and some leave an image black or white at times. In a model of your own all images of a batch get the same
    operations; a trainer draws them for each image.

    Args:
        operations: how many, one after the other.
        strength: of each, above 0 and up to 1.
        seed: of the draws, where the layer is used in a model of your own.

    Raises:
        OptionError: an option out of its range.

    Example:
        >>> layer = lk.augmenters.get("randaugment")(operations=1, seed=1)
        >>> images = np.full((2, 48, 48, 3), 100.0)
        >>> bool(np.all(layer(images, training=False) == images))
        True
    """
    return keras.layers.RandAugment(
        value_range=(0, 255),
        num_ops=checked_count(operations, "operations"),
        factor=_positive(strength, "strength"),
        seed=checked_seed(seed),
        name="randaugment",
        dtype="float32",
    )


def mixup(*, alpha: float = 0.2, seed: int = 0) -> keras.layers.Layer:
    """Returns Keras's MixUp: each image and its label blended with another of its batch (Zhang et al. 2018).

    It takes and returns ``{"images": (B, H, W, 3) in [0, 255], "labels": (B, C)}``. The paper is arXiv:1710.09412.

    Args:
        alpha: of the distribution Beta(alpha, alpha) of the shares, above 0 and up to 1: the smaller, the more often
            one of the two images is nearly alone.
        seed: of the draws, where the layer is used in a model of your own.

    Raises:
        OptionError: an option out of its range.

    Example:
        >>> layer = lk.augmenters.get("mixup")(alpha=0.4, seed=1)
        >>> batch = {"images": np.zeros((4, 48, 48, 3)), "labels": np.eye(4, dtype="float32")}
        >>> mixed = layer(batch, training=True)
        >>> np.asarray(mixed["labels"]).sum(axis=1).round(3).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    return keras.layers.MixUp(alpha=_positive(alpha, "alpha"), seed=checked_seed(seed), name="mixup", dtype="float32")


def cutmix(*, alpha: float = 1.0, seed: int = 0) -> keras.layers.Layer:
    """Returns Keras's CutMix: a patch of another image of the batch, labels mixed by area (Yun et al. 2019).

    It takes and returns ``{"images": (B, H, W, 3) in [0, 255], "labels": (B, C)}``. The paper is arXiv:1905.04899.

    Args:
        alpha: of the distribution Beta(alpha, alpha) of the area that stays, above 0 and up to 1; 1: uniform.
        seed: of the draws, where the layer is used in a model of your own.

    Raises:
        OptionError: an option out of its range.

    Example:
        >>> layer = lk.augmenters.get("cutmix")(alpha=0.4, seed=1)
        >>> batch = {"images": np.zeros((4, 48, 48, 3)), "labels": np.eye(4, dtype="float32")}
        >>> mixed = layer(batch, training=True)
        >>> np.asarray(mixed["labels"]).sum(axis=1).round(3).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    exact = _positive(alpha, "alpha")  # of one number Keras takes the most, and draws alpha below it for each batch
    return keras.layers.CutMix(factor=(exact, exact), seed=checked_seed(seed), name="cutmix", dtype="float32")


def _positive(value: object, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise OptionError(f"{name} is a number above 0 and up to 1. Received: {value!r}")
    return float(value)
