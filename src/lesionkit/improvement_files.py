"""A comparison of variants as files: a table, a report for people, one for programs, a plot."""

import csv
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionkit.comparison import BETTER, CANNOT_TELL, WORSE, Comparison
from lesionkit.environment import environment
from lesionkit.files import as_text, whole_file
from lesionkit.improvement_plot import forest
from lesionkit.markup import plain, table
from lesionkit.metrics import RESAMPLES
from lesionkit.recipe import Recipe
from lesionkit.scores import NAMES, Score, shown

SCHEMA_VERSION = 1

Facts = Mapping[str, str | Sequence[str]]

#: The files of a comparison.
FILES = ("improvements.json", "plot.png", "report.md", "table.csv")

_FOR_INFORMATION = (
    "For information: one training on all training images, scored once. Nothing was chosen on it, and it is too small "
    "to choose on."
)

_JUDGED = (
    "Every image was answered by models that were trained without its group: its copies, its lesion, its patient. "
    "Early stopping looked at images held out within each fold's training images. Intervals are percentiles of a "
    f"bootstrap over whole groups, {RESAMPLES} resamples, each of them the same for a variant and the baseline; those "
    "of differences draw seeds as well, so that the luck of a training counts. The verdict is at the level that all "
    "comparisons of the table need together (Bonferroni), the intervals in the table are at 95%. An interval holds for "
    "images like these. The best of several is chosen by the figures that are told of it, which flatters it a little. "
    "*Images needed* is about how many images of this kind would tell a difference of this size, by the width of its "
    "interval at the level of the verdict: for a verdict that is there already, about as many as were used, or fewer."
)

_OPTIMISTIC = "optimistic: tuned on these images"


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
        comparison: with the baseline, by balanced accuracy; None for the baseline itself.
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
    texts = {
        "improvements.json": json.dumps(told, indent=2, allow_nan=False) + "\n",
        "report.md": _text(rows, facts, missing),
    }
    for name, text in texts.items():
        with whole_file(target / name) as beside:
            beside.write_text(text, encoding="utf-8", errors="backslashreplace")
    with whole_file(target / "table.csv") as beside, beside.open("w", encoding="utf-8", newline="") as file:
        cells = [_in_figures(row) for row in rows]
        csv.writer(file).writerows([cells[0].keys(), *(one.values() for one in cells)])
    with whole_file(target / "plot.png") as beside:
        compared = [(_named(row), row.comparison) for row in rows if row.comparison is not None]
        under = [as_text(_words(facts[name])) for name in ("data", "judged") if name in facts]
        forest(compared, rows[0].balanced_accuracy, under).savefig(beside, dpi=150)
    return target


def _entry(row: Row) -> dict[str, Any]:
    told = {item.name: getattr(row, item.name) for item in dataclasses.fields(row)}
    told["recipe"] = row.recipe.to_dict()
    told["comparison"] = None if row.comparison is None else dataclasses.asdict(row.comparison)
    told["note"] = _OPTIMISTIC if row.optimistic else None
    if row.test is not None:
        told["test"] = {name: None if score is None else score.to_dict() for name, score in row.test.items()}
    return told


def _in_figures(row: Row) -> dict[str, str]:
    """Returns column -> cell of the table for programs, one figure in each; shares are in percent."""
    compared = row.comparison
    ends = dict.fromkeys(("difference", "difference_low", "difference_high", "adjusted_low", "adjusted_high"), "")
    if compared is not None:
        figures = (compared.difference, *compared.interval, *compared.adjusted)
        ends = {name: _points(figure) for name, figure in zip(ends, figures, strict=True)}
    tested = {name: None if row.test is None else row.test.get(name) for name in NAMES}
    return {
        "variant": _named(row),
        "what": as_text(row.what),
        "balanced_accuracy": _points(row.balanced_accuracy),
        "low": _points(row.interval[0]),
        "high": _points(row.interval[1]),
        **ends,
        "verdict": "baseline" if compared is None else compared.verdict,
        "images_needed": "" if compared is None else str(compared.images_needed or ""),
        "accuracy": _points(row.accuracy),
        "loss": f"{row.loss:.4f}",
        **{
            f"test_{name.replace('.', '_')}": _points(score.balanced_accuracy if score else None)
            for name, score in tested.items()
        },
        "seconds": f"{row.seconds:.1f}",
    }


def _points(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.3f}"


def _named(row: Row) -> str:
    return as_text(row.name) + (f" ({_OPTIMISTIC})" if row.optimistic else "")


def _text(rows: Sequence[Row], facts: Facts, missing: Sequence[str]) -> str:
    lines = ["# What each improvement is worth", "\n".join(f"- {plain(line)}" for line in _conclusions(rows))]
    if missing:
        lines.append(f"> **Not finished:** {plain(', '.join(missing))}. The same command goes on.")
    lines += [
        "![The difference of each variant to the baseline, with its interval](plot.png)",
        "## The table",
        "In cross-validation. Accuracies in percent, differences of balanced accuracy to the baseline in points.",
        table(_HEAD, map(_cells, rows)),
        "\n".join(f"- **{plain(_named(row))}**: {plain(row.what)}" for row in rows),
        "## The shipped test set",
        _test_table([row for row in rows if row.test is not None]),
        "## How it was judged",
        _JUDGED,
        "\n".join(f"- {plain(name)}: {plain(_words(told))}" for name, told in facts.items()),
        "*Not a medical device. The figures hold for images like these, taken and labelled as these were.*",
    ]
    return "\n\n".join(filter(None, lines)) + "\n"


def _words(told: str | Sequence[str]) -> str:
    return told if isinstance(told, str) else "; ".join(map(str, told))


def _conclusions(rows: Sequence[Row]) -> Iterator[str]:
    base, *others = rows
    yield f"The baseline reaches a balanced accuracy of {_ranged(base.balanced_accuracy, base.interval)}."
    compared = [(row, row.comparison) for row in others if row.comparison is not None]
    sure = [pair for pair in compared if pair[1].verdict == BETTER and not pair[0].optimistic]
    if sure:
        best, by = max(sure, key=lambda pair: pair[1].difference)
        yield (
            f"Best of what is better: {as_text(best.name)}, with {_ranged(best.balanced_accuracy, best.interval)}. "
            f"That is {_ranged(by.difference, by.interval, '+')} points more than the baseline, and holds for "
            f"{len(compared)} comparison{'s' * (len(compared) > 1)} at once."
        )
    elif others:
        yield "Of no variant can it be told that it is better."
    for verdict, words in ((BETTER, "Better"), (WORSE, "Worse"), (CANNOT_TELL, "Cannot be told")):
        told = [_in_short(row, one) for row, one in compared if one.verdict == verdict]
        if told:
            yield f"{words}: {'; '.join(told)}."


def _in_short(row: Row, compared: Comparison) -> str:
    told = f"{_named(row)} {100 * compared.difference:+.1f} points"
    if compared.verdict != CANNOT_TELL:
        return told
    needed = compared.images_needed
    return f"{told}, no difference" if needed is None else f"{told}, which about {needed:,} images would tell"


_HEAD = (
    "variant",
    "balanced accuracy [95%]",
    "difference [95%]",
    "by seed",
    "verdict",
    "images needed",
    "accuracy",
    "loss",
    "minutes",
)


def _cells(row: Row) -> list[str]:
    own = [f"{100 * row.accuracy:.1f}", f"{row.loss:.3f}", f"{row.seconds / 60:.1f}"]
    compared, value = row.comparison, _ranged(row.balanced_accuracy, row.interval, unit="")
    if compared is None:
        return [_named(row), value, "", "", "baseline", "", *own]
    needed = "no difference" if compared.images_needed is None else f"{compared.images_needed:,}"
    seeds = ", ".join(f"{100 * one:+.1f}" for one in compared.by_seed)
    difference = _ranged(compared.difference, compared.interval, "+")
    return [_named(row), value, difference, seeds, compared.verdict, needed, *own]


def _ranged(value: float, ends: tuple[float, float], sign: str = "", unit: str = "%") -> str:
    told = ", ".join(f"{100 * end:{sign}.1f}" for end in ends)
    return f"{100 * value:{sign}.1f}{'' if sign else unit} [{told}]"


def _test_table(rows: Sequence[Row]) -> str:
    if not rows:
        return "There is none, or it was not scored."
    head = ("variant", "accuracy, as shipped", "loss, as shipped", *(f"balanced, {words}" for words in NAMES.values()))
    lines = []
    for row in rows:
        told = {name: score.to_dict() for name, score in (row.test or {}).items() if score is not None}
        first = [shown(told["as_shipped"], name) if "as_shipped" in told else "n/a" for name in ("accuracy", "loss")]
        rest = [
            f"{shown(told[name], 'balanced_accuracy')}, n = {told[name]['n']}" if name in told else "n/a"
            for name in NAMES
        ]
        lines.append((_named(row), *first, *rest))
    return f"{_FOR_INFORMATION}\n\n{table(head, lines)}"
