"""Turns and mirror images that interpolate nothing: every pixel stays what it was."""

from typing import Any

import keras
from keras import ops


def quarter_turns(*, seed: int = 0) -> keras.layers.Layer:
    """Returns one of the eight symmetries of a square at random; (B, H, W, 3) in [0, 255] to the same.

    An image that is not square is mirrored and turned by halves only.
    """
    return QuarterTurns(seed=seed, name="quarter_turns")


@keras.saving.register_keras_serializable(package="lesionkit_tiny")
class QuarterTurns(keras.layers.Layer):
    """The layer behind :func:`quarter_turns`."""

    def __init__(self, *, seed: int = 0, **options: Any) -> None:
        super().__init__(**{"dtype": "float32", **options})
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        choices = [images, images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1]]
        if images.shape[1] == images.shape[2]:
            choices += [ops.swapaxes(one, 1, 2) for one in choices]
        drawn = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), 0, len(choices), seed=self.generator)
        found = images
        for number, one in enumerate(choices):
            found = ops.where(ops.floor(drawn) == number, one, found)
        return found

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}
