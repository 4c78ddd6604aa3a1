"""Selective prediction: a curve by hand, and the laws of risk and coverage."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.errors import DataError
from lesionkit.metrics.selective import COVERAGES, selective

quick = settings(max_examples=50, deadline=None)


def binary(confidence, hits):
    """Labels and probabilities of two classes with these confidences, right or wrong."""
    confidence = np.asarray(confidence, float)
    return np.where(hits, 0, 1), np.stack([confidence, 1 - confidence], axis=1)


@st.composite
def answers(draw):
    """Confidences of which several are equal, and whether each answer is right."""
    n = draw(st.integers(1, 30))
    confidence = draw(st.lists(st.integers(52, 60), min_size=n, max_size=n))
    return binary(np.array(confidence) / 60, draw(st.lists(st.booleans(), min_size=n, max_size=n)))


def test_a_curve_by_hand():
    found = selective(*binary([0.9, 0.8, 0.8, 0.6], [True, True, False, False]))
    assert found.coverage == (0.25, 0.75, 1.0)
    assert found.accuracy_at == pytest.approx((1, 2 / 3, 1 / 2))
    assert found.confidence_at == (0.9, 0.8, 0.6)
    assert (found.n, found.accuracy) == (4, 0.5)
    assert found.area == pytest.approx((0 + 1 / 3 + 1 / 3 + 1 / 2) / 4)
    half = found.answered[-1]
    assert (half.asked, half.coverage, half.n, half.confidence) == (0.5, 0.75, 3, 0.8)
    assert half.accuracy == pytest.approx(2 / 3)


@quick
@given(answers())
def test_it_is_what_leaving_images_out_gives(given):
    labels, probabilities = given
    found = selective(labels, probabilities)
    confidence, hits = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    risks = [1 - hits[confidence >= one].mean() for one in confidence]
    assert found.area == pytest.approx(np.mean(risks))
    for coverage, accuracy, least in zip(found.coverage, found.accuracy_at, found.confidence_at, strict=True):
        assert coverage == pytest.approx(np.mean(confidence >= least))
        assert accuracy == pytest.approx(hits[confidence >= least].mean())
    assert np.all(np.diff(found.coverage) > 0)
    for asked, one in zip(COVERAGES, found.answered, strict=True):
        assert one.coverage >= asked - 1e-9
        fewer = confidence > one.confidence
        assert np.mean(fewer) < asked
        assert one.interval[0] <= one.accuracy <= one.interval[1]
    assert found.coverage[-1] == found.answered[0].coverage == 1
    assert found.accuracy_at[-1] == found.answered[0].accuracy == pytest.approx(hits.mean())


@quick
@given(answers(), st.randoms(use_true_random=False))
def test_neither_the_order_of_images_nor_of_classes_matters(given, random):
    labels, probabilities = given
    order = random.sample(range(len(labels)), len(labels))
    moved = selective(1 - labels[order], probabilities[order][:, ::-1])
    found = selective(labels, probabilities)
    assert moved.coverage == pytest.approx(found.coverage)
    assert moved.accuracy_at == pytest.approx(found.accuracy_at)
    assert moved.area == pytest.approx(found.area)
    assert [one.interval for one in moved.answered] == [one.interval for one in found.answered]


def test_perfect_wrong_and_well_ordered_answers():
    confidence = np.linspace(0.55, 0.95, 100)
    assert selective(*binary(confidence, np.ones(100, bool))).area == 0
    assert selective(*binary(confidence, np.zeros(100, bool))).area == 1
    best = selective(*binary(confidence, confidence > 0.75))
    worst = selective(*binary(confidence, confidence < 0.75))
    assert best.area < 0.25 < 0.75 < worst.area
    assert best.answered[-1].accuracy == 1


def test_a_random_order_has_the_area_of_all_errors():
    random = np.random.default_rng(0)
    found = selective(*binary(random.uniform(0.5, 1, 20000), random.random(20000) < 0.7))
    assert found.area == pytest.approx(1 - found.accuracy, abs=0.02)


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    random = np.random.default_rng(0)
    found = selective(*binary(random.uniform(0.5, 1, 5000), random.random(5000) < 0.7))
    assert 150 < len(found.coverage) <= 200
    assert (found.coverage[0], found.coverage[-1]) == (1 / 5000, 1)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(told["accuracy_at"]) == len(found.coverage)


def test_groups_widen_the_intervals():
    labels, probabilities = binary(np.linspace(0.55, 0.95, 50), np.arange(50) % 3 > 0)
    four = np.repeat(np.arange(50), 4)
    together, apart = (selective(labels[four], probabilities[four], g) for g in (four, None))
    assert np.diff(together.answered[0].interval) > 1.5 * np.diff(apart.answered[0].interval)


def test_no_images_and_groups_of_others_are_refused():
    with pytest.raises(DataError, match="groups"):
        selective(*binary([0.9, 0.8], [True, False]), np.arange(3))
    with pytest.raises(DataError, match="n >= 1"):
        selective(np.zeros(0, int), np.zeros((0, 2)))
