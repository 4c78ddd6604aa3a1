import errno
import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from lesionkit.data import images
from lesionkit.errors import ImageError, OptionError

ORIENTATION = 0x0112
TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: np.rot90(a),
}
LOSSLESS = [
    ("PNG", {}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("WEBP", {"lossless": True}),
]
RGB = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))
quick = settings(max_examples=60, deadline=None)


def encoded(picture, kind="PNG", **options):
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(np.ascontiguousarray(picture))
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, bits, colour, rows, *extra):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    chunks = [header, *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(values, bits, photometric=1, sample_format=1, width=3):
    """Returns a TIFF of one row, made by hand: Pillow writes only some of the kinds that it reads."""
    tags = {256: width, 257: 1, 258: bits, 259: 1, 262: photometric, 273: 0, 277: 1, 278: 1, 279: len(values)}
    tags[339] = sample_format
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0" * 4 + values


def smooth(height, width):
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 120 * np.sin(x / (37 + 10 * c) + c) * np.cos(y / (53 - 5 * c)) for c in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def refused(data, **options):
    with pytest.raises(ImageError) as caught:
        images.decode(data, source="a.jpg", **options)
    assert caught.value.source == "a.jpg"
    assert str(caught.value).startswith("a.jpg: ")
    return caught.value.reason


class TestReadBytes:
    def test_returns_the_bytes_of_a_file(self, tmp_path):
        (tmp_path / "a.png").write_bytes(b"\x00\x01")
        assert images.read_bytes(str(tmp_path / "a.png")) == b"\x00\x01"

    def test_names_need_not_be_utf8(self, tmp_path):
        name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
        try:
            Path(name).write_bytes(encoded(smooth(4, 5)))
        except OSError:
            pytest.skip("this file system holds UTF-8 names alone")
        assert np.array_equal(images.load(name), smooth(4, 5))
        Path(name).write_bytes(b"x")
        with pytest.raises(ImageError) as caught:
            images.load(name)
        assert "caf\\udce9.png: not an image" in str(caught.value)

    def test_refuses_what_holds_no_bytes(self, tmp_path):
        (tmp_path / "empty.jpg").touch()
        (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nothing")
        cases = {
            "missing.jpg": "no such file",
            "dangling.jpg": "no such file",
            "empty.jpg": r"empty \(0 bytes\): copy or download it again",
            "": "is a folder",
            "empty.jpg/a.jpg": "cannot be opened",
            "nul\0.jpg": "cannot be opened",
            "\ud800.jpg": "cannot be opened",
        }
        for name, reason in cases.items():
            with pytest.raises(ImageError, match=reason) as caught:
                images.read_bytes(os.path.join(tmp_path, name))
            assert caught.value.source == os.path.join(tmp_path, name)

    def test_refuses_without_permission(self, monkeypatch):
        def denied(path):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", denied)
        with pytest.raises(ImageError, match="change its permissions"):
            images.read_bytes("a.jpg")


class TestFormats:
    @quick
    @given(pixels=RGB, kind=st.sampled_from(LOSSLESS))
    def test_lossless_formats_come_back_exactly(self, pixels, kind):
        decoded = images.decode(encoded(pixels, kind[0], **kind[1]))
        assert decoded.dtype == np.uint8
        assert decoded.flags.writeable
        assert np.array_equal(decoded, pixels)

    @pytest.mark.parametrize("kind", ["JPEG", "MPO", "GIF", "WEBP"])
    def test_lossy_formats_come_back_nearly(self, kind):
        decoded = images.decode(encoded(smooth(64, 80), kind))
        assert decoded.shape == (64, 80, 3)
        assert np.abs(decoded.astype(int) - smooth(64, 80)).mean() < 8

    def test_the_extension_does_not_matter(self, tmp_path):
        for extension in ("jpg", "png", "bmp", "gif", "webp", "tiff", "txt", "eps"):
            path = tmp_path / f"a.{extension}"
            path.write_bytes(encoded(smooth(6, 7)))
            assert np.array_equal(images.load(str(path)), smooth(6, 7))

    def test_other_formats_are_refused(self):
        for kind in ("PPM", "TGA", "ICO", "EPS"):
            assert "JPEG, PNG, BMP, GIF, WebP, TIFF" in refused(encoded(smooth(16, 16), kind))

    def test_the_first_frame_counts(self):
        first, second = Image.new("RGB", (8, 6), "red"), Image.new("RGB", (8, 6), "blue")
        for kind in ("GIF", "WEBP", "TIFF", "PNG", "MPO"):
            decoded = images.decode(encoded(first, kind, save_all=True, append_images=[second]), (3, 4))
            assert np.abs(decoded.astype(int) - [255, 0, 0]).max() <= 4, kind

    def test_progressive_and_subsampled_jpegs(self):
        for options in ({"progressive": True}, {"subsampling": "4:2:2"}, {"subsampling": "4:4:4"}):
            decoded = images.decode(encoded(smooth(64, 80), "JPEG", quality=95, **options))
            assert np.abs(decoded.astype(int) - smooth(64, 80)).mean() < 3

    def test_many_threads_agree(self):
        data = [encoded(smooth(90, 120), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")] * 8
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda one: images.decode(one, (32, 32)), data))
        assert all(np.array_equal(a, images.decode(one, (32, 32))) for a, one in zip(together, data, strict=True))

    def test_tensorflow_is_not_loaded(self):
        code = "import sys, lesionkit.data.images; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0

    def test_the_decoder_names_pillow(self):
        assert images.DECODER.endswith(f"pillow-{PIL.__version__}")


class TestModes:
    def test_grey(self):
        grey = smooth(5, 6)[:, :, 0]
        assert np.array_equal(images.decode(encoded(grey)), np.stack([grey] * 3, axis=-1))
        assert images.decode(encoded(grey, "JPEG")).shape == (5, 6, 3)

    def test_one_bit(self):
        bits = np.array([[True, False], [False, True]])
        expected = np.stack([bits * 255] * 3, axis=-1)
        for kind in ("PNG", "BMP", "TIFF"):
            assert np.array_equal(images.decode(encoded(Image.fromarray(bits), kind)), expected)

    @quick
    @given(pixels=arrays(np.uint8, (3, 4, 4)))
    def test_transparency_is_laid_on_white(self, pixels):
        decoded = images.decode(encoded(pixels)).astype(int)
        alpha = pixels[:, :, 3:] / 255
        assert np.abs(decoded - (pixels[:, :, :3] * alpha + 255 * (1 - alpha))).max() <= 1
        assert np.all(decoded[pixels[:, :, 3] == 0] == 255)
        assert np.array_equal(decoded[pixels[:, :, 3] == 255], pixels[:, :, :3][pixels[:, :, 3] == 255])

    def test_grey_with_opacity(self):
        image = Image.merge("LA", (Image.new("L", (2, 1), 100), Image.fromarray(np.array([[0, 255]], np.uint8))))
        assert images.decode(encoded(image))[0, :, 0].tolist() == [255, 100]

    def test_palettes(self):
        image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
        image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
        colours = [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
        for kind in ("PNG", "BMP", "GIF", "TIFF"):
            assert images.decode(encoded(image, kind))[0].tolist() == colours
        white = [[10, 20, 30], [255, 255, 255], [70, 80, 90]]
        assert images.decode(encoded(image, "PNG", transparency=1))[0].tolist() == white
        assert images.decode(encoded(image, "GIF", transparency=1))[0].tolist() == white
        several = encoded(image, "PNG", transparency=bytes([255, 0, 255]))
        assert images.decode(several)[0].tolist() == white

    def test_a_transparent_colour(self):
        data = encoded(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8), "PNG", transparency=(4, 5, 6))
        assert images.decode(data)[0].tolist() == [[1, 2, 3], [255, 255, 255]]

    @pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
    def test_cmyk(self, kind):
        inks = {"white": (0, 0, 0, 0), "black": (0, 0, 0, 255), "red": (0, 255, 255, 0), "blue": (255, 255, 0, 0)}
        for name, ink in inks.items():
            decoded = images.decode(encoded(Image.new("CMYK", (16, 16), ink), kind))
            expected = np.asarray(Image.new("RGB", (16, 16), name)).astype(int)
            assert np.abs(decoded - expected).max() <= 3, name

    def test_ycbcr_and_lab(self):
        grey = Image.new("RGB", (8, 8), (120, 120, 120))
        assert np.abs(images.from_array(grey.convert("YCbCr")).astype(int) - 120).max() <= 2
        assert np.abs(images.decode(encoded(grey, "TIFF", compression="jpeg")).astype(int) - 120).max() <= 2
        lab = Image.new("LAB", (8, 8), (128, 128, 128))
        decoded = images.decode(encoded(lab, "TIFF"))
        assert np.ptp(decoded) <= 3
        assert np.abs(decoded.astype(int) - 119).max() <= 3

    @quick
    @given(values=arrays(np.uint16, (3, 4)), kind=st.sampled_from(["PNG", "TIFF"]))
    def test_16_bit_grey_is_scaled(self, values, kind):
        expected = np.rint(values / 257).astype(np.uint8)
        assert np.array_equal(images.decode(encoded(values, kind)), np.stack([expected] * 3, axis=-1))

    def test_16_bit_grey_with_transparency(self):
        data = png(3, 1, 16, 0, struct.pack(">xHHH", 257, 1000, 514), chunk(b"tRNS", struct.pack(">H", 1000)))
        assert images.decode(data)[0, :, 0].tolist() == [1, 255, 2]

    @pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
    def test_16_bit_colour_is_scaled(self, colour, channels):
        values = range(0, 65536, 1111)
        opaque = [65535] if colour in (4, 6) else []
        samples = [s for value in values for s in [value] * (channels - len(opaque)) + opaque]
        decoded = images.decode(png(len(values), 1, 16, colour, struct.pack(f">x{len(samples)}H", *samples)))
        assert np.abs(decoded[0] - np.array(values)[:, None] / 257).max() <= 1

    def test_32_bit_grey_counts_as_16_bit_when_it_fits(self):
        fits = tiff(np.array([0, 300, 65535], np.uint32).tobytes(), 32)
        assert images.decode(fits)[0, :, 0].tolist() == [0, 1, 255]

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (tiff(np.array([0, 300, 65536], np.int32).tobytes(), 32, sample_format=2), r"0\.\.65536, 16 bits are"),
            (tiff(np.array([-1, 300, 9], np.int16).tobytes(), 16, sample_format=2), r"-1\.\.300"),
            (tiff(np.array([0, 0.5, 1], np.float32).tobytes(), 32, sample_format=3), "decimal numbers"),
            (tiff(bytes([0xFF, 0xF0, 0, 0xFF, 0xF0]), 12), "12 bits"),
            (tiff(np.array([0, 300, 9], np.uint16).tobytes(), 16, photometric=0), "white at 0"),
        ],
    )
    def test_pixels_of_unknown_range_are_refused(self, data, reason):
        with pytest.raises(ImageError, match=reason):
            images.decode(data)


class TestOrientation:
    @pytest.mark.parametrize("orientation", TURNS)
    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
    def test_pictures_come_upright(self, orientation, kind):
        pixels = smooth(5, 7)
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(pixels, kind, exif=turned(orientation), **options)
        expected = TURNS[orientation](pixels)
        assert np.array_equal(images.decode(data), expected)
        shrunk, reference = images.decode(data, (4, 3)), images.from_array(expected, (4, 3))
        assert shrunk.shape == (4, 3, 3)
        assert np.abs(shrunk.astype(int) - reference).max() <= 1

    @pytest.mark.parametrize("orientation", TURNS)
    def test_large_jpegs_come_upright(self, orientation):
        pixels = smooth(403, 641)
        data = encoded(pixels, "JPEG", quality=95, exif=turned(orientation))
        reference = images.from_array(TURNS[orientation](pixels), (40, 30)).astype(int)
        assert np.abs(images.decode(data, (40, 30)) - reference).mean() < 1.5
        assert np.array_equal(
            images.decode(data), TURNS[orientation](images.decode(encoded(pixels, "JPEG", quality=95)))
        )

    def test_impossible_orientations_are_ignored(self):
        for orientation in (0, 9, 65535):
            data = encoded(smooth(5, 7), exif=turned(orientation))
            assert np.array_equal(images.decode(data), smooth(5, 7))

    @pytest.mark.filterwarnings("ignore")
    def test_damaged_exif_is_ignored(self):
        exif = turned(6).tobytes()
        for damaged in (exif[:-8], b"Exif\0\0nonsense", b"Exif\0\0"):
            for kind in ("PNG", "JPEG"):
                assert images.decode(encoded(smooth(5, 7), kind, exif=damaged)).shape == (5, 7, 3)


class TestResize:
    @quick
    @given(
        colour=st.tuples(*[st.integers(0, 255)] * 3),
        height=st.integers(1, 40),
        width=st.integers(1, 40),
        size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    )
    def test_one_colour_stays_one_colour(self, colour, height, width, size):
        resized = images.decode(encoded(Image.new("RGB", (width, height), colour)), size)
        assert resized.shape == (*size, 3)
        assert np.all(resized == colour)

    @quick
    @given(pixels=RGB, size=st.tuples(st.integers(1, 12), st.integers(1, 12)))
    def test_files_and_arrays_are_resized_alike(self, pixels, size):
        assert np.array_equal(images.decode(encoded(pixels), size), images.from_array(pixels, size))

    @quick
    @given(pixels=RGB)
    def test_the_own_size_changes_nothing(self, pixels):
        assert np.array_equal(images.decode(encoded(pixels), pixels.shape[:2]), pixels)

    def test_shrinking_averages(self):
        board = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
        assert np.abs(images.decode(encoded(board), (16, 16)).astype(int) - 127.5).max() < 4

    def test_sizes_are_checked(self):
        for size in ((0, 4), (4,), "44", (4.5, 4), 4):
            with pytest.raises(OptionError, match="Received"):
                images.decode(encoded(smooth(4, 4)), size)
            with pytest.raises(OptionError, match="Received"):
                images.from_array(smooth(4, 4), size)

    @pytest.mark.parametrize("shape", [(1000, 1500), (1003, 1501), (451, 601)])
    def test_reduced_decoding_of_jpegs_is_close_to_full(self, shape):
        data = encoded(smooth(*shape), "JPEG", quality=95)
        apart = np.abs(images.decode(data, (96, 64)).astype(int) - images.from_array(images.decode(data), (96, 64)))
        assert apart.mean() < 1
        assert apart.max() <= 4

    def test_large_jpegs_are_not_decoded_whole(self, monkeypatch):
        data = encoded(smooth(800, 1200), "JPEG", exif=turned(6))
        sizes = []
        load = Image.Image.load
        monkeypatch.setattr(Image.Image, "load", lambda image: sizes.append(image.size) or load(image))
        images.decode(data, (150, 100))
        assert max(sizes) == (300, 200)


class TestDamage:
    @quick
    @given(data=st.binary(max_size=300))
    def test_random_bytes_are_refused(self, data):
        assert "not an image in a format that is read" in refused(data)

    @pytest.mark.filterwarnings("ignore")
    @settings(max_examples=150, deadline=None)
    @given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"]))
    def test_truncated_or_changed_files_decode_or_are_refused(self, data, kind):
        noise = np.random.default_rng(0).integers(0, 256, (24, 31, 3), dtype=np.uint8)
        whole = bytearray(encoded(noise, kind, exif=turned(6)) if kind != "BMP" else encoded(noise, kind))
        for _ in range(data.draw(st.integers(0, 3))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
        try:
            assert images.decode(cut, (8, 9)).shape == (8, 9, 3)
        except ImageError as error:
            assert error.reason

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
    def test_a_file_cut_in_half_is_called_truncated(self, kind):
        data = encoded(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), kind)
        reason = refused(data[: len(data) // 2])
        assert reason.startswith("truncated") or kind == "TIFF", reason

    def test_damage_is_named(self):
        data = bytearray(encoded(smooth(64, 64)))
        data[60:80] = b"\0" * 20
        assert refused(bytes(data)).startswith("damaged, it cannot be decoded")

    def test_whatever_pillow_raises_is_an_image_error(self, monkeypatch):
        data = encoded(smooth(4, 4))
        for error in (MemoryError(), RecursionError(), ZeroDivisionError("x"), KeyError("\ud800\n"), EOFError()):

            def failing(image, error=error):
                raise error

            monkeypatch.setattr(Image.Image, "load", failing)
            reason = refused(data)
            assert reason.isprintable()
            assert ("memory" in reason) == isinstance(error, MemoryError)

    def test_interruption_is_not_swallowed(self, monkeypatch):
        def interrupted(image):
            raise KeyboardInterrupt

        data = encoded(smooth(4, 4))
        monkeypatch.setattr(Image.Image, "load", interrupted)
        with pytest.raises(KeyboardInterrupt):
            images.decode(data)


class TestBombs:
    @pytest.mark.parametrize("size", [(30_000, 30_000), (9_460, 9_460), (89_478_486, 1)])
    @pytest.mark.parametrize("action", ["error", "ignore"])
    def test_huge_pictures_are_refused_by_their_header(self, size, action):
        bomb = png(*size, 8, 2, b"\0" * 1000)
        with warnings.catch_warnings():
            warnings.simplefilter(action, Image.DecompressionBombWarning)
            reason = refused(bomb, image_size=(8, 8))
        assert "exceeds the limit of 89,478,485 pixels" in reason
        assert f"{size[0] * size[1]} pixels" in reason or f"{size[0]} x {size[1]} pixels" in reason

    def test_the_limit_does_not_hang_on_pillow(self, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        assert "(30000 x 30000 pixels) exceeds the limit" in refused(png(30_000, 30_000, 8, 2, b""))

    def test_the_limit_itself_is_read(self, monkeypatch):
        monkeypatch.setattr(images, "MAX_PIXELS", 20)
        assert images.decode(encoded(smooth(4, 5))).shape == (4, 5, 3)
        assert "7 x 3 pixels" in refused(encoded(smooth(3, 7)))


class TestFromArray:
    @quick
    @given(pixels=RGB)
    def test_kinds_of_array(self, pixels):
        grey = pixels[:, :, 0]
        as_rgb = np.stack([grey] * 3, axis=-1)
        opaque = np.concatenate([pixels, np.full_like(pixels[:, :, :1], 255)], axis=-1)
        assert np.array_equal(images.from_array(pixels), pixels)
        assert np.array_equal(images.from_array(grey), as_rgb)
        assert np.array_equal(images.from_array(pixels[:, :, :1]), as_rgb)
        assert np.array_equal(images.from_array(opaque), pixels)
        assert np.array_equal(images.from_array(pixels[::-1, ::-1]), pixels[::-1, ::-1])
        assert np.array_equal(images.from_array(pixels.astype(int)), pixels)
        assert np.array_equal(images.from_array(pixels.tolist()), pixels)

    def test_decimals_are_rounded(self):
        assert images.from_array(np.array([[0.0, 0.4, 7.6, 254.6, 255.0]]))[0, :, 0].tolist() == [
            0,
            0,
            8,
            255,
            255,
        ]

    def test_the_result_is_a_copy(self):
        pixels = smooth(4, 5)
        images.from_array(pixels)[:] = 0
        assert np.array_equal(pixels, smooth(4, 5))

    def test_transparent_pixels_are_white(self):
        assert images.from_array(np.zeros((2, 2, 4), np.uint8)).min() == 255

    def test_decimals_that_look_like_0_to_1_are_refused(self):
        for dtype in (np.float16, np.float32, np.float64):
            with pytest.raises(OptionError, match=r"look like 0\.\.1.*multiply them by 255.*Received: .* 1\.0$"):
                images.from_array(np.linspace(0, 1, 12, dtype=dtype).reshape(2, 2, 3))
        assert images.from_array(np.zeros((2, 2, 3))).max() == 0
        assert images.from_array(np.ones((2, 2, 3), np.uint8)).max() == 1

    @pytest.mark.parametrize(
        "pixels",
        [
            np.full((2, 2), np.nan),
            np.full((2, 2), np.inf),
            np.full((2, 2), -0.5),
            np.full((2, 2), 256),
            np.zeros(4, np.uint8),
            np.zeros((1, 2, 2, 3), np.uint8),
            np.zeros((3, 4, 5), np.uint8),
            np.zeros((0, 4, 3), np.uint8),
            np.zeros((2, 2), bool),
            np.zeros((2, 2), complex),
            np.full((2, 2), "a"),
            [[1, 2], [3]],
            "picture.jpg",
            None,
        ],
    )
    def test_other_arrays_are_refused(self, pixels):
        with pytest.raises(OptionError, match=r"Pixels .*Received: "):
            images.from_array(pixels)

    def test_pillow_images_are_read_like_files(self, tmp_path):
        for mode in (
            "1",
            "L",
            "LA",
            "P",
            "PA",
            "RGB",
            "RGBA",
            "RGBa",
            "RGBX",
            "CMYK",
            "YCbCr",
            "LAB",
            "HSV",
            "I",
            "I;16",
        ):
            assert images.from_array(Image.new(mode, (5, 4)), (3, 2)).shape == (3, 2, 3)
        for orientation in TURNS:
            (tmp_path / "a.png").write_bytes(encoded(smooth(4, 5), exif=turned(orientation)))
            with Image.open(tmp_path / "a.png") as image:
                assert np.array_equal(images.from_array(image), images.load(str(tmp_path / "a.png")))

    def test_pillow_images_that_cannot_be_read_are_refused(self):
        with pytest.raises(ImageError, match="decimal numbers"):
            images.from_array(Image.new("F", (5, 4)))
        data = encoded(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
        with Image.open(io.BytesIO(data[:4000])) as image, pytest.raises(ImageError, match="truncated"):
            images.from_array(image)
