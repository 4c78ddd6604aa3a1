"""evaluate: the same answers however the images come, classes told apart by name."""

import dataclasses

import numpy as np
import pytest

import lesionkit as lk
from lesionkit.data import images, pipeline
from lesionkit.data.summary import Seen
from lesionkit.data.survey import inspect
from lesionkit.datasets.isic_folder import isic_folder
from lesionkit.errors import DataError, OptionError, UnreadableImagesError
from lesionkit.training.run import TrainingRun

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


def trained_on(records):
    """A run that was fitted on ``records``."""
    return TrainingRun(None, {"loss": (1.0,), "accuracy": (0.5,)}, None, {"features_s": 0.0}, seen=Seen.of(records))


def test_the_scores_leave_out_what_was_seen_in_training(model, held_out):
    known = inspect(held_out)
    known = dataclasses.replace(known, lesion_id=[f"lesion{row // 2}" for row in range(9)])
    found = lk.evaluate(model, known, run=trained_on(known[:1]))
    assert found.relation.kind.tolist() == ["copy", "lesion", *["clean"] * 7]
    assert [one.n for one in found.scores.values()] == [9, 8, 7, 7]
    kept = dataclasses.replace(found, **{name: getattr(found, name)[2:] for name in ("labels", "probabilities")},
                               source=found.source[2:], image_id=found.image_id[2:], relation=None)  # fmt: skip
    assert found.scores["lesion_clean"].accuracy == kept.accuracy
    assert found.scores["lesion_clean"].loss == pytest.approx(kept.loss)
    assert found.scores["as_shipped"].accuracy == found.accuracy
    assert found.scores is found.scores


def test_the_store_tells_the_pictures(model, held_out, tmp_path):
    run = trained_on(inspect(held_out[:4]))
    found = lk.evaluate(model, held_out, run=run, store=lk.FeatureStore(tmp_path))
    assert found.scores["deduplicated"].n == 5
    assert "picture_id" in lk.evaluate(model, held_out, run=run).relation.missing["deduplicated"]


def test_images_that_a_mapping_leaves_out_are_in_no_score(model, held_out):
    known = inspect(held_out)
    found = lk.evaluate(model, known, run=trained_on(known[:1]), class_mapping={"red": None})
    assert [found.scores[name].n for name in ("as_shipped", "deduplicated")] == [6, 5]
    assert found.scores["as_shipped"].empty_classes == ("red",)


def test_what_was_trained_on_is_known_from_fit(model, records, held_out, tmp_path):
    store = lk.FeatureStore(tmp_path)
    train = records.where(split="train")
    run = lk.trainers.get("Frozen")(epochs=1).fit(model, train, held_out[:3], store=store)
    assert run.seen.n == len(train) + 3
    assert lk.evaluate(model, held_out, run=run, store=store).scores["deduplicated"].n == 6
    assert lk.evaluate(model, train, run=run, store=store).scores["deduplicated"].n == 0


def test_without_a_run_or_records_the_reason_is_told(expected, model, held_out):
    assert expected.scores["as_shipped"].n == 9
    assert expected.scores["deduplicated"] is None
    assert "give evaluate run" in expected.relation.missing["lesion_clean"]
    arrays = lk.evaluate(model, (pixels(held_out), held_out.label), run=trained_on(held_out))
    assert "did not come as records" in arrays.relation.missing["deduplicated"]
    assert arrays.scores["as_shipped"].groups == 9


def test_all_scores_are_printed(model, held_out):
    known = inspect(held_out)
    found = lk.evaluate(model, known, run=trained_on(known[:1]))
    lines = str(found).splitlines()
    assert lines[0] == (
        f"9 images: accuracy {found.accuracy:.2%}, balanced accuracy {found.balanced_accuracy:.2%}, "
        f"loss {found.loss:.4f}"
    )
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["as shipped", "deduplicated", "lesion-clean"]
    assert "8 images" in lines[2]
    assert "not computed" in lines[3]
    both = str(dataclasses.replace(found, shortcut=np.full((9, 3), 1 / 3))).splitlines()
    assert both[:4] == lines
    assert "sees no lesion: 9 images" in both[4]
    assert "points of balanced accuracy" in both[5]


def test_a_shortcut_is_scored_on_the_same_images(expected):
    assert expected.gain is None
    same = dataclasses.replace(expected, shortcut=expected.probabilities).gain
    assert (same.accuracy, same.balanced_accuracy) == (0, 0)
    assert same.shortcut == expected.scores["as_shipped"]


def test_a_shortcut_or_relation_of_other_images_is_refused(expected):
    for wrong in (expected.probabilities[1:], expected.probabilities * 2, np.full((9, 2), 0.5), np.full((9, 4), 0.25)):
        with pytest.raises(DataError):
            dataclasses.replace(expected, shortcut=wrong)
    fewer = dataclasses.replace(expected, relation=dataclasses.replace(expected.relation, kind=np.array(["clean"] * 8)))
    with pytest.raises(DataError, match="each of the 9 images"):
        fewer.scores  # noqa: B018


def test_what_is_added_over_a_model_that_sees_no_lesion_is_told(model, records, held_out):
    found = lk.evaluate(model, held_out, train=records.where(split="train"))
    assert found.shortcut.shape == found.probabilities.shape
    assert found.gain.accuracy == pytest.approx(found.accuracy - found.gain.shortcut.accuracy)
    assert lk.evaluate(model, held_out).gain is None
