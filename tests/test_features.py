"""The feature store: found again where nothing changed, missed where anything did, whole whatever happens."""

import contextlib
import hashlib
import json
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import build_tiny
from PIL import Image

from lesionkit import features, images
from lesionkit.assembly import build_classifier, frozen_part, parts
from lesionkit.errors import OptionError, StorageError, UnreadableImagesError
from lesionkit.features import FeatureStore
from lesionkit.fingerprints import BATCH_SIZE, fingerprint

SIZE = (16, 16)
ROW = 64 + 4 * 8 * 8 * 8  # bytes of a picture's SHA-256 and its feature map
CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def frozen(tiny):
    return frozen_part(build_classifier(CLASSES, image_size=SIZE, backbone=tiny))


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store")


def written(folder, count, seed=0):
    """``count`` image files of noise, no two alike."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(seed)
    paths = [folder / f"{seed}-{number:03}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (*SIZE, 3)).astype(np.uint8)).save(path, compress_level=0)
    return list(map(str, paths))


def counts(found):
    return found.extracted, found.reused


def expected(frozen, sources):
    return frozen.predict(np.stack([images.load(source, SIZE) for source in sources]), verbose=0)


def assert_near(found, wanted):
    """To 1e-5 in relative Euclidean norm, for each image."""
    found, wanted = (array.reshape(len(array), -1) for array in (found, wanted))
    assert (np.linalg.norm(found - wanted, axis=1) <= 1e-5 * np.linalg.norm(wanted, axis=1)).all()


def shards(store):
    return sorted(store.folder.glob("*/*.npy"))


def size(store):
    return sum(path.stat().st_size for path in shards(store))


# What is found


def test_what_was_stored_is_found_again(store, frozen, records):
    first = store.features(frozen, records.source)
    again = store.features(frozen, records.source)
    assert counts(first) == (len(records), 0)
    assert counts(again) == (0, len(records))
    everything = slice(None)
    np.testing.assert_array_equal(first[everything], again[everything])


def test_features_are_those_of_the_plain_model_in_the_order_asked(store, frozen, records):
    backwards = records.source[::-1]
    store.features(frozen, records.source[::2])
    found = store.features(frozen, backwards)
    assert found.shape == (len(records), 8, 8, 8)
    assert found.dtype == np.float32
    assert len(found) == len(records)
    assert_near(found[np.arange(len(found))], expected(frozen, backwards))
    rows = np.array([4, 0, 4, 20])
    np.testing.assert_array_equal(found[rows], found[np.arange(len(found))][rows])


def test_pictures_are_known_by_the_sha256_of_their_bytes(store, frozen, records):
    found = store.features(frozen, records.source)
    assert found.picture_id == tuple(hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in records.source)


def test_equal_bytes_under_two_names_are_extracted_once(store, frozen, tmp_path):
    sources = written(tmp_path / "images", 2)
    twin = str(tmp_path / "images" / "twin.jpg")
    shutil.copy(sources[0], twin)
    found = store.features(frozen, [*sources, twin])
    assert counts(found) == (2, 0)
    np.testing.assert_array_equal(found[np.array([0])], found[np.array([2])])
    assert counts(store.features(frozen, [twin])) == (0, 1)


def test_a_part_is_a_run_of_the_images(store, frozen, records):
    whole = store.features(frozen, records.source)
    first, second = whole.parts([5, len(records) - 5])
    assert (len(first), len(second)) == (5, len(records) - 5)
    np.testing.assert_array_equal(first[np.arange(5)], whole[np.arange(5)])
    np.testing.assert_array_equal(second[np.array([0, 3])], whole[np.array([5, 8])])
    assert first.picture_id + second.picture_id == whole.picture_id


def test_only_what_is_missing_is_extracted(store, frozen, records):
    store.features(frozen, records.source[:10])
    found = store.features(frozen, records.source[5:20])
    assert counts(found) == (10, 5)
    assert_near(found[np.arange(15)], expected(frozen, records.source[5:20]))


def test_the_log_says_what_was_done(store, frozen, records, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    store.features(frozen, records.source)
    assert f"{len(records)} of {len(records)} pictures to extract" in caplog.text
    caplog.clear()
    store.features(frozen, records.source)
    assert f"{len(records)} pictures found in the store, nothing to extract" in caplog.text


# What is a miss


def test_a_changed_image_is_a_miss(store, frozen, tmp_path):
    sources = written(tmp_path / "images", 3)
    before = store.features(frozen, sources)[np.arange(3)]
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(sources[1])
    found = store.features(frozen, sources)
    assert counts(found) == (1, 2)
    assert (found[np.array([1])] != before[1]).any()
    assert_near(found[np.arange(3)], expected(frozen, sources))


@pytest.mark.parametrize("place", range(5))
def test_a_changed_weight_is_a_miss(store, tiny, records, place):
    model = build_classifier(CLASSES, image_size=SIZE, backbone=tiny)
    store.features(frozen_part(model), records.source[:3])
    weight = parts(model).backbone.weights[place]
    values = np.array(weight)
    values.flat[0] += 0.5
    weight.assign(values)
    found = store.features(frozen_part(model), records.source[:3])
    assert counts(found) == (3, 0)
    assert_near(found[np.arange(3)], expected(frozen_part(model), records.source[:3]))


@pytest.mark.parametrize("change", [{"image_size": (16, 18)}, {"preprocessor": "imagenet_torch"}, {"seed": 1}])
def test_another_size_preprocessor_or_backbone_is_a_miss(store, frozen, tiny, records, change):
    store.features(frozen, records.source[:3])
    other = frozen_part(build_classifier(CLASSES, **{"image_size": SIZE, "backbone": tiny, **change}))
    assert counts(store.features(other, records.source[:3])) == (3, 0)


def test_another_head_is_a_hit(store, frozen, tiny, records):
    store.features(frozen, records.source[:3])
    other = build_classifier(("x", "y"), image_size=SIZE, backbone=tiny, head="pooled")
    other.layers[-1].set_weights([weight + 1 for weight in other.layers[-1].get_weights()])
    assert counts(store.features(frozen_part(other), records.source[:3])) == (0, 3)


def test_the_same_network_built_twice_or_loaded_is_a_hit(store, frozen, tiny, records, tmp_path):
    store.features(frozen, records.source[:3])
    again = build_classifier(CLASSES, image_size=SIZE, backbone=tiny)
    again.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for model in (again, loaded):
        assert counts(store.features(frozen_part(model), records.source[:3])) == (0, 3)


def network(activation="relu", name=None, kernel=3, dtype=None, order=1):
    image = keras.Input((8, 8, 3))
    values = keras.layers.Conv2D(4, kernel, padding="same", dtype=dtype, kernel_initializer="ones")(image)
    values = keras.layers.Activation(activation, name=name)(values)
    return keras.Model(image, keras.layers.Subtract()([image[..., :1], values][::order]))


def test_names_do_not_change_the_fingerprint():
    assert fingerprint(network()) == fingerprint(network()) == fingerprint(network(name="another"))


@pytest.mark.parametrize(
    "change",
    [{"activation": "tanh"}, {"dtype": "mixed_float16"}, {"dtype": "float16"}, {"order": -1}],
)
def test_what_changes_the_computation_changes_the_fingerprint(change):
    assert fingerprint(network(name="same", **change)) != fingerprint(network(name="same"))


def test_the_precision_of_a_last_layer_changes_the_fingerprint():
    def last(policy):
        image = keras.Input((8, 8, 3))
        return keras.Model(image, keras.layers.Conv2D(2, 1, kernel_initializer="ones", dtype=policy)(image))

    assert fingerprint(last("float32")) != fingerprint(last("mixed_float16"))


def test_the_fingerprint_is_the_same_in_another_process(tmp_path):
    model = frozen_part(build_classifier(CLASSES, image_size=SIZE, backbone="tiny_for_tests"))
    assert model is not None
