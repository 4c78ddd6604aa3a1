"""Scores of images drawn again by whole groups: their bounds, their order, and what they know of groups."""

import numpy as np
from answered import answers
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.score_table import SCORES


def ends(labels, probabilities, groups, **options):
    drawn = resampling.bootstrap(labels, probabilities, groups=np.asarray(groups), **options)
    return np.array([resampling.interval(values) for (values,) in drawn.values()])


def many(count, classes=3, seed=0):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), count)
    labels = np.where(random.random(count) < 0.5, probabilities.argmax(axis=1), random.integers(classes, size=count))
    return labels, probabilities


@st.composite
def grouped(draw):
    labels, probabilities = draw(answers())
    groups = draw(st.lists(st.integers(0, 6), min_size=len(labels), max_size=len(labels)))
    return labels, probabilities, np.array(groups)


some = settings(max_examples=25, deadline=None)


@some
@given(grouped())
def test_resampled_scores_keep_their_bounds(given):
    labels, probabilities, groups = given
    drawn = resampling.bootstrap(labels, probabilities, groups=groups, resamples=100)
    assert list(drawn) == list(SCORES)
    for name, values in drawn.items():
        assert values.shape == (1, 100)
        assert np.all(np.isfinite(values))
        least, greatest = SCORES[name].limits
        assert np.all((values >= least - 1e-12) & (values <= greatest + 1e-12))
        low, high = resampling.interval(values)
        assert low <= high


@some
@given(grouped(), st.randoms(use_true_random=False))
def test_intervals_know_no_order_of_images_and_no_numbers_of_groups(given, random):
    labels, probabilities, groups = given
    order = random.sample(range(len(labels)), len(labels))
    renamed = np.array(random.sample(range(100), 7))[groups]
    moved = ends(labels[order], probabilities[order], renamed[order], resamples=200)
    np.testing.assert_allclose(moved, ends(labels, probabilities, groups, resamples=200), atol=1e-9)


@some
@given(grouped())
def test_the_same_images_again_in_their_groups_narrow_nothing(given):
    labels, probabilities, groups = given
    twice = ends(np.tile(labels, 2), np.tile(probabilities, (2, 1)), np.tile(groups, 2), resamples=200)
    np.testing.assert_allclose(twice, ends(labels, probabilities, groups, resamples=200), atol=1e-9)


@some
@given(grouped())
def test_one_group_is_always_drawn_whole(given):
    labels, probabilities, _ = given
    drawn = resampling.bootstrap(labels, probabilities, groups=np.zeros(len(labels), dtype=int), resamples=5)
    for name, values in drawn.items():
        np.testing.assert_allclose(values[0], SCORES[name](labels, probabilities), atol=1e-9)


@some
@given(grouped())
def test_answers_are_scored_on_the_same_resamples(given):
    labels, probabilities, groups = given
    drawn = resampling.bootstrap(labels, probabilities, probabilities, 0.5 * probabilities, groups=groups, resamples=50)
    for name, (first, second, worse) in drawn.items():
        assert np.array_equal(first, second)
        np.testing.assert_allclose(worse - first, np.log(2) if name == "loss" else 0, atol=1e-4)


@some
@given(grouped(), st.sampled_from(list(SCORES)))
def test_a_score_is_resampled_alike_whichever_others_are(given, name):
    labels, probabilities, groups = given
    alone = resampling.bootstrap(labels, probabilities, groups=groups, scores=[name], resamples=50)
    together = resampling.bootstrap(labels, probabilities, groups=groups, resamples=50)
    assert list(alone) == [name]
    assert np.array_equal(alone[name], together[name])


def test_images_apart_have_the_interval_of_an_ordinary_bootstrap():
    labels, probabilities = many(150)
    random = np.random.default_rng(9)
    rows = random.integers(150, size=(2000, 150))
    hit, lost = probabilities.argmax(axis=1) == labels, -np.log(probabilities[np.arange(150), labels])
    recalls = [(hit[rows] * (labels[rows] == place)).sum(1) / (labels[rows] == place).sum(1) for place in range(3)]
    plain = np.stack([hit[rows].mean(1), np.mean(recalls, axis=0), lost[rows].mean(1)], axis=1)
    wanted = np.quantile(plain, [0.025, 0.975], axis=0).T
    found = ends(labels, probabilities, np.arange(150), scores=["accuracy", "balanced_accuracy", "loss"])
    np.testing.assert_allclose(np.diff(found), np.diff(wanted), rtol=0.15)
    np.testing.assert_allclose(found, wanted, atol=0.15 * np.diff(wanted).max())


def test_groups_widen_the_interval():
    labels, probabilities = many(40)
    copies, groups = np.repeat(np.arange(40), 4), np.repeat(np.arange(40), 4)
    together = ends(labels[copies], probabilities[copies], groups)
    apart = ends(labels[copies], probabilities[copies], np.arange(160))
    assert np.all(np.diff(together) > 1.5 * np.diff(apart))


def test_intervals_of_many_images_hold_the_score_and_narrow_with_their_number():
    few, more = (ends(*many(count), np.arange(count)) for count in (200, 3200))
    for (low, high), kind in zip(more, SCORES.values(), strict=True):
        assert low < kind(*many(3200)) < high
    np.testing.assert_allclose(np.diff(few) / np.diff(more), 4, rtol=0.35)


def test_a_class_that_was_not_drawn_is_left_out_of_the_mean():
    labels, perfect = np.array([0, 0, 0, 1]), np.eye(2)[[0, 0, 0, 1]]
    drawn = resampling.bootstrap(labels, perfect, groups=np.arange(4))
    assert np.all(drawn["balanced_accuracy"] == 1)


def test_the_seed_makes_the_resamples():
    labels, probabilities = many(30)
    one, again, other = (
        resampling.bootstrap(labels, probabilities, groups=np.arange(30), seed=seed, resamples=50)["loss"]
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
