"""Files decoded inside a TensorFlow graph are the pixels of lesionkit's own decoder."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lesionkit.data import images

tf = pytest.importorskip("tensorflow")

from lesionkit.serving.encoded_images import decoded  # noqa: E402

SIZE, OBLONG = (32, 32), (40, 24)


@pytest.fixture(scope="module")
def decode():
    """A function from the bytes of one file to its pixels, as a served graph makes them."""
    return served(SIZE)


def served(size):
    serve = tf.function(
        lambda files: decoded(files, size), input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False
    )
    return lambda data: serve(tf.constant([data])).numpy()[0]


def picture(height, width, seed=0, channels=3):
    random = np.random.default_rng(seed)
    down, right = np.mgrid[:height, :width] / max(height, width)
    waves = [128 + 100 * np.sin(random.uniform(-9, 9) * down + random.uniform(-9, 9) * right) for _ in range(channels)]
    noisy = np.stack(waves, axis=-1) + random.normal(0, 10, (height, width, channels))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8), {3: "RGB", 4: "RGBA"}[channels])


def file(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x010F], found[0x0110] = "A maker of cameras", "Model 7"
    return found


def last_byte_first(orientation):
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00" + bytes([orientation]) + b"\x00\x00"
    return b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01" + entry + bytes(4)


RGB, RGBA = picture(45, 61), picture(45, 61, channels=4)
FILES = {
    "png": file(RGB, "PNG"),
    "png grey": file(RGB.convert("L"), "PNG"),
    "png of two levels": file(RGB.convert("1"), "PNG"),
    "png with a palette": file(RGB.quantize(16), "PNG"),
    "png with a palette, one of it transparent": file(RGB.quantize(16), "PNG", transparency=3),
    "png with opacity": file(RGBA, "PNG"),
    "png grey with opacity": file(RGBA.convert("LA"), "PNG"),
    "webp": file(RGB, "WEBP"),
    "webp with opacity": file(RGBA, "WEBP", lossless=True),
    "jpeg": file(RGB, "JPEG"),
    "jpeg grey": file(RGB.convert("L"), "JPEG"),
    "jpeg cmyk": file(RGB.convert("CMYK"), "JPEG"),
    "jpeg progressive": file(RGB, "JPEG", progressive=True),
    "jpeg 4:2:2": file(RGB, "JPEG", subsampling=1),
    "jpeg decoded at half its size": file(picture(141, 170), "JPEG"),
    "jpeg decoded at an eighth of its size": file(picture(601, 667), "JPEG"),
    "jpeg, smaller than wanted": file(picture(17, 9), "JPEG"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_pixels_are_those_of_our_decoder(decode, name):
    np.testing.assert_array_equal(decode(FILES[name]), images.decode(FILES[name], SIZE))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_turned_pictures_are_turned_upright(decode, kind, orientation):
    data = file(RGB, kind, exif=exif(orientation))
    np.testing.assert_array_equal(decode(data), images.decode(data, SIZE))


@pytest.mark.parametrize("orientation", [3, 6])
def test_cameras_that_write_the_high_byte_first_are_understood(decode, orientation):
    data = file(picture(141, 170), "JPEG", exif=last_byte_first(orientation))
    np.testing.assert_array_equal(decode(data), images.decode(data, SIZE))
    assert not np.array_equal(decode(data), decode(file(picture(141, 170), "JPEG")))


@pytest.fixture(scope="module")
def decode_oblong():
    return served(OBLONG)


@settings(max_examples=25)
@given(height=st.integers(1, 300), width=st.integers(1, 300), orientation=st.integers(1, 8), seed=st.integers(0, 9))
def test_no_pixel_is_more_than_a_level_off_whatever_the_proportions(decode_oblong, height, width, orientation, seed):
    data = file(picture(height, width, seed), "PNG", exif=exif(orientation))
    assert np.abs(decode_oblong(data) - images.decode(data, OBLONG)).max() <= 1


def test_16_bit_grey_is_at_most_a_level_off(decode):
    data = file(Image.fromarray(np.linspace(0, 65535, 61 * 45).astype(np.uint16).reshape(61, 45)), "PNG")
    assert np.abs(decode(data) - images.decode(data, SIZE)).max() <= 1


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF"])
def test_other_formats_are_refused(decode, kind):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Not a JPEG, PNG or WebP file"):
        decode(file(RGB, kind))


@pytest.mark.parametrize("data", [b"", b"no image", FILES["jpeg"][:-200], FILES["png"][:200], FILES["webp"][:200]])
def test_what_our_decoder_refuses_is_refused(decode, data):
    with pytest.raises(images.ImageError):
        images.decode(data, SIZE)
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(data)


def test_several_files_keep_their_order():
    files = [FILES["jpeg"], FILES["png with opacity"], FILES["webp"]]
    found = decoded(tf.constant(files), SIZE).numpy()
    assert found.shape == (3, *SIZE, 3)
    for pixels, data in zip(found, files, strict=True):
        np.testing.assert_array_equal(pixels, images.decode(data, SIZE))
