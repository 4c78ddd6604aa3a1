"""Calibration: worked examples, scikit-learn, and what a temperature may and may not do."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from lesionkit.errors import DataError, OptionError
from lesionkit.metrics import classification
from lesionkit.metrics.calibration import brier, calibrate, error_if_calibrated, expected_calibration_error, reliability
from lesionkit.metrics.temperature import at_temperature, fit_temperature

quick = settings(max_examples=40, deadline=None)

# confidences 0.62, 0.62, 0.68, 0.9; the third is wrong
LABELS = np.array([0, 0, 1, 1])
PROBABILITIES = np.array([[0.62, 0.38], [0.62, 0.38], [0.68, 0.32], [0.1, 0.9]])


@st.composite
def answers(draw):
    """Labels and probabilities of 2 to 25 images in 2 to 5 classes, without ties."""
    classes, count = draw(st.integers(2, 5)), draw(st.integers(2, 25))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
    rows = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((count, classes)) ** 3 + 1e-6
    return np.array(labels, dtype=np.int64), rows / rows.sum(axis=1, keepdims=True)


def truthful(n, seed, classes=4, temperature=1.0):
    """Labels drawn from probabilities, and the probabilities sharpened: dividing by ``temperature`` repairs them."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(classes, 0.7), n) + 1e-4
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = (random.random((n, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    return labels, at_temperature(probabilities, 1 / temperature)


def test_a_worked_example():
    # a bin of three with 2 right and 1.92 expected, a bin of one with 1 and 0.9
    assert expected_calibration_error(LABELS, PROBABILITIES, bins=5) == pytest.approx((0.08 + 0.1) / 4)
    assert brier(LABELS, PROBABILITIES) == pytest.approx((2 * 2 * 0.38**2 + 2 * 0.68**2 + 2 * 0.1**2) / 4)
    bins = reliability(LABELS, PROBABILITIES, bins=5)
    assert [one.n for one in bins] == [0, 0, 0, 3, 1]
    assert (bins[3].low, bins[3].high) == pytest.approx((0.6, 0.8))
    assert (bins[3].confidence, bins[3].accuracy) == pytest.approx((0.64, 2 / 3))
    assert bins[3].interval[0] < 2 / 3 < bins[3].interval[1]
    assert (bins[0].confidence, bins[0].accuracy, bins[0].interval) == (None, None, None)


def test_a_bin_holds_its_upper_edge():
    halves = np.full((3, 2), 0.5)
    assert [one.n for one in reliability(np.zeros(3, int), halves, bins=2)] == [3, 0]


def test_bins_of_equal_mass():
    labels, probabilities = truthful(300, 1)
    bins = reliability(labels, probabilities, bins=10, equal_mass=True)
    assert [one.n for one in bins] == [30] * 10
    tied = np.tile([[0.7, 0.3]], (50, 1))
    assert sum(one.n > 0 for one in reliability(np.zeros(50, int), tied, equal_mass=True)) == 1
    assert expected_calibration_error(np.zeros(50, int), tied, equal_mass=True) == pytest.approx(0.3)


def test_reliability_is_scikit_learns_curve():
    labels, probabilities = truthful(400, 2)
    hits = probabilities.argmax(axis=1) == labels
    accuracy, confidence = calibration_curve(hits, probabilities.max(axis=1), n_bins=15)
    found = [one for one in reliability(labels, probabilities) if one.n]
    np.testing.assert_allclose([one.accuracy for one in found], accuracy)
    np.testing.assert_allclose([one.confidence for one in found], confidence)


@quick
@given(answers())
def test_brier_is_scikit_learns_and_keeps_its_bounds(given):
    labels, probabilities = given
    places = np.arange(probabilities.shape[1])
    expected = np.mean([sk.mean_squared_error(labels == place, probabilities[:, place]) for place in places])
    assert brier(labels, probabilities) == pytest.approx(expected * len(places))
    assert 0 <= brier(labels, probabilities) <= 2
    for equal_mass in (False, True):
        assert 0 <= expected_calibration_error(labels, probabilities, equal_mass=equal_mass) <= 1
    assert 0 <= error_if_calibrated(probabilities) <= 1


@quick
@given(answers(), st.randoms(use_true_random=False))
def test_neither_the_order_of_images_nor_of_classes_matters(given, random):
    labels, probabilities = given
    rows = random.sample(range(len(labels)), len(labels))
    order = np.array(random.sample(range(probabilities.shape[1]), probabilities.shape[1]))
    moved, other = np.argsort(order)[labels[rows]], probabilities[rows][:, order]
    for figure in (brier, expected_calibration_error):
        assert figure(moved, other) == pytest.approx(figure(labels, probabilities))
    assert error_if_calibrated(other) == pytest.approx(error_if_calibrated(probabilities))
    assert fit_temperature(moved, other) == pytest.approx(fit_temperature(labels, probabilities), rel=1e-3)


def test_perfect_and_chance_answers():
    labels = np.tile(np.arange(4), 5)
    perfect, chance = np.eye(4)[labels], np.full((20, 4), 0.25)
    assert (brier(labels, perfect), expected_calibration_error(labels, perfect)) == (0, 0)
    assert error_if_calibrated(perfect) == 0
    assert brier(labels, np.roll(perfect, 1, axis=1)) == 2
    assert expected_calibration_error(labels, np.roll(perfect, 1, axis=1)) == 1
    assert brier(labels, chance) == pytest.approx(0.75)
    assert expected_calibration_error(labels, chance) == 0  # a quarter are of the first class


def test_few_true_answers_have_the_error_that_is_told():
    measured = [expected_calibration_error(*truthful(100, seed)) for seed in range(60)]
    told = np.mean([error_if_calibrated(truthful(100, seed)[1]) for seed in range(5)])
    assert told > 0.05
    assert np.mean(measured) == pytest.approx(told, rel=0.15)
    assert error_if_calibrated(truthful(10000, 0)[1]) < 0.02


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature):
    assert fit_temperature(*truthful(4000, 3, temperature=temperature)) == pytest.approx(temperature, rel=0.08)


@quick
@given(answers())
def test_a_fitted_temperature_is_never_worse_than_none(given):
    labels, probabilities = given
    temperature = fit_temperature(labels, probabilities)
    assert 0.0497 < temperature < 20.1
    scaled = at_temperature(probabilities, temperature)
    assert classification.loss(labels, scaled) <= classification.loss(labels, at_temperature(probabilities, 1.0))


def test_where_no_temperature_is_better_it_is_one():
    labels = np.array([0, 1, 2, 1])
    assert fit_temperature(labels, np.eye(3)[labels]) == 1
    assert fit_temperature(labels, np.full((4, 3), 1 / 3)) == 1


def test_a_fitted_temperature_is_not_worse_where_one_answer_is_hopeless():
    labels = np.array([0, 1, 1, 0, 1])
    probabilities = np.array([[1, 0], [1e-4, 1 - 1e-4], [0.2, 0.8], [0.9, 0.1], [1 - 1e-30, 1e-30]])
    temperature = fit_temperature(labels, probabilities)
    assert classification.loss(labels, at_temperature(probabilities, temperature)) <= classification.loss(
        labels, probabilities
    )


@quick
@given(answers(), st.floats(0.05, 20))
def test_a_temperature_keeps_rows_and_the_order_of_classes(given, temperature):
    _, probabilities = given
    scaled = at_temperature(probabilities, temperature)
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    assert np.array_equal(np.argsort(scaled, axis=1), np.argsort(probabilities, axis=1))
    back = at_temperature(at_temperature(probabilities, max(temperature, 1.0)), 1 / max(temperature, 1.0))
    np.testing.assert_allclose(back, probabilities)


def test_a_temperature_is_that_of_the_logits():
    logits = np.random.default_rng(0).normal(size=(20, 3)) * 5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = np.exp(logits / 3) / np.exp(logits / 3).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(at_temperature(probabilities, 3.0), expected)


@pytest.mark.parametrize("temperature", [0.05, 1.0, 20.0])
def test_zeros_stay_finite_and_last(temperature):
    scaled = at_temperature(np.array([[1, 0, 0], [0.6, 0.4, 0]], np.float32), temperature)
    assert np.all(np.isfinite(scaled))
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    assert np.array_equal(scaled.argmax(axis=1), [0, 0])
    assert np.all(scaled[:, 2] < 0.01)


@pytest.mark.parametrize("temperature", [0, -1, np.nan, np.inf])
def test_what_is_no_temperature_is_refused(temperature):
    with pytest.raises(OptionError, match="positive"):
        at_temperature(PROBABILITIES, temperature)


def test_calibrating_repairs_what_was_too_sure_and_tells_how_sure_that_is():
    labels, probabilities = truthful(600, 4, temperature=2.5)
    found = calibrate(labels, probabilities, np.arange(600), truthful(600, 5, temperature=2.5))
    assert found.n_held_out == 600
    assert found.temperature == pytest.approx(2.5, rel=0.2)
    for name in ("expected_calibration_error", "equal_mass_error", "brier", "loss"):
        before, after = getattr(found.before, name), getattr(found.after, name)
        assert after < before
        assert found.change[name][0] < after - before < found.change[name][1] < 0
        for trust in (found.before, found.after):
            assert 0 <= trust.intervals[name][0] <= getattr(trust, name) <= trust.intervals[name][1]
    assert found.before.loss == classification.loss(labels, probabilities)
    assert found.before.expected_calibration_error > 3 * found.before.if_calibrated
    assert found.after.expected_calibration_error < 2 * found.after.if_calibrated
    assert sum(one.n for one in found.after.reliability) == 600
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["after"]["brier"] == found.after.brier
    assert len(told["before"]["reliability"]) == 15


@pytest.mark.parametrize("n", [60, 3000])
def test_the_interval_of_a_small_calibration_error_holds_it(n):
    found = calibrate(*truthful(n, 7), np.arange(n)).before
    for name in ("expected_calibration_error", "equal_mass_error"):
        low, high = found.intervals[name]
        assert low < getattr(found, name) < high


def test_groups_widen_the_intervals():
    labels, probabilities = truthful(100, 6)
    four = np.repeat(np.arange(100), 4)
    together = calibrate(labels[four], probabilities[four], four).before
    apart = calibrate(labels[four], probabilities[four], np.arange(400)).before
    for name in ("brier", "loss", "expected_calibration_error"):
        assert np.diff(together.intervals[name]) > 1.4 * np.diff(apart.intervals[name])


@pytest.mark.parametrize("held_out", [None, (np.zeros(0, int), np.zeros((0, 2)))])
def test_without_held_out_images_there_is_no_temperature(held_out):
    found = calibrate(LABELS, PROBABILITIES, np.arange(4), held_out)
    assert (found.temperature, found.after, found.change, found.n_held_out) == (None, None, None, 0)
    assert "no held-out images" in found.reason
    json.dumps(found.to_dict(), allow_nan=False)


def test_images_of_one_group_give_no_intervals():
    found = calibrate(LABELS, PROBABILITIES, np.zeros(4, int), (LABELS, PROBABILITIES))
    assert (found.before.intervals, found.change) == (None, None)


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(DataError, match="groups"):
        calibrate(LABELS, PROBABILITIES, np.arange(3))
    with pytest.raises(OptionError, match="bins"):
        reliability(LABELS, PROBABILITIES, bins=0)
