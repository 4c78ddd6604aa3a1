"""The files of a comparison: what they tell, names of any kind in them, files that are complete or absent."""

import csv
import errno
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lesionkit.errors import StorageError
from lesionkit.experiments.variant_files import FILES, write_improvements
from lesionkit.experiments.variant_report import Row
from lesionkit.metrics import three_scores
from lesionkit.metrics.intervals.comparison import BETTER, CANNOT_TELL, WORSE, Comparison
from lesionkit.metrics.score_table import SCORES
from lesionkit.recipe import Recipe

OPTIMISTIC = "optimistic: tuned on these images"
AWKWARD = "<b>x</b> | `a` $y$ *z* caf\udce9\nend"


def compared(difference, half=0.02, needed=1200):
    wide = (difference - 1.5 * half, difference + 1.5 * half)
    verdict = BETTER if wide[0] > 0 else WORSE if wide[1] < 0 else CANNOT_TELL
    ends = (difference - half, difference + half)
    seeds = (difference - 0.01, difference + 0.01)
    return Comparison("balanced_accuracy", 0.4, 0.4 + difference, difference, ends, wide, verdict, needed, seeds)


def row(name, difference=None, *, needed=1200, **options):
    value = 0.4 + (difference or 0)
    comparison = None if difference is None else compared(difference, needed=needed)
    settings = {"test": None, "seconds": 90.0} | options
    scores = dict.fromkeys(SCORES, 0.7) | {"accuracy": 0.5, "balanced_accuracy": value, "loss": 1.2}
    return Row(name, f"what {name} is", Recipe(), scores, (value - 0.02, value + 0.02), comparison, **settings)


ROWS = (row("base"), row("good", 0.05), row("bad", -0.06), row("open", 0.01), row("top", 0.08, optimistic=True))


def texts(rows, folder, facts=None, missing=()):
    """Writes, and returns (report, JSON, table) read back."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    assert write_improvements(rows, folder, facts=facts or {}, missing=missing) == folder
    report = (folder / "report.md").read_text(encoding="utf-8")
    told = json.loads((folder / "improvements.json").read_text(encoding="utf-8"), parse_constant=refuse)
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        return report, told, list(csv.DictReader(file))


def conclusions(report):
    return report.split("\n\n")[1].splitlines()


def test_its_files_and_no_others(tmp_path):
    write_improvements(ROWS, tmp_path / "a" / "b", facts={})
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == sorted(FILES)


def test_the_report_opens_with_the_best_and_how_sure_it_is(tmp_path):
    base, best, *rest = conclusions(texts(ROWS, tmp_path)[0])
    assert "40.0% \\[38.0, 42.0\\]" in base
    assert "good, with 45.0%" in best  # not what was tuned on these images
    assert "+5.0 \\[+3.0, +7.0\\] points" in best
    assert "4 comparisons at once" in best
    assert rest[0] == f"- Better: good +5.0 points; top ({OPTIMISTIC}) +8.0 points."
    assert rest[1] == "- Worse: bad -6.0 points."
    assert rest[2] == "- Cannot be told: open +1.0 points, which about 1,200 images would tell."


@pytest.mark.parametrize("others", [[row("open", 0.01)], [row("top", 0.08, optimistic=True)]])
def test_where_nothing_is_better_none_is_called_best(others, tmp_path):
    shown = texts([ROWS[0], *others], tmp_path)[0]
    assert "Of no variant can it be told that it is better." in shown
    assert "Best of" not in shown


def test_no_difference_asks_for_no_number_of_images(tmp_path):
    shown, told, table = texts([ROWS[0], row("same", 0.0, needed=None)], tmp_path)
    assert "same +0.0 points, no difference." in shown
    assert told["variants"][1]["comparison"]["images_needed"] is None
    assert table[1]["images_needed"] == ""


def test_the_table_has_one_figure_in_each_cell(tmp_path):
    table = texts(ROWS, tmp_path)[2]
    assert [line["variant"] for line in table] == ["base", "good", "bad", "open", f"top ({OPTIMISTIC})"]
    assert [line["verdict"] for line in table] == ["baseline", BETTER, WORSE, CANNOT_TELL, BETTER]
    wanted = {"balanced_accuracy": 45, "low": 43, "high": 47, "accuracy": 50, "loss": 1.2, "seconds": 90}
    wanted |= {"difference": 5, "difference_low": 3, "difference_high": 7, "adjusted_low": 2, "adjusted_high": 8}
    assert {name: float(table[1][name]) for name in wanted} == pytest.approx(wanted)
    assert table[0]["difference"] == table[0]["adjusted_low"] == ""


def test_json_holds_every_row_whole(tmp_path):
    told = texts(ROWS, tmp_path, {"data": "made up", "cut": ["a fold", "a seed"]}, ["later"])[1]
    assert told["schema_version"] == 1
    assert told["facts"] == {"data": "made up", "cut": ["a fold", "a seed"]}
    assert told["not_finished"] == ["later"]
    assert {"python", "keras", "lesionkit"} <= set(told["environment"])
    for one, entry in zip(ROWS, told["variants"], strict=True):
        assert (entry["name"], entry["balanced_accuracy"], entry["optimistic"]) == (
            one.name,
            one.scores["balanced_accuracy"],
            one.optimistic,
        )
        assert Recipe.from_dict(entry["recipe"]) == one.recipe
    assert told["variants"][0]["comparison"] is None
    assert told["variants"][1]["comparison"]["adjusted"] == pytest.approx([0.02, 0.08])


def test_what_was_tuned_on_these_images_is_marked_in_every_file(tmp_path, monkeypatch):
    drawn = watched(monkeypatch)
    report, told, table = texts(ROWS, tmp_path)
    assert [line for line in report.splitlines() if line.startswith(f"| top ({OPTIMISTIC}) |")]
    assert [entry["note"] for entry in told["variants"]] == [None] * 4 + [OPTIMISTIC]
    assert [OPTIMISTIC in line["variant"] for line in table] == [False] * 4 + [True]
    labels = [label.get_text().replace("\n", " ") for label in drawn[0].axes[0].get_yticklabels()]
    assert labels == ["good", "bad", "open", f"top ({OPTIMISTIC})"]


def test_the_shipped_test_stands_apart_as_information(tmp_path):
    random = np.random.default_rng(0)
    labels, names = random.integers(3, size=40), ("a", "b", "c")
    scored = three_scores.score(labels, random.dirichlet(np.ones(3), 40), names, np.arange(40))
    nothing = three_scores.score(labels[:0], np.zeros((0, 3)), names, np.arange(0), "no image is left")
    test = {"as_shipped": scored, "deduplicated": scored, "lesion_clean": nothing, "lesion_clean.known_only": None}
    report, told, table = texts([row("base", test=test), row("good", 0.05)], tmp_path)
    section = report.split("## The shipped test set\n")[1].split("\n## ")[0]
    assert "Nothing was chosen on it" in section
    assert f"{scored.balanced_accuracy:.2%}" in section
    assert "n/a, n = 0" in section
    assert "good" not in section
    assert told["variants"][0]["test"]["as_shipped"]["n"] == 40
    assert told["variants"][0]["test"]["lesion_clean.known_only"] is None
    assert told["variants"][1]["test"] is None
    assert float(table[0]["test_as_shipped"]) == pytest.approx(100 * scored.balanced_accuracy, abs=1e-3)
    assert table[0]["test_lesion_clean"] == table[1]["test_as_shipped"] == ""


def test_facts_and_what_is_not_finished_are_told(tmp_path):
    facts = {"groups": "900 of images", "cut": ["ResNet50: no weights", "two seeds"], "sum|mary": "*all*"}
    shown = texts(ROWS, tmp_path, facts, ["later", "last"])[0]
    assert "- groups: 900 of images" in shown
    assert "- cut: ResNet50: no weights; two seeds" in shown
    assert "- sum\\|mary: \\*all\\*" in shown
    assert "**Not finished:** later, last." in shown
    assert "Not finished" not in texts(ROWS, tmp_path)[0]


def test_names_are_never_markup(tmp_path):
    rows = [row(AWKWARD), row(AWKWARD, 0.05, optimistic=True)]
    report, told, table = texts(rows, tmp_path, {"data": AWKWARD, "judged": AWKWARD}, [AWKWARD])
    assert "<b>" not in report
    lines = [re.split(r"(?<!\\)\|", line) for line in report.splitlines() if line.startswith("| ")]
    assert {len(cells) for cells in lines} == {8 + len(SCORES)}
    assert len(lines) == 4
    assert table[0]["variant"] == "<b>x</b> | `a` $y$ *z* caf\\udce9\\nend"
    assert told["variants"][0]["name"] == AWKWARD


def watched(monkeypatch):
    """Returns a list that the figures that are saved will be in."""
    drawn, save = [], Figure.savefig

    def saved(self, target, **options):
        drawn.extend([self] if isinstance(target, Path) else [])  # what goes into the page is no file of its own
        save(self, target, **options)

    monkeypatch.setattr(Figure, "savefig", saved)
    return drawn


def test_the_plot_shows_each_difference_with_both_intervals(tmp_path, monkeypatch):
    drawn = watched(monkeypatch)
    write_improvements(ROWS, tmp_path, facts={"data": "made-up lesions"})
    axis = drawn[0].axes[0]
    lines = [tuple(np.round(np.atleast_1d(line.get_xdata()), 6)) for line in axis.get_lines()]
    for one in (line.comparison for line in ROWS[1:]):
        for wanted in (one.interval, one.adjusted, one.by_seed, (one.difference,)):
            assert tuple(np.round(100 * np.array(wanted), 6)) in lines
    assert [text.get_text() for text in axis.texts] == [
        "+5.0  better",
        "-6.0  worse",
        "+1.0  cannot tell",
        "+8.0  better",
    ]
    assert axis.get_title() == "made-up lesions"
    assert axis.yaxis_inverted()  # in the order of the table


@pytest.mark.parametrize("count", [1, 2, 14])
def test_plots_open(count, tmp_path):
    write_improvements([row("base"), *(row(f"v{i} " * 20, i / 100) for i in range(1, count))], tmp_path, facts={})
    with Image.open(tmp_path / "plot.png") as image:
        image.load()
        assert min(image.size) > 300


@pytest.mark.parametrize("earlier", [None, "earlier"])
def test_files_are_complete_or_as_they_were(earlier, tmp_path, monkeypatch):
    if earlier:
        for name in FILES:
            (tmp_path / name).write_text(earlier)

    save = Figure.savefig

    def half(self, target, **options):
        if not isinstance(target, Path):
            return save(self, target, **options)
        target.write_bytes(b"half of a picture")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(StorageError, match="disk is full"):
        write_improvements(ROWS, tmp_path, facts={})
    assert (tmp_path / "plot.png").exists() == bool(earlier)
    assert not earlier or (tmp_path / "plot.png").read_text() == earlier
    assert {path.name for path in tmp_path.iterdir()} <= set(FILES)
