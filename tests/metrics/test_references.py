"""What answers that look at no image score: the same as metrics say of such answers."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionkit.metrics import classification
from lesionkit.metrics.classification import references

NAMES = ("a", "b", "c")


@given(st.lists(st.integers(0, 2), min_size=1, max_size=20), st.lists(st.integers(0, 9), min_size=3, max_size=3))
def test_the_majority_scores_what_its_answers_score(labels, counts):
    labels = np.array(labels)
    found = references(labels, NAMES, dict(zip(NAMES, counts, strict=True)))["majority"]
    if not any(counts):
        assert found is None
        return
    place = NAMES.index(found["class"])
    answers = np.eye(3)[np.full(len(labels), place)]
    assert counts[place] == max(counts)
    assert found["accuracy"] == classification.accuracy(labels, answers)
    assert found["balanced_accuracy"] == pytest.approx(classification.balanced_accuracy(labels, answers))


def test_chance_is_what_guesses_score_on_average():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    guesses = [np.eye(3)[random.integers(3, size=100)] for _ in range(200)]
    found = references(labels, NAMES, None)
    assert found["majority"] is None
    for name in ("accuracy", "balanced_accuracy"):
        assert found["chance"][name] == 1 / 3
        assert np.mean([getattr(classification, name)(labels, one) for one in guesses]) == pytest.approx(
            1 / 3, abs=0.015
        )


def test_the_majority_may_have_no_test_images():
    found = references(np.array([0, 1]), NAMES, {"c": 5, "a": 1})["majority"]
    assert found == {"class": "c", "accuracy": 0, "balanced_accuracy": 0}


def test_no_images_have_no_scores():
    found = references(np.zeros(0, int), NAMES, {"a": 1})
    assert found["chance"] == {"class": None, "accuracy": None, "balanced_accuracy": None}
    assert found["majority"] == {"class": "a", "accuracy": None, "balanced_accuracy": None}


def test_it_goes_to_json_whatever_the_class_is_called():
    found = references(np.array([0]), ("caf\udce9", "b"), {"caf\udce9": 2})
    assert json.dumps(found, ensure_ascii=False).encode("utf-8")
    assert found["majority"]["accuracy"] == 1
