"""What spoils pictures: equal for equal arguments, worse at a higher strength, the same at any size."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.datasets.synthetic_lesions import generate
from lesionkit.errors import OptionError
from lesionkit.evaluation.artefacts import ARTEFACTS, STRENGTHS, add

NAMES = tuple(ARTEFACTS)
names, strengths, seeds = st.sampled_from(NAMES), st.sampled_from(STRENGTHS), st.integers(0, 2**32 - 1)
sides = st.integers(32, 90)


@functools.cache
def lesion(label=3, size=(96, 128), index=0):
    """A generated picture; nothing may write to it."""
    pixels = generate(label, index, image_size=size)
    pixels.flags.writeable = False
    return pixels


def change(pixels, name, strength, seed=0):
    """The mean absolute change."""
    return np.abs(add(pixels, name, strength, seed).astype(int) - pixels).mean()


def test_the_panel_has_the_eight():
    assert NAMES == ("hair", "ruler", "gel_bubbles", "dark_corners", "colour_cast", "blur", "jpeg", "brightness")


@settings(max_examples=60)
@given(names, strengths, seeds, sides, sides, st.sampled_from(("noise", "black", "white", "grey")))
def test_shape_and_kind_stay_and_equal_arguments_give_equal_pictures(name, strength, seed, height, width, kind):
    noise = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    flat = {"black": 0, "white": 255, "grey": 128}
    pixels = noise if kind == "noise" else np.full_like(noise, flat[kind])
    before = pixels.copy()
    found = add(pixels, name, strength, seed)
    assert found.shape == pixels.shape
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, add(before, name, strength, seed))
    np.testing.assert_array_equal(pixels, before)
    assert not np.shares_memory(found, pixels)


@settings(max_examples=40)
@given(names, seeds, st.integers(0, 8), st.sampled_from(((64, 64), (96, 128), (150, 100), (180, 180))))
def test_a_higher_strength_changes_more(name, seed, label, size):
    first, second, third = (change(lesion(label, size), name, strength, seed) for strength in STRENGTHS)
    assert first <= second <= third
    assert first < third


@pytest.mark.parametrize("name", NAMES)
def test_every_artefact_is_seen_at_strength_1(name):
    assert change(lesion(size=(180, 180)), name, 1) > 0.1


@pytest.mark.parametrize("name", ["hair", "ruler", "gel_bubbles", "dark_corners", "colour_cast", "brightness"])
def test_what_is_drawn_depends_on_the_seed_and_on_the_picture(name):
    """Of a lamp and an exposure there are two kinds, so that several are needed to see both."""
    pixels = np.full((64, 64, 3), 180, dtype=np.uint8)
    seeded = {add(pixels, name, 3, seed).tobytes() for seed in range(12)}
    others = [pixels + np.uint8(more) for more in range(12)]
    shifts = {np.sign(add(one, name, 3).astype(int) - one).tobytes() for one in others}
    assert len(seeded) > 1
    assert len(shifts) > 1


@pytest.mark.parametrize("name", ["hair", "ruler", "gel_bubbles", "dark_corners", "blur"])
def test_a_larger_picture_shows_the_same_amount(name):
    small, large = (
        np.mean([change(lesion(size=(side, side)), name, 2, seed) for seed in range(8)]) for side in (128, 512)
    )
    assert 0.5 < small / large < 2


def test_a_picture_of_any_proportions_takes_them_all():
    for shape in ((1, 1), (32, 700), (700, 32)):
        pixels = np.full((*shape, 3), 150, dtype=np.uint8)
        assert all(add(pixels, name, 3).shape == pixels.shape for name in NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_of_6000_pixels(name):
    pixels = np.full((4000, 6000, 3), (200, 160, 140), dtype=np.uint8)
    assert add(pixels, name, 3).shape == pixels.shape


# What each is


def test_hair_ruler_and_dark_corners_only_darken():
    for name in ("hair", "ruler", "dark_corners"):
        assert np.all(add(lesion(), name, 3) <= lesion())


def test_hairs_are_thin_and_everywhere():
    skin = np.full((256, 256, 3), 200, dtype=np.uint8)
    dark = np.mean([(add(skin, "hair", 3, seed)[..., 0] < 120) for seed in range(20)], axis=0)
    assert 0.02 < dark.mean() < 0.25
    quarters = [
        dark[rows, columns].mean() for rows in np.split(np.arange(256), 2) for columns in (slice(128), slice(128, 256))
    ]
    assert min(quarters) > 0.5 * max(quarters)


def test_a_ruler_stays_at_the_edge_and_a_second_one_comes_at_strength_3():
    skin = np.full((200, 200, 3), 200, dtype=np.uint8)
    for seed in range(8):
        touched = [(add(skin, "ruler", strength, seed) != skin).any(axis=2) for strength in STRENGTHS]
        for one in touched:
            assert not one[40:160, 40:160].any()
        marks = [
            [np.count_nonzero(np.diff(side.astype(int)) == 1) for side in (one[0], one[-1], one[:, 0], one[:, -1])]
            for one in touched
        ]
        edges = [sum(count > 4 for count in sides) for sides in marks]
        assert edges == [1, 1, 2]


def test_dark_corners_are_dark_in_the_corners_alone():
    found = add(np.full((200, 200, 3), 200, dtype=np.uint8), "dark_corners", 3)
    assert max(found[row, column].max() for row in (0, -1) for column in (0, -1)) < 10
    assert found[100, 100].tolist() == [200, 200, 200]


def test_gel_bubbles_have_bright_and_dark_places():
    skin = np.full((256, 256, 3), 160, dtype=np.uint8)
    found = add(skin, "gel_bubbles", 3)
    assert found.max() > 220
    assert found.min() < 130
    assert np.mean(found != skin) < 0.4


def test_a_lamp_is_warm_or_cold_and_keeps_grey_about_as_bright():
    grey = np.full((32, 32, 3), 120, dtype=np.uint8)
    casts = {tuple(add(grey, "colour_cast", 3, seed)[0, 0].tolist()) for seed in range(20)}
    (cold, warm) = sorted(casts)
    assert warm[0] > warm[1] > warm[2]
    assert cold[0] < cold[1] < cold[2]
    for colour in casts:  # luminance of sRGB, by the screen's exponent of 2.2
        light = np.dot((0.2126, 0.7152, 0.0722), (np.array(colour) / 255) ** 2.2)
        assert light == pytest.approx((120 / 255) ** 2.2, rel=0.03)


def test_brightness_is_a_number_of_stops_up_or_down():
    grey = np.full((32, 32, 3), 100, dtype=np.uint8)
    levels = {int(add(grey, "brightness", 2, seed).max()) for seed in range(20)}
    assert levels == {round(100 * 2 ** (stops / 2.2)) for stops in (-2 / 3, 2 / 3)}


def test_blur_takes_detail_and_leaves_the_mean():
    found = add(lesion(), "blur", 3)
    assert (
        np.abs(np.diff(found.astype(int), axis=1)).mean() < 0.6 * np.abs(np.diff(lesion().astype(int), axis=1)).mean()
    )
    assert found.mean() == pytest.approx(lesion().mean(), abs=1)


def test_jpeg_keeps_the_colours_in_the_mean():
    assert add(lesion(), "jpeg", 3).mean() == pytest.approx(lesion().mean(), abs=2)


# Errors


@pytest.mark.parametrize(
    ("pixels", "name", "strength", "seed", "said"),
    [
        (lesion(), "tattoo", 1, 0, "artefact is one of hair, ruler.*Received: 'tattoo'"),
        (lesion(), "hair", 4, 0, "strength is 1, 2 or 3.*4"),
        (lesion(), "hair", 1, -1, "seed.*-1"),
        (lesion().astype(np.float32), "hair", 1, 0, "Pixels are uint8.*float32"),
        (lesion()[:, :, 0], "hair", 1, 0, r"Pixels are uint8 of shape .*\(96, 128\)"),
    ],
)
def test_what_cannot_work_is_an_error(pixels, name, strength, seed, said):
    with pytest.raises(OptionError, match=said):
        add(pixels, name, strength, seed)
