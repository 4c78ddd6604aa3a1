"""Records to train, validation and test: nothing lost, nothing twice, no group on two sides."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lesionkit.data.records import Records
from lesionkit.data.splits import folds, split
from lesionkit.errors import DataError, OptionError

CLASSES = ("nevus", "melanoma", "keratosis")
shares = st.floats(0, 0.9)
seeds = st.integers(0, 2**32 - 1)
few = st.none() | st.sampled_from("abcdefgh")


@st.composite
def some_records(draw, splits=("", "train", "validation", "test"), singles=1):
    """Records with some training images of each class that are in no group, and others with and without groups."""
    rows = draw(st.lists(st.tuples(st.integers(-1, 2), st.sampled_from(splits), few, few, few), max_size=30))
    rows += [(label, "train", None, None, None) for label in range(3)] * singles
    label, side, picture, lesion, patient = zip(*rows, strict=True)
    names = [f"{number}.jpg" for number in range(len(rows))]
    return Records(CLASSES, names, label, names, side, picture, lesion, patient)


def singletons(*counts, side="train"):
    label = np.repeat(np.arange(len(counts)), counts)
    names = [f"{number}.jpg" for number in range(len(label))]
    return Records(CLASSES[: len(counts)], names, label, names, [side] * len(names))


def shipped(records, side):
    return list(records.source[records.split == side])


@given(some_records(), shares, shares, seeds)
def test_nothing_is_lost_nothing_twice(records, validation, test, seed):
    parts = split(records, validation=validation, test=test, seed=seed)
    assert Counter(source for part in parts for source in part.source) == Counter(records.source)
    for part, side in zip(parts, ("train", "validation", "test"), strict=True):
        assert set(part.split) <= {side}
        assert part.class_names == records.class_names


@given(some_records(), shares, shares, seeds)
def test_a_row_keeps_all_but_its_split(records, validation, test, seed):
    before = {row.source: row for row in records}
    for part in split(records, validation=validation, test=test, seed=seed):
        for row in part:
            assert row == before[row.source]._replace(split=row.split)


@given(some_records(("", "train")), shares, shares, seeds)
def test_no_group_is_on_two_sides(records, validation, test, seed):
    group = dict(zip(records.source, records.groups(), strict=True))
    train, held_out, tested = (
        {group[source] for source in part.source}
        for part in split(records, validation=validation, test=test, seed=seed)
    )
    assert not train & held_out
    assert not train & tested
    assert not held_out & tested


@given(some_records(), shares, shares, seeds)
def test_what_is_held_out_here_leaves_no_relative_in_training(records, validation, test, seed):
    group = dict(zip(records.source, records.groups(), strict=True))
    train, held_out, tested = split(records, validation=validation, test=test, seed=seed)
    here = [part for part in (held_out, tested) if not shipped(records, part.split[0] if len(part) else "")]
    held = {group[source] for part in here for source in part.source}
    assert not held & {group[source] for source in train.source}


def test_two_images_linked_only_through_the_shipped_test_stay_together():
    count = 40
    names = [f"{number}.jpg" for number in range(3 * count)]
    kind = np.arange(3 * count) // count  # a, b and c: a shows the lesion of c, b the patient of c, c is in test
    twin = np.arange(3 * count) % count
    records = Records(
        CLASSES[:2],
        names,
        twin % 2,
        names,
        np.where(kind == 2, "test", "train"),
        lesion_id=[None if k == 1 else f"lesion {t}" for k, t in zip(kind, twin, strict=True)],
        patient_id=[None if k == 0 else f"patient {t}" for k, t in zip(kind, twin, strict=True)],
    )
    train, validation, _ = split(records, validation=0.5)
    twins = dict(zip(names, twin, strict=True))
    assert len(validation) == count
    assert not {twins[source] for source in train.source} & {twins[source] for source in validation.source}


@given(some_records(), shares, shares, seeds)
def test_what_is_shipped_stays_exactly_that(records, validation, test, seed):
    _, held_out, tested = split(records, validation=validation, test=test, seed=seed)
    if shipped(records, "test"):
        assert list(tested.source) == shipped(records, "test")
    if shipped(records, "validation"):
        assert list(held_out.source) == shipped(records, "validation")


@given(some_records(), shares, shares, seeds)
def test_the_seed_repeats_the_split(records, validation, test, seed):
    first, again = (split(records, validation=validation, test=test, seed=seed) for _ in range(2))
    assert [list(part) for part in first] == [list(part) for part in again]


@given(seeds, seeds)
def test_another_seed_makes_another_split(one, two):
    assume(one != two)
    records = singletons(40, 40)
    sides = [set(split(records, seed=seed)[0].source) for seed in (one, two)]
    assert sides[0] != sides[1]


@given(some_records(), shares, shares, seeds)
def test_every_class_keeps_a_training_image(records, validation, test, seed):
    train, _, _ = split(records, validation=validation, test=test, seed=seed)
    assert set(range(3)) <= set(train.label)


def test_a_class_that_is_one_group_stays_in_training():
    records = singletons(10, 4)
    lesions = {"image_id": records.image_id[10:], "lesion_id": ["one"] * 4}
    train, validation, test = split(records.join(lesions), validation=0.8, test=0.8)
    assert np.count_nonzero(train.label == 1) == 4
    assert set(validation.label) | set(test.label) == {0}


@given(st.lists(st.integers(1, 60), min_size=2, max_size=3), shares, seeds)
def test_each_class_is_held_out_by_its_share_when_nothing_belongs_together(counts, share, seed):
    records = singletons(*counts)
    _, _, held_out = split(records, validation=0, test=share, seed=seed)
    for label, count in enumerate(counts):
        number = np.count_nonzero(held_out.label == label)
        assert abs(number - share * count) <= 0.5 or number == count - 1


def test_the_two_shares_are_of_what_is_left():
    train, validation, test = split(singletons(100, 50, 10), validation=0.25, test=0.2)
    assert list(test.counts()["test"].values()) == [20, 10, 2]
    assert list(validation.counts()["validation"].values()) == [20, 10, 2]
    assert list(train.counts()["train"].values()) == [60, 30, 6]


def test_large_groups_still_come_near_the_share():
    count = 1000
    names = [f"{number}.jpg" for number in range(count)]
    patients = [f"patient {number // 5}" for number in range(count)]
    records = Records(CLASSES, names, np.arange(count) // 5 % 3, names, patient_id=patients)
    _, _, test = split(records, validation=0)
    assert all(abs(number - 0.2 * count / 3) <= 5 for number in test.counts()["test"].values())


def test_a_share_of_nothing_holds_nothing_out():
    train, validation, test = split(singletons(10, 10), validation=0, test=0)
    assert (len(train), len(validation), len(test)) == (20, 0, 0)


@pytest.mark.parametrize("side", ["train", ""])
def test_without_a_shipped_test_a_fifth_is_held_out(side):
    train, validation, test = split(singletons(50, 50, side=side))
    assert (len(train), len(validation), len(test)) == (64, 16, 20)


def test_with_a_shipped_test_its_share_is_not_used():
    records = Records.concatenate([singletons(50, 50), singletons(3, 4, side="test")])
    train, validation, test = split(records, test=0.5)
    assert (len(train), len(validation), len(test)) == (80, 20, 7)


def test_what_was_left_out_is_still_told():
    records = Records(CLASSES, ["a", "b", "c"], [0, 1, 2], ["a", "b", "c"], skipped=(("d", "empty"),))
    assert all(part.skipped == (("d", "empty"),) for part in split(records))


@pytest.mark.parametrize(
    ("records", "lacking"),
    [
        (Records(CLASSES, [], [], []), "nevus, melanoma, keratosis"),
        (singletons(5, 5, 5, side="test"), "nevus, melanoma, keratosis"),
        (singletons(5, 0, 5), "melanoma"),
        (Records(("nevus", "caf\udce9"), ["a"], [0], ["a"]), r"caf\\udce9"),
    ],
)
def test_a_class_without_training_images_is_named(records, lacking):
    with pytest.raises(DataError, match=f"No training image is left for {lacking}. Add images"):
        split(records)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"validation": 1}, "validation is a share from 0"),
        ({"test": -0.1}, "test is a share from 0"),
        ({"test": "0.2"}, "Received: '0.2'"),
        ({"seed": -1}, "seed is a whole number"),
        ({"seed": 0.5}, "seed is a whole number"),
    ],
)
def test_options_that_cannot_work_are_refused(options, told):
    with pytest.raises(OptionError, match=told):
        split(singletons(5, 5), **options)


@given(some_records(singles=4), st.integers(2, 4), seeds)
def test_folds_lose_nothing_and_part_no_group(records, k, seed):
    try:
        found = folds(records, k=k, seed=seed)
    except DataError:
        assume(False)
    pool = Counter(records.source[records.split != "test"])
    group = dict(zip(records.source, records.groups(), strict=True))
    assert sum((Counter(held_out.source) for _, held_out in found), Counter()) == pool
    for train, held_out in found:
        assert Counter(train.source) + Counter(held_out.source) == pool
        assert not {group[one] for one in train.source} & {group[one] for one in held_out.source}
        assert (set(train.split), set(held_out.split)) <= ({"train"}, {"validation"})


def test_folds_keep_the_classes_in_proportion():
    found = folds(singletons(50, 30, 10), k=5)
    assert len(found) == 5
    for train, held_out in found:
        assert np.bincount(train.label).tolist() == [40, 24, 8]
        assert np.bincount(held_out.label).tolist() == [10, 6, 2]


def test_folds_differ_by_seed_and_repeat_with_it():
    records = singletons(20, 20)
    one, again, other = (folds(records, k=4, seed=seed)[0][1].source.tolist() for seed in (1, 1, 2))
    assert one == again != other


def test_folds_say_which_class_has_too_few_groups(caplog):
    folds(singletons(20, 20, 3), k=4)
    assert "keratosis (3)" in caplog.text


@pytest.mark.parametrize("k", [1, 0, 2.5])
def test_folds_are_two_or_more(k):
    with pytest.raises(OptionError, match="k is a whole number"):
        folds(singletons(9, 9), k=k)


def test_more_folds_than_groups_are_refused():
    records = Records(CLASSES[:2], list("abcd"), [0, 1, 0, 1], list("abcd"), lesion_id=["l", "l", "m", "m"])
    with pytest.raises(DataError, match="3 folds need as many groups"):
        folds(records, k=3)


def test_equal_files_stay_together_without_anybody_saying_so(tmp_path):
    names = [tmp_path / f"{number}.jpg" for number in range(40)]
    for number, name in enumerate(names):
        name.write_bytes(b"picture %d" % (number % 20))
    records = Records(CLASSES[:2], list(map(str, names)), [number % 2 for number in range(40)], list(map(str, names)))
    for part in split(records, validation=0.3, test=0.2):
        assert all(count == 2 for count in Counter(part.picture_id).values())
        assert len(part) > 0


def grouped(*sizes):
    """One class for each list of sizes, in lesions of so many images."""
    lesions = [(label, f"{label}-{n}", size) for label, many in enumerate(sizes) for n, size in enumerate(many)]
    label, lesion = zip(*((label, lesion) for label, lesion, size in lesions for _ in range(size)), strict=True)
    names = [str(number) for number in range(len(label))]
    return Records(CLASSES[: len(sizes)], names, label, names, ["train"] * len(names), lesion_id=lesion)


def test_seed_0_makes_the_same_split_in_every_version():
    _, validation, test = split(grouped([1, 2, 3] * 4, [1] * 20))
    assert validation.source.tolist() == ["3", "4", "5", "18", "25", "28", "31"]
    assert test.source.tolist() == ["15", "16", "17", "21", "22", "23", "24", "26", "37", "43"]


def test_a_class_of_two_lesions_is_never_held_out_whole():
    train, _, test = split(grouped([3, 3], [1] * 10), test=0.9, validation=0)
    assert np.count_nonzero(train.label == 0) == np.count_nonzero(test.label == 0) == 3


def test_a_class_that_its_lesions_keep_off_the_share_is_named(caplog):
    """Of four and of eight images a quarter is wanted, one and two; a lesion has two and four."""
    _, _, test = split(grouped([2, 2], [4, 4], [1] * 8), test=0.25, validation=0)
    assert np.bincount(test.label, minlength=3).tolist() == [0, 0, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "split: groups of images that belong together leave these classes off the share: ['melanoma']"
    ]


def test_five_folds_of_seed_0_are_the_default():
    records = singletons(9, 9)
    found, asked = folds(records), folds(records, k=5, seed=0)
    assert [held.source.tolist() for _, held in found] == [held.source.tolist() for _, held in asked]


def test_a_fold_that_would_train_without_a_class_is_refused():
    with pytest.raises(DataError, match=r"^No training image is left for melanoma, keratosis\. Add images"):
        folds(
            Records(
                ("nevus", "melanoma", "keratosis"),
                list("abcdef"),
                [0, 0, 0, 0, 1, 2],
                list("abcdef"),
                lesion_id=[None] * 4 + ["l", "l"],
            ),
            k=2,
        )


def test_as_many_folds_as_groups_and_images_of_a_class_can_be_made(caplog):
    records = singletons(3, 3)
    assert [len(held) for _, held in folds(records, k=3)] == [2, 2, 2]
    assert caplog.text == ""
    in_threes = Records(("a", "b"), list("abcdef"), [0, 1] * 3, list("abcdef"), lesion_id=list("xxyyzz"))
    assert [len(held) for _, held in folds(in_threes, k=3)] == [2, 2, 2]


def test_why_folds_cannot_be_made_is_told():
    with pytest.raises(DataError, match=r"Received: 4 groups, at most 2 images of a class\.$"):
        folds(singletons(2, 2), k=3)
    nothing = singletons(2, 2)[:0]
    with pytest.raises(DataError, match=r"Received: 0 groups, at most 0 images of a class\.$"):
        folds(nothing, k=2)


def test_classes_with_few_groups_are_named(caplog):
    folds(singletons(9, 3, 2), k=4)
    (record,) = caplog.records
    assert record.getMessage() == (
        "folds: classes with fewer groups than the 4 folds lack images in some: melanoma (3), keratosis (2)"
    )
