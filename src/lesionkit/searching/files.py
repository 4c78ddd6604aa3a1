"""A search as files: the leaderboard with its caveats, the space, the best recipe, a plot."""

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lesionkit.files import whole_file, write_text
from lesionkit.pages.page import Section, Table, document, embedded
from lesionkit.searching.leaderboard import OPTIMISTIC, Place
from lesionkit.text import with_interval

SCHEMA_VERSION = 1

#: The files of a search; ``best.json`` only where trials are recipes.
FILES = ("best.json", "leaderboard.csv", "leaderboard.json", "leaderboard.png", "report.html", "space.json")

_COLOURS = {"best": "#c44e00", "like the best": "#0072b2", None: "#0072b2", "better": "#0072b2", "worse": "#9a9a9a"}
_COLUMNS = 3


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
        places: see :func:`~lesionkit.searching.leaderboard.leaderboard`.
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
    write_text(target / "leaderboard.json", _json(told))
    write_text(target / "space.json", _json(list(space)))
    if places and places[0].rank and places[0].trial.recipe is not None:
        write_text(target / "best.json", places[0].trial.recipe.to_json() + "\n")
    with whole_file(target / "leaderboard.csv") as beside, beside.open("w", encoding="utf-8", newline="") as file:
        rows = [_row(one, objective) for one in places]
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    with whole_file(target / "leaderboard.png") as beside:
        scatter(places, objective, space).savefig(beside, format="png", dpi=120)
        picture = embedded(beside)
    write_text(target / "report.html", _page(places, objective, facts, picture))
    return target


def scatter(places: Sequence[Place], objective: str, space: Sequence[Mapping[str, Any]]) -> Figure:
    """Returns one panel for each hyperparameter with a point for each trial that finished.

    Args:
        places: the leaderboard.
        objective: the score.
        space: KerasTuner's description of each hyperparameter: ``class_name`` and ``config``.
    """
    finished = [one for one in places if one.rank]
    panels = [one["config"] for one in space] or [{"name": "trial"}]
    rows = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(11, 1.1 + 2.7 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, min(_COLUMNS, len(panels)), squeeze=False, sharey=True).flat)
    for axis, config in zip(axes, panels, strict=False):
        _panel(axis, config, finished, objective)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    failed = len(places) - len(finished)
    told = f"{len(finished)} trials" + (f", and {failed} that failed" if failed else "")
    figure.suptitle(f"{objective.replace('_', ' ')} of {told}", fontsize=13)
    if any(one.verdict for one in finished):
        key = [Line2D([], [], ls="", marker="o", color=_COLOURS[name], label=name) for name in list(_COLOURS)[:2]]
        key.append(Line2D([], [], ls="", marker="o", color=_COLOURS["worse"], label="worse than the best"))
        figure.legend(handles=key, loc="outside lower center", ncols=3, frameon=False, fontsize=9.5)
    return figure


def _page(places: Sequence[Place], objective: str, facts: Mapping[str, Any], picture: str) -> str:
    like = sum(one.verdict == "like the best" for one in places)
    rows = [
        (
            str(one.rank or "failed"),
            with_interval(one.trial.scores.get(objective), one.interval, ".4f", ".3f"),
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


def _panel(axis: Axes, config: Mapping[str, Any], finished: Sequence[Any], objective: str) -> None:
    name = config["name"]
    shown = [one for one in finished if name in one.trial.values]
    values = [one.trial.values[name] for one in shown]
    choices = [str(one) for one in config.get("values", [])]
    if choices or any(isinstance(one, str | bool) for one in values):
        choices = choices or sorted({str(one) for one in values})
        jitter = np.linspace(-0.12, 0.12, len(shown))  # trials of one value lie beside each other
        x = [choices.index(str(one)) + apart for one, apart in zip(values, jitter, strict=True)]
        axis.set_xticks(range(len(choices)), labels=choices, fontsize=8.5, parse_math=False)
        axis.set_xlim(-0.5, len(choices) - 0.5)
    else:
        x = [float(one) for one in values]
        if config.get("sampling") in ("log", "reverse_log") and all(one > 0 for one in x):
            axis.set_xscale("log")
    for place, one in sorted(zip(x, shown, strict=True), key=lambda pair: -pair[1].rank):
        score = one.trial.scores[objective]
        low, high = one.interval or (math.nan, math.nan)
        axis.plot([place, place], [low, high], color=_COLOURS[one.verdict], lw=1, alpha=0.35)
        axis.plot(place, score, "o", color=_COLOURS[one.verdict], ms=6 if one.rank > 1 else 9)
    axis.set_title(name.replace("_", " "), fontsize=10.5, parse_math=False)
    axis.grid(axis="y", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
