"""save, load, predict: what was trained is what answers, and nothing else is taken for it."""

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import lesionkit as lk
from lesionkit.data import images
from lesionkit.errors import BundleError, DataError, ImageError, OptionError, UnreadableImagesError
from lesionkit.serving.prediction import write_predictions

SIZE = (12, 10)


@pytest.fixture(scope="module")
def model(tiny, records):
    head = lk.Part("pooled", hidden=(4,), dropout=0.25)
    return lk.build_classifier(records.class_names, image_size=SIZE, backbone=tiny, head=head, seed=5)


@pytest.fixture(scope="module")
def held_out(records):
    return records.where(split="test")


@pytest.fixture(scope="module")
def evaluation(model, held_out):
    return lk.evaluate(model, held_out)


@pytest.fixture(scope="module")
def saved(model, evaluation, tmp_path_factory):
    return lk.save(model, tmp_path_factory.mktemp("runs") / "saved", evaluation=evaluation)


@pytest.fixture(scope="module")
def loaded(saved):
    return lk.load(saved)


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def edited(folder, **entries):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **entries}))
    return folder


def probabilities(predictions, class_names):
    return np.array([[dict(one.ranked)[name] for name in class_names] for one in predictions])


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_loaded_answers_bit_for_bit_the_same(model, loaded):
    batch = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 3), np.uint8)
    before, after = (one.predict(batch, verbose=0) for one in (model, loaded.model))
    assert np.array_equal(before, after)
    assert after.dtype == np.float32


def test_what_is_loaded_knows_what_it_is(model, loaded, held_out):
    from lesionkit.model.parts import origin

    assert loaded.class_names == held_out.class_names
    assert loaded.image_size == SIZE
    assert origin(loaded.model) == origin(model)
    assert lk.Recipe.from_dict(loaded.card["recipe"]) == origin(model).recipe


def test_a_second_round_trip_changes_nothing(loaded, saved, tmp_path):
    again = lk.load(lk.save(loaded.model, tmp_path / "again"))
    assert again.class_names == loaded.class_names
    assert again.card["recipe"] == loaded.card["recipe"]
    assert all(map(np.array_equal, again.model.get_weights(), loaded.model.get_weights()))


def test_the_card_says_what_the_model_is(loaded, evaluation):
    card = loaded.card
    assert card["schema_version"] == 1
    assert card["class_names"] == list(evaluation.class_names)
    assert card["image_size"] == list(SIZE)
    assert card["test"] == {"n": 9, "accuracy": evaluation.accuracy, "loss": evaluation.loss}
    assert {"lesionkit", "keras", "tensorflow"} <= set(card["environment"])


def test_the_card_holds_the_fingerprint_of_the_training_data(model, evaluation, tmp_path):
    from lesionkit.data.summary import DataSummary
    from lesionkit.training.run import TrainingRun

    summary = DataSummary("lesions", evaluation.class_names, {}, "f" * 64)
    run = TrainingRun(lk.documented_baseline(), {"loss": (1.0,), "accuracy": (0.5,)}, summary, {})
    told = dataclasses.replace(evaluation, run=run, substitutions=("A for B.",))
    card = json.loads((lk.save(model, tmp_path, evaluation=told) / "card.json").read_text())
    assert card["data_fingerprint"] == "f" * 64
    assert card["substitutions"] == ["A for B."]
    assert card["recipe"] == lk.documented_baseline().to_dict() | {
        "image_size": [128, 128],
        "head": json.loads(lk.documented_baseline().to_json())["head"],
    }


def test_keras_alone_loads_the_model(saved, loaded, tmp_path):
    batch = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)
    np.save(tmp_path / "batch.npy", batch)
    code = (
        "import sys; sys.modules['lesionkit'] = None\n"
        "import keras, numpy as np\n"
        "model = keras.saving.load_model(sys.argv[1])\n"
        "assert not model.compiled\n"
        "np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))\n"
    )
    files = [str(path) for path in (saved / "model.keras", tmp_path / "batch.npy", tmp_path / "answer.npy")]
    subprocess.run([sys.executable, "-c", code, *files], check=True, capture_output=True, timeout=120)
    expected = loaded.model.predict(batch, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), expected, atol=1e-6)


def test_a_compiled_model_is_saved_without_its_state(model, tmp_path):
    import keras

    compiled = keras.models.clone_model(model)
    compiled.compile("adam", "categorical_crossentropy")
    found = keras.saving.load_model(lk.save(compiled, tmp_path, class_names=list("abc")) / "model.keras")
    assert not found.compiled


def test_files_and_folders_and_pixels_get_the_same_answer(loaded, evaluation, held_out, folder):
    names = evaluation.class_names
    files = list(held_out.source)
    arrays = [images.load(file) for file in files]
    of_files = loaded.predict(files)
    assert [one.source for one in of_files] == files
    expected = probabilities(of_files, names)
    np.testing.assert_allclose(expected, evaluation.probabilities, atol=1e-6)
    of_folder = loaded.predict(folder / "Test")
    assert [one.source for one in of_folder] == sorted(files)
    np.testing.assert_allclose(probabilities(of_folder, names), expected[np.argsort(files)], atol=1e-6)
    for given in (arrays, np.stack(arrays), np.stack(arrays).astype(np.float32), list(map(Image.open, files))):
        found = loaded.predict(given)
        assert {one.source for one in found} == {""}
        np.testing.assert_allclose(probabilities(found, names), expected, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_batch_size_changes_no_answer(loaded, evaluation, held_out, batch_size):
    found = loaded.predict(list(held_out.source), batch_size=batch_size)
    np.testing.assert_allclose(probabilities(found, evaluation.class_names), evaluation.probabilities, atol=1e-6)


def test_one_image_gets_one_answer(loaded, held_out):
    file = held_out.source[0]
    for given in (file, images.load(file), Image.open(file), [file]):
        assert len(loaded.predict(given)) == 1
    assert loaded.predict([]) == []
    assert loaded.predict(np.zeros((0, 16, 16, 3), np.uint8)) == []


def test_a_mixed_list_keeps_its_order(loaded, evaluation, held_out, folder):
    first, second, third, *_ = held_out.source
    pixels = images.load(third)
    found = loaded.predict([first, second, pixels, np.stack([pixels, pixels]), Image.open(first), folder / "Test/red"])
    red = sorted(source for source in held_out.source if "/red/" in source)
    assert [one.source for one in found] == [first, second, "", "", "", "", *red]
    rows = [0, 1, 2, 2, 2, 0, *(list(held_out.source).index(source) for source in red)]
    expected = evaluation.probabilities[rows]
    np.testing.assert_allclose(probabilities(found, evaluation.class_names), expected, atol=1e-6)


def test_answers_are_ranked_and_sum_to_1(loaded, held_out):
    for one in loaded.predict(list(held_out.source)):
        values = [value for _, value in one.ranked]
        assert values == sorted(values, reverse=True)
        assert sum(values) == pytest.approx(1, abs=1e-6)
        assert {name for name, _ in one.ranked} == set(loaded.class_names)
        assert (one.label, one.confidence) == one.ranked[0]


def test_hidden_files_of_a_folder_are_passed_over(loaded, held_out, tmp_path):
    shutil.copy(held_out.source[0], tmp_path / "b.png")
    shutil.copy(held_out.source[0], tmp_path / "a.png")
    (tmp_path / ".hidden").write_text("no image")
    (tmp_path / "Thumbs.db").write_text("no image")
    (tmp_path / ".checkpoints").mkdir()
    (tmp_path / ".checkpoints" / "c.png").write_text("no image")
    assert [one.source for one in loaded.predict(tmp_path)] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]


def test_names_that_are_not_utf8_are_read(loaded, evaluation, held_out, tmp_path):
    file = os.path.join(str(tmp_path), os.fsdecode(b"caf\xe9.png"))
    shutil.copy(held_out.source[0], file)
    for given in (file, str(tmp_path)):
        (found,) = loaded.predict(given)
        assert found.source == file
        answer = probabilities([found], evaluation.class_names)
        np.testing.assert_allclose(answer, evaluation.probabilities[:1], atol=1e-6)


def test_pixels_in_0_to_1_are_refused(loaded):
    with pytest.raises(OptionError, match="multiply them by 255"):
        loaded.predict(np.random.default_rng(0).random((16, 16, 3)))


def test_other_pixels_are_refused(loaded):
    for pixels in (np.zeros((16, 16, 2)), np.full((16, 16, 3), -1), np.full((16, 16, 3), 256.0)):
        with pytest.raises(OptionError):
            loaded.predict(pixels)


def test_all_unreadable_files_are_named(loaded, held_out, tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("no image")
    broken = [str(tmp_path / "empty.jpg"), str(tmp_path / "text.png")]
    for batch_size in (1, 32):
        with pytest.raises(UnreadableImagesError) as caught:
            loaded.predict([broken[0], held_out.source[0], broken[1]], batch_size=batch_size)
        assert [error.source for error in caught.value.errors] == broken
        assert all(isinstance(error, ImageError) for error in caught.value.errors)


def test_a_missing_file_and_an_empty_folder_are_errors(loaded, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        loaded.predict(tmp_path / "gone.jpg")
    with pytest.raises(DataError, match="no files"):
        loaded.predict(tmp_path)


def test_predictions_are_a_table_of_all_images(saved, evaluation):
    header = (saved / "predictions.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "path,image_id,label,predicted,confidence,brown,red,violet"
    rows = table(saved / "predictions.csv")
    names = evaluation.class_names
    assert [row["path"] for row in rows] == list(evaluation.source)
    assert [row["image_id"] for row in rows] == list(evaluation.image_id)
    assert [row["label"] for row in rows] == [names[place] for place in evaluation.labels]
    assert [row["predicted"] for row in rows] == [names[place] for place in evaluation.predicted]
    stored = np.array([[float(row[name]) for name in names] for row in rows])
    np.testing.assert_allclose(stored, evaluation.probabilities, rtol=1e-6)
    assert [float(row["confidence"]) for row in rows] == stored.max(axis=1).tolist()


def test_predictions_hold_names_of_any_kind(evaluation, tmp_path):
    names = ('a,"quoted"', "b\nline", "caf\udce9")
    source = ('Test/x, "y".jpg', os.fsdecode(b"Test/caf\xe9.jpg"), "Test/line\nbreak.jpg")
    first = slice(0, 3)
    few = dataclasses.replace(
        evaluation,
        class_names=names,
        probabilities=evaluation.probabilities[first],
        labels=np.array([0, 1, 2]),
        source=source,
        image_id=("x", os.fsdecode(b"\xe9"), "z"),
    )
    rows = table(write_predictions(few, tmp_path / "predictions.csv"))
    assert [row["path"] for row in rows] == ['Test/x, "y".jpg', "Test/caf\\udce9.jpg", "Test/line\\nbreak.jpg"]
    assert [row["image_id"] for row in rows] == ["x", "\\udce9", "z"]
    assert [row["label"] for row in rows] == ['a,"quoted"', "b\\nline", "caf\\udce9"]
    assert list(rows[0])[5:] == ['a,"quoted"', "b\\nline", "caf\\udce9"]


def test_class_names_of_any_kind_survive(model, tmp_path):
    names = ("caf\udce9", "<b>", "名\n")
    assert lk.load(lk.save(model, tmp_path, class_names=names)).class_names == names


def test_save_needs_class_names_that_fit(model, tmp_path):
    import keras

    plain = keras.Model(model.input, model.output)
    for names in (None, ["a", "b"], ["a", "b", "b"]):
        with pytest.raises(DataError, match="class.names"):
            lk.save(plain, tmp_path / "new", class_names=names)
    assert not (tmp_path / "new").exists()
    assert lk.load(lk.save(plain, tmp_path / "new", class_names=["a", "b", "c"])).class_names == ("a", "b", "c")


def test_save_replaces_only_its_own_files(model, evaluation, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        lk.save(model, tmp_path, evaluation=evaluation)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "card.json", "model.keras", "notes.txt", "predictions.csv",
    ]  # fmt: skip


def test_a_newer_card_is_refused(copy):
    with pytest.raises(BundleError, match=r"schema version 2.*Upgrade lesionkit"):
        lk.load(edited(copy, schema_version=2))


def test_a_newer_recipe_in_the_card_is_refused(copy, loaded):
    with pytest.raises(BundleError, match="Upgrade lesionkit"):
        lk.load(edited(copy, recipe={**loaded.card["recipe"], "schema_version": 2}))


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", '{"schema_version": 1}', '{"kind": "other", "schema_version": 1}']
)
def test_a_folder_without_a_card_is_no_bundle(copy, text):
    (copy / "card.json").unlink()
    if text is not None:
        (copy / "card.json").write_text(text)
    with pytest.raises(BundleError, match=r"card(\.json|).*Give a folder that save wrote"):
        lk.load(copy)


def test_what_is_no_folder_is_no_bundle(saved, tmp_path):
    for path in (tmp_path / "gone", saved / "model.keras"):
        with pytest.raises(BundleError):
            lk.load(path)


@pytest.mark.parametrize("names", [None, [], ["a"], ["a", "a", "b"], ["a", "b"], ["a", "b", 3], 7])
def test_class_names_that_do_not_fit_the_model_are_refused(copy, names):
    with pytest.raises(BundleError):
        lk.load(edited(copy, class_names=names))


@pytest.mark.parametrize("keep", [None, 0, 0.5, 0.99])
def test_a_damaged_model_is_refused(copy, keep):
    path = copy / "model.keras"
    data = path.read_bytes()
    path.unlink()
    if keep is not None:
        path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(BundleError, match=r"model\.keras cannot be loaded"):
        lk.load(copy)


SIX = ("melanoma", "basal cell carcinoma", "squamous cell carcinoma", "nevus", "dermatofibroma", "vascular lesion")


@pytest.fixture(scope="module")
def medical(tiny, tmp_path_factory):
    """A saved classifier of classes that are known as malignant or benign, with thresholds; and what it answers."""
    random = np.random.default_rng(0)
    model = lk.build_classifier(SIX, image_size=SIZE, backbone=tiny, seed=5)
    pixels, labels = random.integers(0, 256, (60, *SIZE, 3), np.uint8), np.arange(60) % 6
    others = np.arange(600) % 6
    skilled = random.dirichlet(np.ones(6), 600) + np.eye(6)[others]
    known = lk.HeldOut(others, skilled / 2, np.arange(600))
    told = dataclasses.replace(lk.evaluate(model, (pixels, labels)), held_out=known)
    return lk.load(lk.save(model, tmp_path_factory.mktemp("medical"), evaluation=told)), told, pixels


def test_the_thresholds_that_were_fitted_are_stored(medical):
    bundle, told, _ = medical
    assert bundle.temperature == pytest.approx(told.calibration.temperature)
    assert bundle.temperature != 1
    assert bundle.operating_point.threshold == told.operating_point.threshold
    assert bundle.conformal_sets.thresholds == told.conformal_sets.thresholds


def test_answers_are_calibrated_when_asked_and_say_so(medical):
    bundle, _, pixels = medical
    raw, calibrated = bundle.predict(pixels), bundle.predict(pixels, calibrated=True)
    assert raw[0].applied == {"views": 1, "temperature": None}
    assert calibrated[0].applied == {"views": 1, "temperature": bundle.temperature}
    given = probabilities(raw, SIX)
    np.testing.assert_allclose(given, bundle.model.predict(pixels, verbose=0), atol=1e-5)
    wanted = given ** (1 / bundle.temperature)
    wanted /= wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities(calibrated, SIX), wanted, atol=1e-6)
    for one, other in zip(raw, calibrated, strict=True):
        assert [name for name, _ in one.ranked] == [name for name, _ in other.ranked]
        assert (one.malignant, one.referred, one.possible) == (other.malignant, other.referred, other.possible)


def test_answers_tell_who_is_referred_and_what_cannot_be_ruled_out(medical):
    bundle, _, pixels = medical
    for one in bundle.predict(pixels):
        given = dict(one.ranked)
        assert one.malignant == pytest.approx(sum(given[name] for name in SIX[:3]), abs=1e-6)
        assert one.referred == (one.malignant >= bundle.operating_point.threshold)
        limits = dict(zip(SIX, bundle.conformal_sets.thresholds, strict=True))
        assert set(one.possible) == {name for name in SIX if limits[name] is None or given[name] >= limits[name]}
    assert {one.referred for one in bundle.predict(pixels)} <= {True, False}


def test_thresholds_are_for_the_views_that_they_were_fitted_with(medical):
    bundle, _, pixels = medical
    (one,) = bundle.predict(pixels[:1], views="symmetries")
    assert one.applied["views"] == 4
    assert one.malignant is not None
    assert one.referred is one.possible is None


def test_what_was_not_fitted_is_not_told(loaded, records):
    (one,) = loaded.predict([records.source[0]])
    assert one.applied == {"views": 1, "temperature": None}
    assert one.malignant is one.referred is one.possible is None
    with pytest.raises(OptionError, match="no temperature"):
        loaded.predict([records.source[0]], calibrated=True)


def test_a_card_of_before_there_were_thresholds_is_read(copy, records):
    card = json.loads((copy / "card.json").read_text())
    for name in ("calibration", "operating_point", "conformal_sets", "views"):
        card.pop(name)
    (copy / "card.json").write_text(json.dumps(card))
    assert lk.load(copy).predict([records.source[0]])[0].referred is None
