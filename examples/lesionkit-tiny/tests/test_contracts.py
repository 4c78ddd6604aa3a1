"""Each member keeps the contract of its family, as lesionkit.testing holds it."""

import csv
import importlib
from importlib.metadata import entry_points

import lesionkit as lk
import numpy as np
import pytest
from lesionkit import testing
from PIL import Image

MEMBERS = {
    "datasets": "labels_csv",
    "checks": "elongated",
    "preprocessors": "standardised",
    "augmenters": "quarter_turns",
    "backbones": "tiny",
    "heads": "cosine",
    "trainers": "LinearProbe",
    "reports": "class_csv",
}


@pytest.fixture
def folder(tmp_path):
    """Twelve images of two classes, one of them twice as long as wide, with a table of their labels."""
    rows = []
    for number in range(12):
        name = "nevus" if number % 2 else "melanoma"
        size = (24, 48) if number == 5 else (32, 32)
        pixels = np.random.default_rng(number).normal((60, 150)[number % 2], 20, (*size, 3)).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{number}.png")
        rows.append([f"{number}.png", name, "test" if number >= 8 else "train", f"lesion {number // 2}"])
    with open(tmp_path / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([["file", "label", "split", "patient_id"], *rows])
    return tmp_path


@pytest.mark.parametrize("family", MEMBERS)
def test_the_member_is_found_by_its_entry_point(family):
    registry = importlib.import_module(f"lesionkit.{family}")
    assert MEMBERS[family] in registry.names()
    (point,) = entry_points(group=f"lesionkit.{family}", name=MEMBERS[family])
    assert registry.get(MEMBERS[family]) is point.load()


def test_dataset(folder):
    testing.check_dataset(lk.datasets.get("labels_csv"), folder)


def test_check(folder):
    testing.check_check(lk.checks.get("elongated"), records=lk.datasets.get("labels_csv")(folder))


def test_preprocessor():
    testing.check_preprocessor(lk.preprocessors.get("standardised"))


def test_augmenter():
    testing.check_augmenter(lk.augmenters.get("quarter_turns"))


def test_backbone():
    testing.check_backbone(lk.backbones.get("tiny"))


def test_head():
    testing.check_head(lk.heads.get("cosine"), scale=8.0)


def test_trainer():
    testing.check_trainer(lk.trainers.get("LinearProbe"))


def test_report():
    testing.check_report(lk.reports.get("class_csv"), ".csv")


def test_all_of_them_in_one_run(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LESIONKIT_CACHE", str(tmp_path / "cache"))
    records = lk.datasets.get("labels_csv")(folder)
    probed = lk.Recipe(
        preprocessor=lk.Part("standardised"),
        backbone=lk.Part("tiny", weights=None),
        head=lk.Part("pooled"),
        image_size=(32, 32),
        trainer=lk.Part("LinearProbe"),
    )
    evaluation = lk.run_recipe(probed, records, tmp_path / "probed", stress=0)
    assert evaluation.run.recipe == probed
    assert "1 of 12 readable images" in evaluation.findings["elongated"]
    table = lk.reports.get("class_csv")(evaluation, tmp_path / "classes.csv").read_text()
    assert table.splitlines()[0] == "class,n,precision,recall,specificity,f1,auc"
    assert [line.split(",")[:2] for line in table.splitlines()[1:]] == [["melanoma", "2"], ["nevus", "2"]]

    model = lk.build_classifier(
        records.class_names,
        image_size=(32, 32),
        preprocessor="standardised",
        backbone=lk.Part("tiny", weights=None),
        head=lk.Part("cosine", scale=8.0),
    )
    frozen = lk.trainers.Frozen(epochs=1, views=2)
    run = frozen.fit(model, records.where(split="train"), augmenter="quarter_turns", store=lk.FeatureStore(tmp_path))
    assert run.recipe.augmenter == lk.Part("quarter_turns")
