"""A comparison of variants as files: a table, a report for people, one for programs, a plot."""

import csv
import dataclasses
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from lesionkit.experiments.variant_report import JUDGED_BY, OPTIMISTIC, Facts, Row, markdown_of, named, page_of, words
from lesionkit.files import whole_file, write_json, write_text
from lesionkit.metrics.intervals.comparison import BETTER, CANNOT_TELL, WORSE, Comparison
from lesionkit.metrics.score_table import SCORES
from lesionkit.metrics.three_scores import NAMES
from lesionkit.reproducibility import environment
from lesionkit.text import as_text

SCHEMA_VERSION = 1

#: The files of a comparison.
FILES = ("improvements.json", "plot.png", "report.html", "report.md", "table.csv")

_COLOURS = {BETTER: "#0072b2", WORSE: "#c44e00", CANNOT_TELL: "#6b6b6b"}


def write_improvements(
    rows: Sequence[Row], folder: str | os.PathLike[str], *, facts: Facts, missing: Sequence[str] = ()
) -> Path:
    """Writes :data:`FILES` into ``folder`` and returns it.

    Args:
        rows: the baseline first.
        folder: made if it is not there; files of these names in it are replaced.
        facts: what the figures rest on, and what was cut, in words -> words; ``data`` and ``judged`` are on the plot.
        missing: names of variants that are not finished.

    Raises:
        StorageError: a file cannot be written.
    """
    target = Path(folder)
    told = {
        "schema_version": SCHEMA_VERSION,
        "facts": dict(facts),
        "not_finished": list(missing),
        "variants": [_entry(row) for row in rows],
        "environment": environment(),
    }
    texts = {"report.md": markdown_of(rows, facts, missing), "report.html": page_of(rows, facts, missing)}
    write_json(target / "improvements.json", told)
    for name, text in texts.items():
        write_text(target / name, text)
    with whole_file(target / "table.csv") as beside, beside.open("w", encoding="utf-8", newline="") as file:
        cells = [_in_figures(row) for row in rows]
        csv.writer(file).writerows([cells[0].keys(), *(one.values() for one in cells)])
    with whole_file(target / "plot.png") as beside:
        compared = [(named(row), row.comparison) for row in rows if row.comparison is not None]
        under = [as_text(words(facts[name])) for name in ("data", "judged") if name in facts]
        forest(compared, rows[0].scores[JUDGED_BY], under).savefig(beside, dpi=150)
    return target


def forest(compared: Sequence[tuple[str, Comparison]], baseline: float, under: Sequence[str]) -> Figure:
    """Returns a picture of each variant's difference to the baseline, in points, with its intervals and its verdict.

    Args:
        compared: (name, comparison) of each variant, from the top.
        baseline: the baseline's balanced accuracy.
        under: lines below the title.
    """
    figure = Figure(
        figsize=(9.5, 2.4 + 0.5 * max(len(compared), 1)), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    )
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.axvline(0, color="black", linewidth=1, zorder=1)
    for place, (_, one) in enumerate(compared):
        colour = _COLOURS[one.verdict]
        for ends, width in ((one.adjusted, 1.3), (one.interval, 4.5)):
            axis.plot([100 * end for end in ends], [place, place], color=colour, lw=width, solid_capstyle="butt")
        seeds = [100 * each for each in one.by_seed]
        axis.plot(seeds, [place + 0.27] * len(seeds), "|", color=colour, ms=6, mew=1.2)
        axis.plot(100 * one.difference, place, "o", ms=8.5, color=colour, zorder=3)
        told = f"{100 * one.difference:+.1f}  {one.verdict}"
        axis.annotate(
            told, (1.015, place), xycoords=("axes fraction", "data"), va="center", fontsize=10.5, color=colour
        )
    names = [textwrap.fill(name, 30) for name, _ in compared]
    axis.set_yticks(range(len(compared)), labels=names, fontsize=10.5, parse_math=False)
    axis.set_ylim(max(len(compared), 1) - 0.4, -0.6)
    axis.set_xlabel(f"points of balanced accuracy more than the baseline ({100 * baseline:.1f}%)", fontsize=11)
    axis.grid(axis="x", alpha=0.3)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    figure.suptitle("What each improvement is worth", fontsize=14)
    axis.set_title(
        "\n".join(textwrap.fill(line, 90) for line in under), fontsize=9.5, color="#444444", parse_math=False
    )
    key = [
        Line2D([], [], color="#444444", lw=4.5, label="95%"),
        Line2D([], [], color="#444444", lw=1.3, label="for all comparisons at once: the verdict"),
        Line2D([], [], color="#444444", ls="", marker="|", ms=6, mew=1.2, label="each seed"),
    ]
    figure.legend(handles=key, loc="outside lower center", ncols=3, fontsize=9.5, frameon=False)
    return figure


def _entry(row: Row) -> dict[str, Any]:
    told = {item.name: getattr(row, item.name) for item in dataclasses.fields(row)}
    told |= told.pop("scores")
    told["recipe"] = row.recipe.to_dict()
    told["comparison"] = None if row.comparison is None else dataclasses.asdict(row.comparison)
    told["note"] = OPTIMISTIC if row.optimistic else None
    if row.test is not None:
        told["test"] = {name: None if score is None else score.to_dict() for name, score in row.test.items()}
    return told


def _in_figures(row: Row) -> dict[str, str]:
    """Returns column -> cell of the table for programs, one figure in each; shares are in percent."""
    compared = row.comparison
    ends = dict.fromkeys(("difference", "difference_low", "difference_high", "adjusted_low", "adjusted_high"), "")
    if compared is not None:
        values = (compared.difference, *compared.interval, *compared.adjusted)
        ends = {name: _points(value) for name, value in zip(ends, values, strict=True)}
    figures = {
        name: _points(row.scores[name]) if kind.share else f"{row.scores[name]:.4f}" for name, kind in SCORES.items()
    }
    tested = {name: None if row.test is None else row.test.get(name) for name in NAMES}
    return {
        "variant": named(row),
        "what": as_text(row.what),
        JUDGED_BY: figures.pop(JUDGED_BY),
        "low": _points(row.interval[0]),
        "high": _points(row.interval[1]),
        **ends,
        "verdict": "baseline" if compared is None else compared.verdict,
        "images_needed": "" if compared is None else str(compared.images_needed or ""),
        **figures,
        **{
            f"test_{name.replace('.', '_')}": _points(score.balanced_accuracy if score else None)
            for name, score in tested.items()
        },
        "seconds": f"{row.seconds:.1f}",
    }


def _points(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.3f}"
