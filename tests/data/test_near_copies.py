"""Near copies: the same picture is found again whatever was done to it, and other pictures are not."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from lesionkit.data import images
from lesionkit.data.copies import copy_ids
from lesionkit.data.near_copies import pairs
from lesionkit.data.records import Records
from lesionkit.data.survey import THUMBNAIL, survey
from lesionkit.datasets.synthetic_lesions import CLASS_NAMES, generate
from lesionkit.errors import OptionError

SIDE = 160
few = settings(max_examples=15)


def encoded(image, quality=90):
    """An image as a JPEG file's bytes, then as the thumbnail that a survey makes of them."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return images.decode(data.getvalue(), THUMBNAIL)


def cropped(image, left, top):
    width, height = (9 * side // 10 for side in image.size)
    return image.crop((left, top, left + width, top + height))


CHANGES = {
    "as it was": encoded,
    "half the size": lambda image: encoded(image.resize((SIDE // 2, SIDE // 2))),
    "quality 40": lambda image: encoded(image, 40),
    "brighter": lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.2)),
    "darker": lambda image: encoded(ImageEnhance.Brightness(image).enhance(0.8)),
    "more contrast": lambda image: encoded(ImageEnhance.Contrast(image).enhance(1.2)),
    "flipped": lambda image: encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "upside down": lambda image: encoded(image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)),
    "a quarter turn": lambda image: encoded(image.transpose(Image.Transpose.ROTATE_90)),
    "cropped": lambda image: encoded(cropped(image, 5, 12)),
}


def picture(number):
    return Image.fromarray(generate(number % len(CLASS_NAMES), number, image_size=(SIDE, SIDE)))


@pytest.fixture(scope="module")
def pictures():
    return [picture(number) for number in range(36)]


def texture(seed):
    """(64, 64, 3) noise of several sizes, like nothing else."""
    random = np.random.default_rng(seed)
    layers = [
        np.kron(random.normal(0, 1, (64 // size, 64 // size, 3)), np.ones((size, size, 1))) for size in (2, 4, 16)
    ]
    return np.clip(128 + 30 * sum(layers), 0, 255).astype(np.uint8)


def found_pairs(thumbnails):
    found = pairs(np.stack(thumbnails))
    return set(zip(found.first.tolist(), found.second.tolist(), strict=True))


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_found_again(pictures, change):
    count = len(pictures)
    changed = [CHANGES[change](one) for one in pictures]
    found = found_pairs([*map(encoded, pictures), *changed])
    wanted = {(number, count + number) for number in range(count)}
    assert len(wanted & found) >= 0.9 * count
    assert len(found - wanted) <= 1


def test_different_pictures_are_no_copies(pictures):
    assert len(found_pairs([encoded(one) for one in pictures])) <= 1
    assert found_pairs([texture(seed) for seed in range(30)]) == set()


@few
@given(seed=st.integers(0, 10**6), flip=st.booleans(), quarters=st.integers(0, 3), swap=st.booleans())
def test_it_tells_how_a_picture_was_turned(seed, flip, quarters, swap):
    one = texture(seed)
    other = np.rot90(one[:, ::-1] if flip else one, quarters)
    found = pairs(np.stack([other, one] if swap else [one, other]))
    assert found.likeness.tolist() == pytest.approx([1], abs=1e-3)
    first, second = (other, one) if swap else (one, other)
    turned = np.rot90(first[:, ::-1] if found.flipped[0] else first, found.turns[0])
    np.testing.assert_array_equal(turned, second)


@few
@given(st.permutations(range(8)))
def test_the_order_of_the_pictures_does_not_matter(order):
    thumbnails = [texture(number % 5) for number in range(8)]
    expected = {(0, 5), (1, 6), (2, 7)}
    assert found_pairs(thumbnails) == expected
    moved = found_pairs([thumbnails[place] for place in order])
    assert {tuple(sorted((order[one], order[two]))) for one, two in moved} == expected


def test_pictures_without_detail_match_nothing():
    blank = [np.full((*THUMBNAIL, 3), level, dtype=np.uint8) for level in (0, 90, 90, 255)]
    assert found_pairs([*blank, texture(0)]) == set()


@pytest.mark.parametrize("count", [0, 1])
def test_none_or_one_has_no_pair(count):
    assert len(pairs(np.zeros((count, *THUMBNAIL, 3), dtype=np.uint8))) == 0


@pytest.mark.parametrize("thumbnails", [np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, *THUMBNAIL, 3))])
def test_other_thumbnails_are_refused(thumbnails):
    with pytest.raises(OptionError, match="survey makes them"):
        pairs(thumbnails)


def test_ids_link_what_is_one_picture_and_leave_out_what_cannot_be_read(tmp_path, pictures):
    pictures[0].save(tmp_path / "a.png")
    pictures[0].save(tmp_path / "b.png")
    pictures[0].transpose(Image.Transpose.ROTATE_180).save(tmp_path / "c.jpg", quality=85)
    pictures[1].save(tmp_path / "d.png")
    (tmp_path / "e.png").write_bytes(b"no image")
    sources = [str(path) for path in sorted(tmp_path.iterdir())]
    records = Records(("x", "y"), sources, [0, 1, 0, 1, 0], sources)
    surveyed = survey(records)
    ids = copy_ids(records, surveyed)
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert ids[4] is None
    assert ids[0] == min(surveyed.looks[row].picture_id for row in (0, 2))
    assert copy_ids(records[4:], surveyed[4:]).tolist() == [None]
    with pytest.raises(OptionError, match="5 rows where the records have 4"):
        copy_ids(records[:4], surveyed)
