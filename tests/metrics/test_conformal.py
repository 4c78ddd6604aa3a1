"""Conformal sets: thresholds by hand, the coverage that they promise, and what they refuse to say."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from lesionkit.errors import DataError, OptionError
from lesionkit.metrics.conformal import ConformalSets, conformal_sets, coverage

quick = settings(max_examples=40, deadline=None)
NAMES = ("a", "b", "c")


def answered(labels, noise):
    values = np.exp(1.5 * np.eye(3)[labels] + noise)
    return values / values.sum(axis=1, keepdims=True)


def drawn(n, seed):
    """n labels, unsure probabilities, and groups of one image each."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, n)
    return labels, answered(labels, random.normal(size=(n, 3))), np.arange(n)


def grouped(groups, seed):
    """The same of groups of 1 or 12 images with one label, alike inside; the large ones are easy."""
    random = np.random.default_rng(seed)
    sizes = random.choice([1, 12], groups)
    group = np.repeat(np.arange(groups), sizes)
    labels = random.integers(0, 3, groups)[group]
    shared = random.normal(size=(groups, 3)) * np.where(sizes > 1, 0.5, 2.5)[:, None]
    return labels, answered(labels, shared[group] + 0.3 * random.normal(size=(len(group), 3))), group


def one_class(given):
    """Images of class 0 of which each gives its class one of these probabilities."""
    given = np.asarray(given, float)
    return np.zeros(len(given), int), np.stack([given, 1 - given], axis=1)


def test_a_threshold_by_hand():
    labels, probabilities = one_class(np.arange(1, 21) / 100 + 0.3)
    found = conformal_sets((labels, probabilities, np.arange(20)), ("x", "y"))
    assert found.thresholds == (0.31, None)  # ceil(21 * 0.95) = 20: the least of the 20
    lower = conformal_sets((labels, probabilities, np.arange(20)), ("x", "y"), level=0.8)
    assert lower.thresholds[0] == pytest.approx(0.34)  # ceil(21 * 0.8) = 17th largest
    assert (found.held_out, found.needed, lower.needed) == ((20, 0), 19, 4)
    assert found.sets(np.array([[0.31, 0.69], [0.3, 0.7]])).tolist() == [[True, True], [False, True]]


@pytest.mark.parametrize(("level", "needed"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_the_least_number_of_images_is_enough_and_one_less_is_not(level, needed):
    for count, there in ((needed, True), (needed - 1, False)):
        held_out = (*one_class(np.linspace(0.2, 0.9, count)), np.arange(count)) if count else None
        found = conformal_sets(held_out, ("x", "y"), level=level)
        assert found.needed == needed
        assert (found.thresholds[0] is not None) == there


def test_a_class_with_too_few_is_in_every_set_and_named():
    labels = np.array([0] * 19 + [1] * 15)
    probabilities = np.stack([np.where(labels == 0, 0.9, 0.2), np.where(labels == 0, 0.1, 0.8)], axis=1)
    found = conformal_sets((labels, probabilities, np.arange(34)), ("x", "y"))
    assert found.not_available == {"y": "15 of 19"}
    assert found.sets(np.array([[1.0, 0.0]])).tolist() == [[True, True]]
    assert found.reason is None


def test_images_of_one_group_count_as_one_and_share_its_weight():
    labels, probabilities = one_class([*np.linspace(0.5, 0.9, 18), 0.1, 0.2])
    both = conformal_sets((labels, probabilities, np.array([*range(18), 18, 18])), ("x", "y"))
    assert (both.held_out[0], both.thresholds[0]) == (19, 0.1)  # 19 groups: the least of all
    few = conformal_sets((labels, probabilities, np.array([*range(17), 17, 17, 17])), ("x", "y"))
    assert (few.held_out[0], few.thresholds[0]) == (18, None)
    half = conformal_sets((*one_class([0.9, 0.8, 0.2, 0.7]), np.array([0, 1, 1, 2])), ("x", "y"), level=0.5)
    assert half.thresholds[0] == 0.7  # weights 1, 1/2, 1, 1/2 from the greatest on; 0.5 * (3 + 1) are wanted


def test_the_promise_is_kept_class_by_class():
    shares = []
    for seed in range(150):
        found = conformal_sets(drawn(90, seed), NAMES, level=0.9)
        labels, probabilities, _ = drawn(600, seed + 10_000)
        held = found.sets(probabilities)[np.arange(600), labels]
        shares.append([held[labels == place].mean() for place in range(3)])
    mean = np.mean(shares, axis=0)
    # with n held out a class is covered with between 0.9 and 0.9 + 1 / (n + 1); n is about 30
    assert np.all(mean > 0.9 - 0.01)
    assert np.all(mean < 0.9 + 1 / 31 + 0.02)


def test_the_promise_is_kept_for_new_groups_where_images_come_in_groups():
    covered, one_by_one = [], []
    for seed in range(200):
        labels, probabilities, groups = grouped(60, seed)
        new_labels, new, new_groups = grouped(60, seed + 10_000)
        firsts = np.unique(new_groups, return_index=True)[1]
        for counted, into in ((groups, covered), (np.arange(len(groups)), one_by_one)):
            found = conformal_sets((labels, probabilities, counted), NAMES, level=0.9)
            into.append(found.sets(new)[firsts, new_labels[firsts]].mean())
    assert 0.9 - 0.01 < np.mean(covered) < 0.9 + 1 / 20 + 0.02
    assert np.mean(one_by_one) < 0.9 - 0.04  # the easy large groups outweigh the others


def test_coverage_given_the_held_out_images_is_spread_as_theory_says():
    def reached(seed):
        random = np.random.default_rng(seed)
        found = conformal_sets((*one_class(random.random(50)), np.arange(50)), ("x", "y"), level=0.9)
        return 1 - found.thresholds[0]

    shares = [reached(seed) for seed in range(400)]
    # ceil(51 * 0.9) = 46 of 50: Beta(46, 5), Angelopoulos and Bates 2021, section 3.2
    assert np.mean(shares) == pytest.approx(beta(46, 5).mean(), abs=0.01)
    assert np.std(shares) == pytest.approx(beta(46, 5).std(), rel=0.15)


@quick
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_neither_the_order_of_images_nor_of_classes_matters(seed, random):
    labels, probabilities, groups = grouped(40, seed)
    rows, order = random.sample(range(len(labels)), len(labels)), np.array(random.sample(range(3), 3))
    found = conformal_sets((labels, probabilities, groups), NAMES, level=0.8)
    moved = conformal_sets(
        (np.argsort(order)[labels[rows]], probabilities[rows][:, order], groups[rows]),
        [NAMES[place] for place in order],
        level=0.8,
    )
    assert moved.thresholds == tuple(found.thresholds[place] for place in order)
    assert moved.held_out == tuple(found.held_out[place] for place in order)


@quick
@given(st.integers(0, 1000), st.floats(0.3, 0.9), st.floats(0.01, 0.09))
def test_a_higher_level_gives_larger_sets(seed, level, more):
    held_out, (_, probabilities, _) = drawn(150, seed), drawn(20, seed + 1)
    smaller, larger = (conformal_sets(held_out, NAMES, level=one).sets(probabilities) for one in (level, level + more))
    assert np.all(larger | ~smaller)


def test_perfect_answers_give_single_sets():
    labels = np.arange(90) % 3
    found = conformal_sets((labels, np.eye(3)[labels], np.arange(90)), NAMES)
    told = coverage(found.sets(np.eye(3)[labels]), labels, np.arange(90), NAMES)
    assert (told.overall.coverage, told.mean_size, told.single, told.empty) == (1, 1, 1, 0)


def test_coverage_by_hand():
    sets = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], bool)
    told = coverage(sets, np.array([0, 0, 1, 1]), np.arange(4), NAMES)
    assert (told.overall.n, told.overall.coverage) == (4, 0.5)
    assert (told.per_class["a"].coverage, told.per_class["b"].coverage) == (0.5, 0.5)
    assert (told.per_class["c"].n, told.per_class["c"].coverage, told.per_class["c"].interval) == (0, None, None)
    assert (told.mean_size, told.empty, told.single) == (1.0, 0.25, 0.5)
    assert told.overall.interval[0] < 0.5 < told.overall.interval[1]


@pytest.mark.parametrize(
    ("held_out", "chosen", "reason"),
    [
        (None, "", "no held-out images"),
        ((np.zeros(0, int), np.zeros((0, 3)), np.zeros(0, int)), "", "no held-out images"),
        (drawn(90, 0), "training stopped at their least loss", "training stopped at their least loss"),
    ],
)
def test_without_images_of_their_own_there_are_no_sets(held_out, chosen, reason):
    found = conformal_sets(held_out, NAMES, chosen=chosen)
    assert reason in found.reason
    assert found.thresholds == (None,) * 3
    with pytest.raises(OptionError, match=reason):
        found.sets(np.full((1, 3), 1 / 3))
    assert ConformalSets.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found


def test_what_is_stored_gives_the_same_sets():
    labels, probabilities, groups = drawn(70, 0)
    found = conformal_sets((labels, probabilities, groups), ("caf\udce9", "<b>", "c"), level=0.95)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["class_names"][:2] == ["caf\\udce9", "<b>"]
    again = ConformalSets.from_dict(told)
    assert again.thresholds == found.thresholds
    assert np.array_equal(again.sets(probabilities), found.sets(probabilities))
    json.dumps(coverage(found.sets(probabilities), labels, groups, found.class_names).to_dict(), allow_nan=False)


def test_what_does_not_fit_together_is_refused():
    labels, probabilities, groups = drawn(60, 0)
    with pytest.raises(DataError, match="groups are"):
        conformal_sets((labels, probabilities, groups[1:]), NAMES)
    with pytest.raises(DataError, match="for 2 classes"):
        conformal_sets((labels, probabilities, groups), ("a", "b"))
    with pytest.raises(DataError, match="probabilities are"):
        conformal_sets((labels, probabilities, groups), NAMES).sets(np.full((2, 2), 0.5))
    for level in (0, 1, 95):
        with pytest.raises(OptionError, match="level"):
            conformal_sets((labels, probabilities, groups), NAMES, level=level)
