"""A comparison of variants as files: a table, a report for people, one for programs, a plot."""

import csv
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lesionkit.comparison import BETTER, CANNOT_TELL, WORSE, Comparison
from lesionkit.environment import environment
from lesionkit.files import as_text, whole_file
from lesionkit.markup import plain, table
from lesionkit.metrics import RESAMPLES
from lesionkit.recipe import Recipe
from lesionkit.scores import NAMES, Score

SCHEMA_VERSION = 1

#: The files of a comparison.
FILES = ("improvements.json", "plot.png", "report.md", "table.csv")

_FOR_INFORMATION = (
    "The columns of the shipped test set are for information: one training on all training images, scored once. "
    "Nothing was chosen on it, and it is too small to choose on."
)

_JUDGED = (
    "Every image was answered by models that were trained without its group: its copies, its lesion, its patient. "
    "Early stopping looked at images held out within each fold's training images. Intervals are percentiles of a "
    f"bootstrap over whole groups, {RESAMPLES} resamples, the same for a variant and the baseline; the verdict is at "
    "the level that all comparisons of the table need together (Bonferroni). An interval holds for these seeds, folds "
    "and images. *Images needed* is about how many images of this kind would tell a difference of this size, by the "
    "width of its interval: for a verdict that is there already, fewer than were used."
)

_OPTIMISTIC = "optimistic: tuned on these images"
_COLOURS = {BETTER: "#1b7837", WORSE: "#b2182b", CANNOT_TELL: "#666666"}


@dataclass(frozen=True)
class Row:
    """One variant in the table.

    Attributes:
        name: its name.
        what: what it changes, in words.
        recipe: what was trained.
        balanced_accuracy: mean over the seeds, in cross-validation.
        interval: (low, high) of it, 95%.
        accuracy: mean over the seeds.
        loss: mean over the seeds, categorical cross-entropy.
        comparison: with the baseline; None for the baseline itself.
        test: score of the shipped test set -> itself; None where it was not scored.
        seconds: of all trainings of the variant.
        optimistic: whether it was tuned on these images.
    """

    name: str
    what: str
    recipe: Recipe
    balanced_accuracy: float
    interval: tuple[float, float]
    accuracy: float
    loss: float
    comparison: Comparison | None
    test: Mapping[str, Score | None] | None
    seconds: float
    optimistic: bool = False


def write_improvements(
    rows: Sequence[Row], folder: str | os.PathLike[str], *, facts: Mapping[str, str], missing: Sequence[str] = ()
) -> Path:
    """Writes :data:`FILES` into ``folder`` and returns it.

    Args:
        rows: the baseline first.
        folder: made if it is not there; files of these names in it are replaced.
        facts: what the figures rest on, in words -> words.
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
    texts = {"improvements.json": json.dumps(told, indent=2) + "\n", "report.md": _text(rows, facts, missing)}
    for name, text in texts.items():
        with whole_file(target / name) as beside:
            beside.write_text(text, encoding="utf-8", errors="backslashreplace")
    with whole_file(target / "table.csv") as beside, beside.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_HEAD, *map(_cells, rows)])
    with whole_file(target / "plot.png") as beside:
        _plot(rows, facts).savefig(beside, dpi=120)
    return target


def _entry(row: Row) -> dict[str, Any]:
    told = {item.name: getattr(row, item.name) for item in dataclasses.fields(row)}
    told["recipe"] = row.recipe.to_dict()
    told["comparison"] = None if row.comparison is None else dataclasses.asdict(row.comparison)
    if row.test is not None:
        told["test"] = {name: None if score is None else score.to_dict() for name, score in row.test.items()}
    return told


_HEAD = (
    "variant",
    "balanced accuracy",
    "95%",
    "difference",
    "95% of the difference",
    "verdict",
    "images needed",
    "accuracy",
    "loss",
    "test as shipped",
    "test lesion-clean",
    "minutes",
)


def _cells(row: Row) -> list[str]:
    compared = row.comparison
    return [
        as_text(row.name) + (f" ({_OPTIMISTIC})" if row.optimistic else ""),
        f"{100 * row.balanced_accuracy:.2f}",
        _interval(row.interval),
        "" if compared is None else f"{100 * compared.difference:+.2f}",
        "" if compared is None else _interval(compared.interval, "+.1f"),
        "baseline" if compared is None else compared.verdict,
        "" if compared is None else str(compared.images_needed or "no difference"),
        f"{100 * row.accuracy:.2f}",
        f"{row.loss:.3f}",
        _tested(row, "as_shipped"),
        _tested(row, "lesion_clean"),
        f"{row.seconds / 60:.1f}",
    ]


def _interval(ends: tuple[float, float], form: str = ".1f") -> str:
    return " to ".join(format(100 * end, form) for end in ends)


def _tested(row: Row, name: str) -> str:
    score = None if row.test is None else row.test.get(name)
    return "" if score is None or score.balanced_accuracy is None else f"{100 * score.balanced_accuracy:.2f}"


def _text(rows: Sequence[Row], facts: Mapping[str, str], missing: Sequence[str]) -> str:
    lines = ["# What each improvement is worth", *map(plain, _conclusions(rows))]
    if missing:
        lines.append(f"> **Not finished:** {plain(', '.join(missing))}. The same command goes on.")
    lines += [
        "![The difference of each variant to the baseline, with its interval](plot.png)",
        "## The table",
        "Balanced accuracy in percent; differences in points, to the baseline.",
        table(_HEAD, map(_cells, rows)),
        _FOR_INFORMATION,
        "## The variants",
        "\n".join(f"- **{plain(row.name)}**: {plain(row.what)}" for row in rows),
        "## The shipped test set",
        _test_table(rows),
        "## How it was judged",
        _JUDGED,
        "\n".join(f"- {plain(name)}: {plain(told)}" for name, told in facts.items()),
        "*Not a medical device. The figures hold for images like these, taken and labelled as these were.*",
    ]
    return "\n\n".join(filter(None, lines)) + "\n"


def _conclusions(rows: Sequence[Row]) -> list[str]:
    base, *others = rows
    told = [f"The baseline reaches a balanced accuracy of {_of(base)} in cross-validation."]
    better = [row for row in others if row.comparison and row.comparison.verdict == BETTER]
    if better:
        best = max(better, key=lambda row: row.balanced_accuracy)
        assert best.comparison is not None
        told.append(
            f"The best of what is better for sure is {as_text(best.name)}: {_of(best)}, "
            f"{100 * best.comparison.difference:+.1f} points [{_interval(best.comparison.interval, '+.1f')}]."
        )
    elif others:
        told.append("Of no variant can it be told that it is better.")
    for verdict, words in ((BETTER, "Better"), (WORSE, "Worse"), (CANNOT_TELL, "It cannot be told")):
        named = [as_text(row.name) for row in others if row.comparison and row.comparison.verdict == verdict]
        if named:
            told.append(f"{words}: {', '.join(named)}.")
    return [" ".join(told)]


def _of(row: Row) -> str:
    return f"{100 * row.balanced_accuracy:.1f}% [{_interval(row.interval)}]"


def _test_table(rows: Sequence[Row]) -> str:
    scored = [row for row in rows if row.test is not None]
    if not scored:
        return "There is none, or it was not scored."
    lines = []
    for row in scored:
        assert row.test is not None
        scores = (row.test.get(name) for name in NAMES)
        lines.append((row.name, *("n/a" if score is None else str(score) for score in scores)))
    return table(("variant", *NAMES.values()), lines)


def _plot(rows: Sequence[Row], facts: Mapping[str, str]) -> Figure:
    shown = [row for row in rows if row.comparison is not None]
    figure = Figure(figsize=(8.5, 1.7 + 0.42 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for place, row in enumerate(shown):
        compared = row.comparison
        assert compared is not None
        colour = _COLOURS[compared.verdict]
        ends = [100 * end for end in compared.interval]
        axis.plot(ends, [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        axis.plot(100 * compared.difference, place, "o", color=colour)
        axis.plot(
            [100 * one for one in compared.by_seed], [place] * len(compared.by_seed), "|", color=colour, alpha=0.6
        )
        told = f"{100 * compared.difference:+.1f}  {compared.verdict}"
        axis.annotate(told, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=colour)
    axis.axvline(0, color="black", linewidth=0.8)
    names = [as_text(row.name) + (" (optimistic)" if row.optimistic else "") for row in shown]
    axis.set_yticks(range(len(shown)), labels=names, parse_math=False)
    axis.invert_yaxis()
    axis.set_xlabel(f"points of balanced accuracy more than the baseline ({100 * rows[0].balanced_accuracy:.1f}%)")
    figure.suptitle("What each improvement is worth", fontsize=12)
    axis.set_title(", ".join(facts[key] for key in ("data", "judged") if key in facts), fontsize=8, parse_math=False)
    axis.grid(axis="x", alpha=0.3)
    return figure
