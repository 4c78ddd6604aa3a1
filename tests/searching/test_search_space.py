"""SearchSpace: from KerasTuner's values to recipes that say what was chosen, and nothing else."""

import dataclasses
import random

import keras_tuner
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lesionkit as lk
from lesionkit.errors import OptionError
from lesionkit.searching.space import shown

SEARCHED = (
    "hidden", "dropout", "pooling", "learning_rate", "fine_tune_learning_rate", "optimizer", "class_weight",
    "label_smoothing",
)  # fmt: skip
FIXED = dict.fromkeys(SEARCHED, ())
BASE = lk.documented_baseline()


def drawn(space, seed=0):
    """A recipe of random values, and the values, as a random search draws them."""
    known = keras_tuner.HyperParameters()
    space(known)
    chance, values = random.Random(seed), keras_tuner.HyperParameters()
    for one in known.space:
        values.merge([one])
        if values.is_active(one):
            values.values[one.name] = one.random_sample(chance.randrange(2**31))
    return space(values), values.values


@given(st.integers(0, 2**31))
def test_every_recipe_can_be_written_down_and_is_within_the_space(seed):
    space = lk.SearchSpace(
        preprocessor=["unit_range", "native", lk.Part("shades_of_gray", then="unit_range")],
        backbone=["resnet50", lk.Part("efficientnet_lite0", weights=None)],
        image_size=[(128, 128), (96, 128)],
        augmenter=[None, "dermoscopy"],
        unfreeze=[None, "all"],
    )
    recipe, values = drawn(space, seed)
    assert lk.Recipe.from_json(recipe.to_json()) == recipe
    assert 0 <= recipe.head.options["dropout"] <= 0.6
    assert recipe.head.options["hidden"] in space.hidden
    assert shown(recipe.preprocessor) == values["preprocessor"]
    assert recipe.image_size in space.image_size
    assert (recipe.augmenter is None) == (values["augmenter"] == "none")
    phases = [recipe.trainer.options]
    assert (recipe.trainer.name == "FineTune") == (values["unfreeze"] == "all")
    if recipe.trainer.name == "FineTune":
        assert 1e-5 <= recipe.trainer.options["learning_rate"] <= 1e-3
        assert recipe.trainer.options["epochs"] == space.fine_tune_epochs
        phases.append(recipe.trainer.options["first"])
    assert phases[-1]["learning_rate"] == pytest.approx(values["learning_rate"])
    assert phases[-1]["epochs"] == 10
    for name in ("optimizer", "class_weight", "label_smoothing"):
        assert {one[name] for one in phases} <= set(getattr(space, name))
        assert len({one[name] for one in phases}) == 1


def test_a_space_without_choices_is_its_base():
    assert drawn(lk.SearchSpace(base=BASE, **FIXED)) == (BASE, {})


def test_a_single_value_is_set_and_not_searched():
    recipe, values = drawn(lk.SearchSpace(base=BASE, **{**FIXED, "class_weight": ["balanced"], "dropout": [0.3]}))
    assert values == {}
    assert recipe.trainer == BASE.trainer.with_options(class_weight="balanced")
    assert recipe.head == BASE.head.with_options(dropout=0.3)


def test_a_name_of_a_backbone_has_the_bases_weights():
    base = dataclasses.replace(BASE, backbone=lk.Part("resnet50", weights="mine.h5"))
    recipe, _ = drawn(lk.SearchSpace(base=base, **{**FIXED, "backbone": ["resnet101"]}))
    assert recipe.backbone == lk.Part("resnet101", weights="mine.h5")


def test_a_base_that_fine_tunes_goes_on_doing_so():
    trainer = lk.Part("FineTune", unfreeze="conv5", epochs=7, learning_rate=1e-5, first={"epochs": 3})
    base = dataclasses.replace(BASE, trainer=trainer)
    recipe, values = drawn(lk.SearchSpace(base=base, **{**FIXED, "learning_rate": lk.Range(0.1, 0.2)}))
    assert recipe.trainer.with_options(first={"epochs": 3}) == trainer
    assert recipe.trainer.options["first"] == {"epochs": 3, "learning_rate": values["learning_rate"]}


def test_the_rate_of_fine_tuning_is_searched_where_there_is_some():
    space = lk.SearchSpace(base=BASE, **{**FIXED, "unfreeze": [None, "conv5"], "fine_tune_learning_rate": [1e-5, 1e-4]})
    for seed in range(10):
        recipe, values = drawn(space, seed)
        assert ("fine_tune_learning_rate" in values) == (values["unfreeze"] == "conv5")
        assert (recipe.trainer.name == "FineTune") == (values["unfreeze"] == "conv5")


def test_ranges_of_whole_numbers_stay_whole():
    _, values = drawn(lk.SearchSpace(base=BASE, **{**FIXED, "dropout": lk.Range(0, 8, step=4)}))
    assert values["dropout"] in (0, 4, 8)
    assert isinstance(values["dropout"], int)


@pytest.mark.parametrize("ends", [{"low": 1, "high": 1}, {"low": 2, "high": 1}, {"low": 0, "high": 1, "log": True}])
def test_ranges_that_hold_nothing(ends):
    with pytest.raises(OptionError, match="A range goes from low to high"):
        lk.Range(**ends)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"pooling": "avg"}, "pooling is a sequence"),
        ({"dropout": 0.5}, "dropout is a sequence"),
        ({"pooling": ["avg", "max", "avg"]}, "pooling has a value twice"),
        ({"hidden": [(), None]}, "hidden has a value twice"),
        ({"base": dataclasses.replace(BASE, trainer=lk.Part("theirs"))}, "not for theirs"),
    ],
)
def test_choices_that_cannot_work(choices, told):
    with pytest.raises(OptionError, match=told):
        lk.SearchSpace(**choices)
