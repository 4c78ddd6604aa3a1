"""examples/search.py and examples/improvements.py, from the command line to the files."""

import csv
import importlib
import json
import logging

import pytest

import lesionkit as lk
from lesionkit import backbones

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
    """Runs an example with the tiny backbone; returns (exit status, output, errors)."""

    def run(name, *options):
        given = ["--data", str(folder), "--backbone", "tiny", "--weights", "none", *map(str, options)]
        status = importlib.import_module(name).main(given)
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


def test_a_recipe_is_trained_by_the_baseline(folder, capsys, tmp_path):
    recipe = lk.Recipe(
        backbone=lk.Part("tiny", weights=None),
        image_size=(16, 16),
        trainer=lk.Part("Frozen", epochs=1, learning_rate=0.02),
        seed=3,
    )
    (tmp_path / "best.json").write_text(recipe.to_json())
    baseline = importlib.import_module("baseline")
    given = ["--data", str(folder), "--recipe", "best.json", "--output", "out"]
    assert baseline.main(given) == 0
    assert lk.Recipe.from_dict(json.loads((tmp_path / "out/report.json").read_text())["recipe"]) == recipe
    capsys.readouterr()
    assert baseline.main([*given, "--epochs", "3", "--dropout", "0.5"]) == 2
    assert "leave out --epochs, --dropout, or edit the file" in capsys.readouterr().err
    assert baseline.main(["--data", str(folder), "--recipe", "none.json"]) == 2
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
