"""The survey: what one look at every file tells, and that it changes nothing."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionkit.data import images
from lesionkit.data.records import Records
from lesionkit.data.survey import THUMBNAIL, inspect, readable, survey
from lesionkit.errors import OptionError, UnreadableImagesError


@pytest.fixture
def mixed(tmp_path):
    """A JPEG, a grey PNG named .jpg, an empty file and a missing one, in this order."""
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(tmp_path / "a.jpg", quality=70)
    Image.fromarray(random.integers(0, 256, (30, 20), dtype=np.uint8)).save(tmp_path / "b.png")
    (tmp_path / "b.png").rename(tmp_path / "b.jpg")
    (tmp_path / "c.jpg").write_bytes(b"")
    sources = [str(tmp_path / f"{name}.jpg") for name in "abcd"]
    return Records(("x", "y"), sources, [0, 1, 0, 1], list("abcd"), ["train"] * 4)


def test_a_look_tells_what_the_file_is(mixed):
    found = survey(mixed)
    first, second, third, fourth = found.looks
    data = Path(mixed.source[0]).read_bytes()
    assert first[:3] == (hashlib.sha256(data).hexdigest(), len(data), None)
    assert (first.format, first.mode, first.width, first.height) == ("JPEG", "RGB", 120, 90)
    assert (second.format, second.mode, second.width, second.height, second.tables) == ("PNG", "L", 20, 30, "")
    assert "empty" in third.error.reason
    assert "no such file" in fourth.error.reason
    np.testing.assert_array_equal(found.thumbnails[0], images.decode(data, THUMBNAIL))
    assert not found.thumbnails[2:].any()
    assert found.readable.tolist() == [True, True, False, False]


def test_tables_tell_how_a_jpeg_was_saved(tmp_path):
    random = np.random.default_rng(0)
    for name, quality in (("a", 70), ("b", 70), ("c", 90)):
        Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(
            tmp_path / f"{name}.jpg", quality=quality
        )
    sources = [str(tmp_path / f"{name}.jpg") for name in "abc"]
    tables = survey(Records(("x", "y"), sources, [0, 0, 1], sources)).column("tables")
    assert tables[0] == tables[1] != tables[2]


def test_rows_are_chosen_as_those_of_records(mixed):
    found = survey(mixed)
    assert found[[1, 0]].looks == (found.looks[1], found.looks[0])
    assert len(found[found.readable]) == 2
    assert len(found[2:]) == 2


def test_unreadable_images_are_all_named_or_moved(mixed):
    found = survey(mixed)
    with pytest.raises(UnreadableImagesError) as raised:
        readable(mixed, found)
    assert [error.source for error in raised.value.errors] == list(mixed.source[2:])
    kept, rows = readable(mixed, found, on_unreadable="skip")
    assert list(kept.source) == list(mixed.source[:2])
    assert list(kept.picture_id) == [one.picture_id for one in rows.looks]
    assert [item.source for item in kept.skipped] == list(mixed.source[2:])
    assert mixed.picture_id.tolist() == [None] * 4


def test_no_images_are_no_error():
    assert len(survey(Records(("x", "y"), [], [], []))) == 0


def test_inspect_finds_the_sha256_of_the_bytes_and_nothing_else(records):
    found = inspect(records)
    assert list(found.picture_id) == [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in records.source]
    assert list(found.source) == list(records.source)
    assert found.skipped == ()


def test_inspect_names_every_unreadable_image_at_once(broken):
    with pytest.raises(UnreadableImagesError) as raised:
        inspect(broken)
    assert [error.source for error in raised.value.errors] == [broken.source[1], broken.source[3]]


def test_inspect_can_go_on_without_unreadable_images_and_says_which(broken):
    found = inspect(broken, on_unreadable="skip")
    assert list(found.source) == [broken.source[0], broken.source[2]]
    assert list(found.label) == [0, 2]
    assert None not in found.picture_id
    assert [item.source for item in found.skipped] == [broken.source[1], broken.source[3]]
    assert "empty" in found.skipped[1].reason
    again = inspect(found, on_unreadable="skip")
    assert again.skipped == found.skipped


def test_inspect_can_be_left_with_nothing(broken):
    broken = broken[[1, 3]]
    found = inspect(broken, on_unreadable="skip")
    assert len(found) == 0
    assert len(found.skipped) == 2


def test_inspect_knows_two_ways(records):
    with pytest.raises(OptionError, match="'error' or 'skip'"):
        inspect(records, on_unreadable="ignore")
