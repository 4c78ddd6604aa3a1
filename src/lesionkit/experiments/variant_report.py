"""A comparison of variants in words and tables, as Markdown and as a page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lesionkit.experiments.differences import differences
from lesionkit.metrics.intervals.comparison import BETTER, CANNOT_TELL, WORSE, Comparison
from lesionkit.metrics.intervals.resampling import RESAMPLES
from lesionkit.metrics.score_table import SCORES
from lesionkit.metrics.three_scores import NAMES, Score
from lesionkit.pages.page import Section, Table, document
from lesionkit.recipe import Recipe
from lesionkit.text import as_markdown, as_text, markdown_table, with_interval

#: The score by which variants are compared.
JUDGED_BY = "balanced_accuracy"

Facts = Mapping[str, str | Sequence[str]]

_FOR_INFORMATION = (
    "For information: one training on all training images, scored once. Nothing was chosen on it, and it is too small "
    "to choose on."
)

_NO_TEST = "There is none, or it was not scored."

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

#: Said of a variant that was tuned on the images that judge.
OPTIMISTIC = "optimistic: tuned on these images"


@dataclass(frozen=True)
class Row:
    """One variant in the table.

    Attributes:
        name: its name.
        what: what it changes, in words.
        recipe: what was trained.
        scores: each of :data:`~lesionkit.metrics.score_table.SCORES` -> mean over the seeds, in cross-validation.
        interval: (low, high) of the balanced accuracy, 95%.
        comparison: with the baseline, by balanced accuracy; None for the baseline itself.
        test: score of the shipped test set -> itself; None where it was not scored.
        seconds: of all trainings of the variant.
        optimistic: whether it was tuned on these images.
    """

    name: str
    what: str
    recipe: Recipe
    scores: Mapping[str, float]
    interval: tuple[float, float]
    comparison: Comparison | None
    test: Mapping[str, Score | None] | None
    seconds: float
    optimistic: bool = False

    @property
    def judged(self) -> str:
        """Its balanced accuracy with its interval, for people."""
        return with_interval(self.scores[JUDGED_BY], self.interval, ".1%", ".1p")


def named(row: Row) -> str:
    """Returns the name of a variant, with what must be known of it."""
    return as_text(row.name) + (f" ({OPTIMISTIC})" if row.optimistic else "")


def markdown_of(rows: Sequence[Row], facts: Facts, missing: Sequence[str]) -> str:
    """Returns the comparison for people, as Markdown."""
    lines = ["# What each improvement is worth", "\n".join(f"- {as_markdown(line)}" for line in _conclusions(rows))]
    if missing:
        lines.append(f"> **Not finished:** {as_markdown(', '.join(missing))}. The same command goes on.")
    lines += [
        "![The difference of each variant to the baseline, with its interval](plot.png)",
        "## The table",
        "In cross-validation. Accuracies in percent, differences of balanced accuracy to the baseline in points.",
        markdown_table(_head(), map(_cells, rows)),
        "\n".join(f"- **{as_markdown(named(row))}**: {as_markdown(row.what)}" for row in rows),
        "## The shipped test set",
        *_test_text([row for row in rows if row.test is not None]),
        "## How it was judged",
        _JUDGED,
        "\n".join(f"- {as_markdown(name)}: {as_markdown(words(told))}" for name, told in facts.items()),
        "*Not a medical device. The figures hold for images like these, taken and labelled as these were.*",
    ]
    return "\n\n".join(filter(None, lines)) + "\n"


def words(told: str | Sequence[str]) -> str:
    """Returns a fact as one text."""
    return told if isinstance(told, str) else "; ".join(map(str, told))


def _conclusions(rows: Sequence[Row]) -> Iterator[str]:
    base, *others = rows
    yield f"The baseline reaches a balanced accuracy of {base.judged}."
    compared = [(row, row.comparison) for row in others if row.comparison is not None]
    sure = [pair for pair in compared if pair[1].verdict == BETTER and not pair[0].optimistic]
    if sure:
        best, by = max(sure, key=lambda pair: pair[1].difference)
        yield (
            f"Best of what is better: {as_text(best.name)}, with {best.judged}. "
            f"That is {with_interval(by.difference, by.interval, '+.1p')} points more than the baseline, and holds for "
            f"{len(compared)} comparison{'s' * (len(compared) > 1)} at once."
        )
    elif others:
        yield "Of no variant can it be told that it is better."
    for verdict, words in ((BETTER, "Better"), (WORSE, "Worse"), (CANNOT_TELL, "Cannot be told")):
        told = [_in_short(row, one) for row, one in compared if one.verdict == verdict]
        if told:
            yield f"{words}: {'; '.join(told)}."


def _in_short(row: Row, compared: Comparison) -> str:
    told = f"{named(row)} {100 * compared.difference:+.1f} points"
    if compared.verdict != CANNOT_TELL:
        return told
    needed = compared.images_needed
    return f"{told}, no difference" if needed is None else f"{told}, which about {needed:,} images would tell"


def _head() -> list[str]:
    others = [kind.label for name, kind in SCORES.items() if name != JUDGED_BY]
    compared = ["difference [95%]", "by seed", "verdict", "images needed"]
    return ["variant", f"{SCORES[JUDGED_BY].label} [95%]", *compared, *others, "minutes"]


def _cells(row: Row) -> list[str]:
    others = {kind: row.scores[name] for name, kind in SCORES.items() if name != JUDGED_BY}
    own = [with_interval(value, kind=".1p" if kind.share else ".3f") for kind, value in others.items()]
    own.append(f"{row.seconds / 60:.1f}")
    compared, value = row.comparison, with_interval(row.scores[JUDGED_BY], row.interval, ".1p")
    if compared is None:
        return [named(row), value, "", "", "baseline", "", *own]
    needed = "no difference" if compared.images_needed is None else f"{compared.images_needed:,}"
    seeds = ", ".join(f"{100 * one:+.1f}" for one in compared.by_seed)
    difference = with_interval(compared.difference, compared.interval, "+.1p")
    return [named(row), value, difference, seeds, compared.verdict, needed, *own]


def _test_text(rows: Sequence[Row]) -> Iterator[str]:
    found = _test_table(rows)
    if found is None:
        yield _NO_TEST
    else:
        yield _FOR_INFORMATION
        yield markdown_table(found.head, found.rows)


def _test_table(rows: Sequence[Row]) -> Table | None:
    if not rows:
        return None
    head = ("variant", "accuracy, as shipped", "loss, as shipped", *(f"balanced, {words}" for words in NAMES.values()))
    lines = []
    for row in rows:
        scores = {name: score for name, score in (row.test or {}).items() if score is not None}
        first = [scores["as_shipped"].shown(name) if "as_shipped" in scores else "n/a" for name in ("accuracy", "loss")]
        rest = [f"{scores[name].shown(JUDGED_BY)}, n = {scores[name].n}" if name in scores else "n/a" for name in NAMES]
        lines.append((named(row), *first, *rest))
    return Table("The shipped test set", head, lines)


def page_of(rows: Sequence[Row], facts: Facts, missing: Sequence[str]) -> str:
    """Returns the same as an HTML page."""
    compared = [(named(row), row.comparison) for row in rows if row.comparison is not None]
    tested = _test_table([row for row in rows if row.test is not None])
    lede = [*_conclusions(rows), *([f"Not finished: {', '.join(missing)}."] if missing else [])]
    how = "Accuracies in percent, differences of balanced accuracy to the baseline in points."
    return document(
        "What each improvement is worth",
        lede,
        [
            Section(
                "In cross-validation",
                [how],
                differences(compared, name="differences") if compared else None,
                table=Table("The variants", _head(), [_cells(row) for row in rows]),
                items=[f"{named(row)}: {row.what}" for row in rows],
            ),
            Section("The shipped test set", [_NO_TEST if tested is None else _FOR_INFORMATION], table=tested),
            Section(
                "How it was judged",
                [_JUDGED.replace("*", "")],
                items=[f"{name}: {words(told)}" for name, told in facts.items()],
            ),
        ],
    )
