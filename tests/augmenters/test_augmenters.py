"""Each augmenter: its range, its geometry against SciPy, identity when not training, seeds, saving."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from lesionkit import augmenters
from lesionkit.augmenters.layers import RandomAffine, RandomLight
from lesionkit.errors import OptionError

PLAIN, MIXING = ("dermoscopy", "flip_rotate_shift", "randaugment"), ("cutmix", "mixup")
SIZE = (12, 16)
PIXELS = arrays(np.float32, (2, *SIZE, 3), elements=st.floats(0, 255, width=32))
ONE = st.floats(-1, 1, width=32)
quick = settings(max_examples=25)
LAYERS = {name: augmenters.get(name)() for name in PLAIN}


def noise(count=3, size=SIZE):
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3)).astype(np.float32)


def changed(layer, pixels, training=True):
    return np.asarray(layer(pixels, training=training))


def drawing(layer, *numbers):
    """``layer`` with these numbers in place of those that it draws."""
    layer.draw = lambda images, count: np.tile(np.float32(numbers), (len(images), 1))
    return layer


def affine(turn=0.0, size=0.0, right=0.0, down=0.0, x=1.0, y=1.0, **options):
    return drawing(RandomAffine(**options), turn, size, right, down, x, y)


def test_the_family_has_these():
    assert set(augmenters.names()) >= {*PLAIN, *MIXING}


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=6)
@given(pixels=PIXELS)
def test_keeps_shape_and_range(name, pixels):
    result = changed(LAYERS[name], pixels)
    assert result.shape == pixels.shape
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 255


@pytest.mark.parametrize("name", PLAIN)
def test_changes_nothing_when_not_training(name):
    layer, pixels = augmenters.get(name)(), noise()
    image = keras.Input((*SIZE, 3))
    functional = keras.Model(image, layer(image))
    nested = keras.Sequential([keras.Input((*SIZE, 3)), keras.Sequential([layer])])
    for model in (layer, functional, nested):
        np.testing.assert_array_equal(changed(model, pixels, training=False), pixels)
        assert not np.array_equal(changed(model, pixels), pixels)
    for model in (functional, nested):
        np.testing.assert_array_equal(model.predict(pixels, verbose=0), pixels)


@pytest.mark.parametrize("name", PLAIN)
def test_draws_by_its_seed(name):
    def results(seed):
        layer = augmenters.get(name)(seed=seed)
        return [changed(layer, noise(8)) for _ in range(2)]

    first, again, other = results(1), results(1), results(2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize("name", [*PLAIN, *MIXING])
def test_the_largest_seed_is_one(name):
    assert augmenters.get(name)(seed=2**32 - 1) is not None


@pytest.mark.parametrize("name", PLAIN)
def test_survives_saving_in_a_model(name, tmp_path):
    model = keras.Sequential([keras.Input((*SIZE, 3)), augmenters.get(name)(seed=3)])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(changed(loaded, noise()), changed(model, noise()))


@pytest.mark.parametrize("name", [*PLAIN, *MIXING])
def test_its_configuration_makes_it_again(name):
    layer = augmenters.get(name)(seed=3)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("name", PLAIN)
def test_computes_the_same_under_mixed_precision(name):
    expected = changed(augmenters.get(name)(), noise())
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        result = changed(augmenters.get(name)(), noise())
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("name", ["dermoscopy", "flip_rotate_shift"])
def test_takes_images_whose_size_is_not_known_before(name):
    model = keras.Sequential([keras.Input((None, None, 3)), augmenters.get(name)()])
    assert model.predict(noise(), verbose=0).shape == (3, *SIZE, 3)
    assert changed(model, noise(size=(9, 9))).shape == (3, 9, 9, 3)


@quick
@given(pixels=PIXELS, turn=ONE, size=ONE, right=ONE, down=ONE, x=st.sampled_from([-1, 1]), y=st.sampled_from([-1, 1]))
def test_geometry_is_the_one_affine_map_of_scipy(pixels, turn, size, right, down, x, y):
    layer = affine(turn, size, right, down, x, y, flips="both", rotation=180.0, zoom=0.5, shift=0.3)
    angle, scale, middle = np.radians(180 * turn), 1.5**size, (np.array(SIZE) - 1) / 2
    turned = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ np.diag([y, x])
    offset = middle - turned @ middle + 0.3 * np.array([down, right]) * SIZE
    expected = [
        [
            ndimage.affine_transform(image[..., c].astype(np.float64), turned, offset, order=1, mode="reflect")
            for c in range(3)
        ]
        for image in pixels
    ]
    np.testing.assert_allclose(changed(layer, pixels), np.moveaxis(expected, 1, -1), atol=0.05)


def test_a_quarter_turn_is_exact_up_to_rounding():
    square = noise(size=(11, 11))
    result = changed(affine(turn=1.0, rotation=90.0), square)
    np.testing.assert_allclose(result, np.rot90(square, axes=(1, 2)), atol=0.01)


def test_a_half_turn_of_an_oblong_image_is_exact_up_to_rounding():
    np.testing.assert_allclose(changed(affine(turn=1.0, rotation=180.0), noise()), noise()[:, ::-1, ::-1], atol=0.01)


def test_a_shift_mirrors_in_what_was_outside():
    result = changed(affine(right=1.0, shift=0.25), noise())
    padded = np.pad(noise(), [(0, 0), (0, 0), (0, 4), (0, 0)], mode="symmetric")
    np.testing.assert_array_equal(result, padded[:, :, 4:])


@pytest.mark.parametrize(("flips", "count"), [("none", 1), ("horizontal", 2), ("vertical", 2), ("both", 4)])
def test_flips_are_exact_and_each_happens(flips, count):
    image = noise(1)
    possible = {
        "none": [image],
        "horizontal": [image, image[:, :, ::-1]],
        "vertical": [image, image[:, ::-1]],
        "both": [image, image[:, :, ::-1], image[:, ::-1], image[:, ::-1, ::-1]],
    }[flips]
    results = changed(RandomAffine(flips=flips), np.repeat(image, 64, axis=0))
    assert {one.tobytes() for one in results} == {one.tobytes() for one in possible}
    assert len(possible) == count


@quick
@given(
    colour=arrays(np.float32, 3, elements=st.floats(0, 255, width=32)),
    rotation=st.floats(0, 180),
    zoom=st.floats(0, 1),
    shift=st.floats(0, 1),
)
def test_a_constant_image_stays_constant(colour, rotation, zoom, shift):
    pixels = np.broadcast_to(colour, (4, *SIZE, 3))
    layer = RandomAffine(flips="both", rotation=rotation, zoom=zoom, shift=shift)
    np.testing.assert_allclose(changed(layer, pixels), pixels, atol=1e-3)


@quick
@given(pixels=PIXELS)
def test_geometry_makes_no_value_that_was_not_there(pixels):
    result = changed(RandomAffine(flips="both", rotation=180.0, zoom=0.5, shift=0.5), pixels)
    for one, image in zip(result, pixels, strict=True):
        assert one.min() >= image.min() - 1e-3
        assert one.max() <= image.max() + 1e-3


@quick
@given(pixels=PIXELS, drawn=st.tuples(*[ONE] * 5))
def test_light_is_contrast_then_gains(pixels, drawn):
    layer = drawing(RandomLight(brightness=0.3, contrast=0.4, colour=0.2), *drawn)
    mean = pixels.astype(np.float64).mean(axis=(1, 2, 3), keepdims=True)
    gain = (1 + 0.3 * drawn[0]) * (1 + 0.2 * np.array(drawn[2:]))
    expected = np.clip(((pixels - mean) * (1 + 0.4 * drawn[1]) + mean) * gain, 0, 255)
    np.testing.assert_allclose(changed(layer, pixels), expected, atol=0.01)


def test_contrast_is_lowered_as_often_as_raised():
    results = changed(RandomLight(contrast=0.2), np.repeat(noise(1) / 4 + 100, 400, axis=0))
    lowered = np.mean(results.std(axis=(1, 2, 3)) < (noise(1) / 4).std())
    assert 0.4 < lowered < 0.6


def test_no_option_is_no_change():
    for layer in (RandomAffine(), RandomLight()):
        np.testing.assert_array_equal(changed(layer, noise()), noise())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("flip_rotate_shift", {"flips": "sideways"}),
        ("flip_rotate_shift", {"rotation": 181}),
        ("flip_rotate_shift", {"shift": -0.1}),
        ("flip_rotate_shift", {"seed": -1}),
        ("dermoscopy", {"zoom": 1.5}),
        ("dermoscopy", {"brightness": "much"}),
        ("dermoscopy", {"contrast": True}),
        ("dermoscopy", {"colour": float("nan")}),
        ("dermoscopy", {"seed": 1.5}),
        ("randaugment", {"operations": 0}),
        ("randaugment", {"strength": 0}),
        ("mixup", {"alpha": 0}),
        ("cutmix", {"alpha": 1.1}),
        ("cutmix", {"seed": 2**32}),
    ],
)
def test_an_option_out_of_its_range_is_named(name, options):
    with pytest.raises(OptionError, match=f"{next(iter(options))}.*Received"):
        augmenters.get(name)(**options)


def pair(count):
    """Black and white images in turn, with labels of two classes that say so."""
    white = np.arange(count) % 2
    pixels = np.broadcast_to(255.0 * white[:, None, None, None], (count, 16, 16, 3)).astype(np.float32)
    return {"images": pixels, "labels": np.eye(2, dtype=np.float32)[white]}


@pytest.mark.parametrize(("name", "tolerance"), [("mixup", 1e-5), ("cutmix", 0.13)])
def test_labels_are_mixed_as_the_images_are(name, tolerance):
    mixed = augmenters.get(name)()(pair(64), training=True)
    images, labels = np.asarray(mixed["images"]), np.asarray(mixed["labels"])
    assert images.shape == (64, 16, 16, 3)
    assert images.min() >= 0
    assert images.max() <= 255 + 1e-3
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)) / 255, labels[:, 1], atol=tolerance)
    assert np.any((labels > 0.05) & (labels < 0.95))


@pytest.mark.parametrize("name", MIXING)
def test_nothing_is_mixed_when_not_training(name):
    given = pair(8)
    result = augmenters.get(name)()(given, training=False)
    for key in given:
        np.testing.assert_array_equal(result[key], pair(8)[key])


def test_the_areas_of_cutmix_are_uniform_at_alpha_1():
    labels = np.asarray(augmenters.get("cutmix")()(pair(2000), training=True)["labels"])
    mixed = labels[(labels[:, 0] > 1e-6) & (labels[:, 1] > 1e-6)]
    assert 0.44 < np.mean(np.abs(mixed[:, 0] - 0.5) < 0.25) < 0.56
