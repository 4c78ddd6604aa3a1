"""Scores per class with intervals: their laws, what is None, and when an interval cannot be given."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.errors import DataError
from lesionkit.metrics import classification
from lesionkit.metrics.class_scores import binary_scores, class_scores
from lesionkit.metrics.intervals.ranking import FIGURES, Question, resampled

NAMES = ("a", "b", "c", "d", "e")
some = settings(max_examples=15, deadline=None)


def many(count, classes=3, seed=0, right=0.5):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), count)
    labels = np.where(random.random(count) < right, probabilities.argmax(axis=1), random.integers(classes, size=count))
    return labels, probabilities


def scored(labels, probabilities, groups=None):
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    return class_scores(labels, probabilities, NAMES[: probabilities.shape[1]], groups)


def figures(one):
    return {name: getattr(one, name) for name in FIGURES}


def width(one, name):
    low, high = one.intervals[name]
    return high - low


@st.composite
def answered(draw):
    """Labels, probabilities and groups of 1 to 25 images in 2 to 5 classes; classes may be empty."""
    classes, count = draw(st.integers(2, 5)), draw(st.integers(1, 25))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
    groups = draw(st.lists(st.integers(0, 12), min_size=count, max_size=count))
    rows = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((count, classes)) ** 3 + 1e-6
    return np.array(labels), rows / rows.sum(axis=1, keepdims=True), np.array(groups)


@some
@given(answered())
def test_they_agree_with_the_scores_without_intervals(given):
    labels, probabilities, groups = given
    plain = classification.per_class(labels, probabilities, NAMES[: probabilities.shape[1]])
    for name, one in scored(labels, probabilities, groups).items():
        assert (one.n, one.n + one.others) == (plain[name]["n"], len(labels))
        assert one.sensitivity == pytest.approx(plain[name]["recall"])
        for figure in ("specificity", "precision", "f1", "auc"):
            assert getattr(one, figure) == pytest.approx(plain[name][figure])


@some
@given(answered())
def test_figures_and_intervals_keep_their_bounds(given):
    labels, probabilities, groups = given
    for one in scored(labels, probabilities, groups).values():
        for name in FIGURES:
            value, ends, share = getattr(one, name), one.intervals[name], one.left_out[name]
            assert value is None or 0 <= value <= 1
            assert ends is None or 0 <= ends[0] <= ends[1] <= 1
            assert (ends is None) == (share > 0.025)
            if value is None:
                assert (ends, share) == (None, 1)


@some
@given(answered(), st.randoms(use_true_random=False))
def test_the_order_of_images_and_the_numbers_of_groups_do_not_matter(given, random):
    labels, probabilities, groups = given
    order = random.sample(range(len(labels)), len(labels))
    renamed = np.array(random.sample(range(100), 13))[groups]
    assert scored(labels[order], probabilities[order], renamed[order]) == scored(labels, probabilities, groups)


@some
@given(answered(), st.randoms(use_true_random=False))
def test_the_order_of_classes_does_not_matter(given, random):
    labels, probabilities, groups = given
    order = np.array(random.sample(range(probabilities.shape[1]), probabilities.shape[1]))
    names = [NAMES[place] for place in order]
    moved = class_scores(np.argsort(order)[labels], probabilities[:, order], names, groups)
    assert list(moved) == names
    assert moved == scored(labels, probabilities, groups)


@some
@given(answered())
def test_perfect_answers_get_the_best_figures_in_every_resample(given):
    labels, probabilities, groups = given
    for one in scored(labels, np.eye(probabilities.shape[1])[labels], groups).values():
        assert all(value in (1, None) for value in figures(one).values())
        assert all(ends in ((1, 1), None) for ends in one.intervals.values())


def test_answers_by_chance_have_the_intervals_of_chance():
    random = np.random.default_rng(3)
    labels, probabilities = random.integers(4, size=2000), random.dirichlet(np.ones(4), 2000)
    for one in scored(labels, probabilities).values():
        assert one.intervals["auc"][0] < 0.5 < one.intervals["auc"][1]
        assert one.intervals["sensitivity"][0] < 0.25 < one.intervals["sensitivity"][1]
        low, high = one.intervals["average_precision"]
        assert low - 0.02 < one.n / 2000 < high + 0.02


def test_one_constant_answer_is_chance_exactly():
    labels = np.arange(40) % 4
    found = scored(labels, np.full((40, 4), 0.25))
    assert [one.auc for one in found.values()] == [0.5] * 4
    assert [one.intervals["auc"] for one in found.values()] == [(0.5, 0.5)] * 4
    assert [one.average_precision for one in found.values()] == [0.25] * 4


def test_a_class_without_images():
    labels, probabilities = many(60, classes=3)
    probabilities = np.concatenate([probabilities * 0.9, np.full((60, 1), 0.1)], axis=1)
    d = scored(labels, probabilities)["d"]
    assert (d.n, d.others, d.specificity) == (0, 60, 1)
    assert (d.sensitivity, d.f1, d.auc, d.average_precision) == (None,) * 4
    assert d.intervals == {name: (1, 1) if name == "specificity" else None for name in FIGURES}
    assert d.left_out == {name: float(name != "specificity") for name in FIGURES}


def test_images_of_one_class_only():
    labels, probabilities = np.zeros(60, dtype=int), many(60)[1]
    found = scored(labels, probabilities)
    a = found["a"]
    assert (a.n, a.others, a.specificity, a.auc, a.precision, a.average_precision) == (60, 0, None, None, 1, 1)
    assert a.intervals["specificity"] is a.intervals["auc"] is None
    assert a.intervals["sensitivity"][0] < a.sensitivity < a.intervals["sensitivity"][1]
    assert found["b"].auc is None
    assert found["b"].precision == 0


@pytest.mark.parametrize(("images", "told"), [(1, False), (2, False), (5, True), (8, True)])
def test_a_class_of_few_groups_has_no_interval(images, told):
    labels, probabilities = many(200, seed=2)
    labels[:] = np.maximum(labels, 1)
    labels[:images] = 0
    a = scored(labels, probabilities)["a"]
    assert a.left_out["auc"] == pytest.approx((1 - images / 200) ** 200, abs=0.03)
    assert a.auc is not None
    assert (a.intervals["auc"] is not None) == told
    assert a.intervals["specificity"] is not None


def test_what_a_resample_cannot_give_is_left_out_of_the_interval():
    labels, probabilities = many(200, seed=2)
    labels = np.maximum(labels, 1)
    labels[:4] = 0
    a, here, said = scored(labels, probabilities)["a"], labels == 0, probabilities.argmax(axis=1)
    drawn = resampled([Question(here, probabilities[:, 0], said == 0)], np.arange(200))[0]
    for name, row in zip(FIGURES, drawn, strict=True):
        assert a.left_out[name] == np.mean(np.isnan(row))
        assert a.intervals[name] == pytest.approx(tuple(np.nanquantile(row, [0.025, 0.975])))
    assert 0 < a.left_out["auc"] < 0.025


def test_a_class_of_many_images_in_one_group_has_no_interval():
    labels, probabilities = many(200, seed=2)
    labels = np.maximum(labels, 1)
    labels[:50] = 0
    groups = np.where(labels == 0, 0, np.arange(200))
    assert scored(labels, probabilities)["a"].intervals["sensitivity"] is not None
    assert scored(labels, probabilities, groups)["a"].intervals["sensitivity"] is None


def test_images_that_come_together_widen_every_interval():
    labels, probabilities = many(60)
    rows = np.repeat(np.arange(60), 4)
    together = scored(labels[rows], probabilities[rows], rows)
    apart = scored(labels[rows], probabilities[rows])
    for name, one in together.items():
        assert figures(one) == figures(apart[name])
        assert all(width(one, figure) > 1.5 * width(apart[name], figure) for figure in FIGURES)


def test_the_same_images_again_in_their_groups_change_nothing():
    labels, probabilities = many(60)
    twice = scored(np.tile(labels, 2), np.tile(probabilities, (2, 1)), np.tile(np.arange(60), 2))
    for name, one in scored(labels, probabilities).items():
        assert width(twice[name], "auc") == pytest.approx(width(one, "auc"), rel=0.1)
        assert figures(twice[name]) == pytest.approx(figures(one))


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    truth, held = many(100_000, seed=1)[0:2], []
    wanted = {name: figures(one) for name, one in plain(*truth).items()}
    for seed in range(60):
        found = scored(*many(150, seed=100 + seed))
        held += [
            one.intervals[figure][0] <= wanted[name][figure] <= one.intervals[figure][1]
            for name, one in found.items()
            for figure in FIGURES
        ]
    assert 0.9 < np.mean(held) < 0.985


def plain(labels, probabilities):
    """Scores without resamples, all images being of one group."""
    return scored(labels, probabilities, np.zeros(len(labels), dtype=int))


def test_images_of_one_group_have_figures_and_no_intervals():
    for one in plain(*many(30)).values():
        assert None not in figures(one).values()
        assert set(one.intervals.values()) == {None}
        assert set(one.left_out.values()) == {1}


def test_no_images():
    found = scored(np.zeros(0, dtype=int), np.zeros((0, 3)))
    assert {(one.n, one.others) for one in found.values()} == {(0, 0)}
    assert {value for one in found.values() for value in figures(one).values()} == {None}


def test_malignant_against_benign_is_a_class_against_the_rest():
    labels, probabilities = many(80, classes=2)
    score, groups = probabilities[:, 1], np.arange(80) // 2
    assert binary_scores(labels == 1, score, groups) == scored(labels, probabilities, groups)["b"]


def test_malignant_is_called_from_the_threshold_on():
    malignant, score = np.array([1, 1, 1, 0, 0], bool), np.array([0.9, 0.5, 0.3, 0.5, 0.1])
    found = binary_scores(malignant, score, np.arange(5))
    assert (found.sensitivity, found.specificity, found.precision) == pytest.approx((2 / 3, 1 / 2, 2 / 3))
    careful = binary_scores(malignant, score, np.arange(5), threshold=0.3)
    assert (careful.sensitivity, careful.specificity, careful.auc) == (1, 1 / 2, found.auc)


def test_to_dict_goes_to_json_and_back():
    labels, probabilities = many(40)
    told = scored(np.zeros_like(labels), probabilities)["b"].to_dict()
    assert json.loads(json.dumps(told)) == told
    assert set(told) == {"n", "others", "intervals", "left_out", *FIGURES}
    assert (told["auc"], told["intervals"]["auc"], told["left_out"]["auc"]) == (None, None, 1)
    assert len(told["intervals"]["specificity"]) == 2


def test_what_does_not_fit_together():
    labels, probabilities = many(20)
    with pytest.raises(DataError, match=r"groups are \(20,\).*Received: \(19,\)"):
        scored(labels, probabilities, np.arange(19))
    with pytest.raises(DataError, match="finite"):
        binary_scores(labels == 1, np.full(20, np.nan), np.arange(20))
