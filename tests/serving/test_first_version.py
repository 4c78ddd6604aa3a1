"""What the first version of lesionkit wrote is read for ever: tests/fixtures/make_bundle_v1.py says how it was made."""

import numpy as np
import pytest
from places import TESTS

import lesionkit as lk
from lesionkit.experiments.run_folder import REPORTS

FIRST = TESTS / "fixtures" / "bundle_v1"


@pytest.fixture(scope="module")
def bundle():
    return lk.load(FIRST)


@pytest.fixture(scope="module")
def evaluation():
    return lk.read_evaluation(FIRST)


def test_it_answers_as_it_did(bundle):
    with np.load(FIRST / "answers.npz") as held:
        pixels, then = held["pixels"], held["probabilities"]
    answers = bundle.predict(list(pixels))
    now = np.array([[dict(one.ranked)[name] for name in bundle.class_names] for one in answers])
    assert np.ptp(then) > 0.1  # the answers tell the images apart
    assert np.abs(now - then).max() < 1e-5


def test_its_card_tells_recipe_and_thresholds(bundle):
    recipe = lk.Recipe.from_dict(bundle.card["recipe"])
    assert (recipe.backbone.name, recipe.image_size, recipe.trainer.name) == ("tiny", (16, 16), "Frozen")
    assert bundle.card["schema_version"] == 1
    assert bundle.temperature is not None
    assert bundle.operating_point is not None
    assert bundle.conformal_sets is not None


def test_its_evaluation_gives_the_scores_on_its_card(bundle, evaluation):
    assert len(evaluation) == bundle.card["test"]["n"] == 18
    assert evaluation.class_names == bundle.class_names
    assert evaluation.accuracy == pytest.approx(bundle.card["test"]["accuracy"])
    assert evaluation.loss == pytest.approx(bundle.card["test"]["loss"])
    assert evaluation.stress is not None
    assert evaluation.pictures


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_every_report_of_a_run_is_made_of_it(evaluation, name, tmp_path):
    assert lk.reports.get(name)(evaluation, tmp_path / REPORTS[name]).stat().st_size > 1000
