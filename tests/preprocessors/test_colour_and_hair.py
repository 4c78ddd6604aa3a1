"""Colour constancy and hair removal: their laws, and that they work in a classifier like any preprocessor."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lesionkit import preprocessors
from lesionkit.errors import OptionError, UnknownNameError
from lesionkit.features.fingerprint import fingerprint
from lesionkit.features.folding import frozen_function
from lesionkit.model.assembly import build_classifier
from lesionkit.model.parts import frozen_part
from lesionkit.recipe import Part, Recipe
from lesionkit.trainers.frozen import Frozen

CLEANERS = ("shades_of_gray", "hair_removal")
AS_IS = {"name": "rescale", "options": {"scale": 1.0}}
SIZE = (9, 12)
BIG = (96, 128)
SMALL = {name: preprocessors.get(name)(SIZE, then=AS_IS) for name in CLEANERS}
SHADES, HAIR = (preprocessors.get(name)(BIG, then=AS_IS) for name in CLEANERS)
BYTES = arrays(np.uint8, st.tuples(st.integers(1, 3), *map(st.just, SIZE), st.just(3)))
quick = settings(max_examples=10)


def run(model, pixels):
    return np.asarray(model(np.asarray(pixels), training=False))


@pytest.mark.parametrize("name", CLEANERS)
@quick
@given(pixels=BYTES)
def test_stays_in_range_and_shape_for_bytes_and_floats_alike(name, pixels):
    found = run(SMALL[name], pixels)
    assert found.dtype == np.float32
    assert found.shape == pixels.shape
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 255.001
    np.testing.assert_array_equal(found, run(SMALL[name], pixels.astype(np.float32)))


@pytest.mark.parametrize("name", CLEANERS)
@quick
@given(pixels=BYTES)
def test_an_image_does_not_depend_on_its_neighbours(name, pixels):
    alone = np.concatenate([run(SMALL[name], one[None]) for one in pixels])
    np.testing.assert_allclose(run(SMALL[name], pixels), alone, atol=1e-3)


# Colour constancy


def dim(seed=0, size=BIG):
    """An image whose values may double without being clipped."""
    return np.random.default_rng(seed).uniform(5, 60, (1, *size, 3)).astype(np.float32)


@pytest.mark.parametrize("p", [1, 2, 6.0, 40])
def test_shades_of_gray_is_its_formula(p):
    image = np.concatenate([dim(0), dim(1)]).astype(np.float64)
    light = (image**p).mean((1, 2), keepdims=True) ** (1 / p)
    light /= np.linalg.norm(light, axis=-1, keepdims=True)
    model = preprocessors.get("shades_of_gray")(BIG, p=p, then=AS_IS)
    np.testing.assert_allclose(run(model, image), image / (np.sqrt(3) * light), rtol=1e-4)


@quick
@given(gains=st.tuples(*[st.floats(0.5, 2.0)] * 3))
def test_another_light_changes_nothing_but_the_brightness(gains):
    before, after = run(SHADES, dim()), run(SHADES, dim() * np.float32(gains))
    np.testing.assert_allclose(after / after.mean(), before / before.mean(), rtol=1e-3)


def test_a_cast_that_keeps_the_brightness_is_undone():
    grey = np.repeat(dim()[..., :1], 3, axis=-1)
    gains = np.array([1.4, 0.8, 0.6]) * np.sqrt(3) / np.linalg.norm([1.4, 0.8, 0.6])
    np.testing.assert_allclose(run(SHADES, grey * gains.astype(np.float32)), grey, rtol=1e-4)


def test_a_grey_image_and_one_cleaned_before_stay_as_they_are():
    grey = np.repeat(dim()[..., :1], 3, axis=-1)
    np.testing.assert_allclose(run(SHADES, grey), grey, rtol=1e-5)
    once = run(SHADES, dim())
    np.testing.assert_allclose(run(SHADES, once), once, rtol=1e-4)


@pytest.mark.parametrize("p", [1, 6, 1000])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 0, 0), (0, 0, 1)])
def test_images_of_one_colour_and_black_ones_give_numbers(p, colour):
    image = np.full((1, *SIZE, 3), colour, np.uint8)
    found = run(preprocessors.get("shades_of_gray")(SIZE, p=p, then=AS_IS), image)
    assert np.isfinite(found).all()
    assert (found[..., np.array(colour) == 0] == 0).all()


# Hairs


def skin(size=BIG):
    """(1, height, width, 3) of smooth skin, lighter on one side."""
    down, right = np.mgrid[: size[0], : size[1]] / max(size)
    return (np.array([190.0, 140, 120]) + 30 * right[..., None] - 20 * down[..., None])[None].astype(np.float32)


def with_hair(image, angle, thickness, bend=0.0, shift=0.0):
    """The image with a dark hair through its middle, and where the hair is; the thickness in pixels."""
    height, width = image.shape[1:3]
    y, x = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    away = np.abs(across - shift - bend * along**2 / width)
    share = np.clip(thickness / 2 + 0.5 - away, 0, 1)[None, ..., None]
    return (image * (1 - share) + np.array([50.0, 35, 30]) * share).astype(np.float32), share[0, ..., 0] > 0


@quick
@given(angle=st.floats(0, np.pi), thickness=st.floats(1.5, 2.5), bend=st.floats(-0.2, 0.2), shift=st.floats(-15, 15))
def test_a_hair_on_skin_is_removed_to_within_a_few_levels(angle, thickness, bend, shift):
    image, place = with_hair(skin(), angle, thickness, bend, shift)
    off = np.abs(run(HAIR, image) - skin())[0].max(-1)
    inner = np.zeros(BIG, bool)
    inner[8:-8, 8:-8] = True  # at the border a line has no second side
    assert off[place & inner].mean() < 4
    assert (off[place & inner] > 20).mean() < 0.02
    assert np.abs(image - skin())[0].max(-1)[place & inner].mean() > 60


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (300, 400)])
def test_hairs_grow_with_the_image(size):
    clean = skin(size)
    image, place = with_hair(clean, 0.6, 0.02 * min(size))
    found = run(preprocessors.get("hair_removal")(size, then=AS_IS), image)
    assert np.abs(found - clean)[0].max(-1)[place].mean() < 6


@quick
@given(angle=st.floats(0, np.pi))
def test_what_is_far_from_a_hair_stays_to_the_bit(angle):
    noisy = skin() + np.random.default_rng(0).normal(0, 1, skin().shape).astype(np.float32)
    image, place = with_hair(noisy, angle, 2)
    down, right = np.nonzero(place)
    y, x = np.mgrid[: BIG[0], : BIG[1]]
    away = np.min(np.hypot(y[..., None] - down, x[..., None] - right), axis=-1)
    np.testing.assert_array_equal(run(HAIR, image)[0][away > 4], image[0][away > 4])


def lesion(radius, size=BIG):
    y, x = np.mgrid[: size[0], : size[1]]
    inside = np.hypot(y - size[0] / 2, x - size[1] / 2) < radius
    return np.where(inside[None, ..., None], np.float32([90, 55, 45]), skin(size))


@pytest.mark.parametrize("radius", [1, 2, 4, 8, 16, 30])
def test_dots_and_lesions_are_no_hairs(radius):
    np.testing.assert_array_equal(run(HAIR, lesion(radius)), lesion(radius))


def test_a_hair_across_a_lesion_goes_and_the_lesion_stays():
    image, place = with_hair(lesion(25), 0.3, 2)
    off = np.abs(run(HAIR, image) - lesion(25))[0].max(-1)
    near_rim = np.abs(np.hypot(*(np.mgrid[: BIG[0], : BIG[1]] - np.array(BIG)[:, None, None] / 2)) - 25) < 6
    assert off[place & ~near_rim].mean() < 6
    assert off[~place & ~near_rim].mean() < 0.5


def test_dark_frames_corners_and_plain_images_stay_as_they_are():
    framed = skin()
    framed[:, :2], framed[:, :, -3:] = 5, 5
    y, x = np.mgrid[: BIG[0], : BIG[1]]
    round_view = np.where((np.hypot(y - 48, x - 64) > 60)[None, ..., None], np.float32(5), skin())
    light_line = skin()
    light_line[:, :, 60:62] += 40
    for image in (framed, round_view, light_line, skin(), np.zeros_like(skin()), np.full_like(skin(), 255)):
        np.testing.assert_array_equal(run(HAIR, image), image)


def test_a_lower_contrast_finds_fainter_hairs():
    image, _ = with_hair(skin(), 0.5, 2)
    faint = skin() + 0.08 * (image - skin())
    np.testing.assert_array_equal(run(HAIR, faint), faint)
    found = run(preprocessors.get("hair_removal")(BIG, contrast=4, then=AS_IS), faint)
    assert np.abs(found - skin()).sum() < 0.3 * np.abs(faint - skin()).sum()


# In a classifier


@pytest.mark.parametrize("name", CLEANERS)
@pytest.mark.parametrize("then", ["unit_range", "imagenet_caffe", Part("rescale", scale=(1, 2, 3), offset=-5)])
def test_what_follows_is_the_preprocessor_named(name, then):
    pixels = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3)).astype(np.uint8)
    after = preprocessors.get(Part.of(then).name)(SIZE, **Part.of(then).options)
    expected = run(after, run(SMALL[name], pixels))
    for written in (then, Part.of(then), Part.of(then).to_dict()):
        np.testing.assert_allclose(run(preprocessors.get(name)(SIZE, then=written), pixels), expected, atol=1e-3)


def test_cleaners_follow_each_other():
    then = {"name": "shades_of_gray", "options": {"p": 1, "then": "symmetric_range"}}
    both = preprocessors.get("hair_removal")(BIG, then=then)
    image, _ = with_hair(skin(), 0.5, 2)
    second = preprocessors.get("shades_of_gray")(BIG, p=1, then="symmetric_range")
    np.testing.assert_allclose(run(both, image), run(second, run(HAIR, image)), atol=1e-5)
    recipe = Recipe(preprocessor=Part("hair_removal", then=then))
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize("name", CLEANERS)
def test_stays_float32_under_mixed_precision(name):
    pixels = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3)).astype(np.uint8)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = preprocessors.get(name)(SIZE, then=AS_IS)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(run(model, pixels), run(SMALL[name], pixels))


@pytest.mark.parametrize("name", CLEANERS)
def test_trains_frozen_and_the_stored_features_are_the_models_own(name, tiny, records, tmp_path):
    model = build_classifier(
        records.class_names, image_size=(16, 16), preprocessor=Part(name, then="symmetric_range"), backbone=tiny
    )
    pixels = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype(np.uint8)
    frozen = frozen_part(model)
    np.testing.assert_allclose(frozen_function(frozen)(pixels), frozen.predict(pixels, verbose=0), atol=1e-4)
    run_ = Frozen(epochs=1).fit(model, records)
    assert run_.recipe.preprocessor == Part(name, then="symmetric_range")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert fingerprint(frozen_part(loaded)) == fingerprint(frozen)


@pytest.mark.parametrize(("name", "option"), [("shades_of_gray", "p"), ("hair_removal", "contrast")])
def test_the_fingerprint_tells_options_apart(name, option):
    def told(**options):
        return fingerprint(preprocessors.get(name)(SIZE, **options))

    assert told() == told()
    assert len({told(), told(**{option: 3}), told(then="symmetric_range")}) == 3


ALONE = """
import sys
sys.modules["lesionkit"] = None
import keras, numpy as np
folder = sys.argv[1]
pixels = np.load(f"{folder}/pixels.npy")
for name in sys.argv[2:]:
    model = keras.models.load_model(f"{folder}/{name}.keras")
    np.save(f"{folder}/{name}.npy", model(pixels, training=False))
"""


def test_a_classifier_with_one_loads_with_keras_alone(tiny, tmp_path):
    image, _ = with_hair(skin(), 0.5, 2)
    np.save(tmp_path / "pixels.npy", image)
    models = {name: build_classifier(("a", "b"), image_size=BIG, preprocessor=name, backbone=tiny) for name in CLEANERS}
    for name, model in models.items():
        model.save(tmp_path / f"{name}.keras")
    subprocess.run([sys.executable, "-c", ALONE, tmp_path, *models], check=True, capture_output=True)
    for name, model in models.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), run(model, image), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "word"),
    [
        ("shades_of_gray", {"p": 0.5}, "p is a number from 1"),
        ("shades_of_gray", {"p": float("inf")}, "p is a number from 1"),
        ("shades_of_gray", {"p": "6"}, "p is a number from 1"),
        ("hair_removal", {"width": 1}, "width is a share"),
        ("hair_removal", {"width": 0.6}, "width is at most"),
        ("hair_removal", {"length": -0.1}, "length is a share"),
        ("hair_removal", {"contrast": 0}, "contrast is a number of levels"),
        ("hair_removal", {"contrast": True}, "contrast is a number of levels"),
        *((name, {"then": then}, "^then is a preprocessor") for name in CLEANERS for then in (3, None, {}, "", run)),
        ("hair_removal", {"then": {"name": "rescale", "scale": 1.0}}, "^then: A part"),
        ("hair_removal", {"then": {"name": "rescale", "options": 3}}, "^then: A part"),
        ("hair_removal", {"then": "rescale"}, "rescale.*scale"),
        ("shades_of_gray", {"then": "native"}, "native.*of"),
        ("shades_of_gray", {"image_size": (0, 3)}, "image_size"),
        ("hair_removal", {"image_size": 3}, "image_size"),
    ],
)
def test_an_option_that_cannot_work_is_named(name, options, word):
    with pytest.raises(OptionError, match=word):
        preprocessors.get(name)(**{"image_size": SIZE, **options})


@pytest.mark.parametrize("name", CLEANERS)
def test_a_follower_that_is_not_registered_is_refused(name):
    with pytest.raises(UnknownNameError, match="no_such"):
        preprocessors.get(name)(SIZE, then="no_such")
