"""Operating points: thresholds by hand and by search through all of them, and a thousand people counted."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.errors import DataError, OptionError
from lesionkit.metrics.malignancy import Malignancy
from lesionkit.metrics.operating_points import OperatingPoint, operating_point, threshold_for, threshold_for_costs

quick = settings(max_examples=60, deadline=None)


def view(malignant, score, kept=None):
    malignant = np.asarray(malignant, bool)
    kept = np.ones(len(malignant), bool) if kept is None else np.asarray(kept, bool)
    return Malignancy(np.asarray(score, float), kept, malignant & kept, {})


def many(n, seed, share=0.5):
    random = np.random.default_rng(seed)
    malignant = np.arange(n) < n * share
    return view(malignant, random.beta(2, 2, n) * 0.7 + 0.3 * malignant)


@st.composite
def scored(draw):
    """Malignant or not, some of each, with scores that tie."""
    n = draw(st.integers(2, 20))
    malignant = np.array([True, False, *draw(st.lists(st.booleans(), min_size=n - 2, max_size=n - 2))])
    return malignant, np.array(draw(st.lists(st.integers(0, 10), min_size=n, max_size=n))) / 10


def test_a_threshold_by_hand():
    malignant = np.array([True] * 4 + [False] * 2)
    score = np.array([0.9, 0.7, 0.5, 0.2, 0.95, 0.1])
    assert threshold_for(malignant, score, 0.75) == 0.5
    assert threshold_for(malignant, score, 0.76) == 0.2
    assert threshold_for(malignant, score, 0.01) == 0.9
    hundred = np.arange(100) / 100
    assert threshold_for(np.ones(100, bool), hundred, 0.89) == 0.11  # 0.89 * 100 is not quite 89


@quick
@given(scored(), st.floats(0.01, 0.99), st.randoms(use_true_random=False))
def test_it_is_the_greatest_threshold_that_keeps_the_sensitivity(given, sensitivity, random):
    malignant, score = given
    found = threshold_for(malignant, score, sensitivity)
    assert np.mean(score[malignant] >= found) >= sensitivity - 1e-9
    higher = [one for one in np.arange(0, 11) / 10 if one > found]
    assert all(np.mean(score[malignant] >= one) < sensitivity for one in higher)
    order = random.sample(range(len(score)), len(score))
    assert threshold_for(malignant[order], score[order], sensitivity) == found


@quick
@given(scored(), st.floats(0.1, 100), st.floats(0.1, 100), st.floats(0.001, 0.999))
def test_costs_give_the_cheapest_of_all_thresholds(given, missed, referral, prevalence):
    malignant, score = given

    def cost(threshold):
        referred = score >= threshold
        ill, well = referred[malignant].mean(), referred[~malignant].mean()
        return prevalence * (missed * (1 - ill) + referral * ill) + (1 - prevalence) * referral * well

    found = threshold_for_costs(malignant, score, missed=missed, referral=referral, prevalence=prevalence)
    assert cost(found) == pytest.approx(min(cost(one) for one in [*score, 2.0]))


def test_costs_by_hand():
    malignant, score = np.array([True, True, False, False]), np.array([0.9, 0.4, 0.6, 0.1])
    rare = {"referral": 1.0, "prevalence": 0.01}
    assert threshold_for_costs(malignant, score, missed=1000.0, **rare) == 0.4
    assert threshold_for_costs(malignant, score, missed=50.0, **rare) == 0.9
    nobody = threshold_for_costs(malignant, np.ones(4), missed=2.0, **rare)
    assert 1 < nobody < 1.001
    json.dumps(nobody, allow_nan=False)


def test_a_point_by_hand():
    held_out = view([True] * 40 + [False], [*np.arange(40) / 100 + 0.5, 0.0])
    test = view([1, 1, 1, 0, 0, 0, 1, 0], [0.9, 0.6, 0.1, 0.6, 0.2, 0.1, 0.0, 1.0], [1, 1, 1, 1, 1, 1, 0, 0])
    point = operating_point(test, np.arange(8), held_out_view=held_out, sensitivity=0.9)
    assert point.threshold == pytest.approx(0.54)  # 36 of 40 reach it
    at_it = operating_point(view([1, 0], [point.threshold] * 2), np.arange(2), held_out_view=held_out, sensitivity=0.9)
    assert (at_it.sensitivity, at_it.specificity) == (1, 0)
    assert (point.malignant, point.benign) == (3, 3)
    assert (point.sensitivity, point.specificity) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (point.rule, point.held_out, point.reason) == ({"sensitivity": 0.9}, {"malignant": 40, "benign": 1}, None)
    people = point.per_1000(0.03)
    values = {name: one["value"] for name, one in people.items()}
    assert values == pytest.approx(
        {
            "malignant": 30,
            "missed": 10,
            "referred": 20 + 970 / 3,
            "referred_malignant": 20,
            "referred_benign": 970 / 3,
        }
    )


@quick
@given(st.integers(0, 1000), st.floats(0.001, 0.999))
def test_people_add_up_and_lie_within_their_intervals(seed, prevalence):
    point = operating_point(many(60, seed), np.arange(60) // 2, held_out_view=many(80, seed + 1))
    people = point.per_1000(prevalence)
    value = {name: one["value"] for name, one in people.items()}
    assert value["malignant"] == pytest.approx(1000 * prevalence)
    assert value["missed"] + value["referred_malignant"] == pytest.approx(value["malignant"])
    assert value["referred"] == pytest.approx(value["referred_malignant"] + value["referred_benign"])
    for name in ("missed", "referred", "referred_malignant", "referred_benign"):
        low, high = people[name]["interval"]
        assert -1e-9 <= low <= value[name] <= high <= 1000 + 1e-9
        assert low < high
    assert OperatingPoint.from_dict(json.loads(json.dumps(point.to_dict(), allow_nan=False))) == point


def test_no_missed_cancer_among_few_does_not_say_that_there_are_none():
    point = operating_point(view([1] * 5 + [0] * 5, [0.9] * 5 + [0.1] * 5), np.arange(10), held_out_view=many(80, 0))
    assert point.sensitivity == point.specificity == 1
    missed = point.per_1000(0.1)["missed"]
    assert missed["value"] == 0
    assert missed["interval"][1] > 30


def test_the_chosen_sensitivity_is_about_that_on_new_images():
    reached = [
        operating_point(many(200, seed), np.arange(200), held_out_view=many(200, seed + 500)).sensitivity
        for seed in range(40)
    ]
    assert np.mean(reached) == pytest.approx(0.89, abs=0.02)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "no held-out images"),
        ({"held_out_view": many(58, 0)}, "29 malignant of 30"),
        ({"held_out_view": many(100, 0), "held_out_groups": np.arange(100) // 2}, "25 malignant of 30"),
        ({"held_out_view": many(100, 0), "sensitivity": 0.99}, "50 malignant of 99"),
        (
            {"held_out_view": many(40, 0, 0.9), "costs": {"missed": 9, "referral": 1, "prevalence": 0.1}},
            "4 benign of 30",
        ),
    ],
)
def test_without_enough_held_out_images_there_is_no_threshold(options, reason):
    point = operating_point(many(20, 1), np.arange(20), **options)
    assert (point.threshold, point.sensitivity, point.specificity) == (None, None, None)
    assert reason in point.reason
    assert (point.malignant, point.benign) == (10, 10)
    assert point.per_1000(0.1)["missed"] == {"value": None, "interval": None}
    assert OperatingPoint.from_dict(json.loads(json.dumps(point.to_dict(), allow_nan=False))) == point


def test_costs_are_a_rule():
    costs = {"missed": 20.0, "referral": 1.0, "prevalence": 0.05}
    held_out = many(100, 0)
    point = operating_point(many(50, 1), np.arange(50), held_out_view=held_out, costs=costs)
    assert point.threshold == threshold_for_costs(held_out.malignant, held_out.score, **costs)
    assert point.rule == costs


def test_without_malignant_test_images_the_rest_is_told():
    point = operating_point(view([0] * 4, [0.1, 0.2, 0.9, 0.3]), np.arange(4), held_out_view=many(100, 0))
    assert (point.sensitivity, point.intervals["sensitivity"]) == (None, None)
    people = point.per_1000(0.1)
    assert people["missed"]["value"] is people["referred"]["value"] is None
    assert people["referred_benign"]["value"] == 225


def test_groups_widen_the_intervals():
    one = many(60, 3)
    four = np.repeat(np.arange(60), 4)
    more = view(one.malignant[four], one.score[four])
    together, apart = (operating_point(more, g, held_out_view=many(100, 0)) for g in (four, np.arange(240)))
    for name in ("sensitivity", "specificity"):
        assert np.diff(together.intervals[name]) > 1.5 * np.diff(apart.intervals[name])


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, np.nan])
def test_shares_lie_inside(share):
    for call in (
        lambda: threshold_for(np.array([True]), np.array([0.5]), share),
        lambda: operating_point(many(20, 0), np.arange(20), sensitivity=share),
        lambda: operating_point(many(20, 0), np.arange(20)).per_1000(share),
    ):
        with pytest.raises(OptionError, match="between 0 and 1"):
            call()


def test_what_cannot_give_a_threshold_is_refused():
    scores = np.array([0.1, 0.2])
    with pytest.raises(DataError, match="malignant"):
        threshold_for(np.zeros(2, bool), scores, 0.9)
    with pytest.raises(DataError, match="benign"):
        threshold_for_costs(np.ones(2, bool), scores, missed=9, referral=1, prevalence=0.1)
    with pytest.raises(OptionError, match="missed is a positive"):
        threshold_for_costs(np.array([True, False]), scores, missed=0, referral=1, prevalence=0.1)
    with pytest.raises(OptionError, match="missed, referral, prevalence"):
        operating_point(many(20, 0), np.arange(20), costs={"missed": 9, "referal": 1, "prevalence": 0.1})
    with pytest.raises(DataError, match="groups"):
        operating_point(many(20, 0), np.arange(19))
