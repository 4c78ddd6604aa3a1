"""Classes as benign or malignant: n images of C classes as a question with two answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.data import taxonomy


@dataclass(frozen=True, eq=False)
class Malignancy:
    """n images as benign or malignant, as far as their classes tell.

    Attributes:
        score: (n,) in [0, 1]: the sum of the malignant classes' probabilities.
        kept: (n,) whether the label is benign or malignant; the others have no true answer here.
        malignant: (n,) whether the label is malignant; False where ``kept`` is.
        classes: ``"malignant"``, ``"benign"`` and ``"left_out"`` -> class names; the last mix both, are debated
            (actinic keratosis), or are not known to :mod:`~lesionkit.data.taxonomy`.
    """

    score: npt.NDArray[np.float64] = field(repr=False)
    kept: npt.NDArray[np.bool_] = field(repr=False)
    malignant: npt.NDArray[np.bool_] = field(repr=False)
    classes: dict[str, tuple[str, ...]]


def malignancy_of(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.floating[Any]], class_names: Sequence[str]
) -> Malignancy | None:
    """Returns n images as benign or malignant; None unless the classes hold some of each.

    Args:
        labels: (n,) places of the classes.
        probabilities: (n, C).
        class_names: C names, looked up by :func:`~lesionkit.data.taxonomy.of_class`.
    """
    kinds = [taxonomy.malignancy(taxonomy.of_class(name)) for name in class_names]
    if not {"benign", "malignant"} <= set(kinds):
        return None
    malignant, benign = (np.array([kind == wanted for kind in kinds]) for wanted in ("malignant", "benign"))
    score = np.clip(np.asarray(probabilities, dtype=np.float64)[:, malignant].sum(axis=1), 0, 1)
    named = zip(kinds, class_names, strict=True)
    classes: dict[str, tuple[str, ...]] = {"malignant": (), "benign": (), "left_out": ()}
    for kind, name in named:
        classes[kind or "left_out"] += (name,)
    return Malignancy(score, (malignant | benign)[labels], malignant[labels], classes)
