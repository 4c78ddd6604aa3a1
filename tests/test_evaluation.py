"""evaluate: the same answers however the images come, classes told apart by name."""

import dataclasses

import numpy as np
import pytest

import lesionkit as lk
from lesionkit import images, pipeline
from lesionkit.datasets.isic_folder import isic_folder
from lesionkit.errors import DataError, OptionError, UnreadableImagesError

SIZE = (12, 10)  # not that of the files


@pytest.fixture(scope="module")
def model(tiny, records):
    return lk.build_classifier(records.class_names, image_size=SIZE, backbone=tiny, seed=3)


@pytest.fixture(scope="module")
def held_out(records):
    return records.where(split="test")


@pytest.fixture(scope="module")
def expected(model, held_out):
    return lk.evaluate(model, held_out)


def pixels(records):
    return np.stack([images.load(source) for source in records.source])


def renamed(records, **names):
    return dataclasses.replace(records, class_names=tuple(names.get(name, name) for name in records.class_names))


def test_records_give_each_image_its_answer(expected, model, held_out):
    direct = model.predict(np.stack([images.load(source, SIZE) for source in held_out.source]), verbose=0)
    np.testing.assert_allclose(expected.probabilities, direct, atol=1e-6)
    assert expected.class_names == held_out.class_names
    assert expected.source == tuple(held_out.source)
    assert expected.image_id == tuple(held_out.image_id)
    assert expected.labels.tolist() == held_out.label.tolist()
    assert expected.data.counts == held_out.counts()
    assert str(len(held_out)) in str(expected)


def test_arrays_give_the_same(expected, model, held_out):
    found = lk.evaluate(model, (pixels(held_out), held_out.label))
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
    assert np.array_equal(found.labels, expected.labels)
    assert found.source == ("",) * len(held_out)


@pytest.mark.parametrize("batch_size", [4, 32])
def test_a_dataset_gives_the_same(expected, model, held_out, batch_size):
    found = lk.evaluate(model, pipeline.dataset(held_out, image_size=SIZE, batch_size=batch_size))
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
    assert np.array_equal(found.labels, expected.labels)


def test_a_dataset_may_hold_whole_numbers(expected, model, held_out):
    import tensorflow as tf

    hot = pipeline.dataset(held_out, image_size=SIZE)
    found = lk.evaluate(model, hot.map(lambda pixels, label: (pixels, tf.argmax(label, axis=1))))
    assert np.array_equal(found.labels, expected.labels)


def test_the_store_gives_the_same(expected, model, held_out, tmp_path):
    store = lk.FeatureStore(tmp_path)
    for _ in ("extracted", "found again"):
        found = lk.evaluate(model, held_out, store=store)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        assert np.array_equal(found.labels, expected.labels)
    assert len(store.entries()) == 1


def test_labels_may_be_class_names(expected, model, held_out):
    found = lk.evaluate(model, (pixels(held_out), [held_out.class_names[place] for place in held_out.label]))
    assert np.array_equal(found.labels, expected.labels)


def test_one_hot_labels_are_the_same(expected, model, held_out):
    found = lk.evaluate(model, (pixels(held_out), np.eye(3)[held_out.label]))
    assert np.array_equal(found.labels, expected.labels)


def test_another_order_of_classes_is_aligned_by_name(expected, model, folder):
    other = isic_folder(folder, class_names=["violet", "brown", "red"]).where(split="test")
    found = lk.evaluate(model, other)
    assert found.class_names == expected.class_names
    assert [found.class_names[place] for place in found.labels] == [record.label for record in other]
    assert found.accuracy == expected.accuracy
    assert found.loss == pytest.approx(expected.loss)


def test_class_mapping_renames(expected, model, held_out):
    found = lk.evaluate(model, renamed(held_out, red="erythema"), class_mapping={"erythema": "red"})
    assert np.array_equal(found.labels, expected.labels)
    assert found.class_names == expected.class_names


def test_class_mapping_joins_classes(model, held_out):
    found = lk.evaluate(model, held_out, class_mapping={"red": "brown"})
    assert found.per_class["brown"]["n"] == 6
    assert found.per_class["red"]["n"] == 0


def test_class_mapping_leaves_out(expected, model, held_out):
    found = lk.evaluate(model, held_out, class_mapping={"red": None})
    kept = expected.labels != 1
    assert len(found) == kept.sum()
    assert np.array_equal(found.labels, expected.labels[kept])
    np.testing.assert_allclose(found.probabilities, expected.probabilities[kept], atol=1e-6)
    assert not any("red" in source for source in found.image_id)


def test_class_mapping_of_an_absent_class_is_an_error(model, held_out):
    with pytest.raises(DataError, match="blue"):
        lk.evaluate(model, held_out, class_mapping={"blue": "red"})


def test_a_mapping_to_a_class_that_the_model_lacks_is_an_error(model, held_out):
    with pytest.raises(DataError, match="red -> blue"):
        lk.evaluate(model, held_out, class_mapping={"red": "blue"})


def test_a_class_that_the_model_lacks_is_an_error(model, held_out):
    with pytest.raises(DataError, match=r"erythema.*class_mapping"):
        lk.evaluate(model, renamed(held_out, red="erythema"))
    with pytest.raises(DataError, match="erythema"):
        lk.evaluate(model, (pixels(held_out)[:1], ["erythema"]))


def test_a_foreign_class_without_images_is_no_matter(expected, model, held_out):
    more = dataclasses.replace(held_out, class_names=(*held_out.class_names, "never seen"))
    assert np.array_equal(lk.evaluate(model, more).labels, expected.labels)


def test_images_without_a_label_are_an_error(model, held_out):
    label = held_out.label.copy()
    label[[1, 4]] = -1
    with pytest.raises(DataError, match="2 of them without a label"):
        lk.evaluate(model, dataclasses.replace(held_out, label=label))


def test_no_images_are_an_error(model, held_out):
    with pytest.raises(DataError):
        lk.evaluate(model, held_out[:0])
    with pytest.raises(DataError):
        lk.evaluate(model, held_out, class_mapping=dict.fromkeys(held_out.class_names))
    with pytest.raises(DataError):
        lk.evaluate(model, (np.zeros((0, 16, 16, 3)), []))
    with pytest.raises(DataError):
        lk.evaluate(model, pipeline.dataset(held_out, image_size=SIZE).take(0))


def test_a_wrong_number_of_class_names_is_an_error(model, held_out):
    with pytest.raises(DataError, match="3 classes"):
        lk.evaluate(model, held_out, class_names=["a", "b"])


def test_all_unreadable_images_are_named(model, held_out, tmp_path):
    source = held_out.source.copy()
    source[[0, 5]] = [str(tmp_path / "gone.png"), str(tmp_path / "lost.png")]
    for store in (False, lk.FeatureStore(tmp_path / "store")):
        with pytest.raises(UnreadableImagesError) as caught:
            lk.evaluate(model, dataclasses.replace(held_out, source=source), store=store)
        assert [error.source for error in caught.value.errors] == [source[0], source[5]]


def test_a_model_of_plain_keras_takes_names_from_caller_or_records(model, held_out, expected):
    import keras

    plain = keras.Model(model.input, model.output)
    assert lk.evaluate(plain, held_out).class_names == held_out.class_names
    given = ["x", "y", "z"]
    found = lk.evaluate(plain, (pixels(held_out), held_out.label), class_names=given)
    assert found.class_names == tuple(given)
    assert lk.evaluate(plain, (pixels(held_out), held_out.label)).class_names == ("class 0", "class 1", "class 2")
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)


def test_an_evaluation_refuses_what_are_no_probabilities(expected):
    with pytest.raises(DataError):
        dataclasses.replace(expected, probabilities=expected.probabilities * 2)


def test_a_class_mapping_for_what_has_no_class_names_is_refused(model):
    with pytest.raises(OptionError, match="class_mapping is for Records"):
        lk.evaluate(model, (np.zeros((1, 16, 16, 3)), [0]), class_mapping={"a": "b"})
