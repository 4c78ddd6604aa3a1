"""What a forest that sees no lesion gives away: planted shortcuts, their absence, groups, order."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lesionkit.checks.shortcuts import shortcuts
from lesionkit.data.records import Records
from lesionkit.data.shortcut_forest import FAMILIES, shortcut_probabilities
from lesionkit.data.survey import Look, Survey
from lesionkit.errors import DataError, ImageError, OptionError, UnreadableImagesError

NAMES = ("nevus", "melanoma", "keratosis")


@pytest.fixture(scope="module", autouse=True)
def fewer_trees():
    """Forests that are fitted sooner: what is asked of them here does not depend on their size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesionkit.data.shortcut_forest._TREES", 15)
        yield


def made(labels, *, border=None, ids=None, split=None, **columns):
    """Records and their survey: all images alike but for ``border``, ``ids`` and Look's ``columns``, one for each."""
    count = len(labels)
    thumbnails = np.full((count, 64, 64, 3), 128, dtype=np.uint8)
    if border is not None:
        thumbnails[:] = np.asarray(border, dtype=np.uint8)[:, None, None, None]
        thumbnails[:, 8:-8, 8:-8] = 128
    looks = [
        Look(f"{row:064}", 5000, None, "JPEG", "RGB", 600, 450, "t", thumbnails[row])._replace(
            **{name: values[row] for name, values in columns.items()}
        )
        for row in range(count)
    ]
    source = [f"/data/{row}.jpg" for row in range(count)]
    ids = ["x"] * count if ids is None else ids
    return Records(NAMES, source, labels, ids, split), Survey(tuple(looks), thumbnails)


def some_labels(count=90, seed=0):
    return np.random.default_rng(seed).permutation(np.arange(count) % 3)


def noise(count, seed=1):
    return np.random.default_rng(seed).integers(0, 256, count)


def planted(family, labels, random):
    """What tells ``labels`` through one family alone, as options of ``made``."""
    count = len(labels)
    return {
        "image_number": {"ids": [f"ISIC_{1000 * label + random.integers(900):07}" for label in labels]},
        "file_size": {"bytes": 4000 + 900 * labels + random.integers(0, 300, count)},
        "dimensions": {"width": 600 + 100 * labels},
        "encoding": {"tables": [f"software {label}" for label in labels]},
        "border_colour": {"border": 40 + 60 * labels + random.integers(0, 20, count)},
    }[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_planted_shortcut_is_the_finding_and_shuffled_labels_give_none(family):
    labels = some_labels()
    options = planted(family, labels, np.random.default_rng(2))
    found = shortcuts(*made(labels, **options))
    (only,) = found.found
    assert (only.kind, only.details["family"], only.sources) == ("shortcut", family, ())
    assert only.details["balanced_accuracy"] > 0.95
    assert only.details["per_class"]["melanoma"]["recall"] > 0.95
    assert list(found.figures["families"]) == [family]
    assert f"The {family.replace('_', ' ')} alone tells" in only.message
    assert "recall 1.00, 0.00 of the others called so" in only.message
    json.dumps([found.figures, only.details])
    assert not shortcuts(*made(np.random.default_rng(3).permutation(labels), **options)).found


def test_families_are_told_apart_and_constant_features_named():
    labels = some_labels(60)
    found = shortcuts(*made(labels, bytes=4000 + 900 * labels, width=500 + noise(60)))
    figures = found.figures
    assert list(figures["families"]) == ["file_size", "dimensions", "all"]
    assert [figures["families"][family]["above_chance"] for family in figures["families"]] == [True, False, True]
    assert figures["constant"] == ["number", "height", "format", "mode", "tables", *FAMILIES["border_colour"]]
    assert "Equal in all images: number, height" in found.summary
    assert (figures["chance"], figures["majority"], figures["groups"]) == (1 / 3, 1 / 3, 60)


def test_a_group_never_tells_its_own_label():
    labels = np.repeat(some_labels(45), 4)
    records, surveyed = made(labels, ids=[f"{row // 4}" for row in range(180)])
    assert [one.kind for one in shortcuts(records, surveyed).found] == ["shortcut"]
    for column in ("picture_id", "copy_id", "lesion_id", "patient_id"):
        grouped = dataclasses.replace(records, **{column: [f"g{row // 4}" for row in range(180)]})
        found = shortcuts(grouped, surveyed)
        assert (found.found, found.figures["groups"]) == ((), 45)


def test_images_in_test_are_not_looked_at_but_link_groups():
    labels = some_labels(60)
    split = ["test" if row % 4 == 3 else "train" for row in range(60)]
    records, surveyed = made(labels, split=split, bytes=noise(60))
    assert shortcuts(records, surveyed).figures["images"] == 45
    linked = dataclasses.replace(
        records, lesion_id=[f"l{row // 4}" if row % 4 in (0, 3) else None for row in range(60)],
        patient_id=[f"p{row // 4}" if row % 4 in (1, 3) else None for row in range(60)],
    )  # fmt: skip
    assert shortcuts(linked, surveyed).figures["groups"] == 30


def test_unreadable_images_and_those_without_a_label_are_left_out():
    labels = some_labels(60)
    labels[:3] = -1
    errors = [ImageError("x", "damaged") if row in (5, 6) else None for row in range(60)]
    records, surveyed = made(labels, error=errors, bytes=noise(60))
    assert shortcuts(records, surveyed).figures["images"] == 55


@pytest.mark.parametrize(
    ("labels", "left_out"),
    [([], []), ([0], ["nevus"]), ([0, 1, 2], list(NAMES)), ([0] * 30, []), ([0] * 30 + [1] * 4, ["melanoma"])],
)
def test_too_few_are_said(labels, left_out):
    found = shortcuts(*made(labels, bytes=noise(len(labels))))
    assert found.summary.startswith("Could not be checked")
    assert (found.found, found.figures["classes_left_out"]) == ((), left_out)


def test_images_of_one_lesion_are_one_group_and_too_few():
    records, surveyed = made([0] * 20 + [1] * 20, bytes=noise(40))
    records = dataclasses.replace(records, lesion_id=["a"] * 20 + [None] * 20)
    assert shortcuts(records, surveyed).figures["classes_left_out"] == ["nevus"]


def test_a_small_class_is_left_out_of_the_others():
    labels = np.array([0] * 20 + [1] * 20 + [2] * 4)
    found = shortcuts(*made(labels, bytes=1000 * (labels == 0) + noise(44)))
    assert (found.figures["chance"], found.figures["images"], len(found)) == (1 / 2, 40, 1)
    assert "fewer than 5 groups: keratosis" in found.summary


@pytest.mark.parametrize("labels", [[0, 1] * 5, [0] * 5 + [1] * 50, [0, 1, 2] * 5])
def test_the_smallest_sets_are_scored(labels):
    assert "file_size" in shortcuts(*made(labels, bytes=noise(len(labels)))).figures["families"]


def test_every_group_of_both_classes_is_scored():
    records, surveyed = made([0, 1] * 5, bytes=noise(10))
    records = dataclasses.replace(records, lesion_id=[f"{row // 2}" for row in range(10)])
    assert shortcuts(records, surveyed).figures["groups"] == 5


def test_images_that_are_alike_have_nothing_to_tell():
    found = shortcuts(*made(some_labels(30)))
    assert (found.found, found.figures["families"]) == ((), {})
    assert "equal in all" in found.summary


@settings(deadline=None, max_examples=3, phases=[Phase.generate])  # shrinking would fit forests for minutes
@given(st.permutations(range(36)))
def test_the_order_of_the_rows_changes_no_figure(order):
    records, surveyed = made(some_labels(36), bytes=noise(36))
    records = dataclasses.replace(records, lesion_id=[f"{row // 2}" for row in range(36)])
    found = shortcuts(records[order], surveyed[order])
    assert found == shortcuts(records, surveyed)


def test_the_seed_decides():
    records, surveyed = made(some_labels(36), bytes=noise(36))
    first, second, other = (shortcuts(records, surveyed, seed=seed).figures for seed in (1, 1, 2))
    assert first == second != other


def test_probabilities_are_those_of_the_planted_class():
    labels = some_labels(60)
    train, test = made(labels, bytes=4000 + 900 * labels, ids=noise(60).astype(str)), made([0, 1, 2, -1])
    looks = [one._replace(bytes=size) for one, size in zip(test[1].looks, (4000, 4900, 5800, 4900), strict=True)]
    found = shortcut_probabilities(*train, test[0], Survey(tuple(looks), test[1].thumbnails))
    assert (found.shape, found.dtype) == ((4, 3), np.float64)
    assert list(found.argmax(axis=1)) == [0, 1, 2, 1]
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_probabilities_do_not_depend_on_the_order_nor_on_the_other_test_images():
    train, test = made(some_labels(40), bytes=noise(40)), made(some_labels(9), bytes=noise(9, seed=5))
    found = shortcut_probabilities(*train, *test, seed=3)
    order = np.random.default_rng(0).permutation(40)
    again = shortcut_probabilities(train[0][order], train[1][order], test[0][[4, 2]], test[1][[4, 2]], seed=3)
    np.testing.assert_array_equal(again, found[[4, 2]])


def test_a_class_without_training_images_has_no_probability():
    train, test = made([0, 2] * 10, bytes=noise(20)), made([1, 1], bytes=noise(2))
    found = shortcut_probabilities(*train, *test)
    assert list(found[:, 1]) == [0, 0]
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_text_that_training_never_had_is_answered():
    train, test = made([0, 1] * 10, tables=["a", "b"] * 10), made([0], tables=["c"], ids=["9" * 400])
    assert shortcut_probabilities(*train, *test).sum() == pytest.approx(1)


@pytest.mark.parametrize("labels", [[1], [0, 1, 2]])
def test_alike_training_images_and_no_test_images_are_answered(labels):
    train = made(labels)
    assert shortcut_probabilities(*train, *made([0, 1])).sum() == pytest.approx(2)
    assert shortcut_probabilities(*train, *made([])).shape == (0, 3)


def test_what_cannot_be_asked_is_refused():
    train, test = made([0, 1] * 5), made([0], error=[ImageError("x.jpg", "damaged")])
    with pytest.raises(UnreadableImagesError, match="x.jpg"):
        shortcut_probabilities(*train, *test)
    with pytest.raises(DataError, match="no readable, labelled image"):
        shortcut_probabilities(*made([-1, -1]), *train)
    with pytest.raises(OptionError, match="seed"):
        shortcut_probabilities(*train, *train, seed=-1)
    with pytest.raises(OptionError, match="seed"):
        shortcuts(*train, seed=0.5)
