"""Test-time augmentation: the mean over views of each image, the same however the images come."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lesionkit as lk
from lesionkit import reports
from lesionkit.data import images, pipeline
from lesionkit.errors import OptionError, UnreadableImagesError
from lesionkit.model.views import Augmentation, Symmetry, augmenter, symmetries

SQUARE, OBLONG = (12, 12), (12, 10)


@pytest.fixture(scope="module")
def models(tiny, records):
    return {
        size: lk.build_classifier(records.class_names, image_size=size, backbone=tiny, seed=3)
        for size in (SQUARE, OBLONG)
    }


@pytest.fixture(scope="module")
def model(models):
    return models[OBLONG]


@pytest.fixture(scope="module")
def held_out(records):
    return records.where(split="test")


@pytest.fixture(scope="module")
def random_views():
    views = Augmentation(augmenter("flip_rotate_shift"), seed=4)
    return [None, views.view(1), views.view(2)]


def pixels(records, size=OBLONG):
    return np.stack([images.load(source, size) for source in records.source])


def plain(model, batch):
    """What the network answers for images as they are."""
    return np.asarray(model.predict_on_batch(batch), dtype=np.float64)


def shown(views, batch, picture_id):
    return [batch if view is None else view(batch, picture_id) for view in views]


# What is averaged


@settings(max_examples=25)
@given(st.data())
def test_with_symmetries_a_turned_or_mirrored_image_gets_the_same_answer(models, data):
    size = data.draw(st.sampled_from((SQUARE, OBLONG)))
    batch = data.draw(arrays.arrays(np.uint8, (2, *size, 3), elements=st.integers(2, 255)))  # 0 and 1 alone are refused
    number = data.draw(st.sampled_from(range(8) if size == SQUARE else range(0, 8, 2)))
    turned = Symmetry(number)(batch, ["", ""])
    ours, theirs = (lk.evaluate(models[size], (one, [0, 1]), views="symmetries") for one in (batch, turned))
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-6)


def test_the_image_itself_is_not_answered_so(models, held_out):
    """The law above is one of the mean, not of the network."""
    batch = pixels(held_out, SQUARE)
    turned = Symmetry(1)(batch, held_out.source)
    assert np.abs(plain(models[SQUARE], batch) - plain(models[SQUARE], turned)).max() > 1e-4


@pytest.mark.parametrize(("size", "count"), [(SQUARE, 8), (OBLONG, 4)])
def test_symmetries_are_the_mean_over_eight_views_or_four(models, held_out, size, count):
    batch = pixels(held_out, size)
    found = lk.evaluate(models[size], (batch, held_out.label), views="symmetries")
    wanted = [plain(models[size], one) for one in shown(symmetries(size), batch, held_out.source)]
    assert found.views == len(wanted) == count
    np.testing.assert_allclose(found.probabilities, np.mean(wanted, axis=0), atol=1e-6)


def test_random_views_are_those_of_each_file(model, held_out, random_views):
    ids = [hashlib.sha256(Path(source).read_bytes()).hexdigest() for source in held_out.source]
    found = lk.evaluate(model, held_out, views=random_views)
    wanted = [plain(model, one) for one in shown(random_views, pixels(held_out), ids)]
    np.testing.assert_allclose(found.probabilities, np.mean(wanted, axis=0), atol=1e-6)
    assert found.views == 3
    assert np.abs(wanted[1] - wanted[2]).max() > 1e-4
    backwards = lk.evaluate(model, held_out[::-1], views=random_views, batch_size=4)
    np.testing.assert_allclose(backwards.probabilities[::-1], found.probabilities, atol=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_probabilities_sum_to_1(model, held_out, random_views, count):
    for views in (None, "symmetries", random_views[:count]):
        found = lk.evaluate(model, held_out, views=views)
        np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)


def test_without_views_the_answers_are_the_networks_bit_for_bit(model, held_out, tmp_path):
    wanted = plain(model, pixels(held_out))
    arrays_, data = (pixels(held_out), held_out.label), pipeline.dataset(held_out, image_size=OBLONG)
    for views in (None, [None]):
        for given_ in (held_out, arrays_, data):
            found = lk.evaluate(model, given_, views=views)
            np.testing.assert_array_equal(found.probabilities, wanted)
            assert found.views == 1


# However the images come


def test_the_store_gives_the_same_and_keeps_each_view(model, held_out, random_views, tmp_path):
    store = lk.FeatureStore(tmp_path)
    for views in ("symmetries", random_views):
        wanted = lk.evaluate(model, held_out, views=views)
        for _ in ("extracted", "found again"):
            found = lk.evaluate(model, held_out, views=views, store=store)
            np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-5)
            assert found.views == wanted.views
            assert found.relation.group.tolist() == wanted.relation.group.tolist()
    assert len(store.entries()) == 4 + 2  # the image itself is one of both


def test_arrays_and_datasets_give_the_same(model, held_out, random_views):
    batch = pixels(held_out)
    for views in ("symmetries", random_views):
        wanted = lk.evaluate(model, (batch, held_out.label), views=views)
        found = lk.evaluate(model, pipeline.dataset(held_out, image_size=OBLONG, batch_size=4), views=views)
        np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-6)
        assert found.labels.tolist() == wanted.labels.tolist()
        assert found.views == wanted.views
    records = lk.evaluate(model, held_out, views="symmetries")
    wanted = lk.evaluate(model, (batch, held_out.label), views="symmetries")
    np.testing.assert_allclose(records.probabilities, wanted.probabilities, atol=1e-6)


def test_a_bundle_predicts_the_same(model, held_out, random_views, tmp_path):
    bundle = lk.load(lk.save(model, tmp_path))
    batch = pixels(held_out)
    for views in (None, "symmetries", random_views):
        wanted = lk.evaluate(model, (batch, held_out.label), views=views).probabilities
        for inputs in (batch, list(held_out.source)):
            found = [dict(one.ranked) for one in bundle.predict(inputs, views=views)]
            values = [[one[name] for name in bundle.class_names] for one in found]
            np.testing.assert_allclose(values, wanted, atol=1e-6)


def test_all_unreadable_images_are_named_once(model, held_out, random_views, tmp_path):
    source = held_out.source.copy()
    source[[0, 5]] = [str(tmp_path / "gone.png"), str(tmp_path / "lost.png")]
    for store in (False, lk.FeatureStore(tmp_path / "store")):
        with pytest.raises(UnreadableImagesError) as caught:
            lk.evaluate(model, dataclasses.replace(held_out, source=source), views=random_views, store=store)
        assert [error.source for error in caught.value.errors] == [source[0], source[5]]


@pytest.mark.parametrize("views", ["crops", "", [], ()])
def test_what_are_no_views_is_refused(model, held_out, tmp_path, views):
    with pytest.raises(OptionError, match="views is"):
        lk.evaluate(model, held_out, views=views)
    with pytest.raises(OptionError, match="views is"):
        lk.load(lk.save(model, tmp_path)).predict(held_out.source[0], views=views)


# That it was done is told


def test_reports_and_the_card_tell_the_views(model, held_out, tmp_path):
    found = lk.evaluate(model, held_out, views="symmetries")
    alone = lk.evaluate(model, held_out)
    assert str(found).startswith("9 images, each in 4 views: accuracy ")
    assert str(alone).startswith("9 images: accuracy ")
    for evaluation, views in ((found, 4), (alone, 1)):
        told = json.loads(reports.get("json")(evaluation, tmp_path / "report.json").read_text(encoding="utf-8"))
        assert told["test"]["views"] == views
        text = reports.get("markdown")(evaluation, tmp_path / "report.md").read_text(encoding="utf-8")
        assert ("mean over 4 views" in text) == (views == 4)
        assert ("views" in text) == (views == 4)
        assert lk.load(lk.save(model, tmp_path, evaluation=evaluation)).card["views"] == views
