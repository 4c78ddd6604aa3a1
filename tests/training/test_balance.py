"""Classes of unequal size: weights, balanced sampling, the metric."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import balanced_accuracy_score

from lesionkit.training.balance import BalancedAccuracy, balanced_order, class_weights

LABELS = arrays.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 4))


@given(LABELS)
def test_weighted_every_class_counts_alike(labels):
    weights = class_weights(labels)
    totals = [weight * np.count_nonzero(labels == place) for place, weight in weights.items()]
    assert weights.keys() == set(labels.tolist())
    np.testing.assert_allclose(totals, len(labels) / len(weights))


@given(LABELS, st.integers(0, 9), st.integers(0, 9))
def test_balanced_sampling_draws_classes_alike_often(labels, seed, epoch):
    rows = balanced_order(labels, seed, epoch)
    counts = np.unique(labels[rows], return_counts=True)[1]
    assert len(rows) == len(labels)
    assert counts.max() - counts.min() <= 1 or len(counts) < len(np.unique(labels))
    for place in np.unique(labels):  # and the images of a class alike often
        drawn = np.bincount(rows[labels[rows] == place], minlength=len(labels))[labels == place]
        assert drawn.max() - drawn.min() <= 1


@given(LABELS, st.integers(0, 9))
def test_balanced_sampling_depends_on_seed_and_epoch_alone(labels, seed):
    np.testing.assert_array_equal(balanced_order(labels, seed, 1), balanced_order(labels, seed, 1))
    assume(len(labels) > 20)
    assert (balanced_order(labels, seed, 1) != balanced_order(labels, seed, 2)).any()


def test_over_the_epochs_every_image_has_its_turn():
    labels = np.array([0] * 50 + [1] * 3)
    seen = np.concatenate([balanced_order(labels, 0, epoch) for epoch in range(20)])
    assert set(seen.tolist()) == set(range(53))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_the_metric_is_scikit_learns_over_batches(seed):
    random = np.random.default_rng(seed)
    labels, probabilities = random.integers(0, 3, 40), random.dirichlet(np.ones(4), 40)
    metric = BalancedAccuracy(4)
    for start in range(0, 40, 16):
        rows = slice(start, start + 16)
        metric.update_state(np.eye(4)[labels[rows]], probabilities[rows])
    expected = balanced_accuracy_score(labels, probabilities.argmax(axis=1))
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0
