"""Overlays and sheets of heat maps: pictures that keep the lesion visible, and files that are whole or absent."""

import importlib
import logging

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import lesionkit as lk
from lesionkit.errors import DataError, StorageError
from lesionkit.model import overlays
from lesionkit.model.overlays import COLOURS, overlay, sheet

IMAGES = arrays.arrays(np.uint8, (4, 5, 3))
HEATS = arrays.arrays(np.float32, (4, 5), elements=st.floats(0, 1, width=16))


@given(IMAGES, HEATS)
def test_an_overlay_is_a_picture_and_changes_nothing(image, heat):
    before = image.copy(), heat.copy()
    found = overlay(image, heat)
    assert found.dtype == np.uint8
    assert found.shape == image.shape
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(heat, before[1])


@given(IMAGES)
def test_without_heat_it_is_the_grey_image(image):
    found = overlay(image, np.zeros((4, 5))).astype(int)
    np.testing.assert_array_equal(found[..., 0], found[..., 1])
    np.testing.assert_array_equal(found[..., 0], found[..., 2])
    np.testing.assert_allclose(found[..., 0], np.asarray(Image.fromarray(image).convert("L")), atol=1)


@given(st.integers(0, 255), st.integers(0, 255))
def test_what_is_darker_stays_darker_under_the_same_heat(one, other):
    grey = np.repeat(np.array([[one, other]], np.uint8)[..., None], 3, axis=2)
    for heat in (0.0, 0.5, 1.0):
        found = overlay(grey, np.full((1, 2), heat)).astype(int).sum(axis=2)[0]
        assert (found[0] - found[1]) * (one - other) >= 0
        if abs(one - other) > 5:
            assert found[0] != found[1]


def test_the_colour_of_the_greatest_heat_is_the_last_of_the_colour_map():
    found = overlay(np.full((1, 1, 3), 100, np.uint8), np.ones((1, 1)), strength=1)
    np.testing.assert_allclose(found[0, 0], 255 * np.array(matplotlib.colormaps[COLOURS](1.0)[:3]), atol=1)


def test_sizes_that_differ_are_refused():
    with pytest.raises(DataError, match=r"\(4, 5, 3\) and \(5, 4\)"):
        overlay(np.zeros((4, 5, 3)), np.zeros((5, 4)))


def drawn_texts(monkeypatch):
    """The texts of the next figure that is saved."""
    seen = []

    class Watched(overlays.Figure):
        def savefig(self, *arguments, **options):
            seen.extend(text.get_text() for text in self.findobj(matplotlib.text.Text) if text.get_text())
            super().savefig(*arguments, **options)

    monkeypatch.setattr(overlays, "Figure", Watched)
    return seen


def test_a_sheet_shows_each_image_beside_its_maps(tmp_path, monkeypatch):
    texts = drawn_texts(monkeypatch)
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 20, 3)).astype(np.uint8)
    maps = np.zeros((3, 20, 20), np.float32)
    maps[0, 0], maps[1, 10, 10] = 1, 1
    path = sheet(
        tmp_path / "sheet.png",
        images,
        {"one": maps, "$other_": np.ones_like(maps)},
        rows=["first", "second", "caf\udce9"],
        notes={"one": ["nevus 61%", "melanoma 70%", "nevus 40%"]},
        title="All",
    )
    with Image.open(path) as picture:
        assert picture.format == "PNG"
    for text in ("All", "image", "one", "$other_", "first", "caf\\udce9", "border 36%", "melanoma 70%"):
        assert text in texts
    for text in ("border 100%", "border 0%", "nothing speaks for it"):
        assert text in texts


def test_a_sheet_of_texts_that_do_not_match_is_refused_and_nothing_written(tmp_path):
    images, maps = np.zeros((2, 8, 8, 3), np.uint8), np.ones((2, 8, 8))
    for wrong in ({"rows": ["one"]}, {"notes": {"one": ["a", "b", "c"]}}):
        with pytest.raises(DataError, match="each of the 2 images"):
            sheet(tmp_path / "sheet.png", images, {"one": maps}, **wrong)
    with pytest.raises(DataError, match="each of the 2 images"):
        sheet(tmp_path / "sheet.png", images, {"one": maps[:1]})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        sheet(tmp_path / "file" / "sheet.png", images, {"one": maps})


@pytest.mark.slow
def test_the_example_draws_saved_classifiers(build, records, tmp_path, capsys, monkeypatch):
    for name in ("lesionkit", "tensorflow"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.getLogger(name).level)
    folders = [str(lk.save(build(seed=seed), tmp_path / f"model{seed}")) for seed in (0, 1)]
    example = importlib.import_module("explain_sheet")
    given = [*(word for folder in folders for word in ("--model", folder)), "--output", str(tmp_path / "sheet.png")]
    texts = drawn_texts(monkeypatch)
    example.main([*given, "--method", "layer_cam", "--class", "red", *records.source[:2]])
    assert "sheet.png" in capsys.readouterr().out
    assert (tmp_path / "sheet.png").exists()
    assert [text for text in texts if text.endswith("\nlayer_cam")] == [f"{folder}\nlayer_cam" for folder in folders]
    assert sum(text.startswith("red ") for text in texts) == 4
    with pytest.raises(SystemExit, match="2"):
        example.main([*given, "--class", "green", records.source[0]])
    assert "has the classes brown, red, violet. Received: green" in capsys.readouterr().err
