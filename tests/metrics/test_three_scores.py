"""The three scores: which test images each keeps, what is told where nothing is known or left, and their laws."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.data.records import GROUPS, Records
from lesionkit.data.relation import relate, unrelated
from lesionkit.data.summary import Seen
from lesionkit.metrics import classification, three_scores
from lesionkit.metrics.score_table import SCORES

CLASSES = ("a", "b", "c")
ORDER = tuple(three_scores.NAMES)
some = settings(max_examples=40, deadline=None)


def table(count, **columns):
    names = [f"image{row}" for row in range(count)]
    return Records(class_names=CLASSES, source=names, label=np.arange(count) % 3, image_id=names, **columns)


def tied(test, train):
    return relate(test, Seen.of(train))


def answered(records, seed=0):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(3), len(records))
    return np.asarray(records.label, dtype=np.int64), probabilities


def scored(test, train, seed=0):
    return three_scores.three_ways(*answered(test, seed), CLASSES, tied(test, train))


def counts(found):
    return {name: one.n if one else None for name, one in found.items()}


TRAIN = table(
    4,
    picture_id=["p0", "p1", "p2", "p3"],
    copy_id=["c0", "c1", "c2", "c3"],
    lesion_id=["l0", "l1", "l2", None],
    patient_id=["s0", "s1", None, None],
)
TEST = table(
    9,
    picture_id=["p0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"],
    copy_id=["c0", "c1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"],
    lesion_id=["l0", None, "l2", "k3", "k4", "k5", "k5", None, None],
    patient_id=[None, None, None, "s1", "q4", "q5", None, None, "q8"],
)


def test_each_image_is_told_by_what_it_shares():
    relation = tied(TEST, TRAIN)
    assert relation.kind.tolist() == ["copy", "copy", "lesion", "patient", *["clean"] * 5]
    assert relation.unknown.tolist() == [False, True, False, False, False, False, False, True, False]
    assert not relation.missing
    assert relation.counts() == {"copy": 2, "lesion": 1, "patient": 1, "clean": 5, "unknown_lesion": 2}
    assert counts(scored(TEST, TRAIN)) == dict(zip(ORDER, (9, 7, 5, 4), strict=True))
    assert any("2 of 9 test images have an exact or near copy among the 4" in note for note in relation.notes)
    assert any("1 more show a lesion" in note and "1 more are of a patient" in note for note in relation.notes)
    assert any("Of 2 test and 1 training images" in note for note in relation.notes)


def test_the_scores_are_those_of_the_images_that_are_kept():
    labels, probabilities = answered(TEST)
    found = scored(TEST, TRAIN)["lesion_clean.known_only"]
    rows = [4, 5, 6, 8]
    assert found.accuracy == classification.accuracy(labels[rows], probabilities[rows])
    assert found.balanced_accuracy == classification.balanced_accuracy(labels[rows], probabilities[rows])
    assert found.loss == classification.loss(labels[rows], probabilities[rows])
    assert found.groups == 3
    assert set(found.intervals) == set(found.values) == set(SCORES)


def test_an_image_belongs_with_training_when_another_of_its_group_does():
    test = table(
        4, picture_id=["p0", "t1", "t2", "t3"], lesion_id=["k0", "k0", "k2", "k3"], patient_id=[None, "q", "q", "z"]
    )
    train = table(1, picture_id=["p0"], lesion_id=["other"])
    assert tied(test, train).kind.tolist() == ["copy", "patient", "patient", "clean"]


def test_without_copy_ids_equal_bytes_alone_count_and_that_is_said():
    for test, train in (
        (TEST, dataclasses.replace(TRAIN, copy_id=None)),
        (dataclasses.replace(TEST, copy_id=None), TRAIN),
    ):
        relation = tied(test, train)
        assert relation.counts()["copy"] == 1
        assert any("copy_id is not known" in note and "equal bytes" in note for note in relation.notes)
    assert not any("copy_id" in note for note in tied(TEST, TRAIN).notes)


def test_without_pictures_the_deduplicated_score_is_not_computed():
    blind = {"picture_id": None, "copy_id": None}
    for test, train in ((TEST, dataclasses.replace(TRAIN, **blind)), (dataclasses.replace(TEST, **blind), TRAIN)):
        relation = tied(test, train)
        assert set(relation.missing) == {"deduplicated"}
        assert "picture_id" in relation.missing["deduplicated"]
        assert (relation.counts()["copy"], relation.counts()["clean"]) == (None, None)
        found = scored(test, train)
        assert found["deduplicated"] is None
        assert found["lesion_clean"] is not None
        assert any("Whether test images are copies is not known" in note for note in relation.notes)


def test_images_without_picture_or_copy_id_are_counted():
    test = dataclasses.replace(TEST, picture_id=[None, *TEST.picture_id[1:]], copy_id=[None, *TEST.copy_id[1:]])
    train = dataclasses.replace(TRAIN, picture_id=[None, *TRAIN.picture_id[1:]], copy_id=[None, *TRAIN.copy_id[1:]])
    assert any("Of 1 test and 1 training images it cannot be told" in note for note in tied(test, train).notes)


def test_without_lesions_and_patients_the_lesion_clean_scores_are_not_computed():
    blind = {"lesion_id": None, "patient_id": None}
    lesions, patients = dataclasses.replace(TEST, patient_id=None), dataclasses.replace(TRAIN, lesion_id=None)
    for test, train in (
        (TEST, dataclasses.replace(TRAIN, **blind)),
        (dataclasses.replace(TEST, **blind), TRAIN),
        (lesions, patients),  # nothing that both know
    ):
        relation = tied(test, train)
        assert set(relation.missing) == {"lesion_clean"}
        assert "lesion_id" in relation.missing["lesion_clean"]
        found = scored(test, train)
        assert (found["lesion_clean"], found["lesion_clean.known_only"]) == (None, None)
        assert found["deduplicated"].n == 7
        assert relation.counts() == {"copy": 2, "lesion": None, "patient": None, "clean": None, "unknown_lesion": None}


def test_patients_alone_are_enough():
    test, train = (dataclasses.replace(one, lesion_id=None) for one in (TEST, TRAIN))
    assert tied(test, train).kind.tolist().count("patient") == 1
    assert any("lesion_id is not known of both" in note for note in tied(test, train).notes)
    assert not any("is not known of both" in note for note in tied(TEST, TRAIN).notes)
    assert counts(scored(test, train))["lesion_clean.known_only"] == 3


def test_without_training_images_only_the_first_score_is_computed():
    relation = relate(TEST, None)
    assert set(relation.missing) == {"deduplicated", "lesion_clean"}
    assert np.array_equal(relation.group, TEST.groups())
    found = three_scores.three_ways(*answered(TEST), CLASSES, relation)
    assert counts(found) == dict(zip(ORDER, (9, None, None, None), strict=True))
    assert found["as_shipped"].groups == 8  # two images of one lesion
    assert set(relation.counts().values()) == {None}


def test_nothing_left_is_said():
    found = scored(TRAIN, TRAIN)
    assert counts(found) == dict(zip(ORDER, (4, 0, 0, 0), strict=True))
    empty = found["deduplicated"]
    assert (empty.accuracy, empty.balanced_accuracy, empty.loss, empty.intervals) == (None, None, None, None)
    assert (empty.classes, empty.empty_classes, empty.groups) == (0, CLASSES, 0)
    assert empty.reason == "every test image has a copy in training"
    assert str(empty).startswith("0 images")


def test_classes_without_images_are_named():
    rows = np.array([0, 1, 3, 4])
    one = three_scores.score(TEST.label[rows], answered(TEST)[1][rows], CLASSES, rows)
    assert (one.classes, one.empty_classes) == (2, ("c",))
    assert "over 2 classes" in str(one)


def test_one_group_has_no_interval_and_says_why():
    labels, probabilities = answered(TEST)
    one = three_scores.score(labels, probabilities, CLASSES, np.zeros(9, dtype=np.int64))
    assert one.intervals is None
    assert "one group" in one.reason
    assert one.accuracy == classification.accuracy(labels, probabilities)
    assert (
        three_scores.gain(labels, probabilities, probabilities, CLASSES, np.zeros(9, dtype=np.int64)).intervals is None
    )


def test_what_is_told_is_json():
    told = three_scores.to_dict(scored(TEST, TRAIN), tied(TEST, TRAIN))
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["lesion_clean"]["known_only"]["n"] == 4
    assert set(told) == {"as_shipped", "deduplicated", "lesion_clean", "not_computed", "relation", "notes"}
    nothing = three_scores.to_dict(
        three_scores.three_ways(*answered(TEST), CLASSES, relate(TEST, None)), relate(TEST, None)
    )
    assert (nothing["deduplicated"], nothing["lesion_clean"]) == (None, None)
    assert set(nothing["not_computed"]) == {"deduplicated", "lesion_clean"}


def test_what_a_model_adds_is_paired():
    random = np.random.default_rng(0)
    labels = random.integers(3, size=300)
    theirs = random.dirichlet(np.ones(3), 300)
    ours = theirs.copy()
    ours[:60] = np.eye(3)[labels[:60]]
    group = np.arange(300)
    found = three_scores.gain(labels, ours, theirs, CLASSES, group)
    assert found.accuracy == pytest.approx(
        classification.accuracy(labels, ours) - classification.accuracy(labels, theirs)
    )
    assert found.shortcut == three_scores.score(labels, theirs, CLASSES, group)
    low, high = found.intervals["accuracy"]
    assert 0 < low < found.accuracy < high
    ends = three_scores.score(labels, ours, CLASSES, group).intervals["accuracy"]
    assert high - low < ends[1] - ends[0]  # most answers are equal, so that the difference is told better
    same = three_scores.gain(labels, ours, ours, CLASSES, group)
    assert (same.accuracy, same.balanced_accuracy) == (0, 0)
    assert set(same.intervals.values()) == {(0, 0)}


def test_seen_holds_what_is_known():
    seen = Seen.of(TRAIN)
    assert (seen.n, seen.picture_id, seen.lesion_id) == (4, frozenset(TRAIN.picture_id), frozenset(("l0", "l1", "l2")))
    assert (seen.unknown_picture, seen.unknown_lesion) == (0, 1)
    assert Seen.of(table(3)) == Seen(3, unknown_picture=3, unknown_lesion=3)


def identities(count):
    """Columns of a few ids, shared by test and training images, or None."""
    ids = st.lists(st.sampled_from([None, *"uvwxyz"]), min_size=count, max_size=count)
    return st.fixed_dictionaries(dict.fromkeys(GROUPS, ids))


@st.composite
def both(draw):
    sizes = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    return tuple(table(size, **draw(identities(size))) for size in sizes)


@some
@given(both())
def test_each_score_has_no_more_images_than_the_one_before(given):
    test, train = given
    found = scored(test, train)
    sizes = [one.n for one in found.values() if one]
    assert sizes == sorted(sizes, reverse=True)
    for one in filter(None, found.values()):
        assert one.classes + len(one.empty_classes) == 3
        assert (one.intervals is None) == (one.groups < 2) == (one.reason is not None)
        assert all(low <= high for low, high in (one.intervals or {}).values())
    relation = tied(test, train)
    for name in GROUPS:
        shared = np.isin(getattr(test, name).astype(str), [value for value in getattr(train, name) if value])
        assert not np.any(shared & (relation.kind == "clean"))


@some
@given(both(), st.randoms(use_true_random=False))
def test_the_order_of_images_does_not_matter(given, random):
    test, train = given
    order = random.sample(range(len(test)), len(test))
    labels, probabilities = answered(test)
    found = three_scores.three_ways(labels, probabilities, CLASSES, tied(test, train))
    moved = three_scores.three_ways(labels[order], probabilities[order], CLASSES, tied(test[order], train[::-1]))
    for name, one in found.items():
        if one is None or not one.n:
            assert moved[name] == one
            continue
        assert (moved[name].n, moved[name].groups, moved[name].classes) == (one.n, one.groups, one.classes)
        assert moved[name].loss == pytest.approx(one.loss)
        for score, ends in (one.intervals or {}).items():
            assert moved[name].intervals[score] == pytest.approx(ends)


@some
@given(both())
def test_another_clean_image_removes_no_other(given):
    test, train = given
    new = table(1, picture_id=["new"], copy_id=["new"], lesion_id=["new"], patient_id=["new"])
    more = tied(Records.concatenate([test, new]), train)
    assert more.kind[-1] == "clean"
    assert more.kind[:-1].tolist() == tied(test, train).kind.tolist()


@some
@given(both())
def test_more_training_images_never_make_an_image_clean(given):
    test, train = given
    fewer = tied(test, train[:1]).kind == "clean"
    assert not np.any((tied(test, train).kind == "clean") & ~fewer)


def test_a_relation_of_nothing_has_a_group_for_each_image():
    relation = unrelated(np.arange(3), "why")
    assert set(relation.missing.values()) == {"why"}
    assert set(relation.counts().values()) == {None}
