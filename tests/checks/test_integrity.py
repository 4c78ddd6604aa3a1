"""Every fault of an image file, planted as a file."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lesionkit.checks.integrity import KINDS, LEAST_SIDE, integrity
from lesionkit.data.records import Records
from lesionkit.data.survey import Look, Survey, survey
from lesionkit.datasets.isic_folder import isic_folder
from lesionkit.errors import ImageError


def picture(mode="RGB", size=(64, 48)):
    """Noise in any mode of Pillow's."""
    random = np.random.default_rng(0)
    if mode == "I;16":
        return Image.fromarray(random.integers(0, 65536, size[::-1]).astype(np.uint16))
    return Image.fromarray(random.integers(0, 256, (*size[::-1], 3)).astype(np.uint8)).convert(mode)


def records_of(sources):
    count = len(sources)
    return Records(("nevus", "melanoma"), [str(source) for source in sources], [0] * count, ["x"] * count)


@pytest.fixture
def check(tmp_path):
    """A function that checks five sound images and those that ``plant(folder)`` returns the paths of."""

    def checked(plant):
        sound = [tmp_path / f"sound{number}.jpg" for number in range(5)]
        for path in sound:
            picture().save(path)
        records = records_of([*sound, *plant(tmp_path)])
        return integrity(records, survey(records))

    return checked


def saved(image, name, **options):
    def plant(folder):
        image.save(folder / name, **options)
        return [folder / name]

    return plant


def written(name, data):
    def plant(folder):
        (folder / name).write_bytes(data)
        return [folder / name]

    return plant


def cut_short(folder):
    picture().save(folder / "cut.jpg")
    data = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    return [folder / "cut.jpg"]


def test_sound_images_have_no_faults(check):
    found = check(lambda folder: [])
    assert found.found == ()
    assert found.figures == {
        "images": 5,
        "counts": dict.fromkeys(KINDS, 0),
        "formats": {"JPEG": 5},
        "modes": {"RGB": 5},
        "sizes": {"64 x 48": 5},
        "distinct_sizes": 1,
    }
    assert "no faults" in found.summary


@pytest.mark.parametrize(
    ("plant", "kind", "words"),
    [
        (written("text.jpg", b"no picture"), "unreadable", "not an image"),
        (written("empty.jpg", b""), "unreadable", "0 bytes"),
        (lambda folder: [folder / "missing.jpg"], "unreadable", "no such file"),
        (cut_short, "truncated", "its end is missing"),
        (saved(picture(size=(31, 200)), "narrow.jpg"), "tiny", "31 x 200 pixels"),
        (saved(picture(size=(200, 31)), "low.jpg"), "tiny", "200 x 31 pixels"),
        (saved(Image.new("RGB", (64, 48), (120, 80, 60)), "one.jpg", quality=20), "blank", "0.00"),
        (saved(picture("L"), "grey.jpg"), "odd_mode", "grey among RGB"),
        (saved(picture("CMYK"), "print.jpg"), "odd_mode", "CMYK among RGB"),
        (saved(picture("P"), "palette.png"), "odd_mode", "palette among RGB"),
        (saved(picture("RGBA"), "clear.png"), "odd_mode", "RGB with transparency among RGB"),
        (saved(picture("I;16"), "deep.png"), "odd_mode", "grey of 16 bits among RGB"),
        (saved(picture(), "png.jpg", format="PNG"), "wrong_extension", "PNG named .jpg"),
        (saved(picture(), "jpeg.PNG", format="JPEG"), "wrong_extension", "JPEG named .png"),
        (saved(picture(), "jpeg.txt", format="JPEG"), "wrong_extension", "JPEG named .txt"),
    ],
)
def test_a_planted_fault_is_the_one_finding(check, plant, kind, words):
    found = check(plant)
    (only,) = found.found
    assert (only.kind, len(only.sources)) == (kind, 1)
    assert words in only.message
    assert Path(only.sources[0]).name in only.message
    assert found.figures["counts"] == dict.fromkeys(KINDS, 0) | {kind: 1}
    assert f"{kind.replace('_', ' ')} 1" in found.summary
    json.dumps([found.figures, only.details])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("none", {"format": "PNG"}),
        ("a.JPG", {}),
        ("a.jpeg", {}),
        ("a.tif", {}),
        ("a.bmp", {}),
        ("a.webp", {}),
        ("two.jpg", {"format": "MPO", "save_all": True, "append_images": [picture()]}),
    ],
)
def test_a_fitting_extension_and_none_are_right(check, name, options):
    assert check(saved(picture(), name, **options)).figures["counts"]["wrong_extension"] == 0


def test_the_least_side_is_not_tiny(check):
    assert len(check(saved(picture(size=(LEAST_SIDE, LEAST_SIDE)), "small.jpg"))) == 0


def test_a_grey_set_finds_its_one_coloured_image_odd(tmp_path):
    for number in range(3):
        picture("L").save(tmp_path / f"{number}.png")
    picture().save(tmp_path / "colour.png")
    records = records_of(sorted(tmp_path.iterdir()))
    (only,) = integrity(records, survey(records)).found
    assert (only.kind, only.sources) == ("odd_mode", (str(tmp_path / "colour.png"),))


def test_many_images_of_one_fault_are_one_finding_with_a_reason_each(check):
    def plant(folder):
        for number in range(20):
            picture(size=(20 + number % 2, 40)).save(folder / f"tiny{number:02}.jpg")
        return sorted(folder.glob("tiny*"))

    (only,) = check(plant).found
    assert len(only.sources) == 20
    assert only.details["reasons"] == ["20 x 40 pixels", "21 x 40 pixels"] * 10
    assert "20 of 25 images" in only.message
    assert "and 17 more" in only.message


def test_the_worst_kind_comes_first_and_an_image_can_have_two(check):
    def plant(folder):
        Image.new("L", (8, 8), 7).save(folder / "all.gif", format="PNG")
        return [folder / "all.gif", *cut_short(folder)]

    assert [one.kind for one in check(plant).found] == ["truncated", "blank", "tiny", "odd_mode", "wrong_extension"]


def test_no_images_and_no_readable_ones(tmp_path):
    for records in (records_of([]), records_of([tmp_path / "missing"])):
        found = integrity(records, survey(records))
        assert (found.figures["sizes"], len(found)) == ({}, len(records))


@st.composite
def looked(draw):
    """A source and its look, of any faults."""
    source = draw(st.sampled_from(["a.jpg", "b.png", "c"]))
    if draw(st.integers(0, 3)) == 0:
        return source, Look("", 0, ImageError(source, draw(st.sampled_from(["truncated, x", "damaged"]))))
    kind, mode = draw(st.sampled_from(["JPEG", "PNG"])), draw(st.sampled_from(["RGB", "L", "CMYK"]))
    thumbnail = np.full((64, 64, 3), 9, dtype=np.uint8)
    thumbnail[: draw(st.sampled_from([0, 32]))] = 200
    side = st.sampled_from([8, 32, 600])
    return source, Look("p", 1, None, kind, mode, draw(side), draw(side), "", thumbnail)


@settings(deadline=None)
@given(st.lists(looked(), max_size=12), st.randoms(use_true_random=False))
def test_counts_add_up_whatever_the_order(rows, random):
    def checked(chosen):
        surveyed = Survey(tuple(look for _, look in chosen), np.zeros((len(chosen), 64, 64, 3), dtype=np.uint8))
        return integrity(records_of([source for source, _ in chosen]), surveyed)

    found = checked(rows)
    counts = Counter()
    for one in found.found:
        counts[one.kind] += len(one.sources)
        assert len(one.sources) == len(one.details["reasons"]) > 0
    assert counts == Counter({kind: number for kind, number in found.figures["counts"].items() if number})
    read = sum(look.error is None for _, look in rows)
    assert [sum(found.figures[name].values()) for name in ("formats", "modes", "sizes")] == [read] * 3
    assert counts["unreadable"] + counts["truncated"] == len(rows) - read
    random.shuffle(shuffled := list(rows))
    assert checked(shuffled).figures == found.figures
    assert checked(shuffled).summary == found.summary


def test_the_nine_class_folder_is_sound(nine_class_folder):
    records = isic_folder(nine_class_folder)
    assert integrity(records, survey(records)).found == ()
