"""run_recipe: the whole job, complete or absent."""

import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest

import lesionkit as lk
from lesionkit import backbones, reports
from lesionkit.datasets.isic_folder import isic_folder
from lesionkit.errors import DataError, OptionError, StorageError, UnknownNameError, UnreadableImagesError
from lesionkit.experiments import workflow
from lesionkit.experiments.run_folder import REPORTS
from lesionkit.trainers import Frozen

FILES = [
    "card.json", "card.md", "evaluation.npz", "model.keras", "plots.png", "predictions.csv", "report.html",
    "report.json", "report.md",
]  # fmt: skip


@pytest.fixture(autouse=True)
def known(tiny, monkeypatch):
    """Makes ``tiny`` a name that recipes can use."""
    monkeypatch.setitem(backbones._registry._registered, "tiny", tiny)


@pytest.fixture(scope="module")
def recipe():
    return lk.Recipe(
        preprocessor="native",
        backbone="tiny",
        head=lk.Part("pooled", hidden=(4,)),
        image_size=(12, 16),
        trainer=lk.Part("Frozen", epochs=2, batch_size=8),
        validation=0.25,
        seed=1,
    )


@pytest.fixture
def store(tmp_path):
    return lk.FeatureStore(tmp_path / "store")


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def contents(path):
    return {entry.name: entry.read_bytes() for entry in path.iterdir()}


def report(output):
    return json.loads((output / "report.json").read_text(encoding="utf-8"))


def break_images(root):
    """Damages four images, two on each side; returns them."""
    broken = [root / "Train/red/red1.png", root / "Train/violet/violet3.png", root / "Test/red/red0.png"]
    broken[0].write_bytes(b"")
    broken[1].write_bytes(b"no image")
    broken[2].write_bytes(broken[2].read_bytes()[:60])
    return sorted(map(str, broken))


def test_a_run_writes_everything(recipe, records, store, tmp_path):
    output = tmp_path / "runs" / "one"
    evaluation = lk.run_recipe(recipe, records, output, store=store)
    assert names(output) == FILES
    assert names(output.parent) == ["one"]
    found = report(output)
    assert lk.Recipe.from_dict(found["recipe"]) == recipe
    assert found["data"]["counts"] == {
        "train": dict.fromkeys(records.class_names, 6),
        "validation": dict.fromkeys(records.class_names, 2),
        "test": dict.fromkeys(records.class_names, 3),
    }
    assert all(len(text) == 64 for text in found["data"]["fingerprint"].values())
    assert [len(values) for values in found["history"].values()] == [2] * 6
    assert found["test"]["accuracy"] == evaluation.accuracy
    assert found["timing"]["total_s"] >= found["timing"]["fit_s"] > 0
    assert found["timing"]["images_per_s"] > 0
    assert sorted(evaluation.source) == sorted(records.where(split="test").source)


def test_what_was_written_is_what_was_scored(recipe, records, store, tmp_path):
    evaluation = lk.run_recipe(recipe, records, tmp_path / "run", store=store)
    loaded = lk.load(tmp_path / "run")
    assert loaded.card["data_fingerprint"] == report(tmp_path / "run")["data"]["fingerprint"]["train"]
    again = lk.evaluate(loaded.model, records.where(split="test"))
    np.testing.assert_allclose(again.probabilities, evaluation.probabilities, atol=1e-5)


def test_a_second_run_replaces_the_first_and_extracts_nothing(recipe, records, store, tmp_path, caplog):
    output = tmp_path / "run"
    first = lk.run_recipe(recipe, records, output, store=store, substitutions=["the first"])
    assert first.run.features["extracted"] == 24
    with caplog.at_level("INFO", logger="lesionkit"):
        second = lk.run_recipe(recipe, records, output, store=store)
    assert second.run.features == {"extracted": 0, "reused": 24}
    assert "nothing to extract" in caplog.text
    assert report(output)["substitutions"] == []
    assert names(output) == FILES
    assert np.array_equal(first.probabilities, second.probabilities)
    assert first.run.history == second.run.history


def test_without_a_store_the_run_is_nearly_the_same(recipe, records, store, tmp_path):
    stored = lk.run_recipe(recipe, records, tmp_path / "a", store=store)
    plain = lk.run_recipe(recipe, records, tmp_path / "b", store=False)
    np.testing.assert_allclose(plain.probabilities, stored.probabilities, atol=1e-3)


def test_an_empty_output_folder_is_filled(recipe, records, store, tmp_path):
    (tmp_path / "run").mkdir()
    lk.run_recipe(recipe, records, tmp_path / "run", store=store)
    assert names(tmp_path / "run") == FILES


@pytest.fixture
def nothing_runs(monkeypatch):
    """Fails the test when a feature is extracted or a trainer called."""

    def refuse(*args, **options):
        pytest.fail("training was reached")

    monkeypatch.setattr(Frozen, "fit", refuse)
    monkeypatch.setattr(lk.FeatureStore, "features", refuse)


def test_an_output_with_foreign_files_is_refused_before_work(recipe, records, tmp_path, nothing_runs):
    output = tmp_path / "run"
    output.mkdir()
    (output / "thesis.docx").write_text("mine")
    (output / "report.md").write_text("older")
    before = contents(output)
    with pytest.raises(StorageError, match=r"thesis\.docx"):
        lk.run_recipe(recipe, records, output)
    assert contents(output) == before
    assert names(tmp_path) == ["run"]


def test_an_output_that_is_a_file_is_refused_before_work(recipe, records, tmp_path, nothing_runs):
    (tmp_path / "run").write_text("mine")
    for output in (tmp_path / "run", tmp_path / "run" / "below"):
        with pytest.raises(StorageError):
            lk.run_recipe(recipe, records, output)
    assert (tmp_path / "run").read_text() == "mine"
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize("step", ["fit", "evaluate", "write_card", "plots"])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_failing_run_leaves_what_was_there(recipe, records, store, tmp_path, monkeypatch, step, earlier):
    output = tmp_path / "run"
    if earlier:
        lk.run_recipe(recipe, records, output, store=store)
    before = contents(output) if earlier else None

    def fail(*args, **options):
        raise RuntimeError(step)

    if step == "fit":
        monkeypatch.setattr(Frozen, "fit", fail)
    elif step == "plots":
        original = reports.get
        monkeypatch.setattr(reports, "get", lambda name: fail if name == "plots" else original(name))
    else:
        monkeypatch.setattr(workflow, step, fail)
    with pytest.raises(RuntimeError, match=step):
        lk.run_recipe(recipe, records, output, store=store)
    assert (contents(output) if output.exists() else None) == before
    assert set(names(tmp_path)) <= {"run", "store"}


def test_unreadable_images_are_all_listed_before_anything_is_trained(recipe, copy, tmp_path, nothing_runs):
    broken = break_images(copy)
    records = isic_folder(copy)
    gone = copy / "Test/brown/brown2.png"
    gone.unlink()  # after it was listed
    with pytest.raises(UnreadableImagesError) as caught:
        lk.run_recipe(recipe, records, tmp_path / "run")
    assert sorted(error.source for error in caught.value.errors) == sorted([*broken, str(gone)])
    assert all(name in str(caught.value) for name in [*broken, str(gone)])
    assert names(tmp_path) == ["copy"]


def test_skip_goes_on_and_lists_what_it_left_out(recipe, copy, store, tmp_path):
    broken = break_images(copy)
    evaluation = lk.run_recipe(recipe, isic_folder(copy), tmp_path / "run", on_unreadable="skip", store=store)
    assert len(evaluation) == 8
    skipped = report(tmp_path / "run")["data"]["skipped"]
    assert sorted(item["path"] for item in skipped) == broken
    assert all(item["reason"] for item in skipped)
    shown = (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    assert "could not be read (3)" in shown
    assert all(path.replace("_", "\\_") in shown for path in broken)


def test_a_shipped_test_set_is_never_replaced_by_another(recipe, copy, tmp_path, nothing_runs):
    for image in (copy / "Test").rglob("*.png"):
        image.write_bytes(b"")
    with pytest.raises(DataError, match="no readable test image"):
        lk.run_recipe(recipe, isic_folder(copy), tmp_path / "run", on_unreadable="skip")
    assert not (tmp_path / "run").exists()


def test_a_class_without_readable_training_images_is_an_error(recipe, copy, tmp_path, nothing_runs):
    for image in (copy / "Train" / "red").iterdir():
        image.write_bytes(b"")
    with pytest.raises(DataError, match="red"):
        lk.run_recipe(recipe, isic_folder(copy), tmp_path / "run", on_unreadable="skip")


def test_a_single_folder_of_classes_gets_a_test_set(recipe, folder, store, tmp_path):
    evaluation = lk.run_recipe(recipe, isic_folder(folder / "Train"), tmp_path / "run", store=store)
    assert [row["n"] for row in evaluation.per_class.values()] == [2, 2, 2]
    assert sum(report(tmp_path / "run")["data"]["counts"]["train"].values()) < 24
    assert names(tmp_path / "run") == FILES


def test_without_validation_images_a_run_works(recipe, records, store, tmp_path):
    lk.run_recipe(dataclasses.replace(recipe, validation=0), records, tmp_path / "run", store=store)
    found = report(tmp_path / "run")
    assert set(found["history"]) == {"accuracy", "balanced_accuracy", "loss"}
    assert found["overfitting"]["best_epoch"] is None


def test_substitutions_stand_in_every_report(recipe, records, store, tmp_path):
    note = "Tiny stands in for something larger."
    lk.run_recipe(recipe, records, tmp_path / "run", store=store, substitutions=[note])
    assert report(tmp_path / "run")["substitutions"] == [note]
    assert json.loads((tmp_path / "run" / "card.json").read_text())["substitutions"] == [note]
    assert note in (tmp_path / "run" / "report.md").read_text().splitlines()[2]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"augmenter": "flips"}, UnknownNameError),
        ({"image_size": (7, 16)}, OptionError),
        ({"trainer": lk.Part("Frozen", epochs=0)}, OptionError),
        ({"head": lk.Part("pooled", dropout=1.0)}, OptionError),
        ({"head": lk.Part("pooled", units=3)}, OptionError),
        ({"backbone": "tinny"}, UnknownNameError),
        ({"trainer": "Thawed"}, UnknownNameError),
    ],
)
def test_what_cannot_work_is_refused_before_training(recipe, records, tmp_path, nothing_runs, change, error):
    with pytest.raises(error):
        lk.run_recipe(dataclasses.replace(recipe, **change), records, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_on_unreadable_is_error_or_skip(recipe, records, tmp_path, nothing_runs):
    with pytest.raises(OptionError, match="on_unreadable"):
        lk.run_recipe(recipe, records, tmp_path / "run", on_unreadable="ignore")


def test_an_option_that_the_trainer_lacks_is_an_option_error(records, tmp_path):
    recipe = dataclasses.replace(lk.documented_baseline(), trainer=lk.Part("Frozen", epoch=3))
    with pytest.raises(OptionError, match=r"Frozen: .*epoch.*It is called as Frozen\(\*, epochs"):
        lk.run_recipe(recipe, records, tmp_path / "run")


def test_the_report_has_what_a_reader_needs(recipe, records, store, tmp_path):
    aims = lk.Aims(sensitivity=0.8, prevalence=0.2)
    evaluation = lk.run_recipe(
        recipe, records, tmp_path / "run", store=store, aims=aims, stress=6, command="made by me"
    )
    found = report(tmp_path / "run")
    assert found["command"] == "made by me"
    assert found["hashes"]["model.keras"] == hashlib.sha256((tmp_path / "run/model.keras").read_bytes()).hexdigest()
    assert found["stress"]["n"] == 6
    assert len(found["stress"]["rows"]) == 24
    assert {one["kind"] for one in found["pictures"]} > {"sample"}
    assert found["calibration"]["n_held_out"] == 6  # the validation images
    assert found["conformal"]["sets"]["held_out"] == [2, 2, 2]
    assert set(found["data"]["findings"]) == set(lk.checks.names()) - {"shortcuts"}
    assert "2 of 9" not in found["verdict"]["summary"]
    assert any("Fewer than 30 test images in 3 of 3 classes" in why for why in found["verdict"]["forbid"])
    assert evaluation.aims == aims
    card = (tmp_path / "run/card.md").read_text(encoding="utf-8")
    assert "Not a medical device" in card
    assert "made by me" in card
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert "Fewer than 30 test images" in page


def test_the_evaluation_is_read_again_and_reports_are_made_of_it(recipe, records, store, tmp_path):
    lk.run_recipe(recipe, records, tmp_path / "run", store=store, stress=0)
    again = lk.read_evaluation(tmp_path / "run")
    for name in ("html", "markdown", "model_card"):
        written = tmp_path / "run" / REPORTS[name]
        assert reports.get(name)(again, tmp_path / "again").read_bytes() == written.read_bytes()


def test_held_out_images_that_chose_the_recipe_give_no_sets(recipe, records, store, tmp_path):
    why = "a search chose the recipe on them"
    lk.run_recipe(recipe, records, tmp_path / "a", store=store, stress=0, chosen=why)
    assert why in report(tmp_path / "a")["conformal"]["sets"]["reason"]
    patient = dataclasses.replace(recipe, trainer=recipe.trainer.with_options(patience=1))
    lk.run_recipe(patient, records, tmp_path / "b", store=store, stress=0)
    assert "early stopping" in report(tmp_path / "b")["conformal"]["sets"]["reason"]


def test_without_validation_images_nothing_is_fitted(recipe, records, store, tmp_path):
    alone = dataclasses.replace(recipe, validation=0.0)
    lk.run_recipe(alone, records, tmp_path / "run", store=store, stress=0)
    found = report(tmp_path / "run")
    assert found["calibration"]["temperature"] is None
    assert found["conformal"]["sets"]["reason"] == "there are no held-out images"


def test_aims_and_a_panel_that_cannot_be_are_refused_before_work(recipe, records, tmp_path, nothing_runs):
    for few in (2, -3):
        with pytest.raises(OptionError, match="each of the 3 classes"):
            lk.run_recipe(recipe, records, tmp_path / "run", stress=few)
    for name in ("sensitivity", "prevalence", "coverage"):
        for wrong in (0, 1, -0.1, 89):
            with pytest.raises(OptionError, match=name):
                lk.Aims(**{name: wrong})
    assert names(tmp_path) == []
