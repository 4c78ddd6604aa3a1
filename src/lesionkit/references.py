"""What answers that look at no image would score: what every classifier has to beat."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lesionkit.files import as_text
from lesionkit.metrics import Labels


def references(
    labels: Labels, class_names: Sequence[str], train_counts: Mapping[str, int] | None
) -> dict[str, dict[str, Any] | None]:
    """Returns ``"chance"`` and ``"majority"`` -> ``accuracy`` and ``balanced_accuracy`` on n images, as JSON holds it.

    Chance is a uniform guess among the C classes: both scores are 1/C on average, whatever the labels. The majority is
    the class with most training images, the first among equals, as the answer to everything: its accuracy is its share
    of the images, and its balanced accuracy 1 over the number of classes with images, or 0 where it has none. Scores
    of no images are None; so is the majority where the training images are not known.

    Args:
        labels: (n,) places of the classes, n >= 0.
        class_names: C names.
        train_counts: class name -> number of training images, if they are known.
    """
    guess = 1 / len(class_names) if len(labels) else None
    found: dict[str, dict[str, Any] | None] = {
        "chance": {"class": None, "accuracy": guess, "balanced_accuracy": guess},
        "majority": None,
    }
    known = train_counts or {}
    counts = [known.get(name, 0) for name in class_names]
    if any(counts):
        most = int(np.argmax(counts))
        share = float(np.mean(labels == most)) if len(labels) else None
        balanced = bool(share) / len(np.unique(labels)) if len(labels) else None
        found["majority"] = {"class": as_text(class_names[most]), "accuracy": share, "balanced_accuracy": balanced}
    return found
