"""Curves: against scikit-learn's points, their area, how few points they have, and what has none."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from lesionkit.metrics.curves import class_curves, curves, thinned

quick = settings(max_examples=60, deadline=None)


def made(count, share, effect, seed, digits=9):
    random = np.random.default_rng(seed)
    positive = random.random(count) < share
    positive[:2] = True, False
    return positive, np.round(random.normal(size=count) + effect * positive, digits)


def apart(points, line):
    """How far, in either coordinate, the farthest of ``points`` is from the drawn ``line``."""
    at = np.linspace(0, 1, 101)[:, None]
    drawn = np.concatenate([one + at * (two - one) for one, two in itertools.pairwise(line)])
    return max(np.abs(drawn - point).max(axis=1).min() for point in points)


def scikit_learns(positive, score):
    false_positives, sensitivity, _ = sk.roc_curve(positive, score)
    precision, recall, _ = sk.precision_recall_curve(positive, score)
    return np.stack([false_positives, sensitivity], axis=1), np.stack([recall, precision], axis=1)[:-1]


@quick
@given(st.integers(2, 40), st.sampled_from([0.1, 0.5, 0.9]), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 9]))
def test_curves_of_few_images_go_through_all_points(count, share, seed, digits):
    positive, score = made(count, share, 1.0, seed, digits)
    found = curves(positive, score)
    for points, line in zip(scikit_learns(positive, score), (found.roc, found.precision_recall), strict=True):
        assert apart(points, line) < 0.003 + 1 / 200
    assert sk.auc(*found.roc.T) == pytest.approx(sk.roc_auc_score(positive, score), abs=0.005)
    area = sk.auc(*found.precision_recall.T)
    assert area == pytest.approx(sk.average_precision_score(positive, score), abs=0.005)


@pytest.mark.parametrize("count", [300, 600, 4000])
@pytest.mark.parametrize("share", [0.02, 0.3])
@pytest.mark.parametrize("effect", [0, 1.5])
def test_curves_of_many_images_keep_their_shape_in_few_points(count, share, effect):
    positive, score = made(count, share, effect, seed=count)
    found = curves(positive, score)
    for points, line in zip(scikit_learns(positive, score), (found.roc, found.precision_recall), strict=True):
        assert len(line) <= 200
        assert apart(points[:: 1 + len(points) // 500], line) <= 0.0055  # the line is looked at in steps
    assert sk.auc(*found.roc.T) == pytest.approx(sk.roc_auc_score(positive, score), abs=0.005)
    area = sk.auc(*found.precision_recall.T)
    assert area == pytest.approx(sk.average_precision_score(positive, score), abs=0.005)


@quick
@given(st.integers(2, 400), st.sampled_from([0.1, 0.5, 0.9]), st.integers(0, 2**32 - 1))
def test_curves_keep_their_bounds_and_go_one_way(count, share, seed):
    found = curves(*made(count, share, 1.0, seed))
    for line in (found.roc, found.precision_recall):
        assert 2 <= len(line) <= 200
        assert line.min() >= 0
        assert line.max() <= 1
        assert np.all(np.diff(line[:, 0]) >= 0)
        assert (line[0, 0], line[-1, 0]) == (0, 1)
    assert np.all(np.diff(found.roc[:, 1]) >= 0)
    assert found.roc[[0, -1]].tolist() == [[0, 0], [1, 1]]


def test_a_worked_example():
    found = curves(np.array([True, False, True]), np.array([0.9, 0.5, 0.1]))
    assert found.roc.tolist() == [[0, 0], [0, 0.5], [1, 0.5], [1, 1]]
    steps = [[0, 1], [0.5, 1], [0.5, 0.5], [0.5, 2 / 3], [1, 2 / 3]]  # precision falls to 1/2 before it comes to 2/3
    assert found.precision_recall.tolist() == steps


def test_perfect_and_constant_scores():
    positive = np.arange(50) < 10
    perfect = curves(positive, positive.astype(float))
    assert perfect.roc.tolist() == [[0, 0], [0, 1], [1, 1]]
    assert perfect.precision_recall[:2].tolist() == [[0, 1], [1, 1]]
    constant = curves(positive, np.zeros(50))
    assert constant.roc.tolist() == [[0, 0], [1, 1]]
    assert constant.precision_recall.tolist() == [[0, 0.2], [1, 0.2]]


def test_what_the_images_cannot_give_is_none():
    score = np.linspace(0, 1, 5)
    none, every = curves(np.zeros(5, bool), score), curves(np.ones(5, bool), score)
    assert none.roc is none.precision_recall is None
    assert every.roc is None
    assert every.precision_recall.tolist() == [[0, 1], [1, 1]]
    assert curves(np.zeros(0, bool), np.zeros(0)).to_dict() == {"roc": None, "precision_recall": None}


def test_each_class_has_its_own_and_they_go_to_json():
    labels, probabilities = np.arange(30) % 2, np.random.default_rng(0).dirichlet(np.ones(3), 30)
    found = class_curves(labels, probabilities, ("a", "b", "c"))
    assert list(found) == ["a", "b", "c"]
    assert found["c"].roc is None
    assert np.array_equal(found["b"].roc, curves(labels == 1, probabilities[:, 1]).roc)
    told = found["b"].to_dict()
    assert json.loads(json.dumps(told)) == told
    np.testing.assert_allclose(told["roc"], found["b"].roc, atol=5e-5)


def test_points_on_a_line_are_dropped_and_peaks_are_kept():
    line = np.stack([np.linspace(0, 1, 101), np.linspace(0, 1, 101)], axis=1)
    assert thinned(line).tolist() == [[0, 0], [1, 1]]
    line[40, 1] = 0
    assert [0.4, 0] in thinned(line).tolist()
    there_and_back = np.array([[0.5, 0.8], [0.5, 0.1], [0.5, 0.7]])
    assert thinned(there_and_back).tolist() == there_and_back.tolist()
    assert len(thinned(np.random.default_rng(0).random((500, 2)), most=50)) == 50
