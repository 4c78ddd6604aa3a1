"""Edges of metrics, splits and records that mutation testing found untested; mutation.md says how."""

import numpy as np
import pytest

from lesionkit.data.records import Records, Skipped
from lesionkit.data.splits import folds, split
from lesionkit.errors import DataError
from lesionkit.metrics import classification
from lesionkit.metrics.intervals import resampling

TWO = np.array([[0.7, 0.3], [0.2, 0.8]])


def singletons(*counts):
    label = np.repeat(np.arange(len(counts)), counts)
    names = [f"{number}.jpg" for number in range(len(label))]
    return Records(("nevus", "melanoma", "keratosis")[: len(counts)], names, label, names, ["train"] * len(names))


def test_an_interval_leaves_out_as_much_at_either_end():
    values = np.arange(1001.0)
    assert resampling.interval(values) == pytest.approx((25, 975))
    assert resampling.interval(values, 0.5) == pytest.approx((250, 750))


def test_2000_resamples_of_seed_0_are_the_default():
    labels, groups = np.array([0, 1, 0, 1]), np.arange(4)
    found = resampling.bootstrap(labels, np.tile(TWO, (2, 1)), groups=groups)
    asked = resampling.bootstrap(labels, np.tile(TWO, (2, 1)), groups=groups, resamples=2000, seed=0)
    other = resampling.bootstrap(labels, np.tile(TWO, (2, 1)), groups=groups, seed=1)
    np.testing.assert_array_equal(found, asked)
    assert not np.array_equal(found, other, equal_nan=True)


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


def grouped(*sizes):
    """One class for each list of sizes, in lesions of so many images."""
    lesions = [(label, f"{label}-{n}", size) for label, many in enumerate(sizes) for n, size in enumerate(many)]
    label, lesion = zip(*((label, lesion) for label, lesion, size in lesions for _ in range(size)), strict=True)
    names = [str(number) for number in range(len(label))]
    return Records(
        ("nevus", "melanoma", "keratosis")[: len(sizes)], names, label, names, ["train"] * len(names), lesion_id=lesion
    )


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


def test_class_names_are_kept_as_a_tuple():
    assert Records(["nevus", "melanoma"], ["a"], [0], ["a"]).class_names == ("nevus", "melanoma")


def test_what_is_asked_of_rows_holds_all_at_once():
    records = singletons(3, 3)
    assert records.where(label="melanoma", image_id=["0.jpg", "4.jpg"]).source.tolist() == ["4.jpg"]
    assert len(records.where(split="test", label="melanoma", image_id="4.jpg")) == 0


def test_a_table_of_images_is_told_whole():
    records = Records(
        ("a", "b"),
        ["1.jpg", "2.jpg", "3.jpg"],
        [0, 1, -1],
        ["1", "2", "3"],
        split=["", "train", ""],
        picture_id=["p", None, None],
        lesion_id=["l", "l", None],
        name="mine",
        skipped=(Skipped("4.jpg", "empty"),),
    )
    assert repr(records) == (
        "Records(mine: 3 images, 2 classes; no split 1, train 1)\n"
        "    0  a: no split 1, train 0\n"
        "    1  b: no split 0, train 1\n"
        "  known: picture_id of 1, lesion_id of 2\n"
        "  1 without a label\n"
        "  1 left out"
    )
    head = "<tr><th>class</th><th>no split</th><th>train</th></tr>"
    assert head in records._repr_html_()
    assert records._repr_html_().endswith("</table><p>1 left out</p>")


def test_nothing_is_told_of_what_there_is_not():
    records = Records(("a", "b"), [], [], [])
    assert repr(records) == "Records(records: 0 images, 2 classes; none)\n    0  a: \n    1  b: "
    assert records._repr_html_().endswith("</table>")
