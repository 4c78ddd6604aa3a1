"""Scores: against scikit-learn, worked examples and the laws they obey."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from lesionkit.errors import DataError
from lesionkit.metrics import classification
from lesionkit.metrics.intervals import resampling

SCORES = ("precision", "recall", "specificity", "f1", "auc")
quick = settings(max_examples=60, deadline=None)

# labels 0, 0, 1, 1, 2; predicted 0, 1, 1, 1, 0; class 2 is never predicted, class 3 has no images
LABELS = np.array([0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [[0.7, 0.1, 0.1, 0.1], [0.2, 0.5, 0.2, 0.1], [0.1, 0.8, 0.1, 0], [0.3, 0.4, 0.2, 0.1], [0.6, 0.1, 0.2, 0.1]]
)
NAMES = ("a", "b", "c", "d")


@st.composite
def answers(draw):
    """Labels and probabilities of 1 to 25 images in 2 to 5 classes, without ties in a row."""
    classes, count = draw(st.integers(2, 5)), draw(st.integers(1, 25))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
    rows = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((count, classes)) ** 3 + 1e-6
    return np.array(labels, dtype=np.int64), rows / rows.sum(axis=1, keepdims=True)


def names(probabilities):
    return [f"c{place}" for place in range(probabilities.shape[1])]


def per_class(labels, probabilities):
    return classification.per_class(labels, probabilities, names(probabilities))


def overall(labels, probabilities):
    return [
        score(labels, probabilities)
        for score in (classification.accuracy, classification.balanced_accuracy, classification.loss)
    ]


def test_a_worked_example():
    assert classification.predicted(PROBABILITIES).tolist() == [0, 1, 1, 1, 0]
    assert classification.accuracy(LABELS, PROBABILITIES) == 3 / 5
    assert classification.balanced_accuracy(LABELS, PROBABILITIES) == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert classification.loss(LABELS, PROBABILITIES) == pytest.approx(-np.log([0.7, 0.2, 0.8, 0.4, 0.2]).mean())
    assert classification.confusion_matrix(LABELS, PROBABILITIES).tolist() == [
        [1, 1, 0, 0],
        [0, 2, 0, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    found = classification.per_class(LABELS, PROBABILITIES, NAMES)
    assert found["a"] == pytest.approx(
        {"n": 2, "precision": 1 / 2, "recall": 1 / 2, "specificity": 2 / 3, "f1": 1 / 2, "auc": 4 / 6}
    )
    assert found["b"] == pytest.approx(
        {"n": 2, "precision": 2 / 3, "recall": 1, "specificity": 2 / 3, "f1": 4 / 5, "auc": 5 / 6}
    )


def test_a_class_without_images_has_no_recall_f1_or_auc():
    d = classification.per_class(LABELS, PROBABILITIES, NAMES)["d"]
    assert d == {"n": 0, "precision": None, "recall": None, "specificity": 1.0, "f1": None, "auc": None}


def test_a_class_never_predicted_has_no_precision():
    c = classification.per_class(LABELS, PROBABILITIES, NAMES)["c"]
    assert (c["precision"], c["recall"], c["f1"]) == (None, 0, 0)


def test_images_of_one_class_give_no_specificity_or_auc():
    only = classification.per_class(np.zeros(5, np.int64), PROBABILITIES, NAMES)["a"]
    assert (only["specificity"], only["auc"]) == (None, None)
    assert only["recall"] == 2 / 5


def test_a_class_without_images_does_not_count_in_balanced_accuracy():
    wrong_for_absent = np.array([[0.9, 0.1, 0], [0.2, 0, 0.8]])
    assert classification.balanced_accuracy(np.array([0, 0]), wrong_for_absent) == 1 / 2


def test_the_first_of_equal_classes_is_predicted():
    assert classification.predicted(np.array([[0.2, 0.4, 0.4], [1 / 3, 1 / 3, 1 / 3]])).tolist() == [1, 0]


@quick
@given(answers())
def test_scores_are_scikit_learns(given):
    labels, probabilities = given
    predicted, places = probabilities.argmax(axis=1), np.arange(probabilities.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on classes without images
        balanced = sk.balanced_accuracy_score(labels, predicted)
        precision, recall, f1, n = sk.precision_recall_fscore_support(
            labels, predicted, labels=places, zero_division=np.nan
        )
    assert classification.accuracy(labels, probabilities) == pytest.approx(sk.accuracy_score(labels, predicted))
    assert classification.balanced_accuracy(labels, probabilities) == pytest.approx(balanced)
    assert classification.loss(labels, probabilities) == pytest.approx(
        sk.log_loss(labels, probabilities, labels=places)
    )
    for place, row in enumerate(per_class(labels, probabilities).values()):
        here = labels == place
        assert row["n"] == n[place]
        assert row["precision"] == (None if np.isnan(precision[place]) else pytest.approx(precision[place]))
        assert row["recall"] == (None if np.isnan(recall[place]) else pytest.approx(recall[place]))
        assert row["f1"] == (pytest.approx(f1[place]) if here.any() else None)
        if not here.all():
            negatives = sk.recall_score(~here, predicted != place)
            assert row["specificity"] == pytest.approx(negatives)
        if here.any() and not here.all():
            score = probabilities[:, place]
            pairs = np.sign(score[here][:, None] - score[~here])
            assert row["auc"] == pytest.approx((1 + pairs.mean()) / 2)


@quick
@given(answers())
def test_scores_keep_their_bounds(given):
    labels, probabilities = given
    accuracy, balanced, loss = overall(labels, probabilities)
    assert 0 <= accuracy <= 1
    assert 0 <= balanced <= 1
    assert 0 <= loss <= -np.log(1e-7)
    assert classification.confusion_matrix(labels, probabilities).sum() == len(labels)
    for row in per_class(labels, probabilities).values():
        assert all(row[name] is None or 0 <= row[name] <= 1 for name in SCORES)


@quick
@given(answers(), st.randoms(use_true_random=False))
def test_the_order_of_images_does_not_matter(given, random):
    labels, probabilities = given
    order = random.sample(range(len(labels)), len(labels))
    assert overall(labels[order], probabilities[order]) == pytest.approx(overall(labels, probabilities))
    before, after = per_class(labels, probabilities), per_class(labels[order], probabilities[order])
    for name, row in before.items():
        assert after[name] == pytest.approx(row)


@quick
@given(answers(), st.randoms(use_true_random=False))
def test_the_order_of_classes_does_not_matter(given, random):
    labels, probabilities = given
    order = np.array(random.sample(range(probabilities.shape[1]), probabilities.shape[1]))
    moved = np.argsort(order)[labels]
    assert overall(moved, probabilities[:, order]) == pytest.approx(overall(labels, probabilities))
    matrix = classification.confusion_matrix(labels, probabilities)
    assert np.array_equal(classification.confusion_matrix(moved, probabilities[:, order]), matrix[np.ix_(order, order)])
    before = per_class(labels, probabilities)
    after = classification.per_class(moved, probabilities[:, order], [names(probabilities)[place] for place in order])
    for name, row in before.items():
        assert after[name] == pytest.approx(row)


@quick
@given(answers())
def test_perfect_predictions_get_the_best_scores(given):
    labels, probabilities = given
    perfect = np.eye(probabilities.shape[1])[labels]
    accuracy, balanced, loss = overall(labels, perfect)
    assert (accuracy, balanced) == (1, 1)
    assert loss == pytest.approx(0, abs=2e-7)
    matrix = classification.confusion_matrix(labels, perfect)
    assert np.array_equal(matrix, np.diag(np.diag(matrix)))
    for row in per_class(labels, perfect).values():
        assert all(row[name] in ((1, None) if row["n"] else (None, 1)) for name in SCORES)
        assert row["recall"] == (1 if row["n"] else None)


@quick
@given(answers(), st.booleans())
def test_loss_is_keras_categorical_crossentropy(given, certain):
    import keras

    labels, probabilities = given
    if certain:  # zeros and ones, where clipping is all that keeps it finite
        probabilities = np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    values = probabilities.astype(np.float32)
    hot = np.eye(values.shape[1], dtype=np.float32)[labels]
    expected = np.mean(keras.losses.categorical_crossentropy(hot, values))
    assert classification.loss(labels, values) == pytest.approx(float(expected), rel=1e-5, abs=1e-6)


def test_checked_takes_lists_and_float32():
    labels, probabilities = classification.checked([0, 1], np.array([[0.25, 0.75], [1, 0]], np.float32))
    assert labels.tolist() == [0, 1]
    assert probabilities.tolist() == [[0.25, 0.75], [1, 0]]


HALVES = [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        ([], np.zeros((0, 2))),
        ([0], HALVES),
        ([0, 1, 1], HALVES),
        ([[0], [1]], HALVES),
        ([0, 1], [0.5, 0.5]),
        ([0, 2], HALVES),
        ([0, -1], HALVES),
        ([0.0, 1.0], HALVES),
        ([0, 1], [[0.5, 0.5], [0.5, np.nan]]),
        ([0, 1], [[0.5, 0.5], [np.inf, 0]]),
        ([0, 1], [[0.5, 0.5], [1.5, -0.5]]),
        ([0, 1], [[0.5, 0.5], [2.0, 1.0]]),
    ],
)
def test_what_is_not_labels_and_probabilities_is_refused(labels, probabilities):
    with pytest.raises(DataError):
        classification.checked(labels, probabilities)


def ends(labels, probabilities, groups, **options):
    drawn = resampling.bootstrap(labels, probabilities, groups=np.asarray(groups), **options)[0]
    return np.array([resampling.interval(column) for column in drawn.T])


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
    assert drawn.shape == (1, 100, 3)
    assert np.all(np.isfinite(drawn))
    assert np.all((drawn[..., :2] >= 0) & (drawn[..., :2] <= 1 + 1e-12))
    assert np.all(drawn[..., 2] >= 0)
    for column in drawn[0].T:
        low, high = resampling.interval(column)
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
    drawn = resampling.bootstrap(labels, probabilities, groups=np.zeros(len(labels), dtype=int), resamples=5)[0]
    np.testing.assert_allclose(drawn, np.tile(overall(labels, probabilities), (5, 1)), atol=1e-9)


@some
@given(grouped())
def test_answers_are_scored_on_the_same_resamples(given):
    labels, probabilities, groups = given
    first, second, worse = resampling.bootstrap(
        labels, probabilities, probabilities, 0.5 * probabilities, groups=groups, resamples=50
    )
    assert np.array_equal(first, second)
    assert np.array_equal(first[:, :2], worse[:, :2])
    np.testing.assert_allclose(worse[:, 2] - first[:, 2], np.log(2), atol=1e-4)


def test_images_apart_have_the_interval_of_an_ordinary_bootstrap():
    labels, probabilities = many(150)
    random = np.random.default_rng(9)
    rows = random.integers(150, size=(2000, 150))
    hit, lost = probabilities.argmax(axis=1) == labels, -np.log(probabilities[np.arange(150), labels])
    recalls = [(hit[rows] * (labels[rows] == place)).sum(1) / (labels[rows] == place).sum(1) for place in range(3)]
    plain = np.stack([hit[rows].mean(1), np.mean(recalls, axis=0), lost[rows].mean(1)], axis=1)
    wanted = np.quantile(plain, [0.025, 0.975], axis=0).T
    found = ends(labels, probabilities, np.arange(150))
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
    for (low, high), point in zip(more, overall(*many(3200)), strict=True):
        assert low < point < high
    np.testing.assert_allclose(np.diff(few) / np.diff(more), 4, rtol=0.35)


def test_a_class_that_was_not_drawn_is_left_out_of_the_mean():
    labels, perfect = np.array([0, 0, 0, 1]), np.eye(2)[[0, 0, 0, 1]]
    drawn = resampling.bootstrap(labels, perfect, groups=np.arange(4))[0]
    assert np.all(drawn[:, 1] == 1)


def test_the_seed_makes_the_resamples():
    labels, probabilities = many(30)
    one, again, other = (
        resampling.bootstrap(labels, probabilities, groups=np.arange(30), seed=seed, resamples=50) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


TWO = np.array([[0.7, 0.3], [0.2, 0.8]])


def test_answers_are_counted_in_64_bits():
    labels, probabilities = classification.checked(np.array([0, 1], np.int8), TWO.astype(np.float32))
    assert (labels.dtype, probabilities.dtype) == (np.int64, np.float64)


def test_a_sure_answer_costs_as_much_as_keras_says():
    """Keras keeps probabilities 1e-7 off 0 and 1."""
    sure = np.array([[1.0, 0.0]])
    assert classification.loss([0], sure) == pytest.approx(1e-7, rel=1e-3)
    assert classification.loss([1], sure) == pytest.approx(-np.log(1e-7))


@pytest.mark.parametrize("off", [-0.0009, 0.0009])
def test_rows_sum_to_1_as_far_as_16_bits_can_tell(off):
    classification.checked([0, 1], TWO + np.array([[0, off], [0, 0]]))
    with pytest.raises(DataError, match="each row sums to 1"):
        classification.checked([0, 1], TWO + np.array([[0, 2 * off], [0, 0]]))


def test_what_is_wrong_with_answers_is_told():
    with pytest.raises(DataError, match=r"^labels are \(n,\).* Received: \(3,\) and \(2, 2\)$"):
        classification.checked([0, 1, 1], TWO)
    with pytest.raises(DataError, match=r"^labels are whole numbers from 0 to 1\. Received: \[0 2\]$"):
        classification.checked([0, 2], TWO)
    with pytest.raises(DataError, match=r"^probabilities are finite, .* lower learning rate\.$"):
        classification.checked([0, 1], -TWO)
