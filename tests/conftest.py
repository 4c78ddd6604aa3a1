"""What many tests share: a cache of their own, a small folder of images, a backbone of two layers."""

import os
import shutil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from lesionkit.backbones import Backbone, Stage
from lesionkit.data.records import Records
from lesionkit.datasets.isic_folder import isic_folder
from lesionkit.recipe import Part

settings.register_profile("lesionkit", deadline=None)  # a busy machine is no failure
settings.load_profile("lesionkit")

COLOURS = {"brown": (140, 90, 60), "red": (200, 60, 70), "violet": (110, 70, 160)}
SIZE = (16, 16)
TRAIN, TEST = 8, 3


def build_tiny(input_shape, *, weights=None):
    """(B, height, width, 3) to (B, height / 2, width / 2, 8), with random weights whatever is asked for."""
    import keras

    image = keras.Input(input_shape)
    values = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="conv")(image)
    values = keras.layers.BatchNormalization(
        moving_mean_initializer=keras.initializers.RandomNormal(),
        moving_variance_initializer=keras.initializers.RandomUniform(0.5, 1.5),
        name="norm",
    )(values)
    return keras.Model(image, keras.layers.ReLU(name="relu")(values))


def build_deep(input_shape, *, weights=None):
    """(B, height, width, 3) to (B, height / 4, width / 4, 8): two runs of convolution, batch norm, ReLU and dropout."""
    import keras

    image = values = keras.Input(input_shape)
    for name in ("low", "high"):
        values = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name=f"{name}_conv")(values)
        values = keras.layers.BatchNormalization(name=f"{name}_norm")(values)
        values = keras.layers.ReLU(name=f"{name}_relu")(values)
        values = keras.layers.Dropout(0.5, name=f"{name}_dropout")(values)
    return keras.Model(image, values)


DEEP = Backbone(
    "deep",
    build_deep,
    Part("symmetric_range"),
    (Stage("low"), Stage("high", before="high_conv")),
    8,
    872,
    "made for the tests",
)


@pytest.fixture(scope="session")
def real_data():
    """The folder that LESIONKIT_TEST_DATA names: the nine-class folder and HAM10000's table lie in it."""
    named = os.environ.get("LESIONKIT_TEST_DATA")
    if not named:
        pytest.skip("LESIONKIT_TEST_DATA does not name a folder of real images")
    return Path(named)


@pytest.fixture(scope="session")
def nine_class_folder(real_data):
    """The public nine-class set of ISIC images: Train/ and Test/."""
    return real_data / "Skin cancer ISIC The International Skin Imaging Collaboration"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """The folder that stands for the user's cache in all tests."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LESIONKIT_CACHE", str(folder))
        patch.delenv("LESIONKIT_CACHE_LIMIT", raising=False)
        yield folder


@pytest.fixture(scope="session")
def tiny():
    """A backbone of one convolution, one batch normalisation and a ReLU."""
    return Backbone("tiny", build_tiny, Part("symmetric_range"), (Stage("all"),), 8, 248, "made for the tests")


@pytest.fixture(scope="session")
def deep():
    """A backbone of two stages, ``low`` and ``high``."""
    return DEEP


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Train/ and Test/ with three classes of noise, each around a colour of its own. Copy it before changing it."""
    root = tmp_path_factory.mktemp("data") / "lesions"
    random = np.random.default_rng(0)
    for split, count in (("Train", TRAIN), ("Test", TEST)):
        for label, colour in COLOURS.items():
            (root / split / label).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(random.normal(colour, 20, (*SIZE, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / label / f"{label}{number}.png")
    return root


@pytest.fixture(scope="session")
def records(folder):
    """The records of ``folder``: 24 in train, 9 in test."""
    return isic_folder(folder)


@pytest.fixture
def broken(records, tmp_path):
    """Four images of which the second and the last cannot be read."""
    folder = tmp_path / "broken"
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(4)]
    for source, path in zip(records.source[:4], paths, strict=True):
        shutil.copy(source, path)
    paths[1].write_bytes(b"not an image")
    paths[3].write_bytes(b"")
    return Records(records.class_names, list(map(str, paths)), [0, 1, 2, 0], ["a", "b", "c", "d"])


@pytest.fixture
def train(records):
    """The training images of ``records``."""
    return records.where(split="train")


@pytest.fixture
def held_out(records):
    """The test images of ``records``, to watch while training."""
    return records.where(split="test")


@pytest.fixture
def store(tmp_path):
    """An empty feature store."""
    from lesionkit.features.store import FeatureStore

    return FeatureStore(tmp_path / "store")


@pytest.fixture
def build(tiny, records):
    """A function that builds a classifier for ``records`` on the tiny backbone."""
    from lesionkit.model.assembly import build_classifier

    def built(**options):
        return build_classifier(records.class_names, **{"image_size": SIZE, "backbone": tiny, **options})

    return built
