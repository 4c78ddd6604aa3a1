"""Label patches: what is suggested, what a person may write, and that no scored image is ever touched."""

import csv
import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionkit.auditing.patches import ACTIONS, COLUMNS, Change, apply_patch, read_patch, relative_paths, write_patch
from lesionkit.auditing.suggestions import POLICIES, suggest_patch
from lesionkit.data.records import Records
from lesionkit.errors import DataError, OptionError

CLASSES = ("actinic keratosis", "melanoma", "nevus", "seborrheic keratosis")
AK, MEL, NV, SK = range(4)


def records_of(rows, **columns):
    """Records of (label, split, picture) rows, in folders as the nine-class set has them."""
    label, split, picture = zip(*rows, strict=True)
    source = [
        f"/data/{side or 'all'}/{CLASSES[place]}/ISIC_{number:07d}.jpg"
        for number, (place, side) in enumerate(zip(label, split, strict=True))
    ]
    image_id = [path[-16:-4] for path in source]
    return Records(CLASSES, source, label, image_id, split, picture, **columns)


def plain(*extra, each=3):
    """A few unsuspicious training images of each class, then the given rows."""
    return [(label, "train", f"own {label} {number}") for label in range(4) for number in range(each)] + list(extra)


def actions(records, **options):
    return {change.path.split("/")[-1]: change for change in suggest_patch(records, **{"min_per_class": 1, **options})}


def test_nothing_is_suggested_where_nothing_is_wrong():
    assert suggest_patch(records_of(plain()), min_per_class=1) == ()


def test_a_copy_of_a_scored_image_is_to_be_dropped_whatever_its_label():
    records = records_of(plain((NV, "train", "x"), (AK, "test", "x"), (AK, "train", "y"), (AK, "validation", "y")))
    found = actions(records)
    assert {name: change.action for name, change in found.items()} == {
        "ISIC_0000012.jpg": "drop",
        "ISIC_0000014.jpg": "drop",
    }
    assert "same bytes as test/actinic keratosis/ISIC_0000013.jpg" in found["ISIC_0000012.jpg"].evidence


def test_the_label_that_the_diagnosis_fits_alone_is_kept():
    rows = plain((NV, "train", "x"), (AK, "train", "x"))
    told = [None] * 12 + ["ham10000:akiec"] * 2
    found = actions(records_of(rows, diagnosis=told, confirmed_by=[None] * 12 + ["histo"] * 2), policy="drop_both")
    assert found["ISIC_0000012.jpg"].action == "drop"
    assert found["ISIC_0000013.jpg"].action == "keep"
    evidence = found["ISIC_0000012.jpg"].evidence
    assert "same bytes as" in evidence
    assert "ham10000 says akiec, confirmed by histo" in evidence


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("keep", ["keep", "keep"]), ("drop_both", ["drop", "drop"]), ("prefer_rarer", ["drop", "keep"])],
)
def test_a_policy_decides_where_nothing_else_does(policy, expected):
    rows = plain((MEL, "train", "x"), (SK, "train", "x"), (MEL, "train", "more"))
    found = actions(records_of(rows), policy=policy)
    assert [found[f"ISIC_{number:07d}.jpg"].action for number in (12, 13)] == expected
    assert policy in found["ISIC_0000012.jpg"].evidence


def test_equal_files_under_one_label_are_needed_once_and_near_copies_are_left_to_the_reader():
    rows = plain((NV, "train", "x"), (NV, "train", "x"), (NV, "train", "y"))
    copies = [None] * 12 + ["c", "c", "c"]
    found = actions(records_of(rows, copy_id=copies))
    assert "ISIC_0000012.jpg" not in found
    assert found["ISIC_0000013.jpg"].action == "drop"
    assert found["ISIC_0000014.jpg"].action == "keep"
    assert "near copy of" in found["ISIC_0000014.jpg"].evidence


def test_a_label_that_the_diagnosis_excludes_is_relabelled_where_one_class_fits():
    rows = plain((NV, "train", "x"), (NV, "train", "y"), (AK, "train", "z"))
    told = [None] * 12 + ["ham10000:mel", "ham10000:vasc", "ham10000:akiec"]
    found = actions(records_of(rows, diagnosis=told))
    assert (found["ISIC_0000012.jpg"].action, found["ISIC_0000012.jpg"].suggested_label) == ("relabel", "melanoma")
    assert found["ISIC_0000013.jpg"].action == "keep"
    assert "no class of this set" in found["ISIC_0000013.jpg"].evidence
    assert "ISIC_0000014.jpg" not in found


def test_a_policy_that_empties_a_class_is_refused_with_what_each_policy_leaves():
    rows = plain(*[(label, "train", f"both {n}") for n in range(20) for label in (MEL, SK)], each=2)
    records = records_of(rows)
    with pytest.raises(OptionError) as raised:
        suggest_patch(records, policy="drop_both", min_per_class=10)
    text = str(raised.value)
    assert "2 of seborrheic keratosis" in text
    assert "keep: enough of each" in text
    assert "prefer_rarer: 2 of" in text
    assert suggest_patch(records, policy="drop_both", min_per_class=2)


def test_an_unknown_policy_is_refused():
    with pytest.raises(OptionError, match="keep, drop_both, prefer_rarer"):
        suggest_patch(records_of(plain()), policy="drop")


@st.composite
def conflicted(draw):
    row = st.tuples(
        st.integers(0, 3), st.sampled_from(["", "train", "validation", "test"]), st.sampled_from([None, *"abcdef"])
    )
    rows = [*((label, "train", None) for label in range(4)), *draw(st.lists(row, max_size=25))]
    codes = st.sampled_from([None, "ham10000:akiec", "ham10000:mel", "ham10000:nv", "ham10000:bkl", "ham10000:vasc"])
    return records_of(
        rows, diagnosis=[None] * 4 + draw(st.lists(codes, min_size=len(rows) - 4, max_size=len(rows) - 4))
    )


@given(conflicted(), st.sampled_from(POLICIES))
def test_scored_images_never_change(records, policy):
    patched = apply_patch(records, suggest_patch(records, policy=policy, min_per_class=0))
    for side in ("test", "validation"):
        before, after = records.where(split=side), patched.where(split=side)
        np.testing.assert_array_equal(before.source, after.source)
        np.testing.assert_array_equal(before.label, after.label)
    assert set(patched.source) <= set(records.source)


@given(conflicted(), st.sampled_from(POLICIES))
def test_every_row_is_about_one_training_image_and_says_why(records, policy):
    changes = suggest_patch(records, policy=policy, min_per_class=0)
    sides = dict(zip(relative_paths(records), records.split, strict=True))
    assert all(sides[change.path] in ("", "train") for change in changes)
    assert all(change.action in ACTIONS and change.evidence for change in changes)
    assert max(Counter(change.path for change in changes).values(), default=1) == 1


@given(conflicted())
def test_nothing_is_left_to_drop_once_a_patch_was_applied(records):
    patched = apply_patch(records, suggest_patch(records, policy="prefer_rarer", min_per_class=0))
    again = suggest_patch(patched, policy="prefer_rarer", min_per_class=0)
    assert [change for change in again if change.action == "drop"] == []


@given(conflicted(), st.sampled_from(POLICIES))
def test_the_table_holds_what_was_suggested(tmp_path_factory, records, policy):
    changes = suggest_patch(records, policy=policy, min_per_class=0)
    path = write_patch(changes, tmp_path_factory.mktemp("patch") / "labels.patch.csv")
    assert read_patch(path) == changes


def test_a_spreadsheet_may_have_been_at_it(tmp_path):
    records = records_of(plain((NV, "train", "x"), (NV, "train", "x")))
    changes = suggest_patch(records, min_per_class=1)
    path = write_patch(changes, tmp_path / "labels.patch.csv")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n"))
    assert read_patch(path) == changes
    assert len(apply_patch(records, path)) == len(records) - 1


GOOD = Change("train/nevus/ISIC_0000006.jpg", "ISIC_0000006", "nevus", "drop", "", "why")
OTHER = dataclasses.replace(GOOD, path="train/nevus/ISIC_0000007.jpg", image_id="ISIC_0000007")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "train/nevus/other.jpg"}, "no such image"),
        ({"action": "delete"}, "keep, drop, relabel"),
        ({"label_now": "melanoma"}, "filed under 'nevus'"),
        ({"action": "relabel", "suggested_label": "wart"}, "suggested_label is one of"),
        ({"path": "test/melanoma/ISIC_0000012.jpg", "label_now": "melanoma"}, "training images only"),
    ],
)
def test_a_row_that_cannot_be_applied_is_named(tmp_path, change, words):
    records = records_of(plain((MEL, "test", "x")))
    path = write_patch([GOOD, dataclasses.replace(OTHER, **change)], tmp_path / "mine.csv")
    with pytest.raises(DataError, match="row 3") as raised:
        apply_patch(records, path)
    assert words in str(raised.value)
    assert "mine.csv" in str(raised.value)


def test_two_rows_for_one_image_are_refused():
    with pytest.raises(DataError, match="second row"):
        apply_patch(records_of(plain((NV, "test", "x"))), [GOOD, GOOD])


def test_a_patch_cannot_empty_a_class():
    records = records_of(plain((NV, "test", "x"), each=1))
    change = Change("train/nevus/ISIC_0000002.jpg", "ISIC_0000002", "nevus", "drop")
    with pytest.raises(DataError, match="no training image of nevus"):
        apply_patch(records, [change])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Received: nothing"),
        (b"path,action\r\n", "Received: path, action"),
        (",".join(COLUMNS).encode() + b"\r\na,b\r\n", "row 2: 2 cells"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_file_that_is_no_patch_is_refused(tmp_path, content, words):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match="bad.csv") as raised:
        apply_patch(records_of(plain()), path)
    assert words in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="none.csv"):
        read_patch(tmp_path / "none.csv")


def test_the_table_opens_with_the_columns_that_are_promised(tmp_path):
    path = write_patch([GOOD], tmp_path / "p.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "image_id", "label_now", "action", "suggested_label", "evidence"]
