"""Searches: a trial is a recipe, failures are told, what was finished is never run twice, the same seed repeats."""

import dataclasses
import json
import logging

import keras
import keras_tuner
import numpy as np
import pytest
from conftest import SIZE

import lesionkit as lk
from lesionkit import backbones
from lesionkit.errors import OptionError, SearchError
from lesionkit.experiments.fitting import build, fit
from lesionkit.searching.judge import Judge
from lesionkit.searching.trials import trials_in

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def around(tiny, deep, monkeypatch, tmp_path):
    monkeypatch.setitem(backbones._registry._registered, "tiny", tiny)
    monkeypatch.setitem(backbones._registry._registered, "deep", deep)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def base():
    return lk.Recipe(
        backbone=lk.Part("tiny"),
        image_size=SIZE,
        trainer=lk.Part("Frozen", epochs=1, batch_size=24, learning_rate=0.01),
    )


@pytest.fixture
def space(base):
    return lk.SearchSpace(base=base, hidden=[(), (4,), (8, 4)], pooling=["avg"], optimizer=["adam", "sgd"])


@pytest.fixture
def search(train, held_out, store, tmp_path):
    def run(space, **options):
        sides = () if "folds" in options else (held_out,)
        options = {"store": store, "directory": tmp_path / "search", "strategy": "random", "max_trials": 3, **options}
        return lk.search(space, train, *sides, **options)

    return run


def tried(tuner):
    return [(one.number, dict(one.values), dict(one.scores)) for one in trials_in(tuner.trials)]


# A trial is a recipe


def test_the_score_of_a_trial_is_what_its_recipe_reaches(search, space, train, held_out, store):
    tuner = search(space, strategy="bayesian")
    assert isinstance(tuner, keras_tuner.Tuner)
    trials = trials_in(tuner.trials)
    assert len(trials) == 3
    for one in trials:
        model = build(one.recipe, train.class_names)
        run = fit(one.recipe, model, train, held_out, store=False)
        alone = lk.evaluate(run.model, held_out)
        assert alone.balanced_accuracy == pytest.approx(one.scores["val_balanced_accuracy"])
        assert alone.loss == pytest.approx(one.scores["val_loss"], rel=1e-4)
        np.testing.assert_allclose(one.probabilities, alone.probabilities, atol=1e-5)


def test_the_best_recipe_is_the_best_trials_and_can_be_written_down(search, space, tmp_path):
    tuner = search(space)
    trials = trials_in(tuner.trials)
    best = max(trials, key=lambda one: one.scores["val_balanced_accuracy"])
    assert lk.best_recipe(tuner) in [one.recipe for one in trials if one.scores == best.scores]
    written = lk.Recipe.from_json((tmp_path / "search" / "best.json").read_text(encoding="utf-8"))
    assert written == lk.best_recipe(tuner)
    assert tuner.get_best_hyperparameters()[0].values in [dict(one.values) for one in trials]


def test_the_least_loss_is_the_best(search, space):
    tuner = search(space, objective="val_loss")
    found = {one.scores["val_loss"]: one.recipe for one in trials_in(tuner.trials)}
    assert lk.best_recipe(tuner) == found[min(found)]


def test_a_function_is_a_space(search, base):
    def space(hp):
        return dataclasses.replace(base, head=lk.Part("pooled", dropout=hp.Float("dropout", 0.0, 0.5)))

    tuner = search(space, max_trials=2)
    for one in trials_in(tuner.trials):
        assert one.recipe.head.options["dropout"] == one.values["dropout"]


def test_a_best_model_is_trained_again_from_its_recipe(search, space, held_out):
    tuner = search(space)
    model = tuner.get_best_models()[0]
    best = tuner.leaderboard()[0].trial
    score = lk.evaluate(model, held_out).balanced_accuracy
    assert score == pytest.approx(best.scores["val_balanced_accuracy"])


@pytest.mark.filterwarnings("ignore:Skipping variable loading")  # KerasTuner loads weights before it has an optimizer
def test_kerastuners_own_build_function_is_accepted(search, tmp_path):
    def build(hp):
        units = hp.Int("units", 2, 8)
        layers = [keras.Input((*SIZE, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
        model = keras.Sequential([*layers, keras.layers.Dense(units), keras.layers.Dense(3, activation="softmax")])
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        return model

    tuner = search(build, objective="val_accuracy", max_trials=2, epochs=2)
    trials = trials_in(tuner.trials)
    assert [0 <= one.scores["val_accuracy"] <= 1 for one in trials] == [True, True]
    assert tuner.get_best_models()[0].output_shape == (None, 3)
    assert not (tmp_path / "search" / "best.json").exists()
    with pytest.raises(SearchError, match="No trial that is a recipe"):
        lk.best_recipe(tuner)


# What trials share


def test_the_frozen_part_runs_once_for_all_trials(search, space, caplog):
    caplog.set_level(logging.INFO, "lesionkit")
    search(space)
    extracted = [record.args for record in caplog.records if record.msg.startswith("features: %d of %d")]
    assert [first for first, *_ in extracted] == [24, 9]


def test_nothing_of_the_backbone_is_written(search, space, tmp_path):
    search(space)
    sizes = [path.stat().st_size for path in (tmp_path / "search").rglob("*") if path.is_file()]
    assert not list((tmp_path / "search").rglob("*.h5"))
    assert max(sizes) < 200_000


def test_a_backbone_that_has_learned_is_not_given_on(base, train, held_out, store, tmp_path):
    tuned = dataclasses.replace(
        base,
        backbone=lk.Part("deep"),
        trainer=lk.Part("FineTune", unfreeze="high", epochs=1, learning_rate=0.1, first={"epochs": 1}),
    )
    frozen = dataclasses.replace(tuned, trainer=lk.Part("Frozen", epochs=1))
    judge, alone = (Judge(train, held_out, None, 0, store) for _ in range(2))
    after = [judge.answers(one, tmp_path / "unfinished")[1] for one in (frozen, tuned, frozen)]
    np.testing.assert_array_equal(after[0], after[2])
    np.testing.assert_array_equal(after[1], alone.answers(tuned, tmp_path / "unfinished")[1])


# Judged


def test_folds_judge_every_training_image_by_models_that_did_not_see_its_group(search, space, train, monkeypatch):
    seen = []
    fitted = fit

    def watched(recipe, model, learned, validation, **more):
        seen.append(({*learned.source, *validation.source}, {*learned.source} & {*validation.source}))
        return fitted(recipe, model, learned, validation, **more)

    monkeypatch.setattr("lesionkit.searching.judge.fit", watched)
    patient = dataclasses.replace(space.base, trainer=space.base.trainer.with_options(patience=1))
    tuner = search(dataclasses.replace(space, base=patient), folds=2, max_trials=1)
    [trial] = trials_in(tuner.trials)
    assert np.isfinite(trial.probabilities).all()
    assert trial.probabilities.shape == (24, 3)
    assert [both for _, both in seen] == [set(), set()]
    judged = [{*train.source} - used for used, _ in seen]
    assert judged[0] | judged[1] == {*train.source}
    assert not judged[0] & judged[1]
    recalls = []
    for part in judged:
        rows = np.isin(train.source, list(part))
        recalls.append(lk.Evaluation(train.class_names, trial.probabilities[rows], train.label[rows], (), ()))
    assert trial.scores["val_balanced_accuracy"] == pytest.approx(np.mean([one.balanced_accuracy for one in recalls]))


def test_hyperband_gives_each_trial_its_share_of_the_epochs(search, base):
    long = dataclasses.replace(base, trainer=base.trainer.with_options(epochs=9))
    tuner = search(lk.SearchSpace(base=long, hidden=[(), (4,)]), strategy="hyperband", max_trials=6)
    trials = trials_in(tuner.trials)
    asked = [one.values["tuner/epochs"] for one in trials]
    assert [one.recipe.trainer.options["epochs"] for one in trials] == asked
    assert min(asked) < 9


# Failures


def odd(base, wrong):
    """A space in which the trials whose number is in ``wrong`` cannot be built."""

    def space(hp):
        number = hp.Int("number", 0, 9)
        dropout = 2.0 if number in wrong else number / 20
        return dataclasses.replace(base, head=lk.Part("pooled", dropout=dropout))

    return space


def test_a_failed_trial_is_told_and_the_others_go_on(search, base, caplog, tmp_path):
    tuner = search(odd(base, {0, 1, 2, 3, 4, 5}), max_trials=8)
    trials = trials_in(tuner.trials)
    failed = [one for one in trials if one.error]
    assert 0 < len(failed) < len(trials) == 8
    assert all(one.error.startswith("OptionError: dropout") for one in failed)
    assert {one.values["number"] for one in failed} <= {0, 1, 2, 3, 4, 5}
    told = [record.getMessage() for record in caplog.records if "failed: OptionError: dropout" in record.getMessage()]
    assert len(told) == len(failed)
    assert all("number" in one for one in told)
    places = tuner.leaderboard()
    assert [one.rank for one in places] == [*range(1, 9 - len(failed)), *[None] * len(failed)]


def test_none_completed_is_an_error_that_names_each(search, base):
    with pytest.raises(SearchError, match=r"None of the 2 trials completed:\n  OptionError: dropout.*number"):
        search(odd(base, set(range(10))), max_trials=2)


@pytest.mark.parametrize("error", [MemoryError("no room"), lk.DivergedError("The loss became nan")])
def test_an_error_in_training_is_a_failed_trial(search, space, monkeypatch, error):
    fitted, calls = fit, []

    def breaking(*given, **more):
        calls.append(1)
        if len(calls) == 2:
            raise error
        return fitted(*given, **more)

    monkeypatch.setattr("lesionkit.searching.judge.fit", breaking)
    tuner = search(space)
    assert [one.error is None for one in trials_in(tuner.trials)] == [True, False, True]


def test_without_tensorboard_it_says_what_to_install(tmp_path):
    import subprocess
    import sys

    code = "import sys; sys.modules['tensorboard'] = None\ntry:\n    import lesionkit; lesionkit.search\n"
    code += "except ImportError as error:\n    print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'A search needs tensorboard: pip install "lesionkit[tuner]"' in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"strategy": "grid"}, "strategy is one of bayesian, hyperband, random"),
        ({"objective": "accuracy"}, "objective is one of val_accuracy, val_balanced_accuracy"),
        ({"max_trials": 0}, "max_trials"),
    ],
)
def test_options_out_of_range(search, space, options, told):
    with pytest.raises(OptionError, match=told):
        search(space, **options)


def test_validation_or_folds(space, train, held_out):
    for sides, folds in (((), None), ((held_out,), 2)):
        with pytest.raises(OptionError, match="validation images or a number of folds"):
            lk.search(space, train, *sides, folds=folds)


def test_folds_are_two_or_more(space, train, tmp_path):
    with pytest.raises(OptionError, match="folds is a whole number of at least 2"):
        lk.search(space, train, folds=1, directory=tmp_path / "search")
    assert not (tmp_path / "search").exists()


def test_a_folder_belongs_to_one_set_of_images(search, space, held_out, train, tmp_path, store):
    search(space, max_trials=1)
    with pytest.raises(OptionError, match="holds a search of other images"):
        lk.search(space, held_out, train, directory=tmp_path / "search", store=store, max_trials=1)
    with pytest.raises(OptionError, match="another objective"):
        search(space, objective="val_loss")


# Resuming


@pytest.fixture
def counted(monkeypatch):
    """A list that grows by the recipe of each training."""
    found, fitted = [], fit

    def counting(recipe, *given, **more):
        found.append(recipe)
        return fitted(recipe, *given, **more)

    monkeypatch.setattr("lesionkit.searching.judge.fit", counting)
    return found


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband"])
def test_the_same_seed_makes_the_same_search(search, space, strategy, tmp_path):
    seeds = [tried(search(space, strategy=strategy, seed=seed, directory=tmp_path / f"{seed}-{go}"))
             for seed, go in ((0, 0), (0, 1), (5, 0))]  # fmt: skip
    assert seeds[0] == seeds[1]
    assert seeds[0] != seeds[2]


def test_the_same_call_again_trains_nothing(search, space, counted):
    first = tried(search(space))
    assert len(counted) == 3
    assert tried(search(space)) == first
    assert len(counted) == 3


def test_more_trials_go_on_after_those_that_are_there(search, space, counted):
    first = tried(search(space))
    assert tried(search(space, max_trials=5))[:3] == first
    assert len(counted) == 5


@pytest.mark.parametrize(
    ("strategy", "victim", "damage"),
    [
        ("bayesian", "oracle.json", b'{"half": '),
        ("random", "tuner0.json", b""),
        ("random", "trial_1/trial.json", b'{"half": '),
    ],
)
def test_what_kerastuner_left_half_written_loses_nothing(search, space, counted, tmp_path, strategy, victim, damage):
    first = tried(search(space, strategy=strategy))
    [project] = (tmp_path / "search" / "keras_tuner").iterdir()
    assert (project / victim).exists()
    (project / victim).write_bytes(damage)
    assert tried(search(space, strategy=strategy)) == first
    assert len(counted) == 3


def test_a_search_that_was_stopped_ends_as_if_it_had_not_been(search, space, monkeypatch, tmp_path):
    whole = tried(search(space, strategy="bayesian", max_trials=5, directory=tmp_path / "whole"))
    fitted, calls = fit, []

    def stopping(*given, **more):
        calls.append(1)
        if len(calls) in (2, 5):
            raise KeyboardInterrupt
        return fitted(*given, **more)

    monkeypatch.setattr("lesionkit.searching.judge.fit", stopping)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            search(space, strategy="bayesian", max_trials=5)
    assert tried(search(space, strategy="bayesian", max_trials=5)) == whole
    assert len(calls) == 7


def test_a_trial_that_kerastuner_forgot_is_run(search, space, counted, tmp_path):
    """Killed between the file of a new trial and the list of them, KerasTuner counts the trial and never runs it."""
    search(space, max_trials=2)
    [project] = (tmp_path / "search" / "keras_tuner").iterdir()
    kept = (project / "oracle.json").read_text()
    search(space, max_trials=3)
    told = json.loads((project / "trial_2" / "trial.json").read_text())
    told |= {"status": "RUNNING", "score": None, "metrics": {"metrics": {}}}
    (project / "trial_2" / "trial.json").write_text(json.dumps(told))
    (project / "oracle.json").write_text(kept)
    tuner = search(space, max_trials=3)
    assert {one.status for one in tuner.oracle.trials.values()} == {"COMPLETED"}
    assert len(counted) == 3
