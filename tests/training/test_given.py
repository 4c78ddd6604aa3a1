"""What trainers, and those of plugins, check before they fit, and the recipe that they write down."""

import dataclasses

import keras
import pytest

from lesionkit.data.pipeline import dataset
from lesionkit.errors import DataError
from lesionkit.recipe import Part
from lesionkit.trainers import FineTune, Frozen
from lesionkit.training.given import check_given, recipe_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nearest:
    """A plugin's trainer: no more is known of it than its fields."""

    neighbours: int = 5
    seed: int = 0


def test_images_that_can_be_fitted_on_pass(build, train):
    check_given(build(), train)
    check_given(build(), dataset(train, image_size=(16, 16)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records[:0], "no training images"),
        (lambda records: dataclasses.replace(records, label=[-1] * len(records)), "needs a label"),
        (lambda records: dataclasses.replace(records, class_names=("a", "b", "c")), "The model was built for"),
    ],
)
def test_images_that_cannot_be_fitted_on_are_refused(build, train, change, message):
    with pytest.raises(DataError, match=message):
        check_given(build(), change(train))


def test_a_recipe_of_any_frozen_dataclass(build):
    model = build(seed=4)
    recipe = recipe_of(Nearest(seed=4), model, None, [30, 10])
    assert recipe == dataclasses.replace(recipe, trainer=Part("Nearest", neighbours=5), validation=0.25, augmenter=None)
    assert (recipe.seed, recipe.backbone.name) == (4, "tiny")
    assert recipe_of(Nearest(seed=1), model, "mixup", [30]).trainer == Part("Nearest", neighbours=5, seed=1)
    assert recipe_of(Nearest(seed=1), model, "mixup", [30]).augmenter == Part("mixup")
    assert recipe_of(Nearest(), model, None, []).validation == 0.0


def test_a_seed_of_the_recipe_is_not_said_again_in_any_phase(build):
    trainer = FineTune(unfreeze="high", seed=4, first=Frozen(seed=4))
    options = recipe_of(trainer, build(seed=4), None, [8]).trainer.options
    assert "seed" not in options
    assert "seed" not in options["first"]
    assert recipe_of(trainer, build(seed=3), None, [8]).trainer.options["first"]["seed"] == 4


def test_of_a_model_built_elsewhere_there_is_no_recipe(build, tmp_path):
    build().save(tmp_path / "model.keras")
    assert recipe_of(Frozen(), keras.models.load_model(tmp_path / "model.keras"), None, [8]) is None
