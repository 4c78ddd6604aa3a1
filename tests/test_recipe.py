"""Parts and recipes: plain data that survives JSON, and what differs from the documented baseline."""

import dataclasses
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionkit.errors import BundleError, OptionError
from lesionkit.options import checked_count, checked_share
from lesionkit.recipe import DOCUMENTED, OUR_CHOICES, SCHEMA_VERSION, Part, Recipe, differences, documented_baseline

texts = st.text(min_size=1)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
parts = st.builds(lambda name, options: Part(name, **options), texts, st.dictionaries(st.text(), values, max_size=4))
sides = st.integers(1, 4096)
recipes = st.builds(
    Recipe,
    preprocessor=parts,
    backbone=parts,
    head=parts,
    image_size=st.tuples(sides, sides),
    trainer=parts,
    augmenter=st.none() | parts,
    validation=st.floats(0, 1, exclude_max=True),
    seed=st.integers(0, 2**32 - 1),
)


def through_json(data):
    return json.loads(json.dumps(data))


@given(parts)
def test_a_part_survives_json(part):
    data = through_json(part.to_dict())
    again = Part(data["name"], **data["options"])
    assert again == part
    assert hash(again) == hash(part)


@given(parts)
def test_a_part_survives_pickling(part):
    assert pickle.loads(pickle.dumps(part)) == part


@given(recipes)
def test_a_recipe_survives_json(recipe):
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert hash(again) == hash(recipe)
    assert again.to_json() == recipe.to_json()
    assert Recipe.from_dict(through_json(recipe.to_dict())) == recipe


@given(parts, texts, values)
def test_another_option_makes_another_part(part, name, value):
    changed = part.with_options(**{name: value})
    assert changed.options[name] == Part("other", **{name: value}).options[name]
    assert {**part.options, name: changed.options[name]} == changed.options
    assert (changed == part) == (part.options.get(name, changed) == changed.options[name])


def test_parts_with_equal_options_are_equal_and_hash_alike():
    one, two = Part("Frozen", epochs=10, learning_rate=1), Part("Frozen", learning_rate=1.0, epochs=10)
    assert one == two
    assert len({one, two}) == 1
    assert Part("Frozen", epochs=10) != Part("Frozen", epochs=11)
    assert Part("Frozen", epochs=10) != Part("Other", epochs=10)


def test_lists_become_tuples():
    part = Part("pooled", hidden=[256, [1, 2]], table={"sizes": [3]})
    assert part.options == {"hidden": (256, (1, 2)), "table": {"sizes": (3,)}}
    assert part == Part("pooled", hidden=(256, (1, 2)), table={"sizes": (3,)})


def test_a_parts_repr_makes_it_again():
    part = Part("pooled", hidden=[256], dropout=0.3, pooling="avg")
    assert eval(repr(part)) == part


def test_an_option_may_have_any_name():
    part = Part("pooled", name="a", self="b", part="c")
    assert part.name == "pooled"
    assert part.with_options(name="d", self="e").options == {"name": "d", "self": "e", "part": "c"}


def test_a_part_does_not_change():
    part = Part("pooled", dropout=0.3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        part.name = "other"
    with pytest.raises(TypeError):
        part.options["dropout"] = 0.5


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1, 2}, b"bytes", print, object, 1j, {1: "whole"}, [float("nan")], {"a": print}],
    ids=repr,
)
def test_what_json_cannot_hold_is_no_option(value):
    with pytest.raises(OptionError, match="pooled: option 'odd' is not something that JSON can hold"):
        Part("pooled", odd=value)


@pytest.mark.parametrize("name", ["", None, 3, b"pooled"])
def test_a_parts_name_is_a_text(name):
    with pytest.raises(OptionError, match="A part's name is a text"):
        Part(name)


def test_a_name_or_a_function_stands_for_a_part():
    part = Part("pooled", dropout=0.3)
    assert Part.of(part) is part
    assert Part.of("pooled") == Part("pooled")
    assert Part.of(through_json).name.endswith("test_recipe.through_json")
    with pytest.raises(OptionError, match="Received: 3"):
        Part.of(3)


@given(parts)
def test_a_part_as_json_holds_it_is_that_part(part):
    assert Part.of(part.to_dict()) == part
    assert Part.of({"name": part.name}) == Part(part.name)


@pytest.mark.parametrize(
    "wrong", [{}, {"options": {}}, {"name": "pooled", "dropout": 0.3}, {"name": "x", "options": 3}]
)
def test_another_mapping_is_no_part(wrong):
    with pytest.raises(OptionError, match=r"^A part is a registered name .* Received: "):
        Part.of(wrong)


def test_a_recipe_takes_names_and_lists():
    recipe = Recipe(preprocessor="native", backbone="xception", augmenter="flip", image_size=[96, 64])
    assert recipe.preprocessor == Part("native")
    assert recipe.backbone == Part("xception")
    assert recipe.augmenter == Part("flip")
    assert recipe.image_size == (96, 64)


def test_a_file_name_that_is_not_utf8_survives_json_as_utf8_text():
    recipe = Recipe(backbone=Part("resnet50", weights="caf\udce9 é.h5"))
    text = recipe.to_json().encode("utf-8").decode("utf-8")
    assert Recipe.from_json(text) == recipe


@pytest.mark.parametrize(
    "image_size", [128, (128,), (128, 128, 3), (0, 128), (-1, 5), (1.5, 2), "12", None, (float("inf"), 8), ("a", "b")]
)
def test_an_image_size_is_two_whole_numbers_from_one(image_size):
    with pytest.raises(OptionError, match=r"image_size is \(height, width\)"):
        Recipe(image_size=image_size)


@pytest.mark.parametrize("share", [1, 1.0, -0.1, 2, float("nan"), "0.2", None, True])
def test_validation_is_a_share_below_one(share):
    with pytest.raises(OptionError, match="validation is a share"):
        Recipe(validation=share)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "0", None, True])
def test_a_seed_is_a_whole_number_of_32_bits(seed):
    with pytest.raises(OptionError, match="seed is"):
        Recipe(seed=seed)


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_count_is_at_least_its_least(count, least):
    if count >= least:
        assert checked_count(count, "epochs", least) == count
    else:
        with pytest.raises(OptionError, match=f"epochs is a whole number of at least {least}. Received: {count}"):
            checked_count(count, "epochs", least)


@given(st.floats() | st.integers())
def test_a_share_is_from_zero_up_to_one(share):
    if 0 <= share < 1:
        assert checked_share(share, "dropout") == share
    else:
        with pytest.raises(OptionError, match="dropout is a share"):
            checked_share(share, "dropout")


def changed(**entries):
    return json.dumps(documented_baseline().to_dict() | entries)


def test_a_newer_schema_is_refused():
    with pytest.raises(BundleError, match=f"schema version {SCHEMA_VERSION + 1}.*Upgrade lesionkit"):
        Recipe.from_json(changed(schema_version=SCHEMA_VERSION + 1))


def test_unknown_entries_are_refused_by_name():
    with pytest.raises(BundleError, match="unknown entries colour, shape"):
        Recipe.from_json(changed(shape=1, colour=2))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        '{"schema_version": "1"}',
        changed(backbone=None),
        changed(backbone="resnet50"),
        changed(backbone={"name": "resnet50"}),
        changed(backbone={"options": {}}),
        changed(backbone={"name": "resnet50", "options": [1]}),
        changed(image_size=[0, 0]),
        changed(validation=1),
        changed(seed=-1),
    ],
)
def test_what_is_not_a_recipe_is_refused(text):
    with pytest.raises(BundleError, match="Not a recipe"):
        Recipe.from_json(text)


def test_the_documented_baseline_is_what_its_authors_stated():
    recipe = documented_baseline()
    assert recipe.image_size == (128, 128)
    assert recipe.preprocessor == Part("unit_range")
    assert recipe.backbone == Part("resnet50", weights="imagenet")
    assert recipe.trainer.name == "Frozen"
    assert recipe.trainer.options["epochs"] == 10
    assert recipe.augmenter is None
    assert dict(DOCUMENTED) == {"accuracy": 0.4661, "loss": 2.8345, "n_train": 2239, "n_test": 118}


def test_the_choices_that_are_ours():
    recipe = documented_baseline()
    assert recipe.trainer.options["batch_size"] == 32
    assert recipe.trainer.options["learning_rate"] == 1e-3
    assert (recipe.validation, recipe.seed) == (0.2, 0)
    assert recipe.head.options["hidden"] == (256,)
    assert {"head", "validation", "seed", "trainer.batch_size", "trainer.learning_rate"} == set(OUR_CHOICES)


def test_the_baseline_does_not_differ_from_itself():
    assert differences(documented_baseline()) == []
    assert differences(Recipe.from_json(documented_baseline().to_json())) == []


def replaced(**entries):
    return dataclasses.replace(documented_baseline(), **entries)


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (replaced(image_size=(224, 160)), ["image_size: 224 x 160 instead of 128 x 128 (documented)"]),
        (replaced(preprocessor="native"), ["preprocessor: native instead of unit_range (documented)"]),
        (
            replaced(backbone="xception"),
            [
                "backbone: xception instead of resnet50 (documented)",
                "backbone.weights: left out instead of imagenet (documented)",
            ],
        ),
        (replaced(augmenter="flip"), ["augmenter: flip instead of None (documented)"]),
        (
            replaced(trainer=documented_baseline().trainer.with_options(epochs=3)),
            ["trainer.epochs: 3 instead of 10 (documented)"],
        ),
        (
            replaced(trainer=documented_baseline().trainer.with_options(batch_size=8)),
            ["trainer.batch_size: 8 instead of 32 (our default, the authors did not say)"],
        ),
        (replaced(seed=4), ["seed: 4 instead of 0 (our default, the authors did not say)"]),
        (
            replaced(head=documented_baseline().head.with_options(dropout=0.3)),
            ["head.dropout: 0.3 instead of 0.0 (our default, the authors did not say)"],
        ),
    ],
)
def test_differences_name_what_differs_and_whose_choice_it_was(recipe, told):
    assert differences(recipe) == told


@given(recipes)
def test_only_the_documented_recipe_has_no_differences(recipe):
    assert (differences(recipe) == []) == (recipe == documented_baseline())
