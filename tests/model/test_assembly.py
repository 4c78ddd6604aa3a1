"""The three parts joined into one plain Keras model, and found again in it."""

import dataclasses
import random
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from lesionkit import heads, preprocessors
from lesionkit.errors import DataError, OptionError, UnknownNameError
from lesionkit.model.assembly import build_classifier, with_head
from lesionkit.model.parts import frozen_part, learning_part, origin, parts
from lesionkit.recipe import Part, Recipe

CLASSES = ("brown", "red", "violet")
SIZE = (16, 16)


@pytest.fixture(scope="module")
def build(tiny):
    def built(class_names=CLASSES, **options):
        return build_classifier(class_names, **{"image_size": SIZE, "backbone": tiny, **options})

    return built


def pixels(count=3, size=SIZE):
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3)).astype(np.uint8)


def predicted(model, values):
    return model.predict(values, verbose=0)


def same_weights(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_is_the_parts_in_their_order_from_bytes_to_probabilities(build):
    model = build(preprocessor="imagenet_caffe", head=Part("pooled", hidden=(4,)))
    assert isinstance(model, keras.Model)
    assert model.input.shape == (None, *SIZE, 3)
    assert model.output.shape == (None, 3)
    assert not model.compiled
    preprocessor, backbone, head = parts(model)
    found = predicted(model, pixels())
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found, predicted(head, predicted(backbone, predicted(preprocessor, pixels()))), atol=1e-6
    )
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_bytes_and_floats_give_equal_bits(build):
    model = build()
    np.testing.assert_array_equal(predicted(model, pixels()), predicted(model, pixels().astype(np.float32)))


def test_the_frozen_part_is_the_model_without_its_head_and_shares_its_weights(build):
    model = build()
    frozen = frozen_part(model)
    np.testing.assert_allclose(
        predicted(parts(model).head, predicted(frozen, pixels())), predicted(model, pixels()), atol=1e-6
    )
    parts(model).backbone.set_weights([np.zeros_like(weight) for weight in parts(model).backbone.get_weights()])
    assert not predicted(frozen, pixels()).any()


def head_of(steps):
    features = keras.Input((4, 4, 5))
    return keras.Model(features, steps(features))


POOLED = layers.GlobalAveragePooling2D
CUT = {
    "pooled": lambda x: layers.Dense(3)(POOLED()(x)),
    "dropped": lambda x: layers.Dense(3)(layers.Dropout(0.5)(POOLED()(x))),
    "scaled": lambda x: layers.Dense(3)(layers.Rescaling(2.0)(POOLED()(x))),
}
UNCUT = {
    "learns at once": lambda x: POOLED()(layers.Conv2D(3, 1)(x)),
    "draws at once": lambda x: layers.Dense(3)(POOLED()(layers.SpatialDropout2D(0.5)(x))),
    "flattened": lambda x: layers.Dense(3)(layers.Flatten()(x)),
    "with a path around": lambda x: layers.Add()([layers.Dense(5)(POOLED()(x)), layers.GlobalMaxPooling2D()(x)]),
    "of two branches": lambda x: layers.Add()([layers.Dense(3)(POOLED()(x)), layers.Dense(3)(layers.Flatten()(x))]),
    "without weights": lambda x: layers.Softmax()(POOLED()(x)),
}


@pytest.mark.parametrize("name", [*CUT, *UNCUT])
def test_what_is_fixed_and_what_learns_are_the_head(name):
    head = head_of({**CUT, **UNCUT}[name])
    fixed, learner = learning_part(head)
    assert (fixed is not None) == (name in CUT)
    assert [id(weight) for weight in learner.variables] == [id(weight) for weight in head.variables]
    values = np.random.default_rng(0).normal(size=(3, 4, 4, 5)).astype(np.float32)
    between = values if fixed is None else predicted(fixed, values)
    assert fixed is None or not fixed.variables
    np.testing.assert_allclose(predicted(learner, between), predicted(head, values), atol=1e-6)


def test_a_layer_used_twice_is_fixed_in_neither_place():
    def steps(features):
        shared = layers.Dense(5)
        return shared(layers.Add()([shared(POOLED()(features)), layers.GlobalMaxPooling2D()(features)]))

    head = head_of(steps)
    fixed, learner = learning_part(head)
    values = np.random.default_rng(0).normal(size=(3, 4, 4, 5)).astype(np.float32)
    between = values if fixed is None else predicted(fixed, values)
    np.testing.assert_allclose(predicted(learner, between), predicted(head, values), atol=1e-6)


@pytest.mark.parametrize("size", [(16, 16), (24, 9)])
def test_the_image_size_is_height_and_width(build, size):
    assert build(image_size=size).input.shape == (None, *size, 3)


def test_saved_and_loaded_it_has_the_same_parts_and_gives_the_same(build, tmp_path):
    model = build(preprocessor="imagenet_torch")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [part.name for part in parts(loaded)] == ["preprocessor", "backbone", "head"]
    np.testing.assert_array_equal(predicted(loaded, pixels()), predicted(model, pixels()))
    np.testing.assert_array_equal(predicted(frozen_part(loaded), pixels()), predicted(frozen_part(model), pixels()))
    assert origin(loaded) is None
    assert not loaded.compiled


ALONE = """
import sys
sys.modules["lesionkit"] = None
import keras, numpy as np
folder = sys.argv[1]
model = keras.models.load_model(f"{folder}/model.keras")
np.save(f"{folder}/found.npy", model.predict(np.load(f"{folder}/pixels.npy"), verbose=0))
"""


def test_a_saved_one_loads_where_lesionkit_is_not_installed(build, tmp_path):
    model = build(preprocessor="imagenet_caffe", head=Part("pooled", hidden=(4,), dropout=0.2, pooling="both"))
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "pixels.npy", pixels())
    subprocess.run([sys.executable, "-c", ALONE, tmp_path], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), predicted(model, pixels()), atol=1e-6)


def test_the_same_seed_gives_the_same_weights_and_another_others(build):
    head = Part("pooled", hidden=(4,))
    first = build(seed=3, head=head)
    random.random()
    assert same_weights(first, build(seed=3, head=head))
    assert not np.array_equal(first.get_weights()[0], build(seed=4, head=head).get_weights()[0])
    assert not np.array_equal(first.get_weights()[-2], build(seed=4, head=head).get_weights()[-2])


def test_the_same_seed_gives_the_same_dropout(build):
    head = Part("pooled", dropout=0.5)
    one, other, third = (build(seed=seed, head=head) for seed in (0, 0, 1))
    third.set_weights(one.get_weights())
    drawn = [np.asarray(model(pixels(), training=True)) for model in (one, other, third)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


def test_the_global_random_state_is_as_it_was(build):
    random.seed(5)
    expected = random.random()
    random.seed(5)
    build(seed=1)
    with pytest.raises(OptionError):
        build(seed=1, head=Part("pooled", pooling="no such"))
    assert random.random() == expected


def test_functions_parts_and_names_are_taken_alike(build):
    named = build(preprocessor="unit_range", head=Part("pooled", hidden=(4,)))

    def own_head(shape, num_classes):
        return heads.get("pooled")(shape, num_classes, hidden=(4,))

    direct = build(preprocessor=preprocessors.get("unit_range"), head=own_head)
    assert same_weights(named, direct)
    np.testing.assert_array_equal(predicted(named, pixels()), predicted(direct, pixels()))
    assert "own_head" in origin(direct).recipe.head.name


def test_native_is_the_preprocessor_of_the_backbone(build, tiny):
    native = build(preprocessor="native")
    np.testing.assert_array_equal(
        predicted(parts(native).preprocessor, pixels()),
        predicted(preprocessors.get(tiny.native.name)(SIZE), pixels()),
    )
    optioned = dataclasses.replace(tiny, native=Part("rescale", scale=2.0, offset=1.0))
    other = build(preprocessor="native", backbone=optioned)
    np.testing.assert_allclose(predicted(parts(other).preprocessor, pixels()), pixels() * 2.0 + 1.0)
    assert origin(native).recipe.preprocessor == Part("native")


def test_a_preprocessor_takes_its_options(build):
    model = build(preprocessor=Part("rescale", scale=[1, 2, 3], offset=-5))
    expected = pixels() * np.array([1.0, 2.0, 3.0]) - 5
    np.testing.assert_allclose(predicted(parts(model).preprocessor, pixels()), expected)


def test_the_backbone_takes_its_options(tiny):
    taken = {}

    def note(shape, *, weights, width=1):
        taken.update(shape=shape, weights=weights, width=width)
        return tiny.build(shape)

    noting = dataclasses.replace(tiny, build=note)
    model = build_classifier(CLASSES, image_size=SIZE, backbone=noting)
    assert taken == {"shape": (*SIZE, 3), "weights": "imagenet", "width": 1}
    assert origin(model).recipe.backbone == Part("tiny", weights="imagenet")


def test_the_origin_says_what_it_was_built_from(build):
    head = Part("pooled", dropout=0.1)
    model = build(preprocessor="imagenet_torch", head=head, seed=7)
    found = origin(model)
    assert found.class_names == CLASSES
    assert found.recipe == Recipe(Part("imagenet_torch"), Part("tiny", weights="imagenet"), head, SIZE, seed=7)


def test_a_model_of_another_make_has_no_origin_and_no_parts():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Flatten(name="only")(image))
    assert origin(model) is None
    with pytest.raises(OptionError, match=r"preprocessor or backbone or head.*only"):
        parts(model)


def test_any_model_with_the_three_names_has_the_parts(build):
    model = build()
    image = keras.Input((*SIZE, 3))
    preprocessor, backbone, head = parts(model)
    own = keras.Model(image, head(backbone(preprocessor(image))))
    assert parts(own) == parts(model)


@pytest.mark.parametrize("size", [(7, 16), (16, 7), (1, 1)])
def test_an_image_smaller_than_the_backbone_reads_is_refused(build, size):
    with pytest.raises(OptionError, match="tiny reads images of at least 8 pixels"):
        build(image_size=size)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"head": Part("pooled", drop=0.1)}, "pooled.*drop"),
        ({"preprocessor": Part("unit_range", scale=2)}, "unit_range.*scale"),
        ({"preprocessor": "rescale"}, "rescale.*scale"),
        ({"backbone": Part("resnet50", depth=3)}, "resnet50.*depth"),
        ({"head": lambda: None}, "lambda"),
        ({"head": 3}, "3"),
        ({"image_size": 16}, "image_size"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_an_option_that_cannot_work_is_named(build, options, word):
    with pytest.raises(OptionError, match=word):
        build(**({"image_size": (32, 32)} | options))


def test_a_type_error_of_the_part_itself_stays_what_it_is(build):
    def broken(shape, num_classes):
        return len(num_classes)

    with pytest.raises(TypeError, match="has no len"):
        build(head=broken)


@pytest.mark.parametrize("family", ["preprocessor", "backbone", "head"])
def test_a_name_that_is_not_registered_is_refused(build, family):
    with pytest.raises(UnknownNameError, match="no_such_part"):
        build(**{family: "no_such_part"})


@pytest.mark.parametrize("names", [(), ("one",), "one", ("a", "b", "a"), (1, 2)])
def test_class_names_are_two_or_more_distinct_texts(build, names):
    with pytest.raises(DataError, match="class_names"):
        build(names)


def test_many_classes_of_any_name_are_taken(build):
    names = [f"<b>{number} é\udce9" for number in range(40)]
    model = build(names)
    assert model.output.shape == (None, 40)
    assert origin(model).class_names == tuple(names)


def test_another_head_on_a_backbone_is_what_would_be_built_with_it(build):
    head = Part("pooled", hidden=(4,), dropout=0.5)
    first, alone = build(), build(head=head, seed=3)
    again = with_head(first, head, seed=3)
    assert parts(again).backbone is parts(first).backbone
    for ours, theirs in zip(parts(again).head.weights, parts(alone).head.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert origin(again).recipe == origin(alone).recipe
    assert origin(again).class_names == origin(first).class_names
    image = np.full((2, *SIZE, 3), 100, np.float32)
    features = parts(first).backbone(parts(first).preprocessor(image))
    np.testing.assert_allclose(again(image), parts(alone).head(features), rtol=1e-5)


def test_another_head_needs_to_know_the_classes():
    with pytest.raises(OptionError, match="classes are not known"):
        with_head(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), "pooled")
