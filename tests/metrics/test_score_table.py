"""The table of scores: what each entry is, and that an entry more is found wherever scores are."""

import csv
import dataclasses
import json
import warnings

import numpy as np
import pytest
from answered import answers
from evaluations import NAMES, evaluation, full
from evaluations import answers as guesses
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from lesionkit import reports
from lesionkit.data.records import Records
from lesionkit.errors import OptionError
from lesionkit.evaluation.files import write_evaluation
from lesionkit.experiments.run_comparison import compare_runs
from lesionkit.experiments.run_comparison_files import write_comparison
from lesionkit.experiments.variant_files import write_improvements
from lesionkit.experiments.variants import Variant, VariantPredictions, rows_of
from lesionkit.metrics import classification
from lesionkit.metrics.score_table import SCORES, ScoreKind, Sums, register
from lesionkit.recipe import documented_baseline
from lesionkit.searching.files import write_search
from lesionkit.searching.leaderboard import leaderboard
from lesionkit.searching.space import directions
from lesionkit.searching.trials import Trial

#: Scores that correct for chance -> the same of scikit-learn, which may give NaN where the divisor is 0.
BEYOND_CHANCE = {"matthews_correlation": sk.matthews_corrcoef, "cohen_kappa": sk.cohen_kappa_score}

quick = settings(max_examples=100, deadline=None)


def macro_f1(sums):
    return (2 * sums.correct / np.maximum(sums.images + sums.predicted, 1)).mean(axis=-1)


MADE_UP = ScoreKind("made_up", "made-up F1", "mean F1 of all classes", macro_f1, share=True, digits=2)


@pytest.fixture
def made_up():
    register(MADE_UP)
    yield MADE_UP
    del SCORES["made_up"]


@quick
@given(answers())
def test_values_by_the_sums_are_those_of_the_functions_and_within_their_limits(given):
    labels, probabilities = given
    sums = Sums.of(labels, probabilities)
    assert sums.n == len(labels)
    assert sums.correct.sum() == np.trace(classification.confusion_matrix(labels, probabilities))
    for kind in SCORES.values():
        value = kind(labels, probabilities)
        assert value == pytest.approx(float(kind.of_sums(sums)))
        assert kind.limits[0] - 1e-12 <= value <= kind.limits[1] + 1e-12


@quick
@given(answers())
def test_correct_answers_reach_the_better_limit(given):
    labels, probabilities = given
    correct = np.eye(probabilities.shape[1])[labels]
    undefined = BEYOND_CHANCE if len(np.unique(labels)) == 1 else {}
    for name, kind in SCORES.items():
        best = 0 if name in undefined else kind.limits[kind.direction == "max"]
        assert kind(labels, correct) == pytest.approx(best, abs=1e-6)


@quick
@given(answers(), st.sampled_from(sorted(BEYOND_CHANCE)))
def test_scores_beyond_chance_are_scikit_learns(given, name):
    labels, probabilities = given
    predicted = classification.predicted(probabilities)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on images of one class
        expected = BEYOND_CHANCE[name](labels, predicted)
    assert SCORES[name](labels, probabilities) == pytest.approx(np.nan_to_num(expected), abs=1e-12)


@pytest.mark.parametrize("name", BEYOND_CHANCE)
@pytest.mark.parametrize("labels", [[0, 1, 2, 2], [1, 1, 1, 1]])
@pytest.mark.parametrize("predicted", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_answers_that_are_all_of_one_class_are_worth_nothing_beyond_chance(name, labels, predicted):
    assert SCORES[name](np.array(labels), np.eye(3)[predicted]) == 0


@pytest.mark.parametrize(
    ("name", "why"), [("accuracy", "is a score already"), ("Kappa", "lower-case"), ("", "lower-case"), ("a b", "lower")]
)
def test_a_name_is_taken_once_and_can_stand_in_files(name, why):
    before = dict(SCORES)
    with pytest.raises(OptionError, match=why):
        register(dataclasses.replace(MADE_UP, name=name))
    assert before == SCORES


def test_the_same_entry_may_come_again(made_up):
    assert register(made_up) is made_up


def test_values_and_differences_are_shown_as_the_entry_says():
    share, number = SCORES["accuracy"], SCORES["loss"]
    assert share.shown(0.56789, (0.45, 0.675)) == "56.79% [45.0%, 67.5%]"
    assert number.shown(1.23456, (1.1, 1.4)) == "1.2346 [1.10, 1.40]"
    assert (share.shown(None), share.shown(0.5)) == ("n/a", "50.00%")
    assert share.shown_difference(0.1234, (0.056, 0.201)) == "+12.34 [+5.6, +20.1]"
    assert number.shown_difference(-0.5) == "-0.5000"


# An entry more is found in every output


def test_a_registered_score_is_in_an_evaluation(made_up):
    found = full()
    shipped = found.scores["as_shipped"]
    assert shipped.values["made_up"] == made_up(found.labels, found.probabilities)
    low, high = shipped.intervals["made_up"]
    assert low < shipped.values["made_up"] < high
    gained = shipped.values["made_up"] - made_up(found.labels, found.shortcut)
    assert found.gain.values["made_up"] == pytest.approx(gained)
    low, high = found.gain.intervals["made_up"]
    assert low <= found.gain.values["made_up"] <= high
    assert "made-up F1" in found._repr_html_()
    assert "made-up F1" not in str(found)  # a summary


def test_a_registered_score_is_in_every_report(made_up, tmp_path):
    found = full()
    shipped = found.scores["as_shipped"]
    for name in ("json", "markdown", "html", "model_card"):
        reports.get(name)(found, tmp_path / name)
    told = json.loads((tmp_path / "json").read_text(encoding="utf-8"))
    assert told["schema_version"] == 1
    assert told["test"]["made_up"] == told["scores"]["as_shipped"]["made_up"] == shipped.values["made_up"]
    assert told["scores"]["as_shipped"]["intervals"]["made_up"] == list(shipped.intervals["made_up"])
    assert told["shortcut"]["gain"]["made_up"] == found.gain.values["made_up"]
    assert told["shortcut"]["gain"]["intervals"]["made_up"] == list(found.gain.intervals["made_up"])
    shown = shipped.shown("made_up").replace("[", "\\[").replace("]", "\\]")
    for name in ("markdown", "model_card"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "| made-up F1 \\[95%\\] |" in text
        assert f"| {shown} |" in text
    assert "- made-up F1: mean F1 of all classes" in text
    page = (tmp_path / "html").read_text(encoding="utf-8")
    assert "<span>made-up F1</span>" in page
    assert f"<td>{100 * shipped.values['made_up']:.1f}% <span" in page


def test_a_registered_score_is_on_the_card_of_a_classifier(made_up, tmp_path):
    import keras

    from lesionkit.serving.card import write_card

    found = evaluation()
    pixels = keras.Input((4, 4, 3))
    model = keras.Model(pixels, keras.layers.Dense(3, "softmax")(keras.layers.Flatten()(pixels)))
    card = json.loads(write_card(model, tmp_path / "card.json", NAMES, found).read_text(encoding="utf-8"))
    assert card["scores"]["as_shipped"]["made_up"] == made_up(found.labels, found.probabilities)
    assert len(card["scores"]["as_shipped"]["intervals"]["made_up"]) == 2


def test_a_registered_score_is_in_a_comparison_of_runs(made_up, tmp_path):
    recipes = [dataclasses.replace(documented_baseline(), image_size=(size, size)) for size in (64, 96)]
    runs = [evaluation(skill=skill, recipe=recipe) for skill, recipe in zip((1.0, 3.0), recipes, strict=True)]
    compared = compare_runs([write_evaluation(run, tmp_path / f"{place}.npz") for place, run in enumerate(runs)])
    write_comparison(compared, tmp_path)
    told = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    [duel] = told["duels"]["as_shipped"]
    before, after = (made_up(run.labels, run.probabilities) for run in runs)
    assert duel["scores"]["made_up"]["difference"] == pytest.approx(after - before)
    assert duel["scores"]["made_up"]["verdict"] == "better"
    assert told["scores"]["as_shipped"][1]["made_up"] == after
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<span>made-up F1</span>" in page
    assert "<span>made-up F1, points</span>" in page


def judging():
    files, lesions = ([f"{stem}{place // many}" for place in range(60)] for stem, many in (("file", 1), ("lesion", 2)))
    columns = {"label": np.arange(60) % 3, "lesion_id": lesions, "split": ["train"] * 60}
    return Records(class_names=NAMES, source=files, image_id=files, **columns)


def test_a_search_may_choose_by_a_registered_score(made_up, tmp_path):
    records = judging()
    assert directions()["val_made_up"] == "max"
    trials = []
    for skill in (0.0, 4.0):
        probabilities = guesses(records.label, 3, skill)
        value = made_up(records.label, probabilities)
        trials.append(Trial(str(skill), {}, None, {"val_made_up": value}, 1.0, None, probabilities))
    first, second = places = leaderboard(trials, records, "val_made_up", "max")
    assert (first.trial.number, second.verdict) == ("4.0", "worse")
    assert first.interval[0] <= first.trial.scores["val_made_up"] <= first.interval[1]
    write_search(places, tmp_path, objective="val_made_up", space=[], facts={})
    assert json.loads((tmp_path / "leaderboard.json").read_text())["trials"][0]["interval"] == list(first.interval)


def test_a_registered_score_is_in_a_comparison_of_improvements(made_up, tmp_path):
    records = judging()
    tested = []
    for skill in (0.5, 3.0):
        probabilities = np.stack([guesses(records.label, 3, skill, seed) for seed in (0, 1)])
        tested.append(VariantPredictions(Variant(f"{skill}", "", documented_baseline()), probabilities, 1.0))
    rows = rows_of(tested, records)
    mean = np.mean([made_up(records.label, one) for one in tested[0].probabilities])
    assert rows[0].scores["made_up"] == pytest.approx(mean)
    write_improvements(rows, tmp_path, facts={})
    told = json.loads((tmp_path / "improvements.json").read_text(encoding="utf-8"))
    assert told["variants"][0]["made_up"] == rows[0].scores["made_up"]
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        assert float(next(csv.DictReader(file))["made_up"]) == pytest.approx(100 * mean, abs=1e-3)
    assert "| made-up F1 |" in (tmp_path / "report.md").read_text(encoding="utf-8")
