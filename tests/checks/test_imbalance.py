"""Uneven, small and absent classes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from lesionkit.checks.imbalance import imbalance
from lesionkit.data.records import SPLITS, Records
from lesionkit.data.survey import Look, Survey
from lesionkit.errors import ImageError

NAMES = ("nevus", "melanoma", "keratosis")


def records_of(rows):
    """Records of (split, place of the class) pairs."""
    count = len(rows)
    source = [f"/data/{row}.jpg" for row in range(count)]
    return Records(NAMES, source, [label for _, label in rows], ["x"] * count, [split for split, _ in rows])


def check(rows, unreadable=()):
    looks = [Look("p", 1, ImageError("x", "damaged") if row in unreadable else None) for row in range(len(rows))]
    return imbalance(records_of(rows), Survey(tuple(looks), np.zeros((len(rows), 64, 64, 3), dtype=np.uint8)))


def rows_of(**splits):
    return [
        ("" if split == "none" else split, label)
        for split, counts in splits.items()
        for label, number in enumerate(counts)
        for _ in range(number)
    ]


def kinds(found):
    return [one.kind for one in found.found]


def test_even_classes_have_no_findings():
    found = check(rows_of(train=(5, 5, 5), test=(10, 10, 10)))
    assert found.found == ()
    assert found.figures["training"]["ratio"] == 1
    assert found.figures["counts"]["test"] == dict.fromkeys(NAMES, 10)


def test_an_uneven_training_set_names_the_largest_and_the_smallest():
    (only,) = check(rows_of(train=(30, 12, 6), test=(10, 10, 10))).found
    assert only.kind == "imbalance"
    assert (
        only.message == "In train, nevus has 30 images and keratosis 6, 5.0 to 1: always saying nevus is right for 62%."
    )
    assert only.details["majority"] == 30 / 48


@pytest.mark.parametrize(("largest", "told"), [(19, []), (20, ["imbalance"])])
def test_uneven_starts_at_two_to_one(largest, told):
    assert kinds(check(rows_of(train=(largest, 10, 10)))) == told


def test_a_small_test_class_is_told_with_what_one_image_weighs():
    found = check(rows_of(train=(5, 5, 5), test=(10, 9, 3)))
    assert kinds(found) == ["few_test_images"] * 2
    assert found.found[0].message == (
        "keratosis has 3 test images: a recall of this class moves by 33 points per image, and its 95 % interval "
        "(Wilson) at a recall of 50 % is 75 points wide."
    )
    assert found.found[0].sources == tuple(f"/data/{row}.jpg" for row in (34, 35, 36))
    assert found.found[1].details["images"] == 9
    assert "2 of 3 classes in test have fewer than 10 images." in found.summary


@pytest.mark.parametrize("number", [2, 4, 8, 16, 100])
def test_the_interval_is_the_one_that_scipy_gives(number):
    width = check(rows_of(train=(1, 1, 1), test=(number, number, number))).figures["test_interval_points"]["nevus"]
    low, high = binomtest(number // 2, number).proportion_ci(0.95, method="wilson")
    assert width == pytest.approx(100 * (high - low), abs=1e-3)


def test_absent_classes_are_told_training_first():
    found = check(rows_of(validation=(2, 2, 0), train=(2, 0, 2), test=(10, 10, 0)))
    told = [(one.details["split"], one.details["class"]) for one in found.found]
    assert kinds(found) == ["absent_class"] * 3
    assert told[0] == ("train", "melanoma")
    assert sorted(told[1:]) == [("test", "keratosis"), ("validation", "keratosis")]
    assert found.found[0].message == "melanoma has no images in train: a classifier cannot learn it."


def test_images_of_no_split_stand_for_training():
    found = check(rows_of(none=(9, 3, 0)))
    assert kinds(found) == ["absent_class", "imbalance"]
    assert found.figures["training"]["split"] == "no split"


def test_unreadable_images_and_those_without_a_label_do_not_count():
    rows = [*rows_of(train=(4, 4, 1)), ("train", -1)]
    found = check(rows, unreadable={8})
    assert kinds(found) == ["absent_class"]
    assert found.figures["without_label"] == 1
    assert found.figures["counts"]["train"] == {"nevus": 4, "melanoma": 4, "keratosis": 0}


@pytest.mark.parametrize("rows", [[], [("train", -1)], [("test", 0)]])
def test_nothing_to_learn_from_is_said(rows):
    found = check(rows)
    assert found.figures["training"] is None
    assert found.summary.startswith("No labelled image to learn from.")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(("", *SPLITS)), st.integers(-1, 2)), max_size=40),
    st.randoms(use_true_random=False),
)
def test_counts_add_up_whatever_the_order(rows, random):
    found = check(rows)
    counted = sum(number for row in found.figures["counts"].values() for number in row.values())
    assert counted + found.figures["without_label"] == len(rows)
    assert sum(one.kind == "absent_class" for one in found.found) == sum(
        number == 0 for row in found.figures["counts"].values() for number in row.values()
    )
    random.shuffle(shuffled := list(rows))
    assert check(shuffled).figures == found.figures
    assert check(shuffled).summary == found.summary
    json.dumps([found.figures, *(dict(one.details) for one in found.found)])


def test_sources_are_told_apart_by_folder_and_by_hdf5_file():
    source = ["/a/1.jpg", "/a/2.jpg", "/b/1.jpg", "/c.hdf5::x", "/c.hdf5::y"]
    records = Records(NAMES, source, [0, 1, 0, 2, -1], list("vwxyz"))
    looks = tuple(Look("p", 1, None) for _ in source)
    found = imbalance(records, Survey(looks, np.zeros((5, 64, 64, 3), dtype=np.uint8)))
    assert found.figures["by_source"] == {
        "/a": {"nevus": 1, "melanoma": 1},
        "/b": {"nevus": 1},
        "/c.hdf5": {"keratosis": 1},
    }
