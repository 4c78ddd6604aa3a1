"""Reports: what they tell, names of any kind in them, files that are complete or absent."""

import dataclasses
import errno
import json
import math
import re
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lesionkit import reports
from lesionkit.data.records import Skipped
from lesionkit.data.relation import Relation
from lesionkit.data.summary import DataSummary
from lesionkit.errors import OptionError, StorageError
from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.metrics.score_table import SCORES
from lesionkit.recipe import Part, documented_baseline
from lesionkit.training.run import TrainingRun

SCRIPT = "<script>alert(1)</script>"
PICTURE = '"><img src=x onerror=1>.jpg'
ALL = ("report.json", "report.md", "plots.png", "plots.svg")
HISTORY = {
    "accuracy": (0.4, 0.6, 0.9),
    "loss": (1.5, 1.0, 0.3),
    "val_accuracy": (0.4, 0.5, 0.45),
    "val_loss": (1.4, 1.2, 1.9),
}


def made(names=("melanoma", "nevus", "vascular lesion"), *, n=12, history=HISTORY, skipped=(), recipe=None, **options):
    """An evaluation of ``n`` images and the run before it."""
    random = np.random.default_rng(0)
    labels = np.arange(n) % len(names)
    probabilities = random.dirichlet(np.ones(len(names)), n)
    summaries = [
        DataSummary("lesions", tuple(names), {split: dict.fromkeys(names, count)}, split * 8, tuple(skipped))
        for split, count in (("train", 5), ("test", n // len(names)))
    ]
    run = TrainingRun(
        recipe or documented_baseline(),
        history,
        summaries[0],
        {"features_s": 1.5, "fit_s": 2.5, "images_per_s": 10.0},
        {"extracted": 4, "reused": 11},
    )
    sources, ids = ([f"{stem}{i}" for i in range(n)] for stem in ("Test/", "ISIC_"))
    timing = {**run.timing, "total_s": 5.0}
    settings = {"run": run, "data": summaries[1], "timing": timing} | options
    return Evaluation(tuple(names), probabilities, labels, tuple(sources), tuple(ids), **settings)


def bare(evaluation):
    return dataclasses.replace(evaluation, run=None, data=None, timing={})


def write(evaluation, path):
    family = {".json": "json", ".md": "markdown"}.get(path.suffix, "plots")
    return reports.get(family)(evaluation, path)


def told(evaluation, folder):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = write(evaluation, folder / "report.json").read_text(encoding="utf-8")
    return json.loads(text, parse_constant=refuse)


def text(evaluation, folder):
    return write(evaluation, folder / "report.md").read_text(encoding="utf-8")


def tables(markdown):
    """Runs of table lines, each line as its cells (an escaped bar is no border)."""
    found = [[]]
    for line in markdown.splitlines():
        if line.startswith("| "):
            found[-1].append(re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def section(markdown, title):
    return markdown.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_json_has_every_documented_entry(tmp_path):
    evaluation = made(skipped=[Skipped("Train/x.jpg", "is empty")], substitutions=("A for B.",))
    found = told(evaluation, tmp_path)
    assert set(found) == {
        "schema_version", "recipe", "data", "environment", "history", "test", "scores", "overfitting", "documented",
        "substitutions", "timing", "shortcut", "patch", "verdict", "references", "classes", "malignancy", "curves",
        "calibration", "operating_point", "selective", "conformal", "stress", "pictures", "command", "hashes",
    }  # fmt: skip
    assert found["schema_version"] == 1
    assert found["recipe"] == json.loads(documented_baseline().to_json())
    names = list(evaluation.class_names)
    data = found["data"]
    assert data["class_names"] == names
    assert data["counts"] == {"train": dict.fromkeys(names, 5), "test": dict.fromkeys(names, 4)}
    assert data["fingerprint"] == {"train": "train" * 8, "test": "test" * 8}
    assert data["skipped"] == [{"path": "Train/x.jpg", "reason": "is empty"}]
    assert {"python", "keras", "tensorflow", "lesionkit"} <= set(found["environment"])
    assert found["history"] == {name: list(values) for name, values in HISTORY.items()}
    scores = {name: kind(evaluation.labels, evaluation.probabilities) for name, kind in SCORES.items()} | {"n": 12}
    assert all(scores[name] == getattr(evaluation, name) for name in ("accuracy", "loss", "balanced_accuracy"))
    assert {name: found["test"][name] for name in scores} == scores
    assert found["test"]["per_class"] == evaluation.per_class
    assert found["test"]["confusion_matrix"] == evaluation.confusion_matrix.tolist()
    shipped = found["scores"]["as_shipped"]
    assert {name: shipped[name] for name in scores} == scores
    assert set(shipped) == {*scores, "intervals", "groups", "classes", "empty_classes", "reason"}
    for later in ("deduplicated", "lesion_clean"):
        assert found["scores"][later] is None
        assert found["scores"]["not_computed"][later]
    assert (found["shortcut"], found["patch"]) == (None, None)
    assert found["overfitting"]["gap"] == pytest.approx([0, 0.1, 0.45])
    assert found["overfitting"]["best_epoch"] == 2
    assert "overfits" in found["overfitting"]["diagnosis"]
    assert (found["documented"]["accuracy"], found["documented"]["loss"]) == (0.4661, 2.8345)
    assert found["substitutions"] == ["A for B."]
    figures = {"features_s": 1.5, "fit_s": 2.5, "total_s": 5.0, "images_per_s": 10.0}
    assert {name: found["timing"][name] for name in figures} == figures


def test_differences_from_the_documented_recipe_are_named(tmp_path):
    same_data = {"history": HISTORY, "n": 118}
    assert any("15 training" in line and "2239" in line for line in told(made(), tmp_path)["documented"]["differences"])
    recipe = dataclasses.replace(documented_baseline(), preprocessor=Part("native"), image_size=(64, 96))
    differences = told(made(recipe=recipe, **same_data), tmp_path)["documented"]["differences"]
    assert any(line.startswith("preprocessor: native instead of unit_range") for line in differences)
    assert any(line.startswith("image_size: 64 x 96 instead of 128 x 128") for line in differences)
    shown = section(text(made(recipe=recipe), tmp_path), "Beside the documented baseline")
    assert "preprocessor: native instead of unit\\_range" in shown


def test_the_documented_run_on_the_documented_data_differs_in_nothing(tmp_path):
    evaluation = made(n=118)
    counts = {"train": {"melanoma": 2239, "nevus": 0, "vascular lesion": 0}}
    run = dataclasses.replace(evaluation.run, data=dataclasses.replace(evaluation.run.data, counts=counts))
    assert told(dataclasses.replace(evaluation, run=run), tmp_path)["documented"]["differences"] == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_run_that_diverged_is_still_valid_json(tmp_path, value):
    history = {**HISTORY, "loss": (1.0, value, value), "val_loss": (value, 1.5, value)}
    found = told(made(history=history), tmp_path)
    assert found["history"]["loss"] == [1.0, None, None]
    assert found["overfitting"]["best_epoch"] == 2
    assert "n/a" in section(text(made(history=history), tmp_path), "Overfitting")


def test_reports_without_a_run_say_what_is_not_known(tmp_path):
    evaluation = bare(made())
    found = told(evaluation, tmp_path)
    assert (found["recipe"], found["history"], found["overfitting"]) == (None, None, None)
    assert found["test"]["accuracy"] == evaluation.accuracy
    assert "How the model was trained is not known." in text(evaluation, tmp_path)


def test_markdown_tells_the_scores_beside_the_documented_ones(tmp_path):
    evaluation = made()
    shown = text(evaluation, tmp_path)
    scores = section(shown, "Scores")
    (shipped,) = tables(scores)[0][2:]
    figures = (evaluation.accuracy, evaluation.balanced_accuracy, evaluation.loss)
    assert [cell.split()[0] for cell in shipped[2:5]] == [f"{figures[0]:.2%}", f"{figures[1]:.2%}", f"{figures[2]:.4f}"]
    assert shipped[:2] == [" as shipped ", " 12 "]
    assert re.search(r"deduplicated: not computed, \w+", scores)
    assert re.search(r"lesion-clean: not computed, \w+", scores)
    beside = section(shown, "Beside the documented baseline")
    assert f"| accuracy | 46.61% | {evaluation.accuracy:.2%} |" in beside
    assert f"| loss | 2.8345 | {evaluation.loss:.4f} |" in beside
    assert "Not a medical device" in shown


def test_markdown_names_the_overfitting(tmp_path):
    shown = section(text(made(), tmp_path), "Overfitting")
    assert "a gap of 45.0 points" in shown
    assert "least in epoch 2 (1.2000) and 1.9000 after the last" in shown
    assert "the run overfits" in shown
    assert "| 3 | 0.9000 | 0.3000 | 0.4500 | 1.9000 |" in shown


def test_no_overfitting_is_claimed_where_there_is_none(tmp_path):
    history = {"accuracy": (0.4, 0.5), "loss": (2.0, 1.0), "val_accuracy": (0.4, 0.5), "val_loss": (2.0, 1.1)}
    shown = section(text(made(history=history), tmp_path), "Overfitting")
    assert "does not overfit" in shown
    assert "least in the last epoch" in shown


def test_without_validation_images_overfitting_cannot_be_told(tmp_path):
    evaluation = made(history={name: HISTORY[name] for name in ("accuracy", "loss")})
    found = told(evaluation, tmp_path)["overfitting"]
    assert (found["gap"], found["best_epoch"]) == (None, None)
    assert "Cannot be told" in section(text(evaluation, tmp_path), "Overfitting")
    assert write(evaluation, tmp_path / "plots.png").stat().st_size


def test_a_class_without_images_is_told_as_such(tmp_path):
    evaluation = made(("a", "b", "c"), n=2)
    assert told(evaluation, tmp_path)["test"]["per_class"]["c"]["recall"] is None
    (row,) = [row for row in tables(section(text(evaluation, tmp_path), "Test images by class"))[0] if row[0] == " c "]
    assert row[1:2] + row[3:4] == [" 0 ", " n/a "]


def test_skipped_files_are_listed(tmp_path):
    skipped = [Skipped("Train/a b.jpg", "is empty"), Skipped("Test/c.jpg", "truncated")]
    shown = section(text(made(skipped=skipped), tmp_path), "Data")
    assert "could not be read (2)" in shown
    assert "- Train/a b.jpg: is empty" in shown
    assert "- Test/c.jpg: truncated" in shown


def test_a_substitution_stands_at_the_very_top(tmp_path):
    evaluation = made(substitutions=("ResNet50 cannot be had: another network <b>here</b>.",))
    lines = [line for line in text(evaluation, tmp_path).splitlines() if line]
    assert lines[0].startswith("# ")
    assert lines[1].startswith(">")
    assert "ResNet50 cannot be had: another network &lt;b&gt;here" in lines[1]
    assert not any(line.startswith(">") for line in text(made(), tmp_path).splitlines())


def test_names_are_never_markup(tmp_path):
    skipped = [Skipped(PICTURE, f"damaged {SCRIPT}")]
    evaluation = made((SCRIPT, "nevus", "b"), skipped=skipped)
    shown = text(evaluation, tmp_path)
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert '"&gt;&lt;img src=x onerror=1&gt;.jpg' in shown
    found = told(evaluation, tmp_path)
    assert found["data"]["class_names"][0] == SCRIPT
    assert found["data"]["skipped"][0]["path"] == PICTURE


AWKWARD = ("a|b", "`code`", "**bold**", "[link](x)", "back\\slash", "back\\|bar", "end\\", "new\nline", "$x$", "é")


def test_awkward_class_names_do_not_break_tables(tmp_path):
    shown = text(made(AWKWARD, n=20), tmp_path)
    found = tables(shown)
    widths = [{len(row) for row in table} for table in found]
    assert all(len(width) == 1 for width in widths)
    assert {len(AWKWARD) + 1} in widths
    for name in ("a\\|b", "\\`code\\`", "\\*\\*bold\\*\\*", "\\[link\\](x)", "\\$x\\$", "é"):
        assert f"| {name} |" in shown


def test_names_that_are_not_utf8_are_escaped(tmp_path):
    name, file = "caf\udce9", "/data/\udcff.h5"
    recipe = dataclasses.replace(documented_baseline(), backbone=Part("resnet50", weights=file))
    evaluation = made((name, "nevus"), skipped=[Skipped(file, "is empty")], recipe=recipe)
    found = told(evaluation, tmp_path)
    assert found["data"]["class_names"] == ["caf\\udce9", "nevus"]
    assert found["data"]["skipped"][0]["path"] == "/data/\\udcff.h5"
    assert found["recipe"]["backbone"]["options"]["weights"] == file
    assert "caf\\\\udce9" in text(evaluation, tmp_path)
    write(evaluation, tmp_path / "plots.svg")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".PNG"])
@pytest.mark.parametrize(
    "evaluation",
    [
        made(),
        bare(made()),
        made(("a", "b"), substitutions=("A stands in for B, $as$ <it> must & will.",)),
        bare(made(("a", "b"), substitutions=("A stands in for B.",))),
        made([f"class {place}" for place in range(40)], n=80),
        made((SCRIPT, "$x$", "$\\unknown{$", "a_b^c", "& -- >", "new\nline")),
    ],
    ids=["run", "no run", "two classes", "two classes, no run", "40 classes", "odd names"],
)
def test_plots_open(evaluation, suffix, tmp_path):
    path = tmp_path / f"plots{suffix}"
    assert write(evaluation, path) == path
    if suffix == ".svg":
        assert xml.etree.ElementTree.parse(path).getroot().tag.endswith("svg")
    else:
        with Image.open(path) as image:
            image.load()
            assert image.format == "PNG"
            assert min(image.size) > 300


def test_plots_show_the_substitution(tmp_path):
    plain = write(made(), tmp_path / "plain.svg").read_text()
    marked = write(made(substitutions=("A stands in for B.",)), tmp_path / "marked.svg").read_text()
    assert "A stands in for B." in marked
    assert "A stands in for B." not in plain


@pytest.mark.parametrize("name", ["plots.bmp", "plots", "plots.png.txt"])
def test_plots_in_another_format_are_refused(name, tmp_path):
    with pytest.raises(OptionError, match=r"\.svg"):
        reports.get("plots")(made(), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("earlier", [None, "earlier"])
@pytest.mark.parametrize("name", ALL)
def test_a_report_is_complete_or_as_it_was(name, earlier, tmp_path, monkeypatch):
    path = tmp_path / name
    if earlier:
        path.write_text(earlier)
    read = path.read_text if earlier else lambda: None

    def half_text(self, text, **options):
        with self.open("w") as file:
            file.write(text[: len(text) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    def half_figure(self, target, **options):
        half_text(Path(target), "half of a picture")

    monkeypatch.setattr(Path, "write_text", half_text)
    monkeypatch.setattr(Figure, "savefig", half_figure)
    with pytest.raises(StorageError, match="disk is full"):
        write(made(), path)
    assert [entry.name for entry in tmp_path.iterdir()] == ([name] if earlier else [])
    assert read() == earlier


@pytest.mark.parametrize("name", ALL)
def test_a_report_makes_its_folder(name, tmp_path):
    assert write(made(), tmp_path / "a" / "b" / name).is_file()


def test_reports_know_no_other_name():
    assert reports.names() == ["html", "json", "markdown", "model_card", "plots", "submission"]


def related(**options):
    """An evaluation of 12 images of which 2 are copies, 2 show a lesion and 1 a patient of training; 3 unknown."""
    kind = np.array(["copy"] * 2 + ["lesion"] * 2 + ["patient"] + ["clean"] * 7, dtype=object)
    relation = Relation(kind, np.arange(12), np.arange(12) >= 9, {}, ("2 of 12 test images are copies, in <words>.",))
    return made(relation=relation, **options)


def test_json_tells_all_scores(tmp_path):
    evaluation = related()
    found = told(evaluation, tmp_path)["scores"]
    assert [found[name]["n"] for name in ("as_shipped", "deduplicated", "lesion_clean")] == [12, 10, 7]
    assert found["lesion_clean"]["known_only"]["n"] == 4
    assert found["not_computed"] == {}
    assert found["relation"] == {"copy": 2, "lesion": 2, "patient": 1, "clean": 7, "unknown_lesion": 3}
    for name in ("accuracy", "balanced_accuracy", "loss"):
        low, high = found["deduplicated"]["intervals"][name]
        assert low <= found["deduplicated"][name] <= high


def test_markdown_tells_all_scores_with_their_intervals(tmp_path):
    evaluation = related()
    shown = text(evaluation, tmp_path)
    rows = tables(section(shown, "Scores"))[0][2:]
    assert [row[0].strip() for row in rows] == [
        "as shipped", "deduplicated", "lesion-clean", "lesion-clean, known lesions only"
    ]  # fmt: skip
    assert [row[1].strip() for row in rows] == ["12", "10", "7", "4"]
    clean = evaluation.scores["lesion_clean"]
    low, high = clean.intervals["accuracy"]
    assert rows[2][2].strip() == f"{clean.accuracy:.2%} \\[{low:.1%}, {high:.1%}\\]"
    assert "over 3 classes" in rows[2][3]
    assert "- 2 of 12 test images are copies, in &lt;words&gt;." in shown
    assert "whole groups" in section(shown, "Scores")
    beside = tables(section(shown, "Beside the documented baseline"))[0]
    assert beside[2][2:] == [f" {one.accuracy:.2%} " for one in evaluation.scores.values()]


def test_classes_that_have_no_image_left_are_named(tmp_path):
    relation = dataclasses.replace(related().relation, kind=np.array(["clean", "copy", "copy"] * 4, dtype=object))
    evaluation = made(relation=relation)
    assert told(evaluation, tmp_path)["scores"]["deduplicated"]["empty_classes"] == ["nevus", "vascular lesion"]
    shown = section(text(evaluation, tmp_path), "Scores")
    assert "- deduplicated: no image is left of nevus, vascular lesion." in shown
    assert "over 1 class " in shown


def test_a_score_of_no_images_is_told_as_such(tmp_path):
    relation = dataclasses.replace(related().relation, kind=np.array(["copy"] * 12, dtype=object))
    evaluation = made(relation=relation)
    found = told(evaluation, tmp_path)["scores"]["deduplicated"]
    assert (found["n"], found["accuracy"], found["intervals"]) == (0, None, None)
    shown = section(text(evaluation, tmp_path), "Scores")
    assert "- deduplicated: every test image has a copy in training." in shown
    assert "nan" not in shown
    assert write(evaluation, tmp_path / "plots.svg").stat().st_size


def test_reports_tell_what_the_classifier_adds_over_no_lesion(tmp_path):
    shortcut = np.eye(3)[np.arange(12) % 2]
    evaluation = related(shortcut=shortcut)
    found = told(evaluation, tmp_path)["shortcut"]
    assert found["n"] == 12
    assert found["gain"]["accuracy"] == pytest.approx(evaluation.accuracy - found["accuracy"])
    assert set(found["gain"]["intervals"]) == set(SCORES) - {"loss"}
    shown = section(text(evaluation, tmp_path), "Scores")
    assert f"A model that sees no lesion reaches accuracy {found['accuracy']:.2%}" in shown
    assert f"{100 * found['gain']['accuracy']:+.2f} \\[" in shown
    assert "sees no lesion" not in text(related(), tmp_path)


def test_reports_tell_which_patch_was_applied(tmp_path):
    patch = {"file": "labels<1>.csv", "sha256": "f" * 64, "remove": 3}
    evaluation = made(patch=patch)
    assert told(evaluation, tmp_path)["patch"] == patch
    (line,) = [line for line in text(evaluation, tmp_path).splitlines() if line.startswith(">")]
    assert "label patch" in line
    assert "labels&lt;1&gt;.csv" in line
    assert "f" * 64 in line
    assert "remove 3" in line
    assert "label patch" in write(evaluation, tmp_path / "plots.svg").read_text()


def test_plots_tell_all_scores(tmp_path):
    drawn = write(related(), tmp_path / "plots.svg").read_text()
    for name in ("as shipped", "deduplicated", "lesion-clean"):
        assert f"{name}: n = " in drawn
    assert "deduplicated: not computed" in write(made(), tmp_path / "plots.svg").read_text()
