"""A network of three stages and 46,184 numbers, for tests, teaching and small machines; there are no weights of it."""

from typing import Any

from lesionkit import Part
from lesionkit.backbones import Backbone, Stage
from lesionkit.backbones.weights import checked_weights, load_file
from lesionkit.errors import WeightsUnavailableError

WIDTHS = (24, 48, 80)


def build(input_shape: tuple[int, int, int], *, weights: str | None) -> Any:
    """Returns (B, height, width, 3) to (B, height / 8, width / 8, 80); see ``Backbone``."""
    if checked_weights(weights) == "imagenet":
        raise WeightsUnavailableError("tiny has no ImageNet weights. Give weights=None, or a file of your own.")
    import keras  # here, so that the backbones can be listed without TensorFlow

    image = values = keras.Input(input_shape, name="image")
    for number, width in enumerate(WIDTHS, 1):
        conv = keras.layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False, name=f"stage{number}_conv")
        values = keras.layers.BatchNormalization(name=f"stage{number}_norm")(conv(values))
        values = keras.layers.ReLU(name=f"stage{number}_relu")(values)
    model = keras.Model(image, values)
    if weights is not None:
        load_file(model, weights)
    return model


tiny = Backbone(
    name="tiny",
    build=build,
    native=Part("symmetric_range"),
    stages=(Stage("stage1"), Stage("stage2", before="stage2_conv"), Stage("stage3", before="stage3_conv")),
    min_size=8,
    parameters=46_184,
    source="lesionkit-tiny, an example",
)
