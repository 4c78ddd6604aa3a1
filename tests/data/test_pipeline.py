"""Records to decoded batches: what is read, in which order, and what becomes of files that cannot be read."""

import gc
import itertools
import weakref

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.data import images, reading
from lesionkit.data.pipeline import Pixels, batches, dataset, decode_each, one_hot, order
from lesionkit.data.reading import AHEAD
from lesionkit.errors import OptionError, UnreadableImagesError

SIZE = (16, 16)
quick = settings(max_examples=50, deadline=None)


def test_decode_each_keeps_the_order(records):
    found = list(decode_each(records.source, SIZE))
    for one, source in zip(found, records.source, strict=True):
        np.testing.assert_array_equal(one.pixels, images.load(source, SIZE))
        assert one.error is None


def test_decode_each_gives_an_error_its_place_and_goes_on(broken):
    found = list(decode_each(broken.source, SIZE))
    assert [one.error is None for one in found] == [True, False, True, False]
    assert [one.pixels is None for one in found] == [False, True, False, True]


def test_decode_each_reads_only_a_little_ahead(records):
    taken = itertools.count()
    sources = (records.source[next(taken) % len(records)] for _ in range(10 * AHEAD))
    decoded = decode_each(sources, SIZE)
    for _ in range(3):
        next(decoded)
    decoded.close()
    assert 3 <= next(taken) <= AHEAD + 3


@quick
@given(count=st.integers(0, 200), seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 1000))
def test_order_is_a_permutation_and_depends_on_nothing_else(count, seed, epoch):
    first = order(count, seed, epoch)
    np.random.default_rng().random()
    assert sorted(first) == list(range(count))
    np.testing.assert_array_equal(first, order(count, seed, epoch))


@quick
@given(seed=st.integers(0, 2**32 - 2), epoch=st.integers(0, 1000))
def test_order_differs_by_seed_and_by_epoch(seed, epoch):
    first = order(50, seed, epoch).tolist()
    assert first != order(50, seed + 1, epoch).tolist()
    assert first != order(50, seed, epoch + 1).tolist()


@quick
@given(num_classes=st.integers(2, 9), data=st.data())
def test_one_hot_marks_each_label_and_leaves_the_unknown_empty(num_classes, data):
    labels = data.draw(st.lists(st.integers(-1, num_classes - 1), min_size=1))
    hot = one_hot(labels, num_classes)
    assert hot.dtype == np.float32
    assert hot.shape == (len(labels), num_classes)
    for row, label in zip(hot, labels, strict=True):
        assert row.tolist() == [float(place == label) for place in range(num_classes)]


@pytest.mark.parametrize("batch_size", [1, 5, 8, 33, 100])
def test_dataset_holds_each_image_once_in_order(records, batch_size):
    data = dataset(records, image_size=SIZE, batch_size=batch_size)
    found = list(data.as_numpy_iterator())
    sizes = [len(pixels) for pixels, _ in found]
    assert int(data.cardinality()) == len(found) == -(-len(records) // batch_size)
    assert set(sizes[:-1]) <= {batch_size}
    pixels, labels = (np.concatenate(column) for column in zip(*found, strict=True))
    np.testing.assert_array_equal(pixels, [images.load(source, SIZE) for source in records.source])
    np.testing.assert_array_equal(labels, one_hot(records.label, 3))


def test_dataset_has_the_types_that_it_says(records):
    pixels, labels = dataset(records, image_size=(12, 10)).element_spec
    assert (pixels.shape.as_list(), pixels.dtype) == ([None, 12, 10, 3], tf.uint8)
    assert (labels.shape.as_list(), labels.dtype) == ([None, 3], tf.float32)


def test_shuffling_differs_by_pass_and_repeats_by_seed(records):
    def passes(seed):
        data = dataset(records, image_size=SIZE, batch_size=len(records), shuffle=True, seed=seed)
        return [next(iter(data))[0].numpy() for _ in range(2)]

    first, again, other = passes(1), passes(1), passes(2)
    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).any()
    assert (first[0] != other[0]).any()
    whole = np.stack([images.load(source, SIZE) for source in records.source])
    for epoch, seen in enumerate(first):
        np.testing.assert_array_equal(seen, whole[order(len(records), 1, epoch)])


def test_dataset_names_an_image_that_cannot_be_read(broken):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"1\.png"):
        list(dataset(broken, image_size=SIZE))


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, "8"])
def test_dataset_refuses_a_batch_of_nothing(records, batch_size):
    with pytest.raises(OptionError, match="batch_size"):
        dataset(records, batch_size=batch_size)


def test_pixels_are_decoded_when_asked_for(records, monkeypatch):
    read = []
    real = reading.read_bytes
    monkeypatch.setattr(reading, "read_bytes", lambda source: read.append(source) or real(source))
    pixels = Pixels(records.source, SIZE)
    assert pixels.shape == (len(records), *SIZE, 3)
    assert read == []
    rows = np.array([5, 0, 5])
    found = pixels[rows]
    assert found.dtype == pixels.dtype == np.uint8
    assert sorted(read) == sorted(records.source[rows])
    np.testing.assert_array_equal(found, [images.load(source, SIZE) for source in records.source[rows]])


def test_pixels_name_all_that_cannot_be_read(broken):
    with pytest.raises(UnreadableImagesError) as raised:
        Pixels(broken.source, SIZE)[np.arange(4)]
    assert [error.source for error in raised.value.errors] == [broken.source[1], broken.source[3]]


class Values:
    """Features of which it can be told whether they are still held."""

    shape, dtype = (6, 2), np.dtype(np.float32)

    def __getitem__(self, rows):
        return np.ones((len(rows), 2), np.float32)


@pytest.mark.parametrize("in_memory", [True, False])
def test_what_a_dataset_reads_goes_with_it(in_memory):
    """TensorFlow keeps every generator for ever: a search would keep the features and the model of each trial."""
    values = np.ones((6, 2), np.float32) if in_memory else Values()
    asked = Values()  # stands for whatever the order of the images comes from
    held = weakref.ref(asked)
    made = batches(values, np.arange(6), 4, lambda asked=asked: np.arange(len(asked[range(6)])))
    del asked, values
    assert len(list(made)) == 2
    mapped = made.map(lambda one, label: one)
    del made
    gc.collect()
    assert len(list(mapped)) == 2  # a dataset made of it still reads
    del mapped
    gc.collect()
    assert held() is None
