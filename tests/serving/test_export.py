"""Exports: what is served is the classifier that was saved, and what is not is an error and no file."""

import dataclasses
import functools
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec

import keras
import numpy as np
import pytest
from PIL import Image

import lesionkit as lk
from lesionkit.data import images
from lesionkit.errors import ExportError, ImageError, OptionError, StorageError
from lesionkit.serving import formats
from lesionkit.serving.formats import FORMATS

SIZE = (12, 10)
NAMES = ("melanoma", "nevus", "seborrheic keratosis")
POINT = {"threshold": 0.25, "aim": "for the test"}


def present(name):
    return all(find_spec(package) for package in FORMATS[name].needs)


def needs(name):
    return pytest.mark.skipif(not present(name), reason=f"{name} needs the extra export")


every_format = pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in FORMATS])


@pytest.fixture(scope="module")
def model(tiny):
    head = lk.Part("pooled", hidden=(4,), dropout=0.25)
    return lk.build_classifier(NAMES, image_size=SIZE, backbone=tiny, head=head, seed=5)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = lk.save(model, tmp_path_factory.mktemp("runs") / "saved")
    card = json.loads((folder / "card.json").read_text())
    card |= {"calibration": {"temperature": 1.5, "n_held_out": 9}, "operating_point": POINT}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="module")
def served(saved, tmp_path_factory):
    """A bundle with what all tests that change nothing share: a function from a format's name to its export."""
    bundle = lk.load(shutil.copytree(saved, tmp_path_factory.mktemp("served") / "bundle"))
    return bundle, functools.cache(bundle.export)


@pytest.fixture
def bundle(saved, tmp_path):
    return lk.load(shutil.copytree(saved, tmp_path / "bundle"))


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).integers(0, 256, (7, *SIZE, 3)).astype(np.float32)


def answer(made, batch):
    return FORMATS[made.format].open(made.path)(batch)


def card(bundle):
    return json.loads((bundle.folder / "card.json").read_text())


def off_by(monkeypatch, name, difference):
    """Makes a format answer with every probability off by ``difference``."""
    true = FORMATS[name]

    def wrong(folder):
        serve = true.open(folder)
        return lambda images: serve(images) + difference

    monkeypatch.setitem(formats.FORMATS, name, dataclasses.replace(true, open=wrong))


@every_format
def test_what_is_served_answers_as_keras_for_any_number_of_images(served, batch, name):
    bundle, export = served
    made = export(name)
    for count in (1, 3, 7):
        expected = bundle.model.predict(batch[:count], verbose=0)
        np.testing.assert_allclose(answer(made, batch[:count]), expected, atol=1e-6)
    assert made.path == bundle.folder / "exports" / name
    assert made.greatest_difference <= 1e-6
    assert (made.images, made.same_class, made.bound) == (16, 1, 1e-4)


@every_format
def test_the_card_says_what_was_written(served, name):
    bundle, export = served
    made = export(name)
    (told,) = [one for one in card(bundle)["exports"] if one["path"] == f"exports/{name}"]
    assert told in bundle.card["exports"]
    assert (told["format"], told["options"], told["images"]) == (name, [], 16)
    assert told["greatest_difference"] == made.greatest_difference
    files = [path for path in made.path.rglob("*") if path.is_file() and path.name != "serving.json"]
    found = {str(file.relative_to(made.path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert told["sha256"] == found
    assert told["size"] == sum(file.stat().st_size for file in files)
    assert lk.load(bundle.folder).card == bundle.card


def test_what_a_server_needs_to_know_is_beside_it(served):
    bundle, export = served
    made = export("keras")
    told = json.loads((made.path / "serving.json").read_text())
    assert told["class_names"] == list(NAMES)
    assert told["malignant_classes"] == ["melanoma"]
    assert told["image_size"] == list(SIZE)
    assert told["input"]["shape"] == [None, *SIZE, 3]
    assert told["output"]["shape"] == [None, 3]
    assert told["temperature"] == 1.5
    assert told["operating_point"] == POINT
    assert {**told["export"], "path": "exports/keras"} in card(bundle)["exports"]


def test_thresholds_for_several_views_are_not_told_for_one(bundle):
    bundle.card["views"] = 8
    told = json.loads((bundle.export("keras").path / "serving.json").read_text())
    assert told["temperature"] == 1.5
    assert told["operating_point"] is None
    assert told["conformal_sets"] is None


@pytest.mark.parametrize(
    ("name", "file"), [pytest.param("litert", "model.tflite", marks=needs("litert")), ("keras", "model.keras")]
)
def test_the_classes_are_in_the_file_itself(served, name, file):
    _, export = served
    with zipfile.ZipFile(export(name).path / file) as archive:
        assert json.loads(archive.read("serving.json"))["class_names"] == list(NAMES)


@needs("onnx")
def test_the_classes_are_in_the_onnx_file_itself(served):
    import onnxruntime

    _, export = served
    session = onnxruntime.InferenceSession(export("onnx").path / "model.onnx")
    told = session.get_modelmeta().custom_metadata_map["serving.json"]
    assert json.loads(told)["class_names"] == list(NAMES)
    assert [one.shape[1:] for one in session.get_inputs()] == [[*SIZE, 3]]


def test_a_savedmodel_names_the_likeliest_class(served, batch):
    import tensorflow as tf

    bundle, export = served
    loaded = tf.saved_model.load(export("savedmodel").path)
    found = loaded.signatures["serving_default"](image=tf.constant(batch))
    expected = [NAMES[place] for place in bundle.model.predict(batch, verbose=0).argmax(axis=1)]
    assert [name.decode() for name in found["label"].numpy()] == expected


def test_encoded_images_are_decoded_and_resized_inside(bundle, held_out, folder):
    import tensorflow as tf

    made = bundle.export("savedmodel", encoded=True, check=folder / "Test")
    assert (made.images, made.options) == (9, ("encoded",))
    assert made.greatest_difference < 1e-6
    files = [images.read_bytes(source) for source in held_out.source]
    pixels = np.stack([images.load(source, SIZE) for source in held_out.source])
    expected = bundle.model.predict(pixels, verbose=0)
    np.testing.assert_allclose(answer(made, files), expected, atol=1e-6)
    loaded = tf.saved_model.load(made.path)
    found = loaded.signatures["pixels"](image=tf.constant(pixels.astype(np.float32)))["probabilities"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert json.loads((made.path / "serving.json").read_text())["input"]["name"] == "image_bytes"


@needs("litert")
def test_weights_of_8_bits_are_smaller(tmp_path):
    image = keras.Input((16, 16, 3))
    wide = keras.layers.Dense(64)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image)))
    wide = keras.Model(image, keras.layers.Dense(3, activation="softmax")(wide))
    bundle = lk.load(lk.save(wide, tmp_path, class_names=NAMES))
    whole, small = bundle.export("litert"), bundle.export("litert", int8=True)
    assert small.size < whole.size / 2
    assert whole.greatest_difference < 1e-5 < small.greatest_difference <= small.bound
    assert [one["path"] for one in card(bundle)["exports"]] == ["exports/litert", "exports/litert-int8"]


@every_format
def test_layers_that_draw_at_random_do_nothing(tmp_path, batch, name):
    image = values = keras.Input((*SIZE, 3))
    for layer in (keras.layers.RandomFlip(), keras.layers.RandomRotation(0.3), keras.layers.RandomContrast(0.9)):
        values = layer(values)
    values = keras.layers.Dropout(0.5)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(values)))
    drawing = keras.Model(image, keras.layers.Dense(3, activation="softmax")(values))
    made = lk.load(lk.save(drawing, tmp_path, class_names=NAMES)).export(name)
    found = answer(made, batch)
    np.testing.assert_array_equal(answer(made, batch), found)
    np.testing.assert_allclose(found, drawing.predict(batch, verbose=0), atol=1e-4)


@every_format
def test_an_average_is_served_whole(model, tiny, tmp_path, batch, name):
    other = lk.build_classifier(NAMES, image_size=SIZE, backbone=tiny, preprocessor="shades_of_gray", seed=6)
    average = lk.average([model, other])
    made = lk.load(lk.save(average, tmp_path)).export(name)
    expected = np.mean([one.predict(batch, verbose=0) for one in (model, other)], axis=0)
    np.testing.assert_allclose(answer(made, batch), expected, atol=1e-6)


@every_format
def test_a_model_in_16_bits_is_served_in_32(tiny, tmp_path, name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        head = lk.Part("pooled", hidden=(8,))
        half = lk.build_classifier(NAMES, image_size=SIZE, backbone=tiny, head=head, preprocessor="shades_of_gray")
    finally:
        keras.config.set_dtype_policy("float32")
    whole = lk.build_classifier(NAMES, image_size=SIZE, backbone=tiny, head=head, preprocessor="shades_of_gray")
    whole.set_weights(half.get_weights())
    bundle = lk.load(lk.save(half, tmp_path))
    made = bundle.export(name)
    pixels = np.random.default_rng(1).integers(0, 256, (5, *SIZE, 3)).astype(np.float32)
    served = half if name == "keras" else whole
    np.testing.assert_allclose(answer(made, pixels), served.predict(pixels, verbose=0), atol=1e-6)
    assert made.greatest_difference <= made.bound


@every_format
def test_the_operations_of_convnext_are_served(tmp_path, batch, name):
    image = keras.Input((*SIZE, 3))
    values = keras.layers.Conv2D(8, 3, strides=2, name="whole")(keras.layers.Rescaling(1 / 255)(image))
    values = keras.layers.Conv2D(8, 3, groups=8, padding="same", bias_initializer="normal", activation="relu")(values)
    values = keras.layers.GlobalMaxPooling2D()(keras.layers.LayerNormalization()(values))
    values = keras.layers.Dense(8, activation="gelu")(values)
    network = keras.Model(image, keras.layers.Dense(3, activation="softmax")(values))
    made = lk.load(lk.save(network, tmp_path, class_names=NAMES)).export(name)
    np.testing.assert_allclose(answer(made, batch), network.predict(batch, verbose=0), atol=1e-6)


@pytest.mark.slow
@every_format
def test_hair_removal_is_served_where_the_format_has_its_operations(tiny, tmp_path, name):
    hairless = lk.build_classifier(NAMES, image_size=(24, 24), backbone=tiny, preprocessor="hair_removal")
    bundle = lk.load(lk.save(hairless, tmp_path))
    if name == "litert":
        with pytest.raises(ExportError, match=r"no operation.*hair_removal.*savedmodel"):
            bundle.export(name)
        assert not (tmp_path / "exports").exists()
    else:
        assert bundle.export(name).greatest_difference < 1e-5


@pytest.mark.slow
@every_format
def test_a_real_backbone_is_served(tmp_path, name):
    network = lk.build_classifier(
        NAMES, image_size=(64, 64), backbone=lk.Part("mobilenet_v3_small", weights=None), preprocessor="native"
    )
    made = lk.load(lk.save(network, tmp_path)).export(name)
    assert made.greatest_difference <= 1e-4


@pytest.mark.parametrize("difference", [2e-4, float("nan")])
def test_another_answer_is_an_error_and_no_file(bundle, monkeypatch, difference):
    off_by(monkeypatch, "keras", difference)
    with pytest.raises(ExportError, match=r"differ by up to .* on 16 images; 0.0001 is let pass"):
        bundle.export("keras")
    assert not (bundle.folder / "exports").exists()
    assert "exports" not in card(bundle)


def test_an_earlier_export_stays_until_the_next_is_complete(bundle, monkeypatch):
    made = bundle.export("keras")
    before = sorted(path.name for path in bundle.folder.rglob("*")), (made.path / "model.keras").read_bytes()
    off_by(monkeypatch, "keras", 1.0)
    with pytest.raises(ExportError):
        bundle.export("keras")
    assert (sorted(path.name for path in bundle.folder.rglob("*")), (made.path / "model.keras").read_bytes()) == before
    monkeypatch.undo()
    bundle.export("keras")
    assert len(card(bundle)["exports"]) == 1


def test_a_runtime_that_fails_is_an_error_that_says_why(bundle, monkeypatch):
    def broken(folder):
        raise RuntimeError("no such operation: Roll")

    monkeypatch.setitem(formats.FORMATS, "keras", dataclasses.replace(FORMATS["keras"], open=broken))
    with pytest.raises(ExportError, match=r"cannot answer .*no such operation: Roll.*Nothing was written"):
        bundle.export("keras")
    assert not (bundle.folder / "exports").exists()


def test_other_files_are_left_alone(bundle, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for path in (tmp_path / "mine", tmp_path / "mine" / "notes.txt", bundle.folder):
        with pytest.raises(StorageError, match="not an earlier export"):
            bundle.export("keras", path)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"
    assert lk.load(bundle.folder).class_names == NAMES


def test_what_came_into_an_export_since_is_left_alone(bundle, tmp_path):
    made = bundle.export("savedmodel", tmp_path / "served")
    bundle.export("savedmodel", tmp_path / "served")
    (made.path / "variables" / "server.py").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in made.path.rglob("*")}
    with pytest.raises(StorageError, match=r"did not write \(variables/server\.py\)"):
        bundle.export("keras", tmp_path / "served")
    assert {path: path.stat().st_mtime_ns for path in made.path.rglob("*")} == before


def test_through_a_link_an_export_is_made_and_made_again(bundle, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "current").symlink_to(tmp_path / "real")
    for _ in range(2):
        made = bundle.export("keras", tmp_path / "current")
    assert made.path == tmp_path / "real"
    assert (tmp_path / "current").is_symlink()
    assert (tmp_path / "current" / "model.keras").is_file()


def test_elsewhere_the_card_tells_the_way_from_the_bundle(bundle, tmp_path):
    for version in ("1", "2"):
        made = bundle.export("savedmodel", tmp_path / "models" / version)
        assert made.path == tmp_path / "models" / version
        assert (made.path / "saved_model.pb").is_file()
    assert [one["path"] for one in card(bundle)["exports"]] == ["../models/1", "../models/2"]


def test_a_new_model_in_the_same_folder_has_no_exports_yet(bundle, model):
    bundle.export("keras")
    lk.save(model, bundle.folder)
    assert "exports" not in card(bundle)
    lk.load(bundle.folder).export("keras")
    assert len(card(bundle)["exports"]) == 1


def test_images_to_check_on_are_what_predict_takes(bundle, held_out, folder, batch):
    pixels = [images.load(source) for source in held_out.source[:2]]
    for given, count in (
        ([Image.fromarray(pixels[0]), batch, held_out.source[0], folder / "Test"], 18),
        (str(held_out.source[0]), 1),
        (np.repeat(batch, 6, axis=0), 42),
    ):
        assert bundle.export("keras", check=given).images == count
    with pytest.raises(OptionError, match="check holds no image"):
        bundle.export("keras", check=[])
    (bundle.folder / "broken.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match="broken.png"):
        bundle.export("keras", check=bundle.folder / "broken.png")


def test_what_cannot_be_asked_for_is_refused(bundle):
    with pytest.raises(OptionError, match="one of savedmodel, litert, onnx, keras. Received: 'pytorch'"):
        bundle.export("pytorch")
    with pytest.raises(OptionError, match="encoded=True is for the format savedmodel. Received: 'keras'"):
        bundle.export("keras", encoded=True)
    with pytest.raises(OptionError, match="int8=True is for the format litert"):
        bundle.export("savedmodel", int8=True)
    with pytest.raises(OptionError, match="path="):
        dataclasses.replace(bundle, folder=None).export("keras")


def test_a_bundle_without_a_folder_is_written_where_it_is_told(bundle, tmp_path):
    made = dataclasses.replace(bundle, folder=None).export("keras", str(tmp_path / "there"))
    assert made.path == tmp_path / "there"
    assert "exports" not in card(bundle)


@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_a_missing_package_is_named_with_its_extra(bundle, monkeypatch, name):
    monkeypatch.setattr(formats, "find_spec", lambda package: None)
    with pytest.raises(ImportError, match=rf'{FORMATS[name].needs[-1]}.*pip install "lesionkit\[export\]"'):
        bundle.export(name)
    assert not (bundle.folder / "exports").exists()


@pytest.mark.slow
def test_tensorflow_alone_serves_files(bundle, held_out, tmp_path):
    made = bundle.export("savedmodel", encoded=True)
    code = (
        "import sys; sys.modules['lesionkit'] = sys.modules['keras'] = None\n"
        "import numpy as np, tensorflow as tf\n"
        "loaded = tf.saved_model.load(sys.argv[1])\n"
        "files = [open(name, 'rb').read() for name in sys.argv[3:]]\n"
        "found = loaded.signatures['serving_default'](image_bytes=tf.constant(files))\n"
        "np.save(sys.argv[2], found['probabilities'])\n"
    )
    sources = list(held_out.source)
    done = subprocess.run(
        [sys.executable, "-c", code, made.path, tmp_path / "found.npy", *sources], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = bundle.model.predict(np.stack([images.load(source, SIZE) for source in sources]), verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-6)
