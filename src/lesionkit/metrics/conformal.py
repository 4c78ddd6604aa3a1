"""Conformal sets: for each image the classes that cannot be ruled out, right with a promised share of each class."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.errors import DataError, OptionError
from lesionkit.metrics.classification import Labels, Probabilities, checked
from lesionkit.metrics.intervals.resampling import LEVEL, checked_groups, share_interval
from lesionkit.text import as_text


@dataclass(frozen=True)
class ConformalSets:
    """For each class the probability from which on it is in an image's set.

    Attributes:
        class_names: C names.
        level: the share of the images of each class whose set is to hold their class, between 0 and 1.
        thresholds: for each class a probability; None: too few held-out images, the class is in every set.
        held_out: for each class how many groups its held-out images are of.
        needed: groups that a class needs: 19 for a level of 95%.
        reason: why there are no sets at all; None where there are.
    """

    class_names: tuple[str, ...]
    level: float
    thresholds: tuple[float | None, ...]
    held_out: tuple[int, ...]
    needed: int
    reason: str | None = None

    @property
    def not_available(self) -> dict[str, str]:
        """Class -> such as ``"15 of 19"``: those that have too few held-out images, and so are in every set."""
        return {
            name: f"{count} of {self.needed}"
            for name, count in zip(self.class_names, self.held_out, strict=True)
            if count < self.needed
        }

    def sets(self, probabilities: Probabilities) -> npt.NDArray[np.bool_]:
        """Returns (n, C): whether a class is in the set of an image with ``probabilities`` (n, C).

        A set can be empty: the image is unlike those of any class.

        Raises:
            OptionError: there are no sets.
            DataError: ``probabilities`` are of another number of classes.
        """
        if self.reason is not None:
            raise OptionError(
                f"There are no conformal sets: {self.reason}. Hold out images that are used for nothing else."
            )
        if np.ndim(probabilities) != 2 or np.shape(probabilities)[1] != len(self.class_names):
            raise DataError(f"probabilities are (n, {len(self.class_names)}). Received: {np.shape(probabilities)}")
        least = np.array([-np.inf if one is None else one for one in self.thresholds])
        return np.asarray(np.asarray(probabilities) >= least)

    def to_dict(self) -> dict[str, Any]:
        """Returns the thresholds as what JSON can hold; names as text."""
        return dataclasses.asdict(self) | {"class_names": [as_text(name) for name in self.class_names]}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "ConformalSets":
        """Returns the sets that :meth:`to_dict` told."""
        columns = {name: tuple(told[name]) for name in ("class_names", "thresholds", "held_out")}
        return cls(**{**told, **columns})


@dataclass(frozen=True)
class Covered:
    """How many of n test images have their class in their set.

    Attributes:
        n: images.
        coverage: share of them; None where there are none.
        interval: 95% interval of it, see :func:`~lesionkit.metrics.intervals.resampling.share_interval`.
    """

    n: int
    coverage: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Coverage:
    """What conformal sets did on n test images.

    Attributes:
        overall: coverage of all images.
        per_class: class -> coverage of the images of that class.
        mean_size: mean number of classes in a set.
        empty: share of sets without a class.
        single: share of sets with one class.
    """

    overall: Covered
    per_class: Mapping[str, Covered]
    mean_size: float
    empty: float
    single: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the coverage as what JSON can hold; names as text."""
        told = dataclasses.asdict(self)
        return told | {"per_class": {as_text(name): one for name, one in told["per_class"].items()}}


def conformal_sets(
    held_out: tuple[Labels, Probabilities, Labels] | None,
    class_names: Sequence[str],
    *,
    level: float = LEVEL,
    chosen: str = "",
) -> ConformalSets:
    """Returns the sets that hold the class of a new image with probability ``level`` or more, whatever that class is.

    Split conformal prediction, class by class: Vovk 2012, "Conditional validity of inductive conformal predictors";
    with the class's probability as score it is the least ambiguous classifier of Sadinle, Lei and Wasserman
    2019, "Least ambiguous set-valued classifiers with bounded error levels"; Angelopoulos and Bates 2021, "A gentle
    introduction to conformal prediction", section 4.2. The promise holds for any network, on average over held-out and
    new images, when new images of a class are like its held-out ones.

    Images of one group are alike, so that they are not exchangeable one by one. Groups are: each counts as one, its
    images (of that class) share its weight. So the promise is that of an image drawn from a new group (Lee, Barber and
    Willett 2023, "Distribution-free inference with hierarchical data": a weighted quantile), and a class
    needs ``level / (1 - level)`` groups.

    Args:
        held_out: labels (m,), probabilities (m, C) and groups (m,) of images that the network was not fitted to.
        class_names: C names.
        level: between 0 and 1.
        chosen: in words, how the held-out images helped to choose the network, such as by early stopping on them. Then
            they are not like new images, and there are no sets. Empty where they did not.

    Raises:
        DataError: arrays that are no labels, probabilities and groups, or of another number of classes.
        OptionError: ``level`` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise OptionError(f"level lies between 0 and 1, without them, such as 0.95. Received: {level!r}")
    names, needed = tuple(class_names), math.ceil(level / (1 - level) - 1e-9)
    none = ConformalSets(names, level, (None,) * len(names), (0,) * len(names), needed)
    if held_out is None or not len(held_out[0]):
        return dataclasses.replace(none, reason="there are no held-out images")
    labels, probabilities = checked(*held_out[:2])
    groups = checked_groups(held_out[2], len(labels))
    if probabilities.shape[1] != len(names):
        raise DataError(
            f"probabilities are (m, {len(names)}) for {len(names)} classes. Received: {probabilities.shape}"
        )
    rows = [labels == place for place in range(len(names))]
    counts = tuple(len(np.unique(groups[here])) for here in rows)
    if chosen:
        why = f"the held-out images helped to choose the network ({chosen}), so that new images are unlike them"
        return dataclasses.replace(none, held_out=counts, reason=why)
    found = [_threshold(probabilities[here, place], groups[here], level) for place, here in enumerate(rows)]
    return dataclasses.replace(none, thresholds=tuple(found), held_out=counts)


def coverage(sets: npt.NDArray[np.bool_], labels: Labels, groups: Labels, class_names: Sequence[str]) -> Coverage:
    """Returns what ``sets`` (n, C) of test images with ``labels`` (n,) did, n >= 1.

    The promise is of images drawn from new groups; here each image counts as one, also where some groups have more.
    """
    held = sets[np.arange(len(labels)), labels]

    def covered(here: npt.NDArray[np.bool_]) -> Covered:
        n = int(here.sum())
        return Covered(n, float(held[here].mean()) if n else None, share_interval(held[here], groups[here]))

    sizes = sets.sum(axis=1)
    per_class = {name: covered(labels == place) for place, name in enumerate(class_names)}
    everything = covered(np.ones(len(labels), dtype=bool))
    return Coverage(everything, per_class, float(sizes.mean()), float((sizes == 0).mean()), float((sizes == 1).mean()))


def _threshold(given: npt.NDArray[np.float64], groups: Labels, level: float) -> float | None:
    """Returns the greatest of the probabilities that a class's images ``given`` it, at which its promise holds.

    The groups' weight at or above it is at least level * (groups + 1): with one image a group it is the
    ceil(level * (n + 1))-th largest.
    """
    group, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    order = np.argsort(-given, kind="stable")
    weight = np.cumsum((1 / sizes)[group][order])
    place = int(np.searchsorted(weight, level * (len(sizes) + 1) - 1e-9))
    return float(given[order[place]]) if place < len(given) else None
