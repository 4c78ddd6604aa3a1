"""The same answers scored three ways: as shipped, without copies, and without lesions that are in training too."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.data.relation import Relation
from lesionkit.errors import DataError
from lesionkit.metrics.classification import Labels, Probabilities
from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.score_table import SCORES
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
    """How n images were answered; a figure that they cannot give is None.

    Attributes:
        n: images.
        groups: groups of images that share a picture, copy, lesion or patient: what the intervals draw.
        accuracy: share of images whose likeliest class is the label.
        balanced_accuracy: mean recall of the ``classes`` that have images.
        loss: mean categorical cross-entropy.
        intervals: score -> (low, high), see :func:`~lesionkit.metrics.intervals.resampling.bootstrap`: 95%, by
            percentiles.
        classes: how many classes have images.
        empty_classes: the names of the others.
        reason: why something is None.
    """

    n: int
    groups: int
    accuracy: float | None
    balanced_accuracy: float | None
    loss: float | None
    intervals: Mapping[str, tuple[float, float]] | None
    classes: int
    empty_classes: tuple[str, ...]
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the score as what JSON can hold."""
        names = [as_text(name) for name in self.empty_classes]
        return dataclasses.asdict(self) | {"intervals": _lists(self.intervals), "empty_classes": names}

    def __str__(self) -> str:
        if not self.n:
            return f"0 images: {self.reason}"
        told = self.to_dict()
        return (
            f"{self.n} images: accuracy {shown(told, 'accuracy')}, balanced accuracy "
            f"{shown(told, 'balanced_accuracy')}, loss {shown(told, 'loss')}"
        )


@dataclass(frozen=True)
class Gain:
    """What a classifier adds over a model that sees no lesion, on the same images.

    Attributes:
        shortcut: how the model that sees no lesion answered.
        accuracy: the classifier's minus the shortcut's.
        balanced_accuracy: the same of balanced accuracy.
        intervals: difference -> (low, high), paired: both models are scored on the same resamples.
    """

    shortcut: Score
    accuracy: float
    balanced_accuracy: float
    intervals: Mapping[str, tuple[float, float]] | None

    def to_dict(self) -> dict[str, Any]:
        """Returns the shortcut's score with the entry ``gain``, as what JSON can hold."""
        added = {"accuracy": self.accuracy, "balanced_accuracy": self.balanced_accuracy}
        return self.shortcut.to_dict() | {"gain": added | {"intervals": _lists(self.intervals)}}

    def __str__(self) -> str:
        return gained(self.to_dict()["gain"])


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
        return Score(0, 0, None, None, None, None, 0, empty, nothing)
    accuracy, balanced, loss = (kind(labels, probabilities) for kind in SCORES.values())
    reason = "no intervals: all images are of one group" if groups == 1 else None
    ends = None
    if reason is None:
        drawn = resampling.bootstrap(labels, probabilities, groups=group)
        ends = {name: resampling.interval(values) for name, (values,) in drawn.items()}
    return Score(len(labels), groups, accuracy, balanced, loss, ends, int(present.sum()), empty, reason)


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
    accuracy, balanced = (kind(labels, probabilities) - kind(labels, shortcut) for kind in kinds.values())
    return Gain(seen, accuracy, balanced, ends)


def to_dict(scores: Mapping[str, Score | None], relation: Relation) -> dict[str, Any]:
    """Returns the entry ``scores`` of reports and cards, as what JSON can hold."""
    told: dict[str, Any] = {name: one.to_dict() if one else None for name, one in scores.items()}
    known_only = told.pop("lesion_clean.known_only")
    if told["lesion_clean"]:
        told["lesion_clean"]["known_only"] = known_only
    more = {"not_computed": dict(relation.missing), "relation": relation.counts(), "notes": list(relation.notes)}
    return told | more


def flat(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the scores that were computed, in order, of what :func:`to_dict` told."""
    clean = told["lesion_clean"]
    every = {**told, "lesion_clean.known_only": clean and clean["known_only"]}
    return {name: every[name] for name in NAMES if every[name]}


def notes(told: Mapping[str, Any]) -> Iterator[str]:
    """Yields what a reader of the scores should know, of what :func:`to_dict` told."""
    yield from told["notes"]
    for name, why in told["not_computed"].items():
        yield f"{NAMES[name]}: not computed, {why}."
    for name, one in flat(told).items():
        if one["reason"]:
            yield f"{NAMES[name]}: {one['reason']}."
        if one["n"] and one["empty_classes"]:
            yield f"{NAMES[name]}: no image is left of {', '.join(one['empty_classes'])}."


def in_words(scores: Mapping[str, Score | None], relation: Relation, added: Gain | None) -> str:
    """Returns a line for each score, also for those that could not be computed."""
    lines = [f"{NAMES[name]}: {one}" for name, one in scores.items() if one]
    lines += [f"{NAMES[name]}: not computed, {why}" for name, why in relation.missing.items()]
    lines += [f"a model that sees no lesion: {added.shortcut}", f"over it: {added}"] if added else []
    return "\n".join(f"  {line}" for line in lines)


def shown(told: Mapping[str, Any], name: str) -> str:
    """Returns one figure of a :class:`Score` as data, with its interval, for people."""
    value, ends = told[name], (told["intervals"] or {}).get(name)
    if value is None:
        return "n/a"
    wide, narrow = ("{:.4f}", "{:.2f}") if name == "loss" else ("{:.2%}", "{:.1%}")
    over = f" over {told['classes']} class{'es' * (told['classes'] > 1)}" if name == "balanced_accuracy" else ""
    return wide.format(value) + (f" [{', '.join(map(narrow.format, ends))}]" if ends else "") + over


def gained(told: Mapping[str, Any]) -> str:
    """Returns the entry ``gain`` of a :class:`Gain` as data in words: points of accuracy and balanced accuracy."""
    parts = []
    for name in ("accuracy", "balanced_accuracy"):
        ends = (told["intervals"] or {}).get(name)
        ranged = f" [{', '.join(f'{100 * end:+.1f}' for end in ends)}]" if ends else ""
        parts.append(f"{100 * told[name]:+.2f}{ranged} points of {name.replace('_', ' ')}")
    return " and ".join(parts)


def _lists(intervals: Mapping[str, tuple[float, float]] | None) -> dict[str, list[float]] | None:
    return None if intervals is None else {name: list(ends) for name, ends in intervals.items()}
