"""Pictures, lesions and patients in more than one split."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.checks.leakage import leakage
from lesionkit.data.records import SPLITS, Records
from lesionkit.data.survey import Survey

COLUMNS = {"same_bytes": "picture_id", "same_lesion": "lesion_id", "same_patient": "patient_id"}
few = st.none() | st.sampled_from("abc")


def records_of(split, **columns):
    count = len(split)
    source = [f"/data/{one or 'all'}/{row}.jpg" for row, one in enumerate(split)]
    return Records(
        ("nevus", "melanoma"), source, [0] * count, [f"ISIC_{row}" for row in range(count)], split, **columns
    )


def found_in(records):
    return leakage(records, Survey((), np.zeros((len(records), 64, 64, 3), dtype=np.uint8)))


def pair_of(found, later, earlier):
    return next(pair for pair in found.figures["pairs"] if (pair["later"], pair["earlier"]) == (later, earlier))


def test_each_kind_is_found_and_names_both_sides():
    found = found_in(
        records_of(
            ["train", "train", "train", "train", "test", "test", "test", "test", "test"],
            picture_id=["a", "b", "c", "d", "a", "e", "f", "g", "h"],
            copy_id=["a", "b", "c", "d", "a", "b", "f", "g", "h"],
            lesion_id=[None, None, "l", None, None, None, "l", None, None],
            patient_id=[None, None, None, "m", None, None, None, "m", "n"],
        )
    )
    assert [item.kind for item in found.found] == ["same_bytes", "near_copy", "same_lesion", "same_patient"]
    assert [item.sources for item in found.found] == [
        (f"/data/test/{row + 4}.jpg", f"/data/train/{row}.jpg") for row in range(4)
    ]
    assert found.found[2].message == "Lesion l in test and in train: 6.jpg (test, nevus) and 2.jpg (train, nevus)."
    assert found.found[0].details == {
        "later": "test",
        "earlier": "train",
        "later_sources": ["/data/test/4.jpg"],
        "earlier_sources": ["/data/train/0.jpg"],
    }
    assert found.figures["pairs"] == [
        {
            "later": "test",
            "earlier": "train",
            "images": 5,
            "same_bytes": 1,
            "near_copy": 1,
            "same_lesion": 1,
            "same_patient": 1,
            "any": 4,
        }
    ]
    assert "4 of the 5 images in test" in found.summary
    assert "Lesions are known for 2 of 9 images." in found.summary


def test_the_union_counts_an_image_once_and_equal_files_are_no_near_copies():
    found = found_in(
        records_of(
            ["train", "test", "test"], picture_id=["a", "a", "a"], copy_id=["a", "a", "a"], lesion_id=["l", "l", None]
        )
    )
    pair = pair_of(found, "test", "train")
    assert (pair["same_bytes"], pair["near_copy"], pair["same_lesion"], pair["any"]) == (2, 0, 1, 2)


def test_an_image_can_have_an_equal_file_and_a_near_copy():
    found = found_in(records_of(["train", "train", "test"], picture_id=["a", "b", "a"], copy_id=["c", "c", "c"]))
    assert [(item.kind, item.sources[1]) for item in found.found] == [
        ("same_bytes", "/data/train/0.jpg"),
        ("near_copy", "/data/train/1.jpg"),
    ]


def test_copies_whose_bytes_are_unknown_are_found():
    assert [item.kind for item in found_in(records_of(["train", "test"], copy_id=["c", "c"])).found] == ["near_copy"]


def test_what_is_unknown_is_said_and_not_counted_as_none():
    found = found_in(records_of(["train", "test"], picture_id=["a", "b"], copy_id=["a", "b"]))
    pair = pair_of(found, "test", "train")
    assert pair["same_lesion"] is None
    assert pair["same_patient"] is None
    assert pair["same_bytes"] == 0
    assert found.figures["known"] == {"picture_id": 2, "copy_id": 2, "lesion_id": 0, "patient_id": 0}
    assert "Lesions are unknown. Patients are unknown." in found.summary


def test_every_pair_of_splits_is_told_with_the_images_of_the_later_one():
    found = found_in(records_of(["validation", "train", "test", "train"], lesion_id=["l", "l", "l", "l"]))
    assert [(pair["later"], pair["earlier"], pair["any"]) for pair in found.figures["pairs"]] == [
        ("test", "train", 1),
        ("test", "validation", 1),
        ("validation", "train", 1),
    ]
    assert found.found[0].sources[:2] == ("/data/test/2.jpg", "/data/train/1.jpg")


def test_it_says_when_there_is_nothing_to_compare():
    for split in ([], ["", ""], ["train", "train"], ["", "test"]):
        found = found_in(records_of(split, picture_id=["a"] * len(split)))
        assert found.summary.startswith("Nothing to compare")
        assert not found.found
        assert found.figures == {"pairs": []}
    assert "all images are in train" in found_in(records_of(["train"])).summary


def test_images_without_a_split_are_left_out_and_counted():
    found = found_in(records_of(["train", "test", ""], picture_id=["a", "b", "b"]))
    assert not found.found
    assert found.figures["without_split"] == 1
    assert "1 images name no split" in found.summary


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("", *SPLITS)), few, few, few, few), max_size=10))
def test_the_figures_count_what_comparing_each_two_images_finds(rows):
    split, picture, copy, lesion, patient = zip(*rows, strict=True) if rows else ((),) * 5
    columns = {"picture_id": picture, "copy_id": copy, "lesion_id": lesion, "patient_id": patient}
    found = found_in(records_of(split, **columns))
    for pair in found.figures["pairs"]:
        behind = [row for row, one in enumerate(split) if one == pair["later"]]
        ahead = [row for row, one in enumerate(split) if one == pair["earlier"]]
        assert pair["images"] == len(behind)

        def alike(column, row, other):
            return column[row] is not None and column[row] == column[other]

        hit = {
            kind: {row for row in behind if any(alike(columns[name], row, other) for other in ahead)}
            for kind, name in COLUMNS.items()
        }
        hit["near_copy"] = {
            row for row in behind if any(alike(copy, row, other) and not alike(picture, row, other) for other in ahead)
        }
        for kind, images in hit.items():
            assert (pair[kind] or 0) == len(images)
            told = {
                source
                for item in found.found
                if item.kind == kind and item.details["earlier"] == pair["earlier"]
                for source in item.details["later_sources"]
                if item.details["later"] == pair["later"]
            }
            assert told == {f"/data/{split[row]}/{row}.jpg" for row in images}
        assert pair["any"] == len(set().union(*hit.values()))
    json.dumps(found.figures)
