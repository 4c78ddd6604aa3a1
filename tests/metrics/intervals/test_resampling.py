"""Sums and shares of images drawn again: against the bootstrap of the scores, textbook figures and the laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from lesionkit.metrics import classification
from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.intervals.resampling import share_interval, totals, wilson

quick = settings(max_examples=40, deadline=None)


def test_totals_are_drawn_as_the_scores_are():
    random = np.random.default_rng(0)
    labels, probabilities = random.integers(0, 2, 80), random.dirichlet([1, 1], 80)
    groups = np.arange(80) // 2
    hits = classification.predicted(probabilities) == labels
    found = totals(np.stack([hits, np.ones(80)], axis=1), groups)
    scored = resampling.bootstrap(labels, probabilities, groups=groups)["accuracy"][0]
    np.testing.assert_allclose(resampling.interval(found[:, 0] / found[:, 1]), resampling.interval(scored), atol=0.015)


def test_whole_groups_are_drawn():
    drawn = totals(np.array([[1.0], [2.0], [30.0]]), np.array([7, 7, 4]), resamples=200)
    assert set(drawn[:, 0]) == {6.0, 33.0, 60.0}


@quick
@given(st.integers(1, 30), st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_order_of_images_and_the_numbers_of_groups_do_not_matter(n, seed, random):
    drawn = np.random.default_rng(seed)
    hits, groups = drawn.random(n) < 0.7, drawn.integers(0, 8, n)
    order = random.sample(range(n), n)
    renamed = np.array(random.sample(range(50), 8))[groups]
    assert share_interval(hits[order], renamed[order]) == share_interval(hits, groups)
    columns = np.stack([hits, drawn.random(n)], axis=1)
    np.testing.assert_allclose(totals(columns[order], renamed[order], 20), totals(columns, groups, 20))


@quick
@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_an_interval_has_a_width_holds_the_share_and_mirrors_that_of_the_misses(hits):
    hits = np.array(hits)
    low, high = share_interval(hits, np.arange(len(hits)))
    assert 0 <= low <= hits.mean() <= high <= 1
    assert low < high
    mirrored = share_interval(~hits, np.arange(len(hits)))
    np.testing.assert_allclose(mirrored, [1 - high, 1 - low], atol=2.5 / len(hits))


@pytest.mark.parametrize("n", [1, 5, 30])
def test_of_hits_alone_the_interval_is_wilsons(n):
    expected = binomtest(n, n).proportion_ci(method="wilson")
    assert share_interval(np.ones(n, bool), np.arange(n)) == pytest.approx(tuple(expected))
    assert wilson(0.9, 30) == pytest.approx(tuple(binomtest(27, 30).proportion_ci(method="wilson")))


def test_of_hits_alone_a_group_counts_as_one_image():
    pairs = share_interval(np.ones(20, bool), np.repeat(np.arange(10), 2))
    assert pairs == share_interval(np.ones(10, bool), np.arange(10))
    uneven = share_interval(np.ones(11, bool), np.array([0] * 10 + [1]))
    assert uneven == wilson(1.0, 11**2 / 101)  # little more than one image


def test_no_images_give_no_interval():
    assert share_interval(np.zeros(0, bool), np.zeros(0, int)) is None


def test_an_interval_leaves_out_as_much_at_either_end():
    values = np.arange(1001.0)
    assert resampling.interval(values) == pytest.approx((25, 975))
    assert resampling.interval(values, 0.5) == pytest.approx((250, 750))


def test_2000_resamples_of_seed_0_are_the_default():
    labels, groups = np.array([0, 1, 0, 1]), np.arange(4)
    answers = np.tile(np.array([[0.7, 0.3], [0.2, 0.8]]), (2, 1))
    options = {"groups": groups, "scores": ["loss"]}
    default = resampling.bootstrap(labels, answers, **options)["loss"]
    same = resampling.bootstrap(labels, answers, **options, resamples=2000, seed=0)["loss"]
    other = resampling.bootstrap(labels, answers, **options, seed=1)["loss"]
    np.testing.assert_array_equal(default, same)
    assert not np.array_equal(default, other)
