"""A member that breaks a promise is told which, by a check that the same member passes without the fault."""

import contextlib
import dataclasses
import functools
import importlib
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from lesionkit.backbones import Backbone, Stage
from lesionkit.checks import Finding, Findings
from lesionkit.data.images import load
from lesionkit.data.records import Records
from lesionkit.datasets import get as dataset
from lesionkit.errors import DataError, WeightsError
from lesionkit.files import whole_file
from lesionkit.recipe import Part
from lesionkit.testing import (
    check_augmenter,
    check_backbone,
    check_check,
    check_dataset,
    check_head,
    check_preprocessor,
    check_report,
    check_trainer,
)
from lesionkit.trainers import Frozen


def breaks(promise, check, member, *arguments, **options):
    with pytest.raises(AssertionError, match=promise) as raised:
        check(member, *arguments, **options)
    assert "breaks a promise" in str(raised.value)
    assert 'lesionkit\'s documentation, "Plugins"' in str(raised.value)


def test_the_message_names_the_member_its_family_what_was_seen_and_the_cause():
    def shy(image_size):
        raise RuntimeError("not today")

    with pytest.raises(AssertionError) as raised:
        check_preprocessor(shy)
    assert str(raised.value).startswith("shy, of the preprocessors, breaks a promise: it is called with image_size")
    assert "Seen: RuntimeError: not today." in str(raised.value)
    assert isinstance(raised.value.__cause__, RuntimeError)


# datasets


def plain(root):
    """Reads root/<class>/<image>, as isic_folder does, but for errors and order."""
    if not Path(root).is_dir():
        raise DataError(f"{root} is no folder")
    return listed(root, sorted)


def listed(root, order):
    paths = [path for path in order(Path(root).rglob("*")) if path.is_file()]
    names = sorted({path.parent.name for path in paths})
    if len(names) < 2:
        raise DataError(f"{root} holds no classes")
    labels = [names.index(path.parent.name) for path in paths]
    return Records(names, [str(path) for path in paths], labels, [path.stem for path in paths])


def as_listed(root):
    return listed(root, list)


def by_pixels(root):
    found = plain(root)
    return found[np.argsort([load(source).mean() for source in found.source])]


def absent(root):
    found = plain(root)
    return dataclasses.replace(found, source=[f"{source}.png" for source in found.source])


def leaves_a_file(root):
    found = plain(root)
    Path(root, "brown", "index.png").write_bytes(b"")
    return found


def bare_errors(root):
    os.listdir(root)
    return plain(root)


def nameless_errors(root):
    if not Path(root).is_dir():
        raise DataError("no such folder")
    return plain(root)


def test_a_dataset_without_a_fault_passes(folder):
    check_dataset(plain, folder / "Train")
    check_dataset(plain, root=str(folder / "Train"))


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (as_listed, "in whatever order the file system lists"),
        (by_pixels, "never pixels"),
        (absent, "an image file that is there"),
        (leaves_a_file, "stay as they are|the same at every call"),
        (bare_errors, "a path that is missing is a DataError"),
        (nameless_errors, "a path that is missing is a DataError that names it"),
        (lambda root: list(plain(root)), "it returns Records"),
        (lambda root: plain(root)[:0], "a sample has images"),
    ],
)
def test_datasets(broken, promise, folder):
    breaks(promise, check_dataset, broken, folder / "Train")


def test_the_sample_stays_as_it_is(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    check_dataset(dataset("isic_folder"), folder)

    def elsewhere(root):
        plain(root)
        return plain(folder / "Train")

    with contextlib.suppress(AssertionError):
        check_dataset(elsewhere, folder / "Test")
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == before


# checks


def quiet(records, surveyed):
    return Findings("quiet", "Nothing was found.")


def found(records, surveyed, **changes):
    one = Finding("large", "It is large.", tuple(records.source[:1]), {"share": 0.5})
    return Findings("found", "Some are large.", (dataclasses.replace(one, **changes),))


def relabels(records, surveyed):
    records.label[:] = 0
    return quiet(records, surveyed)


def removes(records, surveyed):
    for source in records.source[1:2]:
        Path(source).unlink(missing_ok=True)
    return quiet(records, surveyed)


def counts(records, surveyed, calls=[]):  # noqa: B006
    calls.append(1)
    return Findings("counts", f"Called {len(calls)} times.")


def needs_images(records, surveyed):
    return Findings("needs_images", f"The first is {records.source[0]}.")


def test_checks_without_a_fault_pass(records):
    check_check(quiet)
    check_check(found, records=records)


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (relabels, "records and survey stay as they are"),
        (removes, "nothing on disk is changed"),
        (counts, "the same records give the same findings"),
        (needs_images, "here of 0 images"),
        (functools.partial(found, kind="Large one"), "snake_case"),
        (functools.partial(found, message=" "), "a finding has a message"),
        (functools.partial(found, message="caf\udce9.jpg"), "what JSON can hold"),
        (functools.partial(found, details={"share": np.float32(0.5)}), "what JSON can hold"),
        (functools.partial(found, sources=("elsewhere.jpg",)), "names files of the records"),
        (lambda records, surveyed: Findings("silent", ""), "texts, whatever is found"),
        (lambda records, surveyed: [], "it returns Findings"),
    ],
)
def test_checks(broken, promise):
    breaks(promise, check_check, broken)


def test_a_check_has_to_find_what_it_is_given_for(records):
    breaks("something is found in the records that were given for it", check_check, quiet, records=records)


# preprocessors


def scaled(change, image_size, **options):
    image = keras.Input((*image_size, 3), dtype="float32")
    return keras.Model(image, change(image))


@keras.saving.register_keras_serializable(package="broken")
class Halved(keras.layers.Layer):
    def call(self, images):
        return images / 2


class Sequenced(keras.Model):
    def call(self, images):
        return images


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        (lambda image: Halved()(image), "loads with Keras alone"),
        (lambda image: keras.layers.Lambda(lambda values: values / 2)(image), "loads with Keras alone"),
        (lambda image: image / ops.max(image), "does not depend on the others"),
        (lambda image: image / ops.std(image, axis=(1, 2, 3), keepdims=True), "is finite"),
        (lambda image: image[:, ::2], "it returns"),
        (lambda image: ops.cast(image, "float16"), "it returns float32"),
        (lambda image: keras.layers.Conv2D(3, 1)(image), "nothing in it learns"),
        (
            lambda image: keras.layers.Lambda(lambda values: values + keras.random.normal((3,)))(image),
            "the same at every",
        ),
    ],
)
def test_preprocessors(change, promise):
    check_preprocessor(functools.partial(scaled, lambda image: image / 2))
    breaks(promise, check_preprocessor, functools.partial(scaled, change))


def test_more_preprocessors():
    breaks("functional", check_preprocessor, lambda image_size: Sequenced())
    breaks("what JSON can hold", check_preprocessor, scaled, of=np.float32(1))


# augmenters


@keras.saving.register_keras_serializable(package="broken")
class Brighter(keras.layers.Layer):
    """Brighter by a drawn share, by image; each fault is an option."""

    def __init__(self, seed=0, fault="", **options):
        super().__init__(**options)
        self.seed, self.fault = seed, fault
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training and self.fault != "always":
            return images
        if self.fault == "global":
            return images * np.random.uniform(0.5, 1)  # noqa: NPY002
        seed = None if self.fault == "unseeded" else self.generator
        share = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), 0.2, 0.8, seed=seed)
        if self.fault == "constant":
            share = 0.5
        brighter = images * (1 + share) if self.fault == "range" else ops.clip(images * (1 + share), 0, 255)
        return brighter[:, 1:] if self.fault == "shape" else brighter

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        fault = "constant" if self.fault == "config" else self.fault
        return {**super().get_config(), "seed": self.seed, "fault": fault}


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("always", "identity when not training"),
        ("range", "stay in"),
        ("shape", "keeps the shape"),
        ("unseeded", "draws by keras.random.SeedGenerator"),
        ("global", "draws by keras.random.SeedGenerator|global random state"),
        ("constant", "gives other images"),
        ("config", "its configuration makes it again"),
    ],
)
def test_augmenters(fault, promise):
    breaks(promise, check_augmenter, lambda *, seed=0: Brighter(seed=seed, fault=fault))


def test_an_augmenter_without_a_fault_passes():
    check_augmenter(lambda *, seed=0: Brighter(seed=seed))


def test_more_augmenters():
    breaks("it takes a seed", check_augmenter, lambda: Brighter())
    breaks("it returns a Keras layer", check_augmenter, lambda *, seed=0: lambda images: images)
    breaks(
        "rows of labels sum to 1",
        check_augmenter,
        lambda *, seed=0: Doubled(alpha=0.5, seed=seed),
    )


@keras.saving.register_keras_serializable(package="broken")
class Doubled(keras.layers.MixUp):
    def transform_labels(self, labels, transformation, training=True):
        labels = super().transform_labels(labels, transformation, training)
        return 2 * labels if training else labels


# backbones


def build_pair(input_shape, *, weights=None, fault=""):
    if weights is not None and not Path(weights).exists():
        raise (FileNotFoundError if fault == "bare error" else WeightsError)(f"{weights} is not there")
    image = values = keras.Input(input_shape)
    if fault == "normalises":
        values = keras.layers.Rescaling(1 / 255)(values)
    seed = 0 if fault == "one seed" else int(np.random.default_rng().integers(99999)) if fault == "no seed" else None
    start = keras.initializers.GlorotUniform(seed=seed)
    low = keras.layers.Conv2D(4, 3, strides=2, padding="same", kernel_initializer=start, name="low")(values)
    values = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="high")(low)
    if fault == "bypass":
        values = keras.layers.Add()([values, low])
    if fault == "pooled":
        values = keras.layers.GlobalAveragePooling2D()(values)
    model = keras.Model(image, values)
    if weights is not None and fault != "ignores the file":
        model.load_weights(weights)
    return model


def pair(fault="", **changes):
    stages = (Stage("low"), Stage("high", after="low") if fault != "bypass" else Stage("high", before="high"))
    build = functools.partial(build_pair, fault=fault)
    record = Backbone("pair", build, Part("symmetric_range"), stages, 8, 260, "made for the tests")
    return dataclasses.replace(record, **changes)


@pytest.fixture
def unheard(monkeypatch):
    """This module imports Keras, which the contract forbids a backbone's: let that pass."""
    monkeypatch.setattr("lesionkit.testing.backbones._heavy", lambda module: "")


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (pair("normalises"), "no normalisation of the image"),
        (pair("one seed"), "others for another seed"),
        (pair("no seed"), "equal seeds give equal weights"),
        (pair("pooled"), "one feature map"),
        (pair("bare error"), "a missing file is a WeightsError"),
        (pair("ignores the file"), "weights may be a local file"),
        (pair(parameters=261), "its weights hold 261 numbers"),
        (pair(min_size=0), "one feature map"),
        (pair(source=" "), "the paper"),
        (pair(native=Part("unheard_of")), "native preprocessor"),
        (pair(stages=(Stage("low"), Stage("high", before="middle"))), "into the stage high"),
        (pair("bypass", stages=(Stage("low"), Stage("high", after="high"))), "into the stage high"),
        (pair(stages=(Stage("low"), Stage("low", after="low"))), "names of their own"),
        (pair(stages=(Stage("low", after="low"),)), "starts at the image"),
        (pair(stages=(Stage("low"), Stage("high", after="low", before="high"))), "after or before"),
        (pair(stages=(Stage("a"), Stage("b", after="low"), Stage("c", before="high"))), "into the stage c"),
        (build_pair, "Backbone record"),
    ],
)
def test_backbones(broken, promise, unheard):
    breaks(promise, check_backbone, broken)


def test_a_backbone_without_a_fault_passes(unheard):
    check_backbone(pair())
    check_backbone(pair("bypass", stages=(Stage("low"), Stage("high", after="low"))))


def test_a_backbone_whose_module_imports_keras_is_told(tmp_path, monkeypatch):
    source = "import sys, types\nsys.modules.setdefault('keras', types.ModuleType('keras'))\ndef build(shape): pass\n"
    (tmp_path / "a_heavy_module.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    build = importlib.import_module("a_heavy_module").build
    breaks("listed without TensorFlow.*Seen: keras", check_backbone, pair(build=build))


# heads


def linear(feature_shape, num_classes, fault=""):
    features = keras.Input(feature_shape)
    values = keras.layers.GlobalAveragePooling2D()(features)
    if fault == "batch":
        values = values - ops.mean(values, axis=0, keepdims=True)
    if fault == "deaf":
        values = 0 * values
    seed = int(np.random.default_rng().integers(99999)) if fault == "no seed" else None
    layer = keras.layers.Dense(
        num_classes,
        dtype=None if fault == "mixed" else "float32",
        kernel_initializer=keras.initializers.GlorotUniform(seed),
    )
    values = layer(values)
    if fault == "sigmoid":
        return keras.Model(features, keras.layers.Activation("sigmoid", dtype="float32")(values))
    if fault == "overflow":
        odds = ops.exp(values)
        return keras.Model(features, odds / ops.sum(odds, axis=1, keepdims=True))
    if fault == "frozen":
        layer.trainable = False
    return keras.Model(features, keras.layers.Softmax(dtype=None if fault == "mixed" else "float32")(values))


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("batch", "does not depend on the others"),
        ("deaf", "depends on the features"),
        ("no seed", "equal seeds give equal weights"),
        ("sigmoid", "sum to 1"),
        ("overflow", "sum to 1"),
        ("frozen", "some of it learns"),
        ("mixed", "float32 under mixed_float16"),
    ],
)
def test_heads(fault, promise):
    breaks(promise, check_head, functools.partial(linear, fault=fault))


@keras.saving.register_keras_serializable(package="somebody")
def swish_like(values):
    return values * ops.sigmoid(values)


def test_a_head_with_a_function_of_its_own_does_not_load_alone():
    def registered(feature_shape, num_classes, **options):
        model = linear(feature_shape, num_classes, **options)
        hidden = keras.layers.Dense(num_classes, activation=swish_like)(model.output)
        return keras.Model(model.input, keras.layers.Softmax(dtype="float32")(hidden))

    breaks(r"loads with Keras alone.*objects of somebody", check_head, registered)


def test_a_word_in_an_option_of_a_dataset_is_no_path(folder, tmp_path, monkeypatch):
    def chosen(root, *, split):
        assert split == "train"
        return plain(root)

    (tmp_path / "train").mkdir()
    monkeypatch.chdir(tmp_path)
    check_dataset(chosen, folder / "Train", split="train")


def test_a_head_without_a_fault_passes():
    check_head(linear)
    breaks("it is called with feature_shape and num_classes", check_head, linear, temperature=2.0)


# reports


def lines(evaluation):
    yield "accuracy\n"
    yield f"{evaluation.accuracy}\n"
    yield f"{evaluation.run.epochs if evaluation.run else 0}\n"


def whole(evaluation, path):
    with whole_file(path) as beside:
        beside.write_text("".join(lines(evaluation)))
    return Path(path)


def straight(evaluation, path):
    Path(path).parent.mkdir(exist_ok=True)
    with open(path, "w") as file:
        file.writelines(lines(evaluation))
    return Path(path)


def removes_first(evaluation, path):
    Path(path).unlink(missing_ok=True)
    return whole(evaluation, path)


def beside(evaluation, path):
    Path(path).parent.mkdir(exist_ok=True)
    part = Path(path).with_suffix(".part")
    part.write_text("")
    text = "".join(lines(evaluation))
    part.write_text(text)
    part.replace(path)
    return Path(path)


def needs_run(evaluation, path):
    return whole(evaluation, path) if evaluation.run.epochs else path


def raw(evaluation, path):
    with whole_file(path) as beside:
        beside.write_text("".join([*evaluation.class_names, *lines(evaluation)]))
    return Path(path)


def sorts(evaluation, path):
    object.__setattr__(evaluation, "probabilities", np.sort(evaluation.probabilities))
    return whole(evaluation, path)


def test_a_report_without_a_fault_passes():
    check_report(whole, ".txt")


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (straight, "written over"),
        (removes_first, "fails halfway: the earlier one stays"),
        (beside, "nothing else is left behind|StorageError"),
        (needs_run, "of which nothing is known"),
        (raw, "strange names do no harm"),
        (sorts, "the evaluation stays as it is"),
        (lambda evaluation, path: str(whole(evaluation, path)), "returns the Path"),
        (lambda evaluation, path: Path(path), "the file is there"),
    ],
)
def test_reports(broken, promise):
    breaks(promise, check_report, broken, ".txt")


def test_names_are_no_markup():
    def page(evaluation, path):
        with whole_file(path) as beside:
            beside.write_bytes(
                "".join([*evaluation.class_names, *lines(evaluation)]).encode("utf-8", "backslashreplace")
            )
        return Path(path)

    breaks("names are no markup", check_report, page, ".html")


# trainers


@dataclasses.dataclass(frozen=True, kw_only=True)
class Faulty(Frozen):
    fault: str = ""

    def fit(self, model, train, validation=None, **ways):
        if self.fault == "does nothing":
            before = model.get_weights()
        run = super().fit(model, train, validation, **ways)
        if self.fault == "does nothing":
            model.set_weights(before)
        if self.fault == "compiles":
            run.model.compile(loss="categorical_crossentropy")
        if self.fault == "draws":
            np.random.uniform()  # noqa: NPY002
        changes = {
            "short": {
                "history": {name: values[:1] if name == "loss" else values for name, values in run.history.items()}
            },
            "nan": {"history": {**run.history, "loss": [float("nan")] * run.epochs}},
            "forgets": {"seen": None},
            "no model": {"model": None},
        }
        return dataclasses.replace(run, **changes.get(self.fault, {}))


@dataclasses.dataclass
class Loose:
    seed: int = 0

    def fit(self, model, train, validation=None):
        return None


@dataclasses.dataclass(frozen=True)
class Narrow:
    seed: int = 0

    def fit(self, model, train, validation=None, *, store=True):
        return None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("does nothing", "the loss on the training images falls"),
        ("compiles", "stays uncompiled"),
        ("draws", "global random state"),
        ("short", "a value for each epoch"),
        ("nan", "the history is numbers"),
        ("forgets", "which images it saw"),
        ("no model", "the one that was fitted"),
    ],
)
def test_trainers(fault, promise):
    breaks(promise, check_trainer, Faulty, fault=fault, epochs=2, learning_rate=0.01)


def test_trainers_that_are_no_record():
    breaks("frozen dataclass", check_trainer, Loose)
    breaks("fit takes", check_trainer, Narrow)
    breaks("it is made with its options", check_trainer, Frozen, epochs=0)
    breaks("what JSON can hold", check_trainer, Narrow, seed=np.int64(1))
