"""A head that looks at the direction of the features alone, so that no class wins by the length of its weights."""

import keras
from keras import layers
from lesionkit.errors import OptionError


def cosine(feature_shape: tuple[int, int, int], num_classes: int, *, scale: float = 16.0) -> keras.Model:
    """Returns softmax(scale * cos(features, class)) of (B, h, w, C) features, averaged over their places.

    The weights of a frequent class grow longer than those of a rare one, and it is answered more often for that; here
    the first step of training gives all of them length 1. Gidaris and Komodakis 2018, "Dynamic Few-Shot Visual Learning
    without Forgetting", section 3.2.

    Args:
        feature_shape: (h, w, C) of the feature map.
        num_classes: two or more.
        scale: how sure the head can get: the odds of two classes are at most exp(2 * scale) to 1.

    Raises:
        OptionError: ``scale`` is not above 0.
    """
    if not isinstance(scale, int | float) or isinstance(scale, bool) or not scale > 0:
        raise OptionError(f"scale is a number above 0. Received: {scale!r}")
    features = keras.Input(feature_shape, name="features")
    values = layers.GlobalAveragePooling2D(name="avg_pool")(features)
    values = layers.UnitNormalization(name="direction", dtype="float32")(values)
    values = layers.Dense(
        num_classes,
        use_bias=False,
        kernel_constraint=keras.constraints.UnitNorm(axis=0),
        name="cosine",
        dtype="float32",
    )(values)
    values = layers.Rescaling(scale, name="scale", dtype="float32")(values)
    return keras.Model(features, layers.Softmax(name="probabilities", dtype="float32")(values), name="head")
