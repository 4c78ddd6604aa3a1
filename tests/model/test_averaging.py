"""average: the mean of several classifiers as one plain model, which saves, loads and answers as any other."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lesionkit as lk
from lesionkit.data.summary import Seen
from lesionkit.errors import DataError, OptionError
from lesionkit.model.averaging import average
from lesionkit.model.parts import origin
from lesionkit.training.run import TrainingRun

SIZE = (12, 10)
IMAGES = arrays.arrays(np.uint8, st.tuples(st.integers(1, 4), *map(st.just, (*SIZE, 3))))


@pytest.fixture(scope="module")
def members(tiny, records):
    return [
        lk.build_classifier(records.class_names, image_size=SIZE, backbone=tiny, preprocessor=preprocessor, seed=seed)
        for seed, preprocessor in enumerate(("unit_range", "unit_range", "imagenet_torch"))
    ]


@pytest.fixture(scope="module")
def model(members):
    return average(members)


@pytest.fixture(scope="module")
def held_out(records):
    return records.where(split="test")


def answers(model, images):
    return np.asarray(model(images.astype(np.float32), training=False))


@settings(max_examples=20)
@given(IMAGES)
def test_it_answers_the_mean_of_its_members(model, members, images):
    wanted = np.mean([answers(member, images) for member in members], axis=0)
    np.testing.assert_allclose(answers(model, images), wanted, atol=1e-6)


@settings(max_examples=5)
@given(st.permutations(range(3)))
def test_the_order_of_the_members_does_not_matter(model, members, order):
    images = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 3))
    other = average([members[place] for place in order])
    np.testing.assert_allclose(answers(other, images), answers(model, images), atol=1e-6)


def test_an_average_of_averages_weighs_as_it_is_nested(members):
    images = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 3))
    first, second, third = (answers(member, images) for member in members)
    nested = average([average(members[:2]), members[2]])
    np.testing.assert_allclose(answers(nested, images), (first + second) / 4 + third / 2, atol=1e-6)


def test_the_members_stay_as_they_are(members, tiny, records):
    before = [[layer.name for layer in member.layers] for member in members]
    average(members)
    assert [[layer.name for layer in member.layers] for member in members] == before
    assert all(member.name == "classifier" for member in members)


def test_one_or_none_or_the_same_twice_is_refused(members):
    for wrong in ([], members[:1], [members[0], members[1], members[0]]):
        with pytest.raises(OptionError, match=f"two or more.*Received: {len(wrong)}"):
            average(wrong)


@pytest.mark.parametrize(
    ("classes", "size", "words"),
    [
        (("brown", "red", "violet"), (16, 16), r"\(12, 10\) pixels.*\(16, 16\) pixels"),
        (("brown", "red"), SIZE, "3 classes.*2 classes"),
        (("red", "brown", "violet"), SIZE, "same order.*brown, red, violet; red, brown, violet"),
        (("brown", "red", "blue"), SIZE, "same order.*blue"),
    ],
)
def test_members_that_do_not_fit_together_are_refused(members, tiny, classes, size, words):
    other = lk.build_classifier(classes, image_size=size, backbone=tiny)
    with pytest.raises(DataError, match=words):
        average([members[0], other])


def test_the_classes_are_those_of_any_member_that_tells(members):
    plain = [keras.Model(member.input, member.output) for member in members]
    assert origin(average([plain[0], members[1]])).class_names == ("brown", "red", "violet")
    assert origin(average(plain)) is None


def test_saved_and_loaded_it_is_the_same(model, held_out, tmp_path):
    loaded = lk.load(lk.save(model, tmp_path / "average"))
    images = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 3))
    np.testing.assert_array_equal(answers(loaded.model, images), answers(model, images))
    assert loaded.class_names == held_out.class_names
    assert loaded.image_size == SIZE
    again = lk.load(lk.save(loaded.model, tmp_path / "again"))
    np.testing.assert_array_equal(answers(again.model, images), answers(model, images))


def test_bundles_are_averaged_as_their_models(model, members, tmp_path):
    bundles = [lk.load(lk.save(member, tmp_path / str(place))) for place, member in enumerate(members)]
    images = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 3))
    np.testing.assert_allclose(answers(average(bundles), images), answers(model, images), atol=1e-6)
    assert origin(average(bundles)).class_names == bundles[0].class_names


def test_the_card_tells_no_recipe_of_one_member(model, members, held_out, tmp_path):
    run = TrainingRun(
        origin(members[0]).recipe,
        {"loss": (1.0,), "accuracy": (0.5,)},
        None,
        {"features_s": 0.0},
        seen=Seen.of(held_out),
    )
    found = lk.evaluate(model, held_out, run=run)
    loaded = lk.load(lk.save(model, tmp_path / "average", evaluation=found))
    assert loaded.card["recipe"] is None
    assert loaded.card["test"]["accuracy"] == found.accuracy
    assert origin(loaded.model).recipe is None
    assert json.loads((lk.save(members[0], tmp_path / "member") / "card.json").read_text())["recipe"]


@pytest.mark.slow
def test_keras_alone_loads_it(model, tmp_path):
    lk.save(model, tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    code = (
        "import sys, keras, numpy as np\n"
        "model = keras.saving.load_model(sys.argv[1] + '/model.keras')\n"
        "np.save(sys.argv[1] + '/answers.npy', model(np.load(sys.argv[1] + '/images.npy'), training=False))\n"
        "assert not [name for name in sys.modules if name.startswith('lesionkit')]"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "answers.npy"), answers(model, images))


def test_evaluate_and_predict_take_it(model, members, held_out, tmp_path):
    found = lk.evaluate(model, held_out)
    wanted = np.mean([lk.evaluate(member, held_out).probabilities for member in members], axis=0)
    np.testing.assert_allclose(found.probabilities, wanted, atol=1e-6)
    assert found.class_names == held_out.class_names
    told = lk.load(lk.save(model, tmp_path)).predict(list(held_out.source))
    assert [one.label for one in told] == [found.class_names[place] for place in found.predicted]


def test_a_feature_store_is_refused_and_the_remedy_told(model, held_out, tmp_path):
    with pytest.raises(OptionError, match=r"no part named.*store=False"):
        lk.evaluate(model, held_out, store=lk.FeatureStore(tmp_path))
