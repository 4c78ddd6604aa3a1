"""Classes of unequal size: weights, balanced sampling, and the score that counts each class alike."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from sklearn.utils.class_weight import compute_class_weight

from lesionkit.data.pipeline import order


def class_weights(labels: npt.NDArray[np.int64]) -> dict[int, float]:
    """Returns place of a class -> n / (classes * images of it), so that every class weighs as much in the loss.

    scikit-learn's ``"balanced"``, after King and Zeng 2001, "Logistic Regression in Rare Events Data". Classes without
    images are left out.
    """
    places = np.unique(labels)
    weights = compute_class_weight("balanced", classes=places, y=labels)
    return {int(place): float(weight) for place, weight in zip(places, weights, strict=True)}


def balanced_order(labels: npt.NDArray[np.int64], seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Returns n places, each class alike often (up to one image), in an order that depends on nothing else.

    The images of a class are gone through in a new order each time round, so that no image is drawn twice more often
    than another of its class; over the epochs the small classes repeat and the large ones take turns.
    """
    places = np.unique(labels)
    random = np.random.default_rng([seed, epoch])
    shares = np.full(len(places), len(labels) // len(places))
    shares[random.permutation(len(places))[: len(labels) - shares.sum()]] += 1
    drawn = []
    for place, share in zip(places, shares, strict=True):
        rows = np.flatnonzero(labels == place)
        rounds = [rows[random.permutation(len(rows))] for _ in range(-(-share // len(rows)))]
        drawn.append(np.concatenate([*rounds, rows[:0]])[:share])
    found = np.concatenate(drawn)
    return found[order(len(found), seed, epoch)]


class BalancedAccuracy(keras.metrics.Metric):
    """Mean recall over the classes that have images, of (B, C) one-hot labels and probabilities."""

    def __init__(self, num_classes: int, name: str = "balanced_accuracy", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.num_classes = num_classes
        self.hits = self.add_weight(shape=(num_classes,), initializer="zeros", name="hits")
        self.images = self.add_weight(shape=(num_classes,), initializer="zeros", name="images")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        """Counts a batch; weights do not change what a recall is."""
        truth = keras.ops.one_hot(keras.ops.argmax(y_true, axis=-1), self.num_classes)
        right = keras.ops.argmax(y_true, axis=-1) == keras.ops.argmax(y_pred, axis=-1)
        self.images.assign_add(keras.ops.sum(truth, axis=0))
        self.hits.assign_add(keras.ops.sum(truth * keras.ops.cast(right, truth.dtype)[:, None], axis=0))

    def result(self) -> Any:
        """Returns the score of what was counted, 0 for nothing."""
        recalls = self.hits / keras.ops.maximum(self.images, 1)
        classes = keras.ops.sum(keras.ops.cast(self.images > 0, recalls.dtype))
        return keras.ops.sum(recalls) / keras.ops.maximum(classes, 1)

    def get_config(self) -> dict[str, Any]:
        """Returns what the metric is made with."""
        return {**super().get_config(), "num_classes": self.num_classes}
