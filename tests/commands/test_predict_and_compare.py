"""lesionkit predict and lesionkit compare, from the command line to the files, and the examples of both."""

import csv
import importlib
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lesionkit as lk
from lesionkit import backbones
from lesionkit.commands import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def around(tiny):
    levels = {name: logging.getLogger(name).level for name in ("lesionkit", "tensorflow")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones._registry._registered, "tiny", tiny)
        yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="module")
def runs(folder, tmp_path_factory):
    """Two runs that differ in the image size, and the records that they are of."""
    root = tmp_path_factory.mktemp("runs")
    records = lk.datasets.get("isic_folder")(folder)
    for name, side in (("a", 16), ("b", 12)):
        recipe = lk.Recipe(
            backbone=lk.Part("tiny", weights=None), image_size=(side, side), trainer=lk.Part("Frozen", epochs=1)
        )
        lk.run_recipe(recipe, records, root / name, stress=0)
    return root / "a", root / "b"


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs a command in a new folder; returns (exit status, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def run(name, *options):
        status = main([name, *map(str, options)])
        return status, *capsys.readouterr()

    return run


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_answers_are_those_of_the_run_in_the_same_columns(command, runs, folder, tmp_path):
    status, out, err = command("predict", "--model", runs[0], folder / "Test", "--output", "answers.csv")
    assert status == 0, err
    assert out.startswith("9 images: ")
    ours, theirs = rows("answers.csv"), rows(runs[0] / "predictions.csv")
    assert list(ours[0]) == list(theirs[0])
    assert {row["label"] for row in ours} == {""}
    by_path = {row["path"]: row for row in theirs}
    for row in ours:
        wanted = by_path[row["path"]]
        assert (row["image_id"], row["predicted"]) == (wanted["image_id"], wanted["predicted"])
        assert float(row["confidence"]) == pytest.approx(float(wanted["confidence"]), abs=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.csv"]


def test_a_picture_for_each_answer_shows_the_image_and_the_map(command, runs, folder):
    files = sorted((folder / "Test" / "red").iterdir())
    status, out, err = command("predict", "--model", runs[0], *files, "--explain")
    assert status == 0, err
    assert "pictures: predictions_explained" in out
    found = sorted(Path("predictions_explained").iterdir())
    assert [path.name for path in found] == [f"{n}_{path.stem}.png" for n, path in enumerate(files, 1)]
    for path, file in zip(found, files, strict=True):
        pixels, image = np.asarray(Image.open(path)), np.asarray(Image.open(file))
        assert pixels.shape == (16, 32, 3)
        assert np.array_equal(pixels[:, :16], image)


def test_pictures_take_the_place_of_earlier_ones_and_of_nothing_else(command, runs, folder):
    files = sorted((folder / "Test" / "red").iterdir())
    for given in (files, files[1:2]):
        assert command("predict", "--model", runs[0], *given, "--explain")[0] == 0
    assert [path.name for path in Path("predictions_explained").iterdir()] == [f"1_{files[1].stem}.png"]
    Path("predictions_explained", "notes.txt").write_text("mine")
    status, _, err = command("predict", "--model", runs[0], *files, "--explain")
    assert status == 2
    assert "notes.txt" in err


def test_calibrated_answers_keep_the_class(command, runs, folder):
    for name, options in (("raw", ()), ("calibrated", ("--calibrated",))):
        assert command("predict", "--model", runs[0], folder / "Test", "--output", f"{name}.csv", *options)[0] == 0
    raw, calibrated = rows("raw.csv"), rows("calibrated.csv")
    assert [row["predicted"] for row in raw] == [row["predicted"] for row in calibrated]
    assert [row["confidence"] for row in raw] != [row["confidence"] for row in calibrated]


def test_files_that_are_no_images_stop_it_or_are_left_out(command, runs, folder, tmp_path):
    shutil.copytree(folder / "Test" / "red", tmp_path / "mixed")
    (tmp_path / "mixed" / "notes.txt").write_text("no image")
    status, _, err = command("predict", "--model", runs[0], "mixed")
    assert (status, Path("predictions.csv").exists()) == (2, False)
    assert "notes.txt" in err
    status, out, _ = command("predict", "--model", runs[0], "mixed", "--on-unreadable", "skip")
    assert status == 0
    assert "left out: mixed/notes.txt" in out
    assert len(rows("predictions.csv")) == 3
    assert command("predict", "--model", "nowhere", "mixed")[0] == 2


def test_runs_are_compared(command, runs):
    status, out, err = command("compare", *runs, "--output", "out")
    assert status == 0, err
    assert "as shipped, 9 images: balanced accuracy" in out
    assert "report: out/report.html" in out
    told = json.loads(Path("out/comparison.json").read_text(encoding="utf-8"))
    assert told["contenders"][1]["differs"] == ["image_size: (12, 12) instead of (16, 16)"]
    assert told["command"].startswith("lesionkit compare ")
    assert command("compare", runs[0])[0] == 2
    assert command("compare", runs[0], "nowhere")[0] == 2


def test_the_examples_give_the_same_classes_and_the_same_comparison(command, runs, folder, capsys):
    test = str(folder / "Test")
    importlib.import_module("predict").main(["--model", str(runs[0]), test, "--output", "example.csv"])
    assert len(capsys.readouterr().out.splitlines()) == 9
    assert command("predict", "--model", runs[0], test)[0] == 0
    assert rows("example.csv") == rows("predictions.csv")
    importlib.import_module("compare").main([*map(str, runs), "--output", "example"])
    assert "as shipped, 9 images: balanced accuracy" in capsys.readouterr().out
    assert command("compare", *runs, "--output", "out")[0] == 0
    example, out = (json.loads(Path(name, "comparison.json").read_text()) for name in ("example", "out"))
    assert {name for name in out if example[name] != out[name]} == {"command"}


def test_the_sheet_has_a_column_for_each_method(runs, folder, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    methods = ["--method", "hires_cam", "--method", "layer_cam"]
    given = ["--model", str(runs[0]), "--model", str(runs[1]), *methods, "--class", "red", str(folder / "Test")]
    importlib.import_module("explain_sheet").main([*given, "--most", "3", "--output", "sheet.png"])
    assert capsys.readouterr().out == "sheet: sheet.png\n"
    with Image.open("sheet.png") as picture:
        assert picture.size[0] > 300
    with pytest.raises(SystemExit):
        importlib.import_module("explain_sheet").main([*given, "--class", "blue"])
    assert "brown, red, violet. Received: blue" in capsys.readouterr().err
