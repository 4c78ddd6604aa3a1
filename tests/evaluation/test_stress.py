"""The stress panel: what flips and what does not, on which images, and what may be said of it."""

import dataclasses
import json
from collections import Counter

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lesionkit.data import images
from lesionkit.data.records import Records
from lesionkit.datasets.synthetic_lesions import generate
from lesionkit.errors import DataError, OptionError, UnreadableImagesError
from lesionkit.evaluation.artefacts import ARTEFACTS, STRENGTHS, add
from lesionkit.evaluation.stress import LONGEST, _chosen, stress_panel
from lesionkit.metrics import classification
from lesionkit.metrics.robustness import stress_of

CLASSES = ("dark", "light")
SIZE = (32, 32)


def by_brightness(threshold=128.0, size=SIZE):
    """Answers "light" where the mean of all channels is above ``threshold``, surely so a level away from it."""
    image = keras.Input((*size, 3))
    light = keras.ops.sigmoid(2 * (keras.ops.mean(image, axis=(1, 2, 3)) - threshold))[:, None]
    return keras.Model(image, keras.ops.concatenate([1 - light, light], axis=1))


def constant():
    """Answers the same whatever it sees."""
    image = keras.Input((*SIZE, 3))
    none = 0 * keras.ops.mean(image, axis=(1, 2, 3))[:, None]
    return keras.Model(image, keras.ops.concatenate([none + 0.6, none + 0.4], axis=1))


@pytest.fixture(scope="module")
def pictures():
    """Twelve generated lesions of which half are a little darker, half a little lighter than 128, and their labels."""
    drawn = [generate(place % 9, place, image_size=(48, 64), seed=4).astype(float) for place in range(12)]
    wanted = [118 if place % 2 == 0 else 138 for place in range(12)]
    shown = [
        np.clip(one - one.mean() + level, 0, 255).astype(np.uint8) for one, level in zip(drawn, wanted, strict=True)
    ]
    return np.stack(shown), np.arange(12) % 2


@pytest.fixture(scope="module")
def on_disk(pictures, tmp_path_factory):
    """The same as files."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{place}.png" for place in range(len(pictures[0]))]
    for path, pixels in zip(paths, pictures[0], strict=True):
        Image.fromarray(pixels).save(path)
    return Records(CLASSES, list(map(str, paths)), pictures[1], [path.stem for path in paths])


@pytest.fixture(scope="module")
def panel(pictures):
    return stress_panel(by_brightness(), pictures)


def row(panel, artefact, strength):
    return next(one for one in panel.rows if (one.artefact, one.strength) == (artefact, strength))


def exact(panel):
    """Every figure but the name."""
    return json.dumps(panel.to_dict(), sort_keys=True)


# What flips


def test_there_is_a_row_for_each_artefact_and_strength(panel):
    assert [(one.artefact, one.strength) for one in panel.rows] == [(a, s) for a in ARTEFACTS for s in STRENGTHS]
    assert (panel.n, panel.available, panel.groups, panel.seed) == (12, 12, 12, 0)


def test_a_model_of_brightness_flips_under_brightness_and_not_under_jpeg_or_blur(panel):
    assert panel.accuracy == panel.balanced_accuracy == 1
    strong = row(panel, "brightness", 3)
    assert 0.2 < strong.flip_rate < 0.8  # a dark picture flips when it is made lighter, not when it is made darker
    assert strong.accuracy == pytest.approx(1 - strong.flip_rate)
    assert strong.accuracy_change == pytest.approx(-strong.flip_rate)
    for name in ("jpeg", "blur"):
        for strength in STRENGTHS:
            found = row(panel, name, strength)
            assert (found.flip_rate, found.accuracy_change, found.verdict) == (0, 0, "cannot tell")
            low, high = found.intervals["flip_rate"]
            assert low == 0 < high  # that none of twelve flipped does not mean that none ever will
    assert row(panel, "dark_corners", 3).balanced_accuracy == 0.5  # all are called dark


def test_a_constant_model_never_flips(pictures):
    found = stress_panel(constant(), pictures)
    assert {one.flip_rate for one in found.rows} == {0}
    assert {one.accuracy_change for one in found.rows} == {0}
    assert {one.verdict for one in found.rows} == {"cannot tell"}
    assert found.worst() == "No artefact lowers the balanced accuracy of 50.0%."


def test_scores_and_flips_are_those_of_the_spoilt_pictures(pictures, panel):
    model, (shown, labels) = by_brightness(), pictures
    spoilt = [images.from_array(add(one, "brightness", 2, 0), SIZE) for one in shown]
    untouched = [images.from_array(one, SIZE) for one in shown]
    answers, before = (model.predict_on_batch(np.stack(some)).argmax(axis=1) for some in (spoilt, untouched))
    found = row(panel, "brightness", 2)
    assert found.accuracy == np.mean(answers == labels)
    assert found.flip_rate == np.mean(answers != before)


def test_a_large_picture_is_shrunk_in_proportion_and_a_small_one_is_taken_as_it_is():
    large = np.zeros((1200, 1600, 3), dtype=np.uint8)
    large[:, ::2] = 255  # shrunk it is grey; a hair drawn before would be another than one drawn after
    small = images.from_array(large, (LONGEST * 3 // 4, LONGEST))
    model = by_brightness(127.5)
    assert exact(stress_panel(model, ([large], [0]))) == exact(stress_panel(model, ([small], [0])))


# Which images


def test_files_and_arrays_of_the_same_pictures_give_the_same(on_disk, panel):
    assert exact(stress_panel(by_brightness(), on_disk)) == exact(panel)


@pytest.mark.parametrize("limit", [200, 5])
def test_the_order_of_the_images_does_not_matter(on_disk, pictures, limit):
    order = np.random.default_rng(1).permutation(12)
    arrays = (pictures[0][order], pictures[1][order])
    for data, other in ((on_disk, on_disk[order]), (pictures, arrays)):
        one, two = (
            stress_panel(by_brightness(), some, limit=limit, batch_size=7, strengths=(2,)) for some in (data, other)
        )
        assert exact(one) == exact(two)
        assert one.n == min(limit, 12)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(5, 60), st.integers(0, 99))
def test_a_limit_keeps_every_class_in_proportion(labels, limit, seed):
    labels = np.array(labels)
    keys = [f"image {place}" for place in range(len(labels))]
    rows = _chosen(labels, keys, limit, seed)
    assert len(rows) == len(set(rows.tolist())) == min(limit, len(labels))
    given_, taken = Counter(labels.tolist()), Counter(labels[rows].tolist())
    assert set(taken) == set(given_)
    for place, count in given_.items():
        for other, more in given_.items():
            if count <= more:
                assert taken[place] <= taken[other] or count == more
    share = len(rows) / len(labels)
    rare = sum(max(1 - share * count, 0) for count in given_.values())
    assert all(abs(taken[place] - share * count) <= 2 + rare for place, count in given_.items())


def test_another_seed_draws_other_images_and_the_result_tells(pictures):
    keys, labels = [f"image {place}" for place in range(100)], np.zeros(100, dtype=np.int64)
    assert set(_chosen(labels, keys, 10, 0)) != set(_chosen(labels, keys, 10, 1))
    found = stress_panel(by_brightness(), pictures, limit=4, seed=3, strengths=(1,))
    assert (found.n, found.available, found.seed) == (4, 12, 3)
    assert str(found).startswith("4 of 12 images untouched: accuracy 100.0%")


def test_some_strengths_are_the_rows_of_all(pictures, panel):
    found = stress_panel(by_brightness(), pictures, strengths=(3,))
    assert len(found.rows) == len(ARTEFACTS)
    for one in found.rows:
        all_of_it = row(panel, one.artefact, 3)
        doubt = {name: getattr(all_of_it, name) for name in ("intervals", "adjusted", "verdict")}
        assert dataclasses.replace(one, **doubt) == all_of_it


def test_labels_go_by_the_names_of_the_classes(on_disk):
    turned = dataclasses.replace(on_disk, class_names=CLASSES[::-1], label=1 - on_disk.label)
    named = ([images.load(source) for source in on_disk.source], [CLASSES[place] for place in on_disk.label])
    for data in (on_disk, turned, named):
        found = stress_panel(by_brightness(), data, class_names=CLASSES, strengths=(1,))
        assert found.accuracy == 1


# What may be said of it


def test_images_of_one_lesion_come_and_go_together(on_disk, panel):
    pairs = dataclasses.replace(on_disk, lesion_id=[f"lesion {place // 2}" for place in range(12)])
    assert stress_panel(by_brightness(), pairs, strengths=(1,)).groups == 6
    one = stress_panel(by_brightness(), dataclasses.replace(on_disk, lesion_id=["l"] * 12), strengths=(3,))
    assert one.groups == 1
    assert {found.intervals for found in one.rows} == {None}
    assert one.worst().endswith("cannot be told: all images are of one group.")
    assert row(one, "brightness", 3).flip_rate == row(panel, "brightness", 3).flip_rate


def answers_of(labels, *wrong):
    """Sure answers of three classes, right but for the rows in each of ``wrong``."""
    told = [np.where(np.isin(np.arange(len(labels)), rows), (labels + 1) % 3, labels) for rows in wrong]
    return np.eye(3)[np.stack(told)]


def test_the_worst_row_is_told_with_its_doubt():
    labels = np.arange(60) % 3
    answers = answers_of(labels, [], range(3), range(40))
    found = stress_of(
        labels, answers, [("hair", 1), ("gel_bubbles", 2)], labels * 20 + np.arange(60), available=90, seed=0
    )
    few, many = found.rows
    assert (few.verdict, many.verdict) == ("cannot tell", "worse")
    assert many.balanced_accuracy == pytest.approx(1 / 3, abs=0.01)
    assert many.flip_rate == pytest.approx(2 / 3)
    assert found.worst().startswith(
        "Gel bubbles at strength 2 costs the most: balanced accuracy 33.3% instead of 100.0%"
    )
    assert "66.7% of the images get another answer. That can be told from no change" in found.worst()
    assert "2 rows are compared" in found.worst()
    alone = stress_of(labels, answers[:2], [("hair", 1)], np.arange(60), available=60, seed=0)
    assert "That cannot be told from no change" in alone.worst()


def test_an_artefact_can_help_and_that_is_told():
    labels = np.arange(60) % 3
    found = stress_of(labels, answers_of(labels, range(30), []), [("blur", 1)], np.arange(60), available=60, seed=0)
    assert found.rows[0].verdict == "better"
    assert found.worst() == "No artefact lowers the balanced accuracy of 50.0%."


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(3, 30), st.integers(1, 6))
def test_laws_of_the_scores(seed, count, many):
    random = np.random.default_rng(seed)
    labels, groups = random.integers(0, 3, count), random.integers(0, many, count)
    answers = random.dirichlet(np.ones(3), (4, count))
    answers[3] = answers[0]
    changes = [("hair", 1), ("blur", 2), ("jpeg", 3)]
    found = stress_of(labels, answers, changes, groups, available=count, seed=0)
    for one, spoilt in zip(found.rows, answers[1:], strict=True):
        assert one.accuracy == classification.accuracy(labels, spoilt)
        assert 0 <= one.flip_rate <= 1
        assert abs(one.accuracy_change) <= one.flip_rate + 1e-12  # an answer that stays is right or wrong as before
        if one.intervals:
            low, high = one.intervals["balanced_accuracy_change"]
            assert one.adjusted[0] <= low <= high <= one.adjusted[1]
    assert (found.rows[2].flip_rate, found.rows[2].balanced_accuracy_change, found.rows[2].verdict) == (
        0,
        0,
        "cannot tell",
    )
    order = random.permutation(count)
    again = stress_of(labels[order], answers[:, order], changes, groups[order], available=count, seed=0)
    assert exact(again) == exact(found)


def test_it_goes_to_json(panel):
    told = json.loads(json.dumps(panel.to_dict(), allow_nan=False))
    assert told["worst"] == panel.worst()
    assert told["rows"][0]["artefact"] == "hair"
    assert len(told["rows"][0]["intervals"]["flip_rate"]) == 2


# Errors


def test_every_unreadable_image_is_named_once(broken):
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(image)))
    with pytest.raises(UnreadableImagesError) as caught:
        stress_panel(model, broken, strengths=(1,))
    assert [error.source for error in caught.value.errors] == [broken.source[1], broken.source[3]]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"limit": 1}, OptionError, "limit is at least 2"),
        ({"strengths": (1, 4)}, OptionError, "strengths are some of 1, 2, 3"),
        ({"strengths": ()}, OptionError, "strengths are some of 1, 2, 3"),
        ({"batch_size": 0}, OptionError, "batch_size"),
        ({"seed": -1}, OptionError, "seed"),
        ({"class_names": ("a", "b", "c")}, DataError, "The model tells 2 classes apart. Received: a, b, c"),
    ],
)
def test_options_that_cannot_work_are_errors(pictures, options, error, said):
    with pytest.raises(error, match=said):
        stress_panel(by_brightness(), pictures, **options)


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        ("folder", OptionError, "data are Records, or .images, labels.. Received: str"),
        (([], []), DataError, "0 images, 0 labels"),
        ((np.zeros((2, 8, 8, 3)), [0]), DataError, "2 images, 1 labels"),
        ((np.zeros((1, 8, 8, 3)), [2]), DataError, "labels are whole numbers from 0 to 1"),
        ((np.zeros((1, 8, 8, 3)), ["pale"]), DataError, "does not know these classes: pale"),
    ],
)
def test_data_that_cannot_be_scored_are_errors(data, error, said):
    with pytest.raises(error, match=said):
        stress_panel(by_brightness(), data)
