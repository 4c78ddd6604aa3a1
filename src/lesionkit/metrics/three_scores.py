"""The same answers scored three ways: as shipped, without copies, and without lesions that are in training too."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.data.relation import Relation
from lesionkit.errors import DataError
from lesionkit.metrics.classification import Labels, Probabilities
from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.score_table import SCORES, headlines
from lesionkit.text import as_text

#: The scores in order, and what each is called in words.
NAMES = {
    "as_shipped": "as shipped",
    "deduplicated": "deduplicated",
    "lesion_clean": "lesion-clean",
    "lesion_clean.known_only": "lesion-clean, known lesions only",
}

_NOTHING_LEFT = {
    "deduplicated": "every test image has a copy in training",
    "lesion_clean": "of every test image a copy, the lesion or the patient is in training",
    "lesion_clean.known_only": "of every test image a copy, the lesion or the patient is in training, or not known",
}


@dataclass(frozen=True)
class Score:
    """How n images were answered; a value that they cannot give is None.

    Attributes:
        n: images.
        groups: groups of images that share a picture, copy, lesion or patient: what the intervals draw.
        values: each of :data:`~lesionkit.metrics.score_table.SCORES` -> its value.
        intervals: score -> (low, high), see :func:`~lesionkit.metrics.intervals.resampling.bootstrap`: 95%, by
            percentiles.
        classes: how many classes have images.
        empty_classes: the names of the others.
        reason: why something is None.
    """

    n: int
    groups: int
    values: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float]] | None
    classes: int
    empty_classes: tuple[str, ...]
    reason: str | None = None

    @property
    def accuracy(self) -> float | None:
        """Share of images whose likeliest class is the label."""
        return self.values["accuracy"]

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean recall of the ``classes`` that have images."""
        return self.values["balanced_accuracy"]

    @property
    def loss(self) -> float | None:
        """Mean categorical cross-entropy."""
        return self.values["loss"]

    def ends(self, name: str) -> tuple[float, float] | None:
        """Returns the interval of one of the scores, if there is one."""
        return (self.intervals or {}).get(name)

    def shown(self, name: str) -> str:
        """Returns one of the scores with its interval for people, such as ``56.67% [45.0%, 67.5%] over 3 classes``."""
        kind, value = SCORES[name], self.values[name]
        over = f" over {self.classes} class{'es' * (self.classes > 1)}"
        return kind.shown(value, self.ends(name)) + over * (kind.over_classes and value is not None)

    def to_dict(self) -> dict[str, Any]:
        """Returns the score as what JSON can hold."""
        counts = {"n": self.n, "groups": self.groups}
        classes = {"classes": self.classes, "empty_classes": [as_text(name) for name in self.empty_classes]}
        return {**counts, **self.values, "intervals": _lists(self.intervals), **classes, "reason": self.reason}

    def __str__(self) -> str:
        if not self.n:
            return f"0 images: {self.reason}"
        return f"{self.n} images: {', '.join(f'{kind.label} {self.shown(kind.name)}' for kind in headlines())}"


@dataclass(frozen=True)
class Gain:
    """What a classifier adds over a model that sees no lesion, on the same images.

    Attributes:
        shortcut: how the model that sees no lesion answered.
        values: score of which more is better -> the classifier's minus the shortcut's.
        intervals: score -> (low, high) of the difference, paired: both models are scored on the same resamples.
    """

    shortcut: Score
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] | None

    @property
    def accuracy(self) -> float:
        """The difference in accuracy."""
        return self.values["accuracy"]

    @property
    def balanced_accuracy(self) -> float:
        """The difference in balanced accuracy."""
        return self.values["balanced_accuracy"]

    def ends(self, name: str) -> tuple[float, float] | None:
        """Returns the interval of one of the differences, if there is one."""
        return (self.intervals or {}).get(name)

    def shown(self, name: str) -> str:
        """Returns one of the differences for people, such as ``+12.34 [+5.6, +20.1] points of accuracy``."""
        kind = SCORES[name]
        unit = " points of" if kind.share else " of"
        return f"{kind.shown_difference(self.values[name], self.ends(name))}{unit} {kind.label}"

    def to_dict(self) -> dict[str, Any]:
        """Returns the shortcut's score with the entry ``gain``, as what JSON can hold."""
        return self.shortcut.to_dict() | {"gain": {**self.values, "intervals": _lists(self.intervals)}}

    def __str__(self) -> str:
        return " and ".join(self.shown(kind.name) for kind in headlines() if kind.name in self.values)


def three_ways(
    labels: Labels, probabilities: Probabilities, class_names: Sequence[str], relation: Relation
) -> dict[str, Score | None]:
    """Returns a score for each of :data:`NAMES`; None where ``relation.missing`` says why.

    ``deduplicated`` leaves out copies, ``lesion_clean`` also images whose lesion or patient is in training, and
    ``lesion_clean.known_only`` also those of which that is not known.

    Raises:
        DataError: ``relation`` is that of another number of images.
    """
    if len(relation.kind) != len(labels):
        raise DataError(
            f"relation has a row for each of the {len(labels)} images. Received: {len(relation.kind)}. Choose the same "
            "rows of it, or set it to None."
        )
    clean = relation.kind == "clean"
    kept = {
        "as_shipped": np.ones(len(labels), dtype=bool),
        "deduplicated": relation.kind != "copy",
        "lesion_clean": clean,
        "lesion_clean.known_only": clean & ~relation.unknown,
    }
    return {
        name: None
        if name.split(".")[0] in relation.missing
        else score(labels[rows], probabilities[rows], class_names, relation.group[rows], _NOTHING_LEFT.get(name, ""))
        for name, rows in kept.items()
    }


def score(
    labels: Labels,
    probabilities: Probabilities,
    class_names: Sequence[str],
    group: npt.NDArray[np.int64],
    nothing: str = "there are no images",
) -> Score:
    """Returns the score of n >= 0 images; ``nothing`` is its reason when n is 0."""
    present = np.bincount(labels, minlength=len(class_names)) > 0
    empty = tuple(name for name, there in zip(class_names, present, strict=True) if not there)
    groups = len(np.unique(group))
    if not len(labels):
        return Score(0, 0, dict.fromkeys(SCORES), None, 0, empty, nothing)
    values = {name: kind(labels, probabilities) for name, kind in SCORES.items()}
    reason = "no intervals: all images are of one group" if groups == 1 else None
    ends = None
    if reason is None:
        drawn = resampling.bootstrap(labels, probabilities, groups=group)
        ends = {name: resampling.interval(values) for name, (values,) in drawn.items()}
    return Score(len(labels), groups, values, ends, int(present.sum()), empty, reason)


def gain(
    labels: Labels,
    probabilities: Probabilities,
    shortcut: Probabilities,
    class_names: Sequence[str],
    group: npt.NDArray[np.int64],
) -> Gain:
    """Returns what ``probabilities`` (n, C) add over those of a model that sees no lesion, n >= 1."""
    kinds = {name: kind for name, kind in SCORES.items() if kind.direction == "max"}
    seen = score(labels, shortcut, class_names, group)
    ends = None
    if seen.intervals:
        drawn = resampling.bootstrap(labels, probabilities, shortcut, groups=group)
        ends = {name: resampling.interval(drawn[name][0] - drawn[name][1]) for name in kinds}
    values = {name: kind(labels, probabilities) - kind(labels, shortcut) for name, kind in kinds.items()}
    return Gain(seen, values, ends)


def to_dict(scores: Mapping[str, Score | None], relation: Relation) -> dict[str, Any]:
    """Returns the entry ``scores`` of reports and cards, as what JSON can hold."""
    entries: dict[str, Any] = {name: score.to_dict() if score else None for name, score in scores.items()}
    known_only = entries.pop("lesion_clean.known_only")
    if entries["lesion_clean"]:
        entries["lesion_clean"]["known_only"] = known_only
    ties = {"not_computed": dict(relation.missing), "relation": relation.counts(), "notes": list(relation.notes)}
    return entries | ties


def computed(scores: Mapping[str, Score | None]) -> dict[str, Score]:
    """Returns what a score is called in words -> score, of those that were computed, in order."""
    return {NAMES[name]: score for name, score in scores.items() if score}


def rows(scores: Mapping[str, Score | None]) -> list[tuple[str, ...]]:
    """Returns the lines of a table of those that were computed: the name, the images, each score with its interval."""
    return [
        (name, str(score.n), *(score.shown(column) for column in SCORES)) for name, score in computed(scores).items()
    ]


def notes(scores: Mapping[str, Score | None], relation: Relation) -> Iterator[str]:
    """Yields what a reader of the scores should know."""
    yield from relation.notes
    for name, why in relation.missing.items():
        yield f"{NAMES[name]}: not computed, {why}."
    for words, score in computed(scores).items():
        if score.reason:
            yield f"{words}: {score.reason}."
        if score.n and score.empty_classes:
            yield f"{words}: no image is left of {', '.join(map(as_text, score.empty_classes))}."


def in_words(scores: Mapping[str, Score | None], relation: Relation, added: Gain | None) -> str:
    """Returns a line for each score, also for those that could not be computed."""
    lines = [f"{words}: {score}" for words, score in computed(scores).items()]
    lines += [f"{NAMES[name]}: not computed, {why}" for name, why in relation.missing.items()]
    lines += [f"a model that sees no lesion: {added.shortcut}", f"over it: {added}"] if added else []
    return "\n".join(f"  {line}" for line in lines)


def _lists(intervals: Mapping[str, tuple[float, float]] | None) -> dict[str, list[float]] | None:
    return None if intervals is None else {name: list(ends) for name, ends in intervals.items()}
