"""The score of each trial against each hyperparameter, as a picture."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

_COLOURS = {"best": "#c44e00", "like the best": "#0072b2", None: "#0072b2", "better": "#0072b2", "worse": "#9a9a9a"}
COLUMNS = 3


def scatter(places: Sequence[Any], objective: str, space: Sequence[Mapping[str, Any]]) -> Figure:
    """Returns one panel for each hyperparameter with a point for each trial that finished.

    Args:
        places: the leaderboard.
        objective: the score.
        space: KerasTuner's description of each hyperparameter: ``class_name`` and ``config``.
    """
    finished = [one for one in places if one.rank]
    panels = [one["config"] for one in space] or [{"name": "trial"}]
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(11, 1.1 + 2.7 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, min(COLUMNS, len(panels)), squeeze=False, sharey=True).flat)
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
