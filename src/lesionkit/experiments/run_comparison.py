"""Runs on disk compared on the test images that all of them answered."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.errors import DataError, OptionError
from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.evaluation.files import read_evaluation
from lesionkit.metrics.intervals.comparison import Comparison, McNemar, compare, mcnemar
from lesionkit.metrics.score_table import SCORES
from lesionkit.metrics.three_scores import NAMES, Score, score
from lesionkit.recipe import Recipe, flat
from lesionkit.text import as_text, with_interval

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Contender:
    """Runs of one recipe that differ in the seed only.

    Attributes:
        name: the folders of its runs, in words.
        evaluations: seed -> what the run answered.
        differs: in what its recipe is not that of the first contender.
    """

    name: str
    evaluations: Mapping[int, Evaluation] = field(repr=False)
    differs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Duel:
    """A contender against the first one, on the same images.

    Attributes:
        name: the contender's.
        seeds: pairs of seeds (the first contender's, its own) that were compared.
        scores: each of :data:`~lesionkit.metrics.score_table.SCORES` -> comparison, at the level that all contenders
            need together.
        mcnemar: of each pair of seeds.
    """

    name: str
    seeds: tuple[tuple[int, int], ...]
    scores: Mapping[str, Comparison]
    mcnemar: tuple[McNemar, ...]


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Runs compared on the images that all of them answered.

    Attributes:
        contenders: the first is what the others are compared with.
        duels: ``"as_shipped"``, ``"deduplicated"`` or ``"lesion_clean"``
            (:data:`~lesionkit.metrics.three_scores.NAMES`; of images that are so for all runs) -> a duel for each
            contender but the first.
        scores: the same -> a score of each contender, the mean of its seeds' probabilities where it has several.
        notes: what a reader should know.
    """

    contenders: tuple[Contender, ...]
    duels: Mapping[str, tuple[Duel, ...]]
    scores: Mapping[str, tuple[Score, ...]] = field(repr=False)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as what JSON can hold."""
        return {
            "contenders": [
                {"name": one.name, "seeds": list(one.evaluations), "differs": list(one.differs)}
                for one in self.contenders
            ],
            "duels": {kind: [dataclasses.asdict(one) for one in duels] for kind, duels in self.duels.items()},
            "scores": {kind: [one.to_dict() for one in found] for kind, found in self.scores.items()},
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = []
        for kind, duels in self.duels.items():
            first, *others = self.scores[kind]
            name = self.contenders[0].name
            lines.append(
                f"{NAMES[kind]}, {first.n} images: balanced accuracy {first.shown('balanced_accuracy')} of {name}"
            )
            for duel, one in zip(duels, others, strict=True):
                found = duel.scores["balanced_accuracy"]
                tested = ", ".join(f"{one.p:.2g}" for one in duel.mcnemar)
                lines.append(
                    f"  {duel.name}: {one.shown('balanced_accuracy')}, "
                    f"{with_interval(found.difference, found.adjusted, '+.1p', unit=' points')}: {found.verdict}; "
                    f"McNemar p = {tested}"
                )
        return "\n".join([*lines, *self.notes])


def compare_runs(folders: Sequence[str | os.PathLike[str]]) -> RunComparison:
    """Returns how runs compare with the first, by the predictions that they wrote for the same test images.

    Runs whose recipes differ in the seed only are one contender: its seeds are drawn too
    (:func:`~lesionkit.metrics.intervals.comparison.compare`). Every verdict is at the level that all comparisons need
    together.

    Args:
        folders: two or more folders that :func:`~lesionkit.run_recipe` wrote; the first is what the others are compared
            with.

    Raises:
        OptionError: fewer than two folders, or nothing but seeds of one recipe.
        BundleError: a folder is not that of a run.
        DataError: the runs have other classes, other labels for one image, or fewer than two groups of images in
            common.

    Example:
        >>> from lesionkit.evaluation.files import write_evaluation
        >>> files = [write_evaluation(one, f"{n}.npz") for n, one in enumerate([evaluation, lk.evaluate(model, test)])]
        >>> [duel] = lk.compare_runs(files).duels["as_shipped"]
        >>> duel.scores["accuracy"].verdict
        'cannot tell'
    """
    if len(set(map(os.path.realpath, folders))) < max(len(folders), 2):
        raise OptionError(f"Give two or more folders of runs, each once. Received: {', '.join(map(as_text, folders))}")
    found = [read_evaluation(folder) for folder in folders]
    if len({one.class_names for one in found}) > 1:
        listed = "; ".join(
            f"{as_text(folder)}: {', '.join(map(as_text, one.class_names))}"
            for folder, one in zip(folders, found, strict=True)
        )
        raise DataError(
            f"Runs are compared only where they have the same classes in the same order. Received: {listed}"
        )
    matched, notes = _matched(found, [as_text(folder) for folder in folders])
    contenders = _contenders(folders, matched)
    if len(contenders) < 2:
        raise OptionError("All these runs are of one recipe and differ in the seed only: there is nothing to compare.")
    kept = _kept(matched)
    left = len(found) - sum(len(one.evaluations) for one in contenders)
    if left:
        notes.append(f"{left} of the runs repeat the recipe and the seed of another one and are left out.")
    duels = {
        kind: tuple(_duel(contenders[0], one, rows, len(contenders) - 1) for one in contenders[1:])
        for kind, rows in kept.items()
    }
    scores = {kind: tuple(_score(one, rows) for one in contenders) for kind, rows in kept.items()}
    return RunComparison(contenders, duels, scores, tuple(notes))


def _matched(found: Sequence[Evaluation], names: Sequence[str]) -> tuple[list[Evaluation], list[str]]:
    """Returns the evaluations on the images that all of them have, in one order, and what was left out."""
    ways: list[Callable[[Evaluation], list[Any]]] = [
        lambda one: list(one.source),
        lambda one: [Path(source).parts[-2:] for source in one.source],
        lambda one: list(one.image_id),
    ]
    best: list[Rows] = []
    for way in ways:
        keys = [way(one) for one in found]
        if any(len(set(each)) < len(each) for each in keys) or not all(map(all, keys)):
            continue
        shared = set(keys[0]).intersection(*keys[1:])
        if not best or len(shared) > len(best[0]):
            places = [{key: row for row, key in enumerate(each)} for each in keys]
            order = [key for key in keys[0] if key in shared]
            best = [np.array([place[key] for key in order], dtype=np.int64) for place in places]
    if not best or len(np.unique(found[0].relation.group[best[0]])) < 2:
        raise DataError(
            f"{', '.join(names)} have no two groups of test images in common, told by their files or image ids. "
            "Compare runs that were scored on the same images."
        )
    rows = [_rows(one, chosen) for one, chosen in zip(found, best, strict=True)]
    for name, one in zip(names, rows, strict=True):
        other = np.flatnonzero(one.labels != rows[0].labels)
        if len(other):
            raise DataError(
                f"{names[0]} and {name} give {len(other)} images different labels, such as "
                f"{as_text(rows[0].source[other[0]])}. Compare runs on the same labels."
            )
    most = max(map(len, found))
    less = len(rows[0]) < most
    return rows, [f"Compared on the {len(rows[0])} test images that all runs answered, of up to {most}."] * less


def _rows(one: Evaluation, rows: Rows) -> Evaluation:
    relation = one.relation
    cut = {name: getattr(relation, name)[rows] for name in ("kind", "group", "unknown")}
    return dataclasses.replace(
        one,
        labels=one.labels[rows],
        probabilities=one.probabilities[rows],
        source=tuple(one.source[row] for row in rows),
        image_id=tuple(one.image_id[row] for row in rows),
        shortcut=None,
        stress=None,
        pictures=(),
        relation=dataclasses.replace(relation, **cut),
    )


def _contenders(folders: Sequence[str | os.PathLike[str]], found: Sequence[Evaluation]) -> tuple[Contender, ...]:
    grouped: dict[Any, dict[int, tuple[str, Evaluation]]] = {}
    for folder, one in zip(folders, found, strict=True):
        recipe = one.run.recipe if one.run else None
        key = (dataclasses.replace(recipe, seed=0), one.views) if recipe else as_text(folder)
        grouped.setdefault(key, {}).setdefault(recipe.seed if recipe else 0, (as_text(folder), one))
    recipes = [key[0] if isinstance(key, tuple) else None for key in grouped]
    return tuple(
        Contender(
            ", ".join(folder for folder, _ in runs.values()),
            {seed: one for seed, (_, one) in sorted(runs.items())},
            _differs(recipes[0], recipe),
        )
        for recipe, runs in zip(recipes, grouped.values(), strict=True)
    )


def _differs(first: Recipe | None, recipe: Recipe | None) -> tuple[str, ...]:
    if first is None or recipe is None:
        return ()
    theirs, ours = flat(first), flat(recipe)
    changed = [name for name in sorted(theirs.keys() | ours.keys()) if theirs.get(name) != ours.get(name)]
    return tuple(
        as_text(f"{name}: {ours.get(name, 'left out')} instead of {theirs.get(name, 'left out')}") for name in changed
    )


def _kept(found: Sequence[Evaluation]) -> dict[str, Rows]:
    """Returns score -> the rows that count for it in every run; scores that some run cannot tell are left out."""
    kinds = np.stack([one.relation.kind for one in found])
    unknown = {name for one in found for name in one.relation.missing}
    kept = {
        "as_shipped": np.arange(kinds.shape[1]),
        "deduplicated": np.flatnonzero((kinds != "copy").all(axis=0)),
        "lesion_clean": np.flatnonzero((kinds == "clean").all(axis=0)),
    }
    group = found[0].relation.group
    return {name: rows for name, rows in kept.items() if name not in unknown and len(np.unique(group[rows])) > 1}


def _duel(first: Contender, other: Contender, rows: Rows, comparisons: int) -> Duel:
    seeds = _pairs(list(first.evaluations), list(other.evaluations))
    theirs, ours = (
        [one.evaluations[pair[side]].probabilities[rows] for pair in seeds] for side, one in enumerate((first, other))
    )
    one = next(iter(first.evaluations.values()))
    labels, groups = one.labels[rows], one.relation.group[rows]
    stacked = np.stack(theirs), np.stack(ours)
    found = {name: compare(labels, *stacked, groups, score=name, comparisons=comparisons) for name in SCORES}
    return Duel(other.name, seeds, found, tuple(mcnemar(labels, a, b) for a, b in zip(theirs, ours, strict=True)))


def _pairs(theirs: Sequence[int], ours: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Returns the seeds that both have, or where there are none as many as both have, in order."""
    both = sorted(set(theirs) & set(ours))
    return tuple(zip(both, both, strict=True)) if both else tuple(zip(theirs, ours, strict=False))


def _score(one: Contender, rows: Rows) -> Score:
    found = list(one.evaluations.values())
    mean = np.mean([each.probabilities[rows] for each in found], axis=0)
    return score(found[0].labels[rows], mean, found[0].class_names, found[0].relation.group[rows])
