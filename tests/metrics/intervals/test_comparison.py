"""Whether one classifier is better than another: the verdict, its interval, and the images that it takes."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lesionkit.errors import DataError, OptionError
from lesionkit.metrics.intervals.comparison import BETTER, CANNOT_TELL, WORSE, McNemar, compare, images_needed, mcnemar

CLASSES = 3


def answers(labels, right, seed, seeds=2):
    """(seeds, n, C) probabilities that are right for about a share ``right`` of the images."""
    random = np.random.default_rng(seed)
    found = np.full((seeds, len(labels), CLASSES), 0.1)
    for one in found:
        wrong = (labels + random.integers(1, CLASSES, len(labels))) % CLASSES
        said = np.where(random.random(len(labels)) < right, labels, wrong)
        one[np.arange(len(labels)), said] = 0.8
    return found


def made(n, seed, better=0.0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, n)
    labels[:CLASSES] = np.arange(CLASSES)
    return labels, answers(labels, 0.6, seed + 1), answers(labels, 0.6 + better, seed + 2)


def test_a_worked_example():
    labels = np.array([0, 0, 1, 2])
    base = np.zeros((1, 4, 3))
    base[0, np.arange(4), [0, 1, 1, 1]] = 1  # recalls 1/2, 1, 0
    other = np.zeros((1, 4, 3))
    other[0, np.arange(4), [0, 1, 1, 2]] = 1  # recalls 1/2, 1, 1
    found = compare(labels, base, other, np.arange(4))
    assert (found.baseline, found.value) == (pytest.approx(0.5), pytest.approx(2.5 / 3))
    assert found.difference == pytest.approx(1 / 3)
    assert found.by_seed == (pytest.approx(1 / 3),)
    assert found.interval[0] == 0  # a resample without the last image tells nothing
    assert found.verdict == CANNOT_TELL


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_swapped_it_says_the_opposite(seed):
    labels, base, other = made(60, seed, better=0.3)
    groups = np.arange(60) // 2
    one = compare(labels, base, other, groups, resamples=200)
    two = compare(labels, other, base, groups, resamples=200)
    assert two.difference == pytest.approx(-one.difference)
    np.testing.assert_allclose(two.interval, [-one.interval[1], -one.interval[0]], atol=1e-12)
    assert two.verdict == {BETTER: WORSE, WORSE: BETTER, CANNOT_TELL: CANNOT_TELL}[one.verdict]
    assert two.images_needed == one.images_needed


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_neither_order_nor_names_of_groups_matter(seed):
    labels, base, other = made(40, seed, better=0.1)
    groups = np.arange(40) // 3
    random = np.random.default_rng(seed)
    rows, names = random.permutation(40), random.permutation(100)
    one = compare(labels, base, other, groups, resamples=200)
    two = compare(labels[rows], base[:, rows], other[:, rows], names[groups][rows], resamples=200)
    np.testing.assert_allclose(two.interval, one.interval)
    assert two.verdict == one.verdict


def test_the_same_answers_are_no_difference():
    labels, base, _ = made(50, 0)
    found = compare(labels, base, base, np.arange(50))
    assert (found.difference, found.interval, found.verdict, found.images_needed) == (0, (0, 0), CANNOT_TELL, None)


def test_a_lower_loss_is_better():
    labels, base, other = made(400, 3, better=0.3)
    assert compare(labels, base, other, np.arange(400), score="loss").verdict == BETTER
    assert compare(labels, base, other, np.arange(400), score="loss").difference < 0


def test_more_comparisons_make_the_verdict_more_careful():
    labels, base, other = made(150, 5, better=0.1)
    one, many = (compare(labels, base, other, np.arange(150), comparisons=count) for count in (1, 20))
    assert many.interval == one.interval == one.adjusted
    assert many.adjusted[0] < one.adjusted[0] < one.adjusted[1] < many.adjusted[1]


def test_images_in_groups_tell_less_than_as_many_alone():
    labels, base, other = made(60, 7, better=0.2)
    copies = [np.repeat(one, 5, axis=-2 + (one.ndim == 1)) for one in (labels, base, other)]
    alone, grouped = (compare(*copies, groups) for groups in (np.arange(300), np.arange(300) // 5))
    assert np.ptp(grouped.interval) > 1.5 * np.ptp(alone.interval)


def test_copies_of_the_images_in_groups_of_their_own_narrow_the_interval():
    labels, base, other = made(80, 8, better=0.1)
    more = [np.concatenate([one] * 9, axis=-2 + (one.ndim == 1)) for one in (labels, base[:1], other[:1])]
    one, nine = compare(labels, base[:1], other[:1], np.arange(80)), compare(*more, np.arange(720))
    assert nine.difference == pytest.approx(one.difference)
    assert np.ptp(nine.interval) == pytest.approx(np.ptp(one.interval) / 3, rel=0.15)


def test_seeds_that_disagree_widen_the_interval():
    labels, base, good = made(400, 11, better=0.3)
    base, good = base[[0, 0]], good[[0, 0]]
    luck = np.stack([good[0], base[0]])  # better by far with one seed, no different with the other
    found = compare(labels, base, luck, np.arange(400))
    assert found.by_seed[1] == 0
    assert found.interval[0] <= 0 < found.difference < found.by_seed[0] <= found.interval[1] + 0.02
    assert found.verdict == CANNOT_TELL
    assert compare(labels, base, good, np.arange(400)).verdict == BETTER


def test_seeds_that_agree_are_one_seed():
    labels, base, other = made(100, 12, better=0.1)
    one = compare(labels, base[:1], other[:1], np.arange(100))
    three = compare(labels, base[[0, 0, 0]], other[[0, 0, 0]], np.arange(100))
    np.testing.assert_allclose(three.interval, one.interval, atol=1e-9)


@pytest.mark.slow
def test_the_luck_of_a_training_is_rarely_taken_for_a_better_recipe():
    def lucky(labels, trial):
        random = np.random.default_rng(trial)
        return np.concatenate([answers(labels, random.normal(0.6, 0.02), trial * 9 + at, seeds=1) for at in range(3)])

    told = []
    for trial in range(80):
        labels = made(600, trial)[0]
        found = compare(labels, lucky(labels, trial), lucky(labels, 1000 + trial), np.arange(600), resamples=300)
        told.append(found.verdict != CANNOT_TELL)
    assert np.mean(told) <= 0.1


@pytest.mark.slow
def test_what_is_equally_good_is_rarely_told_apart_and_what_is_better_nearly_always():
    def share(better, n):
        found = [compare(*made(n, 100 * trial, better), np.arange(n), resamples=300) for trial in range(80)]
        return np.mean([one.verdict != CANNOT_TELL for one in found]), np.mean([one.verdict == BETTER for one in found])

    assert share(0.0, 200)[0] <= 0.1
    assert share(0.2, 600)[1] >= 0.95


@given(st.integers(1, 10_000), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_images_needed_falls_with_the_difference_and_grows_with_the_interval(n, difference, half):
    needed = images_needed(n, difference, (difference - half, difference + half))
    assert needed >= n * (half / difference) ** 2 - 1e-6
    assert images_needed(n, 2 * difference, (-half, half)) <= needed
    assert images_needed(n, difference, (-2 * half, 2 * half)) >= needed
    assert images_needed(n, -difference, (-half, half)) == images_needed(n, difference, (-half, half))


def test_two_digits_upwards():
    assert images_needed(100, 0.1, (-0.111, 0.111)) == 130
    assert images_needed(1234, 0.01, (-0.05, 0.05)) == 31000
    assert images_needed(100, 0.0, (-0.1, 0.1)) is None


def test_what_does_not_fit_together():
    labels, base, other = made(20, 0)
    with pytest.raises(DataError, match=r"\(2, 20, 3\) and \(1, 20, 3\)"):
        compare(labels, base, other[:1], np.arange(20))
    with pytest.raises(DataError, match="1 of them"):
        compare(labels, base, other, np.zeros(20, dtype=int))
    with pytest.raises(DataError, match=r"Received: \(19,\)"):
        compare(labels, base, other, np.arange(19))
    with pytest.raises(OptionError, match="score is one of accuracy"):
        compare(labels, base, other, np.arange(20), score="auc")
    with pytest.raises(OptionError, match="comparisons"):
        compare(labels, base, other, np.arange(20), comparisons=0)


def test_it_is_plain_data():
    labels, base, other = made(20, 0)
    assert dataclasses.asdict(compare(labels, base, other, np.arange(20)))["score"] == "balanced_accuracy"


def answered(counts):
    """Labels and two answers: images that both, only the first, only the second and neither answer rightly."""
    first, second = np.repeat([[1, 1, 0, 0], [1, 0, 1, 0]], counts, axis=1)
    labels = np.arange(len(first)) % CLASSES
    said = [np.eye(CLASSES)[np.where(right, labels, (labels + 1) % CLASSES)] for right in (first, second)]
    return labels, *said


def test_mcnemar_by_hand():
    found = mcnemar(*answered([30, 1, 6, 8]))
    assert found == McNemar(30, 1, 6, 8, pytest.approx(2 * (1 + 7) / 2**7))
    assert mcnemar(*answered([3, 0, 0, 2])).p == 1


@given(st.lists(st.integers(0, 40), min_size=4, max_size=4).filter(any), st.randoms(use_true_random=False))
def test_mcnemar_counts_each_image_and_asks_only_where_one_is_right(counts, random):
    labels, first, second = answered(counts)
    found = mcnemar(labels, first, second)
    assert [found.both_right, found.only_first, found.only_second, found.both_wrong] == counts
    fewer = min(counts[1:3])
    assert found.p == pytest.approx(min(1, 2 * stats.binom.cdf(fewer, counts[1] + counts[2], 0.5)))
    swapped = mcnemar(labels, second, first)
    assert (swapped.p, swapped.only_first, swapped.only_second) == (found.p, found.only_second, found.only_first)
    order = random.sample(range(len(labels)), len(labels))
    assert mcnemar(labels[order], first[order], second[order]) == found


def test_mcnemar_of_what_does_not_fit_together():
    labels, first, second = answered([3, 2, 1, 1])
    with pytest.raises(DataError, match=r"\(7, 3\) and \(6, 3\)"):
        mcnemar(labels, first, second[1:])
    with pytest.raises(DataError, match="labels are"):
        mcnemar(labels[1:], first, second)
