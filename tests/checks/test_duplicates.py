"""Exact and near duplicates: each group is told once, with its files, labels and splits."""

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lesionkit.checks.duplicates import exact_duplicates, near_duplicates
from lesionkit.data.copies import identified
from lesionkit.data.records import Records
from lesionkit.data.survey import Look, Survey, survey
from lesionkit.datasets.synthetic_lesions import generate

CLASSES = ("nevus", "melanoma")


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Of one picture: a file, its bytes again, its pixels in another file, and a flip; then another picture."""
    folder = tmp_path_factory.mktemp("copies")
    image = Image.fromarray(generate(0, 0, image_size=(96, 96)))
    image.save(folder / "a.png")
    shutil.copy(folder / "a.png", folder / "b.png")
    image.save(folder / "c.bmp")
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "d.png")
    Image.fromarray(generate(5, 1, image_size=(96, 96))).save(folder / "e.png")
    sources = [str(path) for path in sorted(folder.iterdir())]
    records = Records(CLASSES, sources, [0, 1, 0, 0, 1], sources, ["train", "train", "train", "test", "test"])
    surveyed = survey(records)
    return identified(records, surveyed), surveyed


def names(finding):
    return sorted(source[-5] for source in finding.sources)


def test_equal_bytes_and_equal_pixels_are_told_apart(copies):
    found = exact_duplicates(*copies)
    told = {item.kind: names(item) for item in found.found}
    assert told.pop("equal_bytes") == ["a", "b"]
    assert list(told.values()) == [["a", "b", "c"]]
    assert (found.figures["groups"], found.figures["images"], found.figures["extra_copies"]) == (1, 2, 1)
    first = next(item for item in found.found if item.kind == "equal_bytes")
    assert first.details["labels"] == ["melanoma", "nevus"]
    assert first.details["splits"] == ["train"]


def test_near_copies_are_told_with_what_links_them(copies):
    found = near_duplicates(*copies)
    (one,) = found.found
    assert names(one) == ["a", "b", "c", "d"]
    assert one.details["splits"] == ["test", "train"]
    assert any(link["flipped"] and link["likeness"] > 0.9 for link in one.details["pairs"])
    assert found.figures == {"groups": 1, "images": 4, "extra_copies": 3}


def test_nothing_is_told_of_different_pictures(copies):
    records, surveyed = copies
    for check in (exact_duplicates, near_duplicates):
        found = check(records[3:], surveyed[3:])
        assert found.found == ()
        assert found.summary


@given(st.lists(st.sampled_from([None, *"abc"]), max_size=12))
def test_every_repeated_picture_is_one_finding(pictures):
    sources = [f"{row}.png" for row in range(len(pictures))]
    records = Records(CLASSES, sources, [0] * len(sources), sources, picture_id=pictures, copy_id=pictures)
    thumbnails = np.zeros((len(sources), 64, 64, 3), dtype=np.uint8)
    thumbnails[:, 0, 0, 0] = [0 if one is None else "abc".index(one) for one in pictures]
    looks = tuple(Look(one or "", 1, None, thumbnail=rows) for one, rows in zip(pictures, thumbnails, strict=True))
    found = exact_duplicates(records, Survey(looks, thumbnails))
    repeated = {one for one in pictures if one and pictures.count(one) > 1}
    assert len([item for item in found.found if item.kind == "equal_bytes"]) == len(repeated)
    assert found.figures["images"] == sum(pictures.count(one) for one in repeated)
