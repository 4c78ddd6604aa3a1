"""The examples, from their options to the files, and a search's recipe in `lesionkit train`."""

import ast
import csv
import dataclasses
import importlib
import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

import lesionkit as lk
from lesionkit import backbones
from lesionkit.commands import COMMANDS, main

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def around(tiny, monkeypatch, tmp_path):
    monkeypatch.setitem(backbones._registry._registered, "tiny", tiny)
    monkeypatch.chdir(tmp_path)
    levels = {name: logging.getLogger(name).level for name in ("lesionkit", "tensorflow")}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def command(folder, capsys):
    """Runs a command, or an example, with the tiny backbone; returns (exit status, output, errors)."""

    def run(name, *options):
        given = ["--data", str(folder), "--backbone", "tiny", "--weights", "none", *map(str, options)]
        status = main([name, *given]) if name in COMMANDS else importlib.import_module(name).main(given)
        return status, *capsys.readouterr()

    return run


def test_a_search_ends_with_a_model_and_goes_on(command, tmp_path):
    options = ("--trials", 3, "--epochs", 1, "--strategy", "random", "--output", "out")
    status, out, err = command("search", *options)
    assert status == 0, err
    assert "leaderboard: out/leaderboard.csv" in out
    with open("out/leaderboard.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    best = json.loads((tmp_path / "out/best/report.json").read_text())
    winner = lk.Recipe.from_json((tmp_path / "out/best.json").read_text())
    assert best["recipe"] == json.loads(winner.to_json())
    assert best["scores"]["as_shipped"]["n"] == 9
    assert (tmp_path / "out/best/model.keras").exists()
    made = (tmp_path / "out/best/report.json").stat().st_mtime_ns
    assert command("search", *options)[:2] == (0, out)
    assert (tmp_path / "out/best/report.json").stat().st_mtime_ns == made  # the test set is scored once
    assert len(list((tmp_path / "out/trials").glob("*.json"))) == 3


def test_a_recipe_from_a_file_is_trained(folder, capsys, tmp_path):
    recipe = lk.Recipe(
        backbone=lk.Part("tiny", weights=None),
        image_size=(16, 16),
        trainer=lk.Part("Frozen", epochs=1, learning_rate=0.02),
        seed=3,
    )
    (tmp_path / "best.json").write_text(recipe.to_json())
    given = ["train", "--data", str(folder), "--recipe", "best.json", "--output", "out"]
    assert main(given) == 0
    assert lk.Recipe.from_dict(json.loads((tmp_path / "out/report.json").read_text())["recipe"]) == recipe
    capsys.readouterr()
    assert main([*given, "--epochs", "3", "--dropout", "0.5"]) == 2
    assert "leave out --epochs, --dropout, or edit the file" in capsys.readouterr().err
    assert main(["train", "--data", str(folder), "--recipe", "none.json"]) == 2
    assert "none.json cannot be read as a recipe" in capsys.readouterr().err


def test_improvements_set_a_tuned_recipe_beside_the_others(command, tmp_path):
    recipe = lk.Recipe(backbone=lk.Part("tiny", weights=None), image_size=(16, 16), trainer=lk.Part("Frozen", epochs=1))
    (tmp_path / "best.json").write_text(recipe.to_json())
    options = ("--quick", "--unfreeze", "all", "--only", "dropout", "--only", "tuned", "--recipe", "best.json")
    status, out, err = command("improvements", *options, "--output", "out")
    assert status == 0, err
    assert "report: out/report.md" in out
    told = json.loads((tmp_path / "out/improvements.json").read_text())
    assert [one["name"] for one in told["variants"]] == ["baseline", "dropout", "tuned"]
    assert "optimistic" in (tmp_path / "out/report.md").read_text()


def test_an_unknown_variant_is_told(command):
    status, _, err = command("improvements", "--unfreeze", "all", "--only", "magic")
    assert status == 2
    assert "No variant is called magic. There are: baseline, dropout" in err


def run_baseline(*options):
    importlib.import_module("baseline").main(list(options))


def test_the_baseline_gives_the_bits_of_the_recipe(tmp_path):
    images = tmp_path / "images"
    lk.datasets.get("synthetic_lesions")(images, train_per_class=10, test_per_class=2, image_size=(32, 32))
    records = lk.datasets.get("isic_folder")(images)
    run_baseline("--data", str(images), "--backbone", "tiny", "--weights", "none", "--epochs", "2", "--output", "parts")
    documented = lk.documented_baseline()
    recipe = dataclasses.replace(
        documented, backbone=lk.Part("tiny", weights=None), trainer=documented.trainer.with_options(epochs=2)
    )
    lk.run_recipe(recipe, records, "recipe")
    assert sorted(os.listdir("parts")) == sorted(os.listdir("recipe"))
    assert Path("parts/predictions.csv").read_bytes() == Path("recipe/predictions.csv").read_bytes()
    with np.load("parts/evaluation.npz") as parts, np.load("recipe/evaluation.npz") as whole:
        assert parts.files == whole.files
        for name in set(whole.files) - {"told"}:
            assert np.array_equal(parts[name], whole[name]), name
    weights = [lk.load(name).model.get_weights() for name in ("parts", "recipe")]
    assert all(map(np.array_equal, *weights))
    parts, whole = (json.loads(Path(name, "report.json").read_text(encoding="utf-8")) for name in ("parts", "recipe"))
    differing = {"timing", "hashes"}  # a Keras file holds the time of its writing
    assert {name for name in whole if parts[name] != whole[name]} <= differing


def test_an_option_that_the_baseline_lacks_names_the_command_that_has_it(capsys):
    with pytest.raises(SystemExit) as stopped:
        run_baseline("--dropout", "0.5")
    assert stopped.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "--dropout 0.5" in told
    assert "lesionkit train" in told


def test_the_example_of_a_search_ends_with_the_run_of_the_best_recipe(folder, capsys):
    importlib.import_module("search").main(
        ["--data", str(folder), "--backbone", "tiny", "--trials", "2", "--output", "out"]
    )
    assert capsys.readouterr().out.startswith("9 images: accuracy ")
    best = lk.Recipe.from_json(Path("out/best.json").read_text())
    assert lk.read_evaluation("out/best").run.recipe == best
    assert lk.read_evaluation("out/best").held_out.chosen == "a search chose the recipe on them"


def test_the_example_of_improvements_compares_three_recipes(folder, capsys):
    given = ["--data", str(folder), "--backbone", "tiny", "--folds", "2", "--output", "out"]
    importlib.import_module("improvements").main(given)
    assert capsys.readouterr().out == "report: out/report.md\n"
    told = json.loads(Path("out/improvements.json").read_text())
    assert [variant["name"] for variant in told["variants"]] == ["baseline", "dropout", "native preprocessing"]


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_imports_what_the_reference_shows(path):
    text = path.read_text(encoding="utf-8")
    reference = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    assert len(text.splitlines()) <= 60
    assert text.count("add_argument(") <= 10
    for statement in ast.walk(ast.parse(text)):
        if isinstance(statement, ast.ImportFrom) and statement.module.startswith("lesionkit"):
            assert not statement.module.startswith("lesionkit.commands")
            assert statement.module in reference
