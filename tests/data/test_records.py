"""Selecting, counting, joining and grouping records."""

import html
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionkit.data.records import GROUPS, SPLITS, Records, Skipped
from lesionkit.errors import DataError, OptionError

CLASSES = ("nevus", "melanoma", "a keratosis")
COLUMNS = ("source", "label", "split", "image_id", "picture_id", "lesion_id", "patient_id")
few = st.none() | st.sampled_from("abcdef")


@st.composite
def some_records(draw, least=0, most=12):
    rows = draw(
        st.lists(
            st.tuples(st.integers(-1, 2), st.sampled_from(("", *SPLITS)), st.sampled_from("uvwxyz"), few, few, few),
            min_size=least,
            max_size=most,
        )
    )
    label, split, image, picture, lesion, patient = zip(*rows, strict=True) if rows else ((),) * 6
    return Records(
        class_names=CLASSES,
        source=[f"{number}.jpg" for number in range(len(rows))],
        label=label,
        image_id=image,
        split=split,
        picture_id=picture,
        lesion_id=lesion,
        patient_id=patient,
    )


def rows_of(records):
    return list(records)


def small(**columns):
    given_columns = {"source": ["a.jpg", "b.jpg", "c.jpg"], "label": [0, 1, -1], "image_id": ["a", "b", "c"]}
    return Records(**{"class_names": CLASSES, **given_columns, **columns})


def test_a_row_is_told_with_its_class_name():
    records = small(split=["train", "test", ""], lesion_id=["l", None, None])
    assert [row.label for row in records] == ["nevus", "melanoma", None]
    assert records.record(0)[:7] == ("a.jpg", "nevus", "train", "a", None, "l", None)
    assert len(records) == 3


def test_what_is_left_out_is_unknown():
    records = small()
    assert list(records.split) == ["", "", ""]
    assert all(value is None for name in GROUPS for value in getattr(records, name))


def test_a_path_becomes_text(tmp_path):
    assert list(small(source=[tmp_path / "a", tmp_path / "b", "c"]).source) == [f"{tmp_path}/a", f"{tmp_path}/b", "c"]


@pytest.mark.parametrize("missing", ["", float("nan"), np.float32("nan")])
def test_missing_identities_are_unknown_and_link_nothing(missing):
    records = small(lesion_id=[missing, missing, "x"])
    assert list(records.lesion_id) == [None, None, "x"]
    assert len(set(records.groups())) == 3


def selection(records, choice):
    """What ``where`` is asked for, as (its argument, a test of one row)."""
    name, values = choice
    return {name: values}, lambda row: getattr(row, name) in values


choices = st.one_of(
    st.tuples(st.just("split"), st.sets(st.sampled_from(("", *SPLITS)))),
    st.tuples(st.just("label"), st.sets(st.sampled_from(CLASSES))),
    st.tuples(st.just("image_id"), st.sets(st.sampled_from("uvwxyz?"))),
)


@given(some_records(), choices)
def test_where_and_its_complement_part_the_records(records, choice):
    asked, holds = selection(records, choice)
    chosen = records.where(**asked)
    assert rows_of(chosen) == [row for row in records if holds(row)]
    rest = [row for row in records if not holds(row)]
    assert sorted(row.source for row in [*chosen, *rest]) == sorted(records.source)
    name, values = choice
    if name != "label":
        others = set(getattr(records, name)) - values
        assert rows_of(records.where(**{name: others})) == rest


@given(some_records(), st.sets(st.sampled_from(("", *SPLITS))), st.sets(st.sampled_from(CLASSES)))
def test_conditions_of_where_hold_together(records, splits, labels):
    both = records.where(split=splits, label=labels)
    assert rows_of(both) == rows_of(records.where(split=splits).where(label=labels))


@given(some_records())
def test_one_text_chooses_as_a_list_of_it_and_nothing_chooses_all(records):
    assert rows_of(records.where()) == rows_of(records)
    assert rows_of(records.where(split="train")) == rows_of(records.where(split=["train"]))
    assert rows_of(records.where(label="nevus")) == rows_of(records.where(label=["nevus"]))
    assert rows_of(records.where(image_id="u")) == rows_of(records.where(image_id=["u"]))


@given(some_records(), st.data())
def test_rows_are_chosen_as_from_a_list(records, data):
    rows, count = rows_of(records), len(records)
    piece = data.draw(st.slices(count))
    assert rows_of(records[piece]) == rows[piece]
    mask = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    assert rows_of(records[mask]) == [row for row, chosen in zip(rows, mask, strict=True) if chosen]
    assert rows_of(records[np.array(mask, dtype=bool)]) == rows_of(records[mask])
    places = data.draw(st.lists(st.integers(0, count - 1), max_size=9)) if count else []
    assert rows_of(records[places]) == [rows[place] for place in places]


@given(some_records())
def test_choosing_changes_nothing_else(records):
    before = rows_of(records)
    chosen = records[:1]
    assert (chosen.class_names, chosen.name, chosen.skipped) == (records.class_names, records.name, records.skipped)
    chosen.label[:] = 0
    chosen.source[:] = "changed"
    assert rows_of(records) == before


@given(some_records())
def test_counts_are_the_labelled_rows_of_each_split_and_class(records):
    counts = records.counts()
    assert set(counts) == set(records.split)
    for split, row in counts.items():
        assert tuple(row) == CLASSES
        for name, number in row.items():
            assert number == len(records.where(split=split, label=name))
    assert sum(sum(row.values()) for row in counts.values()) == np.count_nonzero(records.label >= 0)


@given(st.lists(some_records(most=5), min_size=1, max_size=4))
def test_what_was_joined_end_to_end_is_found_again(parts):
    whole = Records.concatenate(parts)
    assert len(whole) == sum(map(len, parts))
    start = 0
    for part in parts:
        assert rows_of(whole[start : start + len(part)]) == rows_of(part)
        start += len(part)


def test_concatenate_keeps_what_was_left_out_once_and_the_names():
    skipped = Skipped("z.jpg", "empty")
    one, two = small(skipped=(skipped,), name="one"), small(skipped=(skipped, Skipped("y.jpg", "cut")), name="two")
    whole = Records.concatenate([one, two, one])
    assert whole.skipped == (skipped, Skipped("y.jpg", "cut"))
    assert whole.name == "one + two"
    assert Records.concatenate([one, two], name="both").name == "both"


@pytest.mark.parametrize("other", [("nevus", "melanoma"), ("melanoma", "nevus", "a keratosis")])
def test_records_of_other_classes_are_not_joined(other):
    with pytest.raises(DataError, match="name the same classes in one order"):
        Records.concatenate([small(), Records(other, [], [], [])])


def test_no_records_are_not_joined():
    with pytest.raises(DataError, match="no records"):
        Records.concatenate([])


class NAType:
    """As pandas's NA: it can be neither compared nor tested."""

    def __eq__(self, other):
        return self

    __ne__ = __eq__
    __hash__ = object.__hash__

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")


MISSING = (None, "", float("nan"), np.float32("nan"), NAType())
tables = st.dictionaries(st.sampled_from("uvwxyz?"), st.sampled_from("abc") | st.sampled_from(MISSING))


@given(some_records(), tables, st.sampled_from(GROUPS))
def test_join_gives_what_the_table_knows_and_keeps_what_was_known(records, table, name):
    joined = records.join({"image_id": list(table), name: list(table.values())})
    known = {image: value for image, value in table.items() if isinstance(value, str) and value}
    assert list(getattr(joined, name)) == [
        known.get(image, now) for image, now in zip(records.image_id, getattr(records, name), strict=True)
    ]
    for column in set(COLUMNS) - {name}:
        assert list(getattr(joined, column)) == list(getattr(records, column))


@given(some_records())
def test_other_records_columns_are_a_table(records):
    known = Records(CLASSES, ["1", "2"], [0, 1], ["u", "v"], lesion_id=["l1", None], patient_id=["p1", "p2"])
    joined = records.join(known.columns())
    for before, after in zip(records, joined, strict=True):
        assert after.lesion_id == ("l1" if before.image_id == "u" else before.lesion_id)
        assert after.patient_id == {"u": "p1", "v": "p2"}.get(before.image_id, before.patient_id)
        assert after[:5] == before[:5]


def test_joining_twice_is_joining_once():
    table = {"image_id": ["a", "b"], "lesion_id": ["x", None]}
    assert rows_of(small().join(table).join(table)) == rows_of(small().join(table))


def test_the_image_ids_may_stand_under_another_name_and_repeat():
    joined = small().join({"isic": ["a", "a", "b"], "patient_id": [7, 7, 8], "age": [1, 2, 3]}, on="isic")
    assert list(joined.patient_id) == ["7", "8", None]


def test_two_values_for_one_image_are_refused():
    with pytest.raises(DataError, match="image a two values of lesion_id: x and y"):
        small().join({"image_id": ["a", "b", "a"], "lesion_id": ["x", "z", "y"]})


@pytest.mark.parametrize("table", [{"image": ["a"], "lesion_id": ["x"]}, {"image_id": ["a"], "age": [3]}, {}])
def test_a_table_needs_image_ids_and_an_identity(table):
    with pytest.raises(DataError, match="The table needs the column 'image_id' and at least one of"):
        small().join(table)


@pytest.mark.parametrize("lesions", [["x"], ["x", "y", "z"]])
def test_a_tables_columns_are_equally_long(lesions):
    with pytest.raises(DataError, match=f"lesion_id has {len(lesions)} rows where image_id has 2"):
        small().join({"image_id": ["a", "b"], "lesion_id": lesions})


def components(records):
    """The groups by a naive union of whatever two rows share, as a set of sets of places."""
    parts = [{row} for row in range(len(records))]
    for name in GROUPS:
        column = getattr(records, name)
        for one in range(len(records)):
            for two in range(one):
                if column[one] is not None and column[one] == column[two]:
                    first = next(part for part in parts if one in part)
                    second = next(part for part in parts if two in part)
                    if first is not second:
                        parts.remove(second)
                        first |= second
    return {frozenset(part) for part in parts}


@given(some_records(most=20))
def test_groups_are_the_connected_components(records):
    groups = records.groups()
    assert groups.shape == (len(records),)
    assert {frozenset(np.flatnonzero(groups == group)) for group in groups} == components(records)


def test_a_chain_over_lesion_and_picture_is_one_group_and_names_in_two_columns_are_none():
    chain = small(lesion_id=["l", "l", None], picture_id=[None, "p", "p"])
    assert len(set(chain.groups())) == 1
    assert len(set(small(lesion_id=["x", None, None], patient_id=[None, "x", None]).groups())) == 3


def told():
    return Records(
        class_names=("<script>alert(1)</script>", "caf\udce9", "nevus"),
        source=[f"{number}.jpg" for number in range(6)],
        label=[0, 0, 1, 2, 2, -1],
        image_id=list("abcdef"),
        split=["train", "train", "train", "test", "test", "train"],
        lesion_id=["x", "x", None, None, None, None],
        name="set <b> \udce9",
        skipped=(Skipped("g.jpg", "empty"), Skipped("h.jpg", "cut")),
    )


def test_the_repr_tells_the_counts():
    text = repr(told())
    assert "6 images, 3 classes; train 3, test 2" in text
    assert "<script>alert(1)</script>: train 2, test 0" in text
    assert r"caf\udce9: train 1, test 0" in text
    assert "lesion_id of 2" in text
    assert "1 without a label" in text
    assert "2 left out" in text
    text.encode("utf-8")


def test_the_repr_of_nothing_says_so():
    assert "0 images, 3 classes" in repr(Records(CLASSES, [], [], []))


def test_the_html_repr_tells_the_counts_and_escapes_names():
    text = told()._repr_html_()
    assert "<tr><td>&lt;script&gt;alert(1)&lt;/script&gt;</td><td>2</td><td>0</td></tr>" in text
    assert r"<tr><td>caf\udce9</td><td>1</td><td>0</td></tr>" in text
    assert "<tr><td>nevus</td><td>0</td><td>2</td></tr>" in text
    assert "<script" not in text
    assert f"{html.escape('set <b>')} \\udce9: 6 images, 3 classes" in text
    assert "2 left out" in text
    text.encode("utf-8")


def test_names_that_are_not_utf8_are_kept():
    name = "caf\udce9.jpg"
    records = small(source=[name, "b", "c"], image_id=[name, "b", "c"], picture_id=[name, name, "other"])
    assert records.where(image_id=name).record(0).source == name
    assert records.groups()[0] == records.groups()[1] != records.groups()[2]


def test_400_000_records_are_no_trouble():
    count, started = 400_000, time.perf_counter()
    number = np.arange(count)
    records = Records(
        class_names=[f"class {place}" for place in range(9)],
        source=[f"/images/ISIC_{place:07d}.jpg" for place in number],
        label=number % 9,
        image_id=[f"ISIC_{place:07d}" for place in number],
        split=np.where(number % 5, "train", "test"),
    )
    assert len(records.where(split="test", label="class 3")) == np.count_nonzero((number % 5 == 0) & (number % 9 == 3))
    assert sum(records.counts()["train"].values()) == 320_000
    joined = records.join({"image_id": records.image_id, "lesion_id": [f"L{place // 2}" for place in number]})
    groups = joined.groups()
    assert len(np.unique(groups)) == 200_000
    assert np.array_equal(groups[::2], groups[1::2])
    assert "400000 images" in repr(joined)
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"label": [0, 1]}, "label has 2 rows where source has 3"),
        ({"image_id": ["a"]}, "image_id has 1 rows where source has 3"),
        ({"lesion_id": ["a"]}, "lesion_id has 1 rows where source has 3"),
        ({"label": [0, 1, 3]}, "label holds places from -1 to 2"),
        ({"label": [0, 1, -2]}, "label holds places from -1 to 2"),
        ({"label": [0, 1, 0.5]}, "label holds whole numbers"),
        ({"label": [0, 1, float("nan")]}, "label holds whole numbers"),
        ({"label": ["nevus", "nevus", "melanoma"]}, "label holds whole numbers"),
        ({"label": None}, "label holds whole numbers"),
        ({"split": ["train", "Train", ""]}, "split is one of train, validation, test or empty. Received: 'Train'"),
        ({"split": ["train", None, "x"]}, "Received: 'x', None"),
        ({"class_names": ("nevus",)}, "two or more distinct texts"),
        ({"class_names": ("nevus", "nevus")}, "two or more distinct texts"),
        ({"class_names": ("nevus", 3)}, "two or more distinct texts"),
        ({"class_names": ("nevus", ["melanoma"])}, "two or more distinct texts"),
        ({"class_names": ()}, "two or more distinct texts. Received: none"),
        ({"class_names": "nevus"}, "two or more distinct texts. Received: 'nevus'"),
    ],
)
def test_columns_that_cannot_be_are_refused(columns, told):
    with pytest.raises(DataError, match=told):
        small(**columns)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"split": "Train"}, "split is one of train, validation, test. Received: 'Train'"),
        ({"label": "naevus"}, "label is one of nevus, melanoma, a keratosis. Received: 'naevus'"),
        ({"label": ["nevus", "x", "y"]}, "Received: 'x', 'y'"),
    ],
)
def test_an_unknown_split_or_class_is_refused(asked, told):
    with pytest.raises(OptionError, match=told):
        small().where(**asked)


@pytest.mark.parametrize("row", [0, -1, np.int64(1)])
def test_one_row_is_asked_for_by_record(row):
    with pytest.raises(OptionError, match=rf"records.record\({row}\)"):
        small()[row]


def test_class_names_are_kept_as_a_tuple():
    assert Records(["nevus", "melanoma"], ["a"], [0], ["a"]).class_names == ("nevus", "melanoma")


def test_what_is_asked_of_rows_holds_all_at_once():
    records = Records(
        ("nevus", "melanoma"), names := [f"{n}.jpg" for n in range(6)], [0] * 3 + [1] * 3, names, ["train"] * 6
    )
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
