"""The layers that Keras has not: all geometry in one interpolation, and another light."""

import math
from typing import Any

import keras
from keras import ops

from lesionkit.errors import OptionError
from lesionkit.options import checked_seed

FLIPS = ("none", "horizontal", "vertical", "both")


class _Drawing(keras.layers.Layer):
    """A layer that changes each image by numbers drawn for it while training: (B, H, W, 3) in [0, 255] to the same.

    It computes in 32-bit floats under every dtype policy: 16 bits do not tell neighbouring grey levels apart.
    """

    def __init__(self, seed: int, **options: Any) -> None:
        super().__init__(**{"dtype": "float32", **options})
        self.seed = checked_seed(seed)
        self.generator = keras.random.SeedGenerator(self.seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Returns the images changed and clipped to [0, 255]; as they are when not training."""
        images = ops.cast(images, self.compute_dtype)
        return ops.clip(self.change(images), 0.0, 255.0) if training else images

    def change(self, images: Any) -> Any:
        """Returns the images changed by numbers of :meth:`draw`."""
        raise NotImplementedError

    def draw(self, images: Any, count: int) -> Any:
        """Returns (B, count) numbers in [-1, 1)."""
        return keras.random.uniform((ops.shape(images)[0], count), -1.0, 1.0, seed=self.generator)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns ``input_shape``."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer is made with."""
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="lesionkit")
class RandomAffine(_Drawing):
    """Mirrors, turns, zooms and shifts images in one bilinear interpolation; beyond its edge an image is mirrored.

    Keras has a layer for each of the four and each interpolates anew, which blurs the fine structure. Angles are kept
    whatever the ratio of height to width.
    """

    def __init__(
        self,
        *,
        flips: str = "none",
        rotation: float = 0.0,
        zoom: float = 0.0,
        shift: float = 0.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        """Makes the layer.

        Args:
            flips: ``"none"``, ``"horizontal"``, ``"vertical"`` or ``"both"``; each happens to one half of the images.
            rotation: most degrees either way, up to 180.
            zoom: from 0 to 1: sizes change by a factor from 1 / (1 + zoom) to 1 + zoom, its logarithm uniform.
            shift: most shift either way, as a share of width and height, from 0 to 1.
            seed: of the draws.
            options: Keras's for every layer.

        Raises:
            OptionError: an option out of its range.
        """
        super().__init__(seed, **options)
        if flips not in FLIPS:
            raise OptionError(f"flips is one of {', '.join(map(repr, FLIPS))}. Received: {flips!r}")
        self.flips = flips
        self.rotation = _checked(rotation, "rotation", 180)
        self.zoom = _checked(zoom, "zoom")
        self.shift = _checked(shift, "shift")

    def change(self, images: Any) -> Any:
        """Returns the images as their maps make them."""
        height, width = (ops.cast(side, "float32") for side in ops.shape(images)[1:3])
        turn, size, right, down, *mirror = ops.unstack(self.draw(images, 6), 6, axis=1)
        angle, scale = turn * math.radians(self.rotation), ops.exp(size * math.log1p(self.zoom))
        cosine, sine = ops.cos(angle) * scale, ops.sin(angle) * scale
        flip_x, flip_y = (
            ops.where((drawn < 0) & (self.flips in (name, "both")), -1.0, 1.0)
            for drawn, name in zip(mirror, ("horizontal", "vertical"), strict=True)
        )
        # (x, y) of the result is (a x + b y + from_x, c x + d y + from_y) of the image; only shifts move the middle
        a, b, c, d = cosine * flip_x, -sine * flip_y, sine * flip_x, cosine * flip_y
        x, y = (width - 1) / 2, (height - 1) / 2
        from_x = x - a * x - b * y + right * self.shift * width
        from_y = y - c * x - d * y + down * self.shift * height
        maps = ops.stack([a, b, from_x, c, d, from_y, ops.zeros_like(a), ops.zeros_like(a)], axis=1)
        return ops.image.affine_transform(
            images, maps, interpolation="bilinear", fill_mode="reflect", data_format="channels_last"
        )

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer is made with."""
        own = {"flips": self.flips, "rotation": self.rotation, "zoom": self.zoom, "shift": self.shift}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="lesionkit")
class RandomLight(_Drawing):
    """Shows images under another light: contrast about the image's mean, then a gain of each channel.

    Light multiplies (von Kries), which leaves black black; Keras's ``RandomBrightness`` adds. Its ``RandomContrast``
    (3.15) given one number raises contrast and never lowers it.
    """

    def __init__(
        self, *, brightness: float = 0.0, contrast: float = 0.0, colour: float = 0.0, seed: int = 0, **options: Any
    ) -> None:
        """Makes the layer.

        Args:
            brightness: most change of the gain that all channels share, from 0 to 1.
            contrast: most change of the distance from the mean, from 0 to 1.
            colour: most change of each channel's own gain, from 0 to 1.
            seed: of the draws.
            options: Keras's for every layer.

        Raises:
            OptionError: an option out of its range.
        """
        super().__init__(seed, **options)
        self.brightness = _checked(brightness, "brightness")
        self.contrast = _checked(contrast, "contrast")
        self.colour = _checked(colour, "colour")

    def change(self, images: Any) -> Any:
        """Returns the images under their lights."""
        drawn = self.draw(images, 5)[:, None, None]
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        contrast = 1 + self.contrast * drawn[..., 1:2]
        gain = (1 + self.brightness * drawn[..., :1]) * (1 + self.colour * drawn[..., 2:])
        return images * (contrast * gain) + mean * (1 - contrast) * gain

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer is made with."""
        own = {"brightness": self.brightness, "contrast": self.contrast, "colour": self.colour}
        return {**super().get_config(), **own}


def _checked(value: Any, name: str, most: float = 1) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise OptionError(f"{name} is a number from 0 to {most}. Received: {value!r}")
    return float(value)
