"""Scores: against scikit-learn, worked examples and the laws they obey."""

import warnings

import numpy as np
import pytest
from answered import answers, overall
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from lesionkit.errors import DataError
from lesionkit.metrics import classification

SCORES = ("precision", "recall", "specificity", "f1", "auc")
quick = settings(max_examples=60, deadline=None)

# labels 0, 0, 1, 1, 2; predicted 0, 1, 1, 1, 0; class 2 is never predicted, class 3 has no images
LABELS = np.array([0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [[0.7, 0.1, 0.1, 0.1], [0.2, 0.5, 0.2, 0.1], [0.1, 0.8, 0.1, 0], [0.3, 0.4, 0.2, 0.1], [0.6, 0.1, 0.2, 0.1]]
)
NAMES = ("a", "b", "c", "d")


def names(probabilities):
    return [f"c{place}" for place in range(probabilities.shape[1])]


def per_class(labels, probabilities):
    return classification.per_class(labels, probabilities, names(probabilities))


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
