"""Variants in grouped cross-validation: who judges whom, what is kept, and what the files say."""

import csv
import dataclasses
import json
import logging

import numpy as np
import pytest

import lesionkit as lk
from lesionkit.experiments.variant_files import FILES, write_improvements
from lesionkit.experiments.variants import Variant, averaged, cross_validate, rows_of

SIZE = (16, 16)


@pytest.fixture(scope="module")
def known(records):
    """The records with their pictures known; two images of one lesion in each class."""
    found = lk.inspect(records)
    lesion = np.array([f"lesion {row // 2}" for row in range(len(found))], dtype=object)
    return dataclasses.replace(found, lesion_id=lesion)


@pytest.fixture(scope="module")
def recipe(deep):
    if "deep" not in lk.backbones.names():
        lk.backbones.register("deep", deep)
    return lk.Recipe(
        backbone=lk.Part("deep"),
        image_size=SIZE,
        trainer=lk.Part("Frozen", epochs=2, batch_size=8, learning_rate=0.01),
        validation=0.4,  # of four images of a class: two, one lesion
    )


@pytest.fixture(scope="module")
def found(known, recipe, tmp_path_factory):
    """The answers of two variants, two seeds, two folds; and the folder."""
    folder = tmp_path_factory.mktemp("folds")
    faster = dataclasses.replace(recipe, trainer=recipe.trainer.with_options(learning_rate=0.05, patience=1))
    store = lk.FeatureStore(folder / "store")
    variants = [
        Variant("baseline", "as it is", recipe),
        Variant("<b>fast|er</b>", "a higher rate", faster, "symmetries", True),
    ]
    return [cross_validate(one, known, folder, seeds=2, k=2, store=store) for one in variants], folder, store


def test_every_training_image_is_answered_once_a_seed(found, known):
    for one in found[0]:
        assert one.probabilities.shape == (2, 24, 3)
        np.testing.assert_allclose(one.probabilities.sum(axis=2), 1, atol=1e-5)
        assert len(one.test) == 9


def test_finished_folds_are_not_trained_again(found, known, caplog):
    answers, folder, store = found
    caplog.set_level(logging.INFO, "lesionkit")
    again = cross_validate(answers[0].variant, known, folder, seeds=2, k=2, store=store)
    assert caplog.text.count("finished before") == 5  # four folds and the shipped test
    assert "epoch" not in caplog.text
    np.testing.assert_array_equal(again.probabilities, answers[0].probabilities)
    assert again.seconds == answers[0].seconds
    assert not list(folder.glob("*-unfinished"))


def test_no_model_judges_the_lesions_it_learned_from(found, known, recipe, monkeypatch):
    """Watches what is fitted and what is judged: no lesion is on two sides, not even for early stopping."""
    from lesionkit.experiments import variants as improvements

    sides = []
    fit, evaluate = improvements.fit, improvements.evaluate

    def watched_fit(recipe, model, train, validation, **more):
        sides.append([set(train.lesion_id), set(validation.lesion_id)])
        return fit(recipe, model, train, validation, **more)

    def watched_evaluate(model, judge, **more):
        sides[-1].append(set(judge.lesion_id))
        return evaluate(model, judge, **more)

    monkeypatch.setattr(improvements, "fit", watched_fit)
    monkeypatch.setattr(improvements, "evaluate", watched_evaluate)
    short = dataclasses.replace(recipe, trainer=recipe.trainer.with_options(epochs=1))
    cross_validate(Variant("short", "", short), known, found[1] / "short", seeds=1, k=2, store=found[2])
    assert len(sides) == 3
    for learned, watched, judged in sides:
        assert learned
        assert watched
        assert not learned & watched
        assert not (learned | watched) & judged


def test_the_first_row_is_the_baseline_and_the_others_are_compared_with_it(found, known):
    base, other = rows_of(found[0], known)
    assert base.comparison is None
    assert other.comparison.baseline == pytest.approx(base.scores["balanced_accuracy"])
    assert other.comparison.difference == pytest.approx(
        other.scores["balanced_accuracy"] - base.scores["balanced_accuracy"]
    )
    assert base.interval[0] <= base.scores["balanced_accuracy"] <= base.interval[1]
    assert base.test["as_shipped"].n == 9


def test_the_mean_of_the_seeds_is_the_mean(found, known):
    one = found[0][0]
    mean = averaged(one, dataclasses.replace(one.variant, name="mean"))
    np.testing.assert_allclose(mean.probabilities[0], one.probabilities.mean(axis=0))
    np.testing.assert_array_equal(mean.probabilities[0], mean.probabilities[1])
    assert mean.test is None


def test_the_files_say_the_same(found, known, tmp_path):
    rows = rows_of(found[0], known)
    write_improvements(rows, tmp_path, facts={"data": "made | up"}, missing=["later"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    told = json.loads((tmp_path / "improvements.json").read_text(encoding="utf-8"))
    assert told["schema_version"] == 1
    assert [one["name"] for one in told["variants"]] == ["baseline", "<b>fast|er</b>"]
    assert told["variants"][1]["comparison"]["difference"] == rows[1].comparison.difference
    assert told["not_finished"] == ["later"]
    assert lk.Recipe.from_dict(told["variants"][0]["recipe"]) == rows[0].recipe
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert float(table[1]["difference"]) == pytest.approx(100 * rows[1].comparison.difference, abs=0.006)
    assert "optimistic: tuned on these images" in table[1]["variant"]
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<b>" not in report
    assert "made \\| up" in report
    assert rows[1].comparison.verdict in report
    assert "Not finished" in report
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


def test_one_row_alone_is_a_report_too(found, known, tmp_path):
    write_improvements(rows_of(found[0][:1], known), tmp_path, facts={})
    assert "The baseline reaches" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_another_recipe_or_other_images_are_not_taken_for_finished(found, known, recipe, caplog):
    _, folder, store = found
    caplog.set_level(logging.INFO, "lesionkit")
    other = dataclasses.replace(recipe, trainer=recipe.trainer.with_options(epochs=1))
    cross_validate(Variant("baseline", "", other), known[known.split != "test"][:20], folder, seeds=1, k=2, store=store)
    assert "finished before" not in caplog.text
