"""A search as files: the leaderboard with what its figures are worth, the space, the best recipe, a plot."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionkit import metrics
from lesionkit.comparison import BETTER, WORSE, compare
from lesionkit.document import Section, Table, document
from lesionkit.files import whole_file
from lesionkit.metrics import SCORED
from lesionkit.pages import embedded
from lesionkit.records import Records
from lesionkit.search_plot import scatter
from lesionkit.trials import Trial, ranked

SCHEMA_VERSION = 1

#: The files of a search; ``best.json`` only where trials are recipes.
FILES = ("best.json", "leaderboard.csv", "leaderboard.json", "leaderboard.png", "report.html", "space.json")

#: Said with every leaderboard.
OPTIMISTIC = (
    "The best of many was chosen by the score that is told of it, which flatters it: the score of the test set is the "
    "one to believe. Trials marked 'like the best' cannot be told from it by these images."
)


@dataclass(frozen=True)
class Place:
    """A trial on the leaderboard.

    Attributes:
        rank: from 1, the best; None where the trial failed.
        trial: itself.
        interval: (low, high) of its score at 95%, by whole groups of images; None where only a figure is known.
        verdict: ``"best"``, ``"worse"`` than the best, or ``"like the best"``: its difference to the best, compared on
            the same images at the level that all such comparisons need together, may be chance.
    """

    rank: int | None
    trial: Trial
    interval: tuple[float, float] | None = None
    verdict: str | None = None


def leaderboard(trials: Sequence[Trial], judging: Records, objective: str, direction: str) -> list[Place]:
    """Returns every trial in its place, the best first, those that failed last.

    Args:
        trials: all of a search.
        judging: the images that judged, in the order of the trials' probabilities.
        objective: the score, such as ``"val_balanced_accuracy"``.
        direction: ``"max"`` or ``"min"``.
    """
    finished = ranked(trials, objective, direction)
    failed = [Place(None, one) for one in trials if one.error is not None]
    score = objective.removeprefix("val_")
    known = [one.probabilities is not None for one in finished]
    if score not in SCORED or not finished or not all(known):
        return [Place(rank, one) for rank, one in enumerate(finished, 1)] + failed
    labels, groups = judging.label, judging.groups()
    answers = [one.probabilities for one in finished if one.probabilities is not None]
    drawn = metrics.bootstrap(labels, *answers, groups=groups)[..., SCORED.index(score)]
    places = []
    for rank, (one, own, values) in enumerate(zip(finished, answers, drawn, strict=True), 1):
        verdict = "best"
        if rank > 1:
            others = max(len(finished) - 1, 1)
            compared = compare(labels, answers[0][None], own[None], groups, score=score, comparisons=others)
            verdict = {WORSE: "worse", BETTER: "better"}.get(compared.verdict, "like the best")
        places.append(Place(rank, one, metrics.interval(values), verdict))
    return places + failed


def write_search(
    places: Sequence[Place],
    folder: str | os.PathLike[str],
    *,
    objective: str,
    space: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
) -> Path:
    """Writes :data:`FILES` into ``folder`` and returns it.

    Args:
        places: see :func:`leaderboard`.
        folder: made if it is not there; files of these names in it are replaced.
        objective: the score.
        space: KerasTuner's description of each hyperparameter.
        facts: what the figures rest on.

    Raises:
        StorageError: a file cannot be written.
    """
    target = Path(folder)
    told = {
        "schema_version": SCHEMA_VERSION,
        "objective": objective,
        "facts": dict(facts),
        "note": OPTIMISTIC,
        "trials": [_entry(one, objective) for one in places],
    }
    texts = {"leaderboard.json": _json(told), "space.json": _json(list(space))}
    if places and places[0].rank and places[0].trial.recipe is not None:
        texts["best.json"] = places[0].trial.recipe.to_json() + "\n"
    for name, text in texts.items():
        with whole_file(target / name) as beside:
            beside.write_text(text, encoding="utf-8", errors="backslashreplace")
    with whole_file(target / "leaderboard.csv") as beside, beside.open("w", encoding="utf-8", newline="") as file:
        rows = [_row(one, objective) for one in places]
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    with whole_file(target / "leaderboard.png") as beside:
        scatter(places, objective, space).savefig(beside, format="png", dpi=120)
        picture = embedded(beside)
    with whole_file(target / "report.html") as beside:
        beside.write_text(_page(places, objective, facts, picture), encoding="utf-8", errors="backslashreplace")
    return target


def _page(places: Sequence[Place], objective: str, facts: Mapping[str, Any], picture: str) -> str:
    like = sum(one.verdict == "like the best" for one in places)
    rows = [
        (
            str(one.rank or "failed"),
            _ranged(one.trial.scores.get(objective), one.interval),
            one.verdict or (one.trial.error or "").partition("\n")[0],
            ", ".join(f"{name} {value}" for name, value in one.trial.values.items()),
        )
        for one in places
    ]
    lede = (
        [f"{len(places)} trials. The best: {objective} {rows[0][1]}, with {rows[0][3]}."] if places else ["No trials."]
    )
    if like:
        lede.append(f"These images cannot tell {like} other{'s' * (like > 1)} from it: which of them won is luck.")
    return document(
        "Search for a recipe",
        lede,
        [
            Section("Scores against what was tried", picture=(picture, f"{objective} of each trial by hyperparameter")),
            Section(
                "Leaderboard",
                [OPTIMISTIC],
                table=Table("Every trial, the best first", ("rank", f"{objective} [95%]", "verdict", "values"), rows),
            ),
            Section("How it was judged", items=[f"{name}: {value}" for name, value in facts.items()]),
        ],
    )


def _ranged(value: float | None, ends: tuple[float, float] | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.4f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")


def _json(told: Any) -> str:
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _entry(place: Place, objective: str) -> dict[str, Any]:
    trial = place.trial
    return {
        "rank": place.rank,
        "trial": trial.number,
        "score": trial.scores.get(objective),
        "interval": place.interval,
        "verdict": place.verdict,
        "scores": dict(trial.scores),
        "seconds": trial.seconds,
        "error": trial.error,
        "values": dict(trial.values),
        "recipe": None if trial.recipe is None else trial.recipe.to_dict(),
    }


def _row(place: Place, objective: str) -> dict[str, Any]:
    trial, (low, high) = place.trial, place.interval or ("", "")
    first = {"rank": place.rank or "", "trial": trial.number, objective: trial.scores.get(objective, "")}
    rest = {name: value for name, value in trial.scores.items() if name != objective}
    last = {"seconds": f"{trial.seconds:.1f}", "error": (trial.error or "").partition("\n")[0]}
    return {**first, "low": low, "high": high, "verdict": place.verdict or "", **rest, **last, **trial.values}
