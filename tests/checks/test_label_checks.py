"""Labels that contradict each other, and labels that the metadata contradict."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.checks.label_conflicts import label_conflicts
from lesionkit.checks.metadata_disagreement import metadata_disagreement
from lesionkit.data import taxonomy
from lesionkit.data.records import Records
from lesionkit.data.survey import Survey
from lesionkit.datasets.isic_folder import isic_folder

CLASSES = ("actinic keratosis", "nevus", "squamous cell carcinoma", "toes")
few = st.none() | st.sampled_from("abc")


def records_of(label, **columns):
    label = [CLASSES.index(one) if isinstance(one, str) else one for one in label]
    source = [f"/data/Train/{number}.jpg" for number in range(len(label))]
    columns = {"split": ["train"] * len(label), **columns}
    return Records(CLASSES, source, label, [f"ISIC_{number}" for number in range(len(label))], **columns)


def surveyed(records):
    return Survey((), np.zeros((len(records), 64, 64, 3), dtype=np.uint8))


def conflicts(records):
    return label_conflicts(records, surveyed(records))


def disagreements(records):
    return metadata_disagreement(records, surveyed(records))


def test_one_picture_under_two_labels_is_a_finding_with_both_files():
    records = records_of(
        ["nevus", "nevus", "actinic keratosis", "nevus"],
        picture_id=["p", "p", "p", "q"],
        split=["train", "train", "test", "train"],
    )
    found = conflicts(records)
    assert [item.kind for item in found.found] == ["picture_conflict"]
    item = found.found[0]
    assert set(item.sources) == {"/data/Train/0.jpg", "/data/Train/1.jpg", "/data/Train/2.jpg"}
    assert set(item.details["labels"][:2]) == {"nevus", "actinic keratosis"}
    assert item.details["same_bytes"] is True
    assert dict(zip(item.details["sources"], item.details["splits"], strict=True))["/data/Train/2.jpg"] == "test"
    assert "0.jpg (train, nevus)" in item.message
    assert "equal files" in item.message
    assert found.figures["pictures"] == {
        "groups": 1,
        "images": 3,
        "class_pairs": [{"classes": ["actinic keratosis", "nevus"], "groups": 1}],
    }
    assert found.figures["lesions"] is None
    assert "lesions are unknown" in found.summary


def test_near_copies_count_by_their_copy_and_others_by_their_bytes():
    found = conflicts(
        records_of(
            ["nevus", "actinic keratosis", "nevus", "squamous cell carcinoma"],
            picture_id=["p", "q", "r", "r"],
            copy_id=["c", "c", None, None],
        )
    )
    assert [item.details["same_bytes"] for item in found.found] == [False, True]
    assert "near copies" in found.found[0].message


def test_one_lesion_under_two_labels_is_a_finding_of_its_own():
    found = conflicts(records_of(["nevus", "actinic keratosis", "nevus"], lesion_id=["HAM_1", "HAM_1", "HAM_2"]))
    assert [item.kind for item in found.found] == ["lesion_conflict"]
    assert found.found[0].message.startswith("Lesion HAM_1 stands under 2 labels, actinic keratosis and nevus:")
    assert found.figures["lesions"]["groups"] == 1
    assert found.figures["pictures"] is None


def test_labels_that_are_equal_or_missing_do_not_conflict():
    found = conflicts(records_of(["nevus", "nevus", -1], picture_id=["p"] * 3, lesion_id=["l"] * 3))
    assert not found.found
    assert found.summary == "0 pictures (0 images) under different labels; 0 lesions (0 images) under different labels."


def test_a_long_group_is_cut_in_the_message_and_whole_in_the_sources():
    item = conflicts(records_of(["nevus"] * 20 + ["actinic keratosis"], picture_id=["p"] * 21)).found[0]
    assert item.message.endswith("and 15 more.")
    assert len(item.sources) == 21


def test_a_name_that_is_no_text_is_shown_and_kept():
    name = os.fsdecode(b"/data/caf\xe9.jpg")
    records = Records(CLASSES, [name, "/data/b.jpg"], [0, 1], ["a", "b"], picture_id=["p", "p"])
    item = conflicts(records).found[0]
    assert name in item.sources
    assert r"caf\udce9.jpg" in item.message
    json.dumps(dict(item.details)).encode("utf-8")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 3), few, few, few), max_size=10))
def test_every_image_that_shares_a_picture_with_another_label_is_found_and_no_other(rows):
    label, picture, copy, lesion = zip(*rows, strict=True) if rows else ((),) * 4
    records = records_of(label, picture_id=picture, copy_id=copy, lesion_id=lesion)
    found = conflicts(records)
    for kind, shared in (
        ("picture_conflict", [(one, two) if one is None else (one,) for one, two in zip(copy, picture, strict=True)]),
        ("lesion_conflict", lesion),
    ):
        values = [one[-1] if isinstance(one, tuple) else one for one in shared]
        expected = {
            records.source[row]
            for row in range(len(rows))
            for other in range(len(rows))
            if values[row] is not None
            and values[row] == values[other]
            and min(label[row], label[other]) >= 0
            and label[row] != label[other]
        }
        among = [item for item in found.found if item.kind == kind]
        touched = {source for item in among for source in item.sources}
        assert expected <= touched
        assert all(len(set(item.details["labels"][:2])) == 2 for item in among)
        groups = {values[list(records.source).index(source)] for source in expected}
        assert len(among) == len(groups)
    json.dumps(found.figures)


def test_a_diagnosis_that_excludes_the_label_is_found_with_how_it_was_confirmed():
    records = records_of(
        ["nevus", "actinic keratosis", "squamous cell carcinoma", "nevus", "toes", -1, "nevus"],
        diagnosis=[*["ham10000:akiec"] * 3, None, "ham10000:nv", "ham10000:nv", "ham10000:xyz"],
        confirmed_by=["histo", *[None] * 6],
    )
    found = disagreements(records)
    assert [item.sources for item in found.found] == [("/data/Train/0.jpg",)]
    assert found.found[0].kind == "metadata_disagreement"
    assert found.found[0].message == (
        "0.jpg (train, nevus): ham10000 says akiec (actinic keratosis or squamous cell carcinoma in situ), "
        "confirmed by histopathology."
    )
    assert found.figures["compared"] == 3
    assert found.figures["disagreeing"] == 1
    assert found.figures["not_comparable"] == {
        "no diagnosis was joined": 1,
        "the class has a name that no collection uses": 1,
        "the diagnosis has no known meaning": 1,
        "the image has no label": 1,
    }
    assert {"class": "nevus", "diagnosis": "ham10000:akiec", "images": 1, "agree": False} in found.figures["pairs"]
    assert "1 of the 3 images" in found.summary
    assert "4" not in found.summary.split("Not compared")[0]
    json.dumps(found.figures)


def test_how_it_was_confirmed_stays_in_the_tables_words_where_they_are_words():
    records = records_of(
        ["nevus", "nevus"],
        diagnosis=["isic_archive:Melanoma in situ", "isic_archive:Melanoma in situ"],
        confirmed_by=["histopathology", None],
    )
    with_how, without = disagreements(records).found
    assert with_how.message.endswith("(melanoma in situ), confirmed by histopathology.")
    assert without.message.endswith("(melanoma in situ).")
    assert without.details["confirmed_by"] is None


def test_benign_against_malignant_comes_first():
    records = records_of(
        ["actinic keratosis", "nevus"], diagnosis=["isic2018:NV", "isic2018:BCC"], confirmed_by=[None, None]
    )
    assert [item.details["class"] for item in disagreements(records).found] == ["nevus", "actinic keratosis"]


def test_it_says_when_there_is_nothing_to_compare():
    assert disagreements(records_of(["nevus"])).summary.startswith("No diagnosis was joined")
    assert disagreements(records_of([])).summary.startswith("No diagnosis was joined")
    apart = disagreements(records_of(["toes"], diagnosis=["ham10000:nv"]))
    assert apart.summary == (
        "No label could be compared with a diagnosis: 1 because the class has a name that no collection uses."
    )
    odd = disagreements(records_of(["nevus", "nevus"], diagnosis=["melanoma", "nowhere:mel"]))
    assert odd.figures["not_comparable"] == {"the diagnosis has no known meaning": 2}
    assert "exclude." in disagreements(records_of(["nevus"], diagnosis=["ham10000:nv"])).summary


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-1, 3),
            st.none() | st.sampled_from(["ham10000:akiec", "isic2019:SCC", "isic2020:unknown", "isic2024:1", "odd"]),
        )
    )
)
def test_each_image_is_compared_or_told_why_not_and_only_disjoint_meanings_disagree(rows):
    label, diagnosis = zip(*rows, strict=True) if rows else ((), ())
    found = disagreements(records_of(label, diagnosis=diagnosis))
    figures = found.figures
    assert figures["compared"] + sum(figures["not_comparable"].values()) == len(rows)
    expected = {
        f"/data/Train/{row}.jpg"
        for row, (place, told) in enumerate(rows)
        if place >= 0
        and told is not None
        and not taxonomy.agree(taxonomy.of_class(CLASSES[place]), taxonomy.meaning(*(told + ":").split(":")[:2]))
    }
    assert {source for item in found.found for source in item.sources} == expected
    assert figures["disagreeing"] == len(found) == len(expected)


def test_the_nine_class_folder_calls_76_keratoses_nevi(nine_class):
    found = disagreements(nine_class)
    assert found.figures["compared"] == 1514
    assert [pair for pair in found.figures["pairs"] if not pair["agree"]] == [
        {"class": "nevus", "diagnosis": "ham10000:akiec", "images": 76, "agree": False}
    ]
    assert {item.details["confirmed_by"] for item in found.found} == {"histopathology"}


def test_the_lesions_of_the_nine_class_folder_conflict_in_one_pair_of_classes(nine_class):
    assert conflicts(nine_class).figures["lesions"] == {
        "groups": 60,
        "images": 167,
        "class_pairs": [{"classes": ["actinic keratosis", "nevus"], "groups": 60}],
    }


@pytest.fixture(scope="module")
def nine_class(real_data, nine_class_folder):
    import csv

    with (real_data / "HAM10000_metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = {
        "image_id": [row["image_id"] for row in rows],
        "lesion_id": [row["lesion_id"] for row in rows],
        "diagnosis": [f"ham10000:{row['dx']}" for row in rows],
        "confirmed_by": [row["dx_type"] for row in rows],
    }
    return isic_folder(nine_class_folder).join(table)
