"""Official scores: against the official program's, the published measure of 2024, worked examples and laws."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import TESTS
from sklearn import metrics as sk

from lesionkit.challenges import scores as challenge
from lesionkit.challenges.files import score_files
from lesionkit.errors import DataError, OptionError

CASES = json.loads((TESTS / "fixtures/challenge/scores.json").read_text(encoding="ascii"))
LEAST = 1e-9
quick = settings(max_examples=30)


def near(value, official):
    return value is official if official is None or value is None else abs(value - official) < LEAST


def flat(scores):
    """Every figure of a result, by name."""
    told = scores.to_dict()
    named = {f"{code}.{figure}": value for code, row in told["per_category"].items() for figure, value in row.items()}
    named |= {f"macro.{figure}": value for figure, value in told["macro_average"].items()}
    return named | {name: told[name] for name in ("overall", "validation", "balanced_accuracy")}


def classified(truth, scores, **options):
    return challenge.classification(truth, scores, [f"c{place}" for place in range(np.shape(scores)[1])], **options)


@st.composite
def answers(draw, classes=None):
    """Truth (n,) and scores (n, C) of 1 to 25 images in 2 to 5 categories, ties and 0.5 among them, whole weights."""
    classes, count = classes or draw(st.integers(2, 5)), draw(st.integers(1, 25))
    truth = draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return np.array(truth), random.integers(0, 11, (count, classes)) / 10, random.integers(0, 3, count)


@pytest.mark.parametrize("metric", challenge.METRICS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_figure_is_the_official_programs(case, metric, tmp_path):
    truth, submission = tmp_path / "truth.csv", tmp_path / "submission.csv"
    truth.write_text(case["truth"], encoding="utf-8")
    submission.write_text(case["submission"], encoding="utf-8")
    found = score_files(truth, submission, metric=metric)
    assert set(found.per_category) == set(case["per_category"])
    official = {f"{code}.{name}": value for code, row in case["per_category"].items() for name, value in row.items()}
    official |= {f"macro.{name}": value for name, value in case["macro_average"].items()}
    official["balanced_accuracy"] = case["balanced_accuracy"]
    official["validation"] = case["validation"][metric]
    official["overall"] = (case["macro_average"] | {"balanced_accuracy": case["balanced_accuracy"]})[metric]
    assert set(flat(found)) == set(official)
    assert {name: value for name, value in flat(found).items() if not near(value, official[name])} == {}


def test_the_cases_hold_what_is_hard():
    figures = [row for case in CASES for row in case["per_category"].values()]
    assert len(figures) > 100
    assert any(row["auc"] is None for row in figures)
    assert any(row["auc_sens_80"] not in (None, 0, 1) for row in figures)
    assert {case["layout"] for case in CASES} == {"isic2018", "isic2019", "milk10k"}
    assert sum("score_weight" in case["truth"] for case in CASES) >= 4
    assert 0 < sum(case["whole"] for case in CASES) < len(CASES)  # in the others the official program ends in an error


def test_a_tie_is_no_answer_and_a_half_is_no_yes():
    found = classified([0, 0, 1], [[0.5, 0.5], [0.6, 0.5], [0.2, 0.9]])
    assert found.balanced_accuracy == found.overall == 0.75
    assert found.per_category["c0"]["sensitivity"] == 0.5
    assert found.per_category["c1"]["specificity"] == 1


def test_what_divides_by_nothing_is_one_and_an_area_without_two_sides_is_none():
    found = classified([0, 0], [[0.9, 0.1], [0.8, 0.1]]).per_category["c1"]
    assert [found[name] for name in ("sensitivity", "dice", "ppv")] == [1, 1, 1]
    assert found["auc"] is None
    assert found["auc_sens_80"] is None
    assert found["ap"] == 0


def test_images_without_weight_count_nothing_and_without_any_weight_nothing_is_known():
    truth, scores = np.array([0, 1, 0]), np.array([[0.9, 0.2], [0.3, 0.6], [0.1, 0.8]])
    kept = classified(truth, scores, score_weight=[1, 1, 0])
    assert flat(kept) == flat(classified(truth[:2], scores[:2])) | {"validation": kept.validation}
    assert kept.validation == 0.75
    nothing = classified(truth, scores, score_weight=[0, 0, 0])
    assert {value for name, value in flat(nothing).items() if name != "validation"} == {None}


def test_truth_as_places_and_as_zeros_and_ones_is_one():
    truth, scores = np.array([2, 0, 1, 2]), np.random.default_rng(0).random((4, 3))
    assert classified(truth, scores) == classified(np.eye(3)[truth], scores)


def test_a_row_of_several_truths_is_in_each_category_and_in_no_balanced_accuracy():
    found = classified([[1, 1], [1, 0], [0, 1]], [[0.1, 0.2], [0.9, 0.2], [0.8, 0.7]])
    assert found.balanced_accuracy == 0.5
    assert found.per_category["c0"]["sensitivity"] == 0.5


@given(answers(), st.randoms(use_true_random=False))
@quick
def test_the_order_of_rows_and_categories_does_not_matter(answer, random):
    truth, scores, weight = answer
    rows, columns = (random.sample(range(length), length) for length in scores.shape)
    names = [f"c{place}" for place in range(scores.shape[1])]
    before = challenge.classification(truth, scores, names, score_weight=weight)
    hot = np.eye(scores.shape[1])[truth][rows][:, columns]
    after = challenge.classification(
        hot, scores[rows][:, columns], [names[place] for place in columns], score_weight=weight[rows]
    )
    first, second = flat(before), flat(after)
    assert {name: value for name, value in first.items() if not near(value, second[name])} == {}


@given(answers())
@quick
def test_figures_lie_in_zero_to_one(answer):
    truth, scores, weight = answer
    found = flat(classified(truth, scores, score_weight=weight, validation_weight=weight)).values()
    assert all(value is None or -LEAST <= value <= 1 + LEAST for value in found)


@given(answers())
@quick
def test_whole_weights_are_images_that_come_several_times(answer):
    truth, scores, weight = answer
    weight[0] = 1
    once, often = classified(truth, scores, score_weight=weight), np.repeat(np.arange(len(truth)), weight)
    again = flat(classified(truth[often], scores[often])) | {"validation": once.validation}
    assert {name: value for name, value in flat(once).items() if not near(value, again[name])} == {}


@given(answers())
@quick
def test_perfect_answers_are_perfect(answer):
    truth, scores, _ = answer
    hot = np.eye(scores.shape[1])[truth]
    found = flat(classified(truth, hot))
    positive = {f"c{place}" for place in set(truth.tolist())}
    assert {value for name, value in found.items() if name.split(".")[0] in positive} <= {1, None}
    assert found["balanced_accuracy"] == found["validation"] == challenge.macro_f1(truth, hot) == 1


def test_chance_is_chance():
    random = np.random.default_rng(3)
    found = classified(np.arange(30000) % 3, random.random((30000, 3)))
    assert found.macro_average["auc"] == pytest.approx(0.5, abs=0.01)
    assert found.macro_average["auc_sens_80"] == pytest.approx(0.18, abs=0.01)
    assert found.macro_average["ap"] == pytest.approx(1 / 3, abs=0.01)
    assert found.balanced_accuracy == pytest.approx(1 / 3, abs=0.01)
    assert challenge.partial_auc(np.arange(30000) % 2, random.random(30000)) == pytest.approx(0.02, abs=0.003)


def test_the_area_above_a_sensitivity_begins_between_two_points_of_the_curve():
    # the curve: (0, 0), (0, 2/3), (1/2, 2/3), (1/2, 1), (1, 1); 0.80 is reached at 1/2
    found = classified([0, 0, 1, 0, 1], [[value, 0.0] for value in (0.9, 0.8, 0.7, 0.6, 0.5)])
    assert found.per_category["c0"]["auc_sens_80"] == pytest.approx(0.5)


def by_trapezes(malignant, scores):
    """The measure of 2024 step by step: the curve of the classes turned round, up to a false positive rate of 0.2."""
    false_rate, true_rate, _ = sk.roc_curve(1 - malignant, 1 - scores, drop_intermediate=False)
    grid = np.union1d(false_rate[false_rate < 0.2], [0.2])
    area = 0.0
    for left, right in itertools.pairwise(grid):
        start = true_rate[false_rate == left].max()
        stop = np.interp(right, *_around(false_rate, true_rate, right))
        area += (right - left) * (start + stop) / 2
    return area


def _around(false_rate, true_rate, at):
    """The two points of the curve that ``at`` lies between, the lowest where several have that rate."""
    after = int(np.searchsorted(false_rate, at))
    return false_rate[after - 1 : after + 1], true_rate[after - 1 : after + 1]


@given(answers(classes=2))
@quick
def test_partial_auc_is_the_published_measure(answer):
    malignant, scores, _ = answer
    found = challenge.partial_auc(malignant, scores[:, 0])
    if len(set(malignant.tolist())) < 2:
        assert found is None
        return
    assert found == pytest.approx(by_trapezes(malignant, scores[:, 0]), abs=LEAST)
    assert -LEAST <= found <= 0.2 + LEAST
    scaled = sk.roc_auc_score(1 - malignant, 1 - scores[:, 0], max_fpr=1 - 0.8)
    assert scaled == pytest.approx(0.5 * (1 + (found - 0.02) / (0.2 - 0.02)), abs=LEAST)
    assert challenge.partial_auc(malignant.astype(bool), 7 * scores[:, 0] - 3) == pytest.approx(found)
    assert challenge.partial_auc(malignant, malignant) == pytest.approx(0.2)
    assert challenge.partial_auc(malignant, -malignant) == pytest.approx(0)


@given(answers())
@settings(max_examples=25)
def test_macro_f1_is_scikit_learns_with_one_for_nothing(answer):
    truth, scores, _ = answer
    hot = np.eye(scores.shape[1], dtype=int)[truth]
    expected = sk.f1_score(hot, (scores > 0.5).astype(int), average="macro", zero_division=1)
    assert challenge.macro_f1(truth, scores) == pytest.approx(expected)
    assert challenge.macro_f1(truth, scores) == pytest.approx(classified(truth, scores, metric="dice").overall)


def test_scores_go_to_json():
    found = challenge.classification([0, 1], [[0.9, 0.1], [0.2, 0.8]], ["caf\udce9", "b"])
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["overall"] == 1
    assert list(told["per_category"]) == ["caf\\udce9", "b"]


@pytest.mark.parametrize(
    ("truth", "scores", "options", "said"),
    [
        ([0, 1], [[0.1, 0.2]], {}, r"truth is \(n,\) or \(n, C\)"),
        ([], np.zeros((0, 2)), {}, "n >= 1"),
        ([2], [[0.1, 0.2]], {}, "whole numbers from 0 to 1"),
        ([0.0], [[0.1, 0.2]], {}, "whole numbers"),
        ([[0.5, 0.5]], [[0.1, 0.2]], {}, "holds 0 and 1"),
        ([0], [[0.1, 1.2]], {}, r"lie in \[0, 1\]"),
        ([0], [[0.1, np.nan]], {}, r"lie in \[0, 1\]"),
        ([0], [[0.1, 0.2]], {"score_weight": [-1]}, "score_weight is .*at least 0"),
        ([0], [[0.1, 0.2]], {"validation_weight": [1, 1]}, "validation_weight is"),
        ([0], [[0.1, 0.2]], {"score_weight": [np.inf]}, "finite"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(truth, scores, options, said):
    with pytest.raises(DataError, match=said):
        classified(truth, scores, **options)


def test_other_mistakes_are_told():
    with pytest.raises(DataError, match="2 distinct names"):
        challenge.classification([0], [[0.1, 0.2]], ["a", "a"])
    with pytest.raises(OptionError, match="balanced_accuracy, auc, ap, dice.*'f1'"):
        classified([0], [[0.1, 0.2]], metric="f1")
    with pytest.raises(DataError, match="malignant are"):
        challenge.partial_auc([0, 2], [0.1, 0.2])
    with pytest.raises(DataError, match="scores .* finite"):
        challenge.partial_auc([0, 1], [0.1, np.nan])


def test_files_that_are_not_sound_are_refused(tmp_path):
    truth, submission = tmp_path / "truth.csv", tmp_path / "submission.csv"
    submission.write_text("image,A,B\nX1,0.1,0.2\nX2,0.1,1.2\n", encoding="utf-8")
    truth.write_text("image,A,B\nX1,1,0\nX2,0,1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"submission.csv would be refused:\n  line 3, column B: 1.2 is outside"):
        score_files(truth, submission)
    truth.write_text("image,A,B,score_weight\nX1,1,0,1\nX2,0,1,heavy\n", encoding="utf-8")
    with pytest.raises(DataError, match="truth.csv, line 3, column score_weight: 'heavy' where a weight stands"):
        score_files(truth, submission)
    truth.write_text("image,A,B\nX1,1,0\nX2,0,0.5\n", encoding="utf-8")
    with pytest.raises(DataError, match="truth.csv, line 3, column B"):
        score_files(truth, submission)


def test_a_weight_belongs_to_its_row_whatever_the_order_of_the_rows(tmp_path):
    truth, submission = tmp_path / "truth.csv", tmp_path / "submission.csv"
    submission.write_text("image,A,B\nX1,0.9,0.2\nX2,0.1,0.7\nX3,0.1,0.8\n", encoding="utf-8")
    rows = ["X1,1,0,1", "X2,0,1,5", "X3,1,0,3"]
    found = []
    for order in (rows, rows[::-1]):
        truth.write_text("\n".join(["image,A,B,score_weight", *order, ""]), encoding="utf-8")
        found.append(score_files(truth, submission))
    assert found[0] == found[1]
    assert found[0].balanced_accuracy == 0.625
