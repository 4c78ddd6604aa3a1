"""The usual head: pool the feature map, hidden layers if wanted, softmax."""

from collections.abc import Sequence

import keras

from lesionkit.errors import OptionError
from lesionkit.options import checked_count, checked_share

_POOLINGS = ("avg", "max", "both", "flatten")


def pooled(
    feature_shape: tuple[int, int, int],
    num_classes: int,
    *,
    hidden: Sequence[int] = (),
    dropout: float = 0.0,
    pooling: str = "avg",
) -> keras.Model:
    """Returns (B, h, w, C) features to (B, num_classes) float32 probabilities.

    Args:
        feature_shape: (h, w, C) of the feature map.
        num_classes: two or more.
        hidden: units of each ReLU layer between the pooling and the softmax.
        dropout: share of the values dropped while training, before each dense layer, in [0, 1).
        pooling: over the h * w places: their ``"avg"``, their ``"max"``, ``"both"`` side by side, or none
            (``"flatten"``: every place keeps weights of its own).

    Raises:
        OptionError: an option out of its range.

    Example:
        >>> head = lk.heads.get("pooled")((4, 4, 1280), 9, pooling="both")
        >>> head.input.shape, head.output.shape
        ((None, 4, 4, 1280), (None, 9))
    """
    checked_count(num_classes, "num_classes", least=2)
    checked_share(dropout, "dropout")
    if not isinstance(hidden, Sequence) or isinstance(hidden, str):
        raise OptionError(f"hidden is a list of units, one number for each layer. Received: {hidden!r}")
    features = keras.Input(feature_shape, name="features")
    values = _pool(features, pooling)
    for number, units in enumerate(hidden, 1):
        values = _dropped(values, dropout, f"dropout_{number}")
        values = keras.layers.Dense(checked_count(units, "hidden"), activation="relu", name=f"hidden_{number}")(values)
    values = _dropped(values, dropout, "dropout")
    probabilities = keras.layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")(values)
    return keras.Model(features, probabilities, name="head")


def _pool(features: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    if pooling == "flatten":
        return keras.layers.Flatten(name="flatten")(features)
    average = keras.layers.GlobalAveragePooling2D(name="avg_pool")
    largest = keras.layers.GlobalMaxPooling2D(name="max_pool")
    if pooling == "avg":
        return average(features)
    if pooling == "max":
        return largest(features)
    if pooling == "both":
        return keras.layers.Concatenate(name="avg_max")([average(features), largest(features)])
    raise OptionError(f"pooling is one of {', '.join(_POOLINGS)}. Received: {pooling!r}")


def _dropped(values: keras.KerasTensor, rate: float, name: str) -> keras.KerasTensor:
    return keras.layers.Dropout(rate, name=name)(values) if rate else values
