"""The feature store: found again where nothing changed, missed where anything did, whole whatever happens."""

import contextlib
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from places import TESTS

from lesionkit.data import images, reading
from lesionkit.errors import OptionError, StorageError, UnreadableImagesError
from lesionkit.features import store as features
from lesionkit.features.fingerprint import fingerprint
from lesionkit.features.store import BATCH_SIZE, FeatureStore
from lesionkit.files import storing
from lesionkit.model.assembly import build_classifier
from lesionkit.model.parts import frozen_part, parts

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
    began = time.perf_counter()
    first = store.features(frozen, records.source)
    took = time.perf_counter() - began
    again = store.features(frozen, records.source)
    assert counts(first) == (len(records), 0)
    assert counts(again) == (0, len(records))
    assert 0 < first.seconds < took
    assert again.seconds == 0
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


def test_a_part_holds_the_chosen_images_alone(store, frozen, records):
    whole, rows = store.features(frozen, records.source), np.array([7, 2, 30])
    part = whole.part(rows)
    assert len(part) == 3
    assert part.shape == (3, *whole.shape[1:])
    assert part.picture_id == tuple(whole.picture_id[row] for row in rows)
    np.testing.assert_array_equal(part[np.array([2, 0])], whole[rows[[2, 0]]])


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


def network(activation="relu", name=None, dtype=None, order=1):
    image = keras.Input((8, 8, 3))
    values = keras.layers.Conv2D(1, 3, padding="same", dtype=dtype, kernel_initializer="ones")(image)
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


# What goes wrong


def test_more_than_the_limit_is_refused_with_sizes_and_remedies(tmp_path, frozen, records):
    store = FeatureStore(tmp_path / "store", limit=len(records) * ROW - 1)
    with pytest.raises(StorageError) as raised:
        store.features(frozen, records.source)
    words = str(raised.value)
    for word in (f"{len(records)} pictures", "GB", "LESIONKIT_CACHE_LIMIT", "FeatureStore(limit=", "store=False"):
        assert word in words
    assert shards(store) == []


def test_sizes_are_told_in_megabytes_and_gigabytes(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="lesionkit"), pytest.raises(StorageError) as raised:
        FeatureStore(tmp_path, limit=3 * 10**9)._make_room(100_000, 2, 50_000, 40_000)
    assert "50000 of 200000 views (2 of 100000 pictures) to extract, 2000 MB" in caplog.text
    assert "take 8.00 GB" in str(raised.value)
    assert "may hold 3.00 GB" in str(raised.value)


def test_exactly_the_limit_is_taken(tmp_path, frozen, records):
    store = FeatureStore(tmp_path / "store", limit=len(records) * ROW)
    assert counts(store.features(frozen, records.source)) == (len(records), 0)


def test_the_least_recently_used_is_given_up_for_the_new(tmp_path, frozen, tiny):
    store = FeatureStore(tmp_path / "store", limit=25 * ROW)
    old, used, new = (written(tmp_path / "images", 10, seed=seed) for seed in range(3))
    store.features(frozen, old)
    other = frozen_part(build_classifier(CLASSES, image_size=SIZE, backbone=tiny, seed=1))
    store.features(other, used)
    for number, path in enumerate(sorted(shards(store), key=lambda path: path.parent.name == fingerprint(other))):
        os.utime(path, (1000 + number, 1000 + number))
    assert [entry for entry, _ in store.entries()] == [fingerprint(frozen), fingerprint(other)]
    store.features(frozen, old)  # used again: now the other one is older
    assert [entry for entry, _ in store.entries()] == [fingerprint(other), fingerprint(frozen)]
    store.features(frozen, new)
    assert [entry for entry, _ in store.entries()] == [fingerprint(frozen)]
    assert counts(store.features(frozen, [*old, *new])) == (0, 20)
    assert counts(store.features(other, used)) == (10, 0)


def test_features_in_hand_outlive_their_files(tmp_path, store, frozen):
    sources = written(tmp_path / "images", 5)
    found = store.features(frozen, sources)
    assert store.clear() > 0
    assert_near(found[np.arange(5)], expected(frozen, sources))


DAMAGES = {
    "cut short": lambda data: data[:-5],
    "cut in its header": lambda data: data[:40],
    "emptied": lambda data: data[:0],
    "overwritten": lambda data: b"x" * len(data),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_a_miss_and_said(store, frozen, records, caplog, damage):
    store.features(frozen, records.source[:5])
    (shard,) = shards(store)
    shard.write_bytes(damage(shard.read_bytes()))
    found = store.features(frozen, records.source[:5])
    assert counts(found) == (5, 0)
    assert shard.name in caplog.text
    assert not shard.exists()
    assert_near(found[np.arange(5)], expected(frozen, records.source[:5]))
    assert counts(store.features(frozen, records.source[:5])) == (0, 5)


def test_all_that_cannot_be_read_is_named_and_what_was_computed_is_kept(store, frozen, tmp_path):
    sources = written(tmp_path / "images", BATCH_SIZE + 8)
    for place in (BATCH_SIZE + 1, BATCH_SIZE + 2, BATCH_SIZE + 5):  # the first two of equal bytes
        Path(sources[place]).write_bytes(b"not an image" * (1 + place // (BATCH_SIZE + 5)))
    with pytest.raises(UnreadableImagesError) as raised:
        store.features(frozen, sources)
    assert [error.source for error in raised.value.errors] == [sources[BATCH_SIZE + place] for place in (1, 2, 5)]
    assert counts(store.features(frozen, sources[:BATCH_SIZE])) == (0, BATCH_SIZE)


def test_faults_are_looked_for_to_the_end(store, frozen, tmp_path):
    sources = written(tmp_path / "images", 2 * BATCH_SIZE + 5)
    wrong = [sources[3], sources[BATCH_SIZE + 3], sources[-1]]
    for source in wrong:
        Path(source).write_bytes(source.encode())
    with pytest.raises(UnreadableImagesError) as raised:
        store.features(frozen, sources)
    assert [error.source for error in raised.value.errors] == wrong


def test_missing_files_are_named_with_those_that_cannot_be_decoded(store, frozen, tmp_path):
    sources = written(tmp_path / "images", 5)
    Path(sources[0]).write_bytes(b"not an image")
    Path(sources[2]).unlink()
    Path(sources[4]).write_bytes(b"")
    with pytest.raises(UnreadableImagesError) as raised:
        store.features(frozen, sources)
    assert [error.source for error in raised.value.errors] == [sources[0], sources[2], sources[4]]


def test_a_file_that_changes_while_it_is_read_is_refused(store, frozen, tmp_path, monkeypatch):
    sources = written(tmp_path / "images", 4)
    real, reads = reading.read_bytes, []

    def changing(source):
        reads.append(source)
        data = real(source)
        if source == sources[1] and reads.count(source) == 1:  # right after it was hashed
            shutil.copy(sources[0], source)
        return data

    monkeypatch.setattr(reading, "read_bytes", changing)
    with pytest.raises(UnreadableImagesError, match="changed while it was read") as raised:
        store.features(frozen, sources)
    assert [error.source for error in raised.value.errors] == [sources[1]]
    found = store.features(frozen, sources)
    assert_near(found[np.arange(4)], expected(frozen, sources))


def test_a_full_disk_is_said_in_plain_words(store, frozen, records, monkeypatch):
    @contextlib.contextmanager
    def full(path):
        with storing(path):
            yield Path("/dev/full")

    monkeypatch.setattr("lesionkit.features.shards.whole_file", full)
    with pytest.raises(StorageError, match="disk is full"):
        store.features(frozen, records.source)


def test_a_folder_that_cannot_be_made_is_said_in_plain_words(tmp_path, frozen, records):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file"):
        FeatureStore(tmp_path / "file" / "store").features(frozen, records.source)


# Size and shards


def test_small_shards_are_written_as_they_fill_and_read_right(store, frozen, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "SHARD_BYTES", BATCH_SIZE * ROW)
    sources = written(tmp_path / "images", 2 * BATCH_SIZE + 6)
    found = store.features(frozen, sources)
    assert sorted(len(np.load(path)) for path in shards(store)) == [6, BATCH_SIZE, BATCH_SIZE]
    again = store.features(frozen, sources)
    assert counts(again) == (0, len(sources))
    rows = np.random.default_rng(0).permutation(len(sources))
    assert_near(again[rows], expected(frozen, np.array(sources)[rows]))
    np.testing.assert_array_equal(found[rows], again[rows])


@pytest.mark.parametrize("count", [1, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 2 * BATCH_SIZE])
def test_any_number_of_images_is_taken(store, frozen, tmp_path, count, monkeypatch):
    monkeypatch.setattr(features, "SHARD_BYTES", 1)
    sources = written(tmp_path / "images", count)
    found = store.features(frozen, sources)
    assert counts(found) == (count, 0)
    assert_near(found[np.arange(count)], expected(frozen, sources))
    assert sum(len(np.load(path)) for path in shards(store)) == count


def test_entries_add_up_all_files_of_a_part(store, frozen, records):
    for some in (records.source[::2], records.source):
        store.features(frozen, some)
    assert len(shards(store)) == 2
    assert store.entries() == [(fingerprint(frozen), size(store))]


def test_entries_tell_the_bytes_and_clear_frees_them(store, frozen, records):
    assert store.entries() == []
    assert store.clear() == 0
    store.features(frozen, records.source)
    assert store.entries() == [(fingerprint(frozen), size(store))]
    assert len(records) * ROW <= (taken := size(store)) < len(records) * ROW + 1000
    assert store.clear() == taken
    assert store.entries() == []
    assert shards(store) == []


def test_what_another_process_is_writing_is_let_be_until_it_is_abandoned(store, frozen, records):
    store.features(frozen, records.source)
    (shard,) = shards(store)
    unfinished = shard.with_name(".unfinished.npy")
    unfinished.write_bytes(b"half")
    store.clear()
    assert unfinished.exists()
    assert counts(store.features(frozen, records.source)) == (len(records), 0)
    long_ago = time.time() - 2 * features.ABANDONED
    os.utime(unfinished, (long_ago, long_ago))
    store.clear()
    assert not unfinished.exists()


# Where and how much


def test_the_store_is_in_the_cache_folder_unless_told(cache, tmp_path):
    assert FeatureStore().folder == cache / "features"
    assert FeatureStore(str(tmp_path)).folder == tmp_path


def test_the_limit_is_given_or_of_the_environment_or_20_gb(monkeypatch):
    assert FeatureStore().limit == 20 * 10**9
    monkeypatch.setenv("LESIONKIT_CACHE_LIMIT", "12345")
    assert FeatureStore().limit == 12345
    assert FeatureStore(limit=0).limit == 0


@pytest.mark.parametrize("text", ["20 GB", "1e9", "-1", "", "2.5"])
def test_a_limit_that_is_no_number_of_bytes_is_refused(monkeypatch, text):
    monkeypatch.setenv("LESIONKIT_CACHE_LIMIT", text)
    with pytest.raises(OptionError, match="LESIONKIT_CACHE_LIMIT"):
        FeatureStore()


FILL = """
import sys
from conftest import build_tiny
from lesionkit.features import store as features
from lesionkit.model.assembly import build_classifier
from lesionkit.model.parts import frozen_part
from lesionkit.backbones import Backbone, Stage
from lesionkit.recipe import Part
features.SHARD_BYTES = 1
folder, *sources = sys.argv[1:]
tiny = Backbone("tiny", build_tiny, Part("symmetric_range"), (Stage("all"),), 8, 248, "made for the tests")
frozen = frozen_part(build_classifier(("a", "b", "c"), image_size=(16, 16), backbone=tiny))
print("ready", flush=True)
sys.stdin.readline()
found = features.FeatureStore(folder).features(frozen, sources)
print(found.extracted + found.reused)
"""


def test_two_processes_can_fill_one_store_and_a_third_finds_it_all(store, frozen, tmp_path):
    sources = written(tmp_path / "images", 3 * BATCH_SIZE)
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", FILL, store.folder, *sources],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        for _ in range(2)
    ]
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        run.stdin.write("go\n")
        run.stdin.flush()
    for run in runs:
        assert run.communicate(timeout=60)[0].strip() == str(len(sources))
        assert run.returncode == 0
    found = store.features(frozen, sources)
    assert counts(found) == (0, len(sources))
    assert_near(found[np.arange(len(sources))], expected(frozen, sources))


# Views


class Darker:
    """A view that takes ``much`` from each number."""

    def __init__(self, much):
        self.name, self.much, self.seen = f"darker by {much}", much, []

    def __call__(self, images, picture_id):
        self.seen += picture_id
        return np.maximum(np.float32(images) - self.much, 0)


VIEWS = (None, Darker(30), Darker(60))


def seen_as(frozen, sources, view):
    pixels = np.stack([images.load(source, SIZE) for source in sources])
    return frozen.predict(pixels if view is None else view(pixels, []), verbose=0)


def test_views_follow_each_other_and_are_stored_apart(store, frozen, records):
    sources = records.source[:5]
    found = store.features(frozen, sources, VIEWS)
    assert counts(found) == (15, 0)
    assert found.shape == (15, 8, 8, 8)
    assert found.picture_id[:5] == found.picture_id[5:10] == found.picture_id[10:]
    assert_near(found[np.arange(15)], np.concatenate([seen_as(frozen, sources, view) for view in VIEWS]))
    names = [name for name, _ in store.entries()]
    assert sorted(names)[0] == fingerprint(frozen)
    assert len(set(names)) == 3
    assert all(name.startswith(fingerprint(frozen)) for name in names)
    for order in (VIEWS, VIEWS[::-1]):
        again = store.features(frozen, sources, order)
        assert counts(again) == (0, 15)
        np.testing.assert_array_equal(again[np.arange(5)], found[np.arange(5) + 5 * VIEWS.index(order[0])])
    assert counts(store.features(frozen, sources)) == (0, 5)


def test_a_view_gets_the_picture_ids_and_only_of_what_is_missing(store, frozen, records):
    view = Darker(10)
    found = store.features(frozen, records.source[:3], [view])
    assert tuple(view.seen) == found.picture_id
    more = store.features(frozen, records.source[:5], [view])
    assert tuple(view.seen) == more.picture_id
    assert counts(more) == (2, 3)


def test_features_are_joined_in_order(store, frozen, records):
    first, second = (store.features(frozen, records.source[rows]) for rows in (slice(4), slice(7, 9)))
    both = type(first).concatenate([first, second, first.part(np.array([2]))])
    assert len(both) == 7
    assert both.picture_id == (*first.picture_id, *second.picture_id, first.picture_id[2])
    assert counts(both) == (4 + 2 + 4, 0)
    assert both.seconds == pytest.approx(2 * first.seconds + second.seconds)
    wanted = [first[np.arange(4)], second[np.arange(2)], first[np.array([2])]]
    np.testing.assert_array_equal(both[np.arange(7)], np.concatenate(wanted))


def test_all_views_count_before_anything_is_computed(tmp_path, frozen, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    sources = written(tmp_path / "images", 10)
    small = FeatureStore(tmp_path / "store", limit=3 * 10 * ROW - 1)
    with pytest.raises(StorageError, match=r"30 views \(3 of 10 pictures\) take .* GB.*LESIONKIT_CACHE_LIMIT"):
        small.features(frozen, sources, VIEWS)
    assert shards(small) == []
    exact = FeatureStore(tmp_path / "store", limit=3 * 10 * ROW)
    exact.features(frozen, sources[:4])
    caplog.clear()
    exact.features(frozen, sources, VIEWS)
    assert "features: 26 of 30 views (3 of 10 pictures) to extract, 0 MB" in caplog.text
    assert "features: 4 views found in the store, 26 extracted in" in caplog.text


@pytest.mark.parametrize("known", range(3))
def test_room_for_views_is_made_of_others_alone(tmp_path, frozen, known):
    """With a limit that just fits, whichever view was stored first, and however long ago."""
    head = 200  # bytes before the rows of a file, of which there are six at most
    store = FeatureStore(tmp_path / "store", limit=3 * 10 * ROW + 6 * head)
    ours, others = (written(tmp_path / "images", 10, seed=seed) for seed in range(2))
    store.features(frozen, ours, [VIEWS[known]])
    store.features(frozen, others, VIEWS[:2])
    for number, path in enumerate(sorted(shards(store), key=lambda path: path.stat().st_mtime_ns)):
        os.utime(path, (1000 + number, 1000 + number))  # ours are the oldest
    assert counts(store.features(frozen, ours, VIEWS)) == (20, 10)
    assert counts(store.features(frozen, ours, VIEWS)) == (0, 30)
    assert size(store) <= store.limit


# Interrupted


def test_what_took_long_is_written_before_a_shard_is_full(store, frozen, tmp_path, monkeypatch):
    assert 0 < features.SHARD_SECONDS < 60
    monkeypatch.setattr(features, "SHARD_SECONDS", 0)
    sources = written(tmp_path / "images", 2 * BATCH_SIZE + 6)
    store.features(frozen, sources)
    assert sorted(len(np.load(path)) for path in shards(store)) == [6, BATCH_SIZE, BATCH_SIZE]
    again = store.features(frozen, sources)
    assert counts(again) == (0, len(sources))
    assert_near(again[np.arange(len(sources))], expected(frozen, sources))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_was_computed_before_an_interruption_is_kept(store, frozen, tmp_path, monkeypatch, error):
    sources = written(tmp_path / "images", 3 * BATCH_SIZE)
    view = Darker(5)

    def interrupted(pixels, picture_id):
        if len(view.seen) == 2 * BATCH_SIZE:
            raise error
        return view(pixels, picture_id)

    interrupted.name = view.name
    with pytest.raises(error):
        store.features(frozen, sources, [None, interrupted])
    found = store.features(frozen, sources, [None, view])
    assert counts(found) == (BATCH_SIZE, 5 * BATCH_SIZE)
    rows = np.arange(len(sources))
    assert_near(found[rows + len(sources)], seen_as(frozen, sources, Darker(5)))
