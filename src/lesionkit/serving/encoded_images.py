"""Bytes of image files to RGB pixels inside a TensorFlow graph, so that a served classifier can be sent files.

Of JPEG, PNG and WebP files it makes what :mod:`lesionkit.data.images` makes, bit for bit, but for this: 16-bit PNG
files and strong changes of the proportions can differ by one level, an orientation that stands in XMP data alone is not
seen, and files of other kinds are refused, since TensorFlow reads them otherwise or not at all.
"""

from typing import Any

import tensorflow as tf

#: EXIF data in a file, up to its entry 0x0112: the orientation, a number of 16 bits, low byte first (II) or last (MM).
#: Entries of 12 bytes stand in order of their numbers, this one among the first (Exif 2.32, CIPA DC-008-2019, 4.6.2).
_ORIENTATION = (
    r"\C*?(?:Exif\x00\x00|eXIf|EXIF\C\C\C\C)"
    r"(?:II\*\x00\C{0,300}?\x12\x01\x03\x00\x01\x00\x00\x00NUMBER\x00"
    r"|MM\x00\*\C{0,300}?\x01\x12\x00\x03\x00\x00\x00\x01\x00NUMBER)\C*"
)
_SEGMENT = 1 << 16  # bytes of a JPEG file in which EXIF data is looked for: it comes first

#: Pillow's resizing counts in units of 2 ** -22, and makes whole levels after each of the two axes.
_ONE = float(1 << 22)


def decoded(files: Any, image_size: tuple[int, int]) -> Any:
    """Returns (B,) bytes of files as (B, height, width, 3) float32 RGB, whole numbers in [0, 255], upright.

    One file that cannot be read is an error for all of them.
    """
    pixels = tf.map_fn(lambda data: _decoded(data, image_size), files, fn_output_signature=tf.float32)
    return tf.ensure_shape(pixels, (None, *image_size, 3))


def _decoded(data: Any, image_size: tuple[int, int]) -> Any:
    orientation = _orientation(data)
    turned = orientation >= 5
    size = tf.where(turned, image_size[::-1], image_size)
    pixels, box = tf.cond(tf.io.is_jpeg(data), lambda: _jpeg(data, size), lambda: _other(data))
    pixels = _resized(pixels, box, size)
    pixels = tf.cond(turned, lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels)
    for axis, mirrored in ((0, (3, 4, 7, 8)), (1, (2, 3, 6, 7))):
        pixels = tf.where(tf.reduce_any(orientation == mirrored), tf.reverse(pixels, (axis,)), pixels)
    return tf.cast(pixels, tf.float32)


def _orientation(data: Any) -> Any:
    """Returns the EXIF orientation, 1 to 8; 1 where there is none."""
    head = tf.strings.substr(data, 0, tf.where(tf.io.is_jpeg(data), _SEGMENT, tf.strings.length(data)))

    def told(number: str) -> Any:
        return tf.strings.regex_full_match(head, _ORIENTATION.replace("NUMBER", number))

    def which() -> Any:
        return tf.reduce_max(tf.where([told(rf"\x0{number}") for number in range(2, 9)], tf.range(2, 9), 1))

    return tf.cond(told(r"[\x02-\x08]"), which, lambda: tf.constant(1))


def _jpeg(data: Any, size: Any) -> tuple[Any, Any]:
    """Returns pixels, and the (height, width) of the picture in them: a large one is decoded at a part of its size."""
    whole = tf.io.extract_jpeg_shape(data)[:2]
    halvings = tf.reduce_sum(tf.cast(tf.reduce_min(whole // (2 * size)) >= (2, 4, 8), tf.int32))

    def at(ratio: int) -> Any:
        return lambda: tf.io.decode_jpeg(data, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    pixels = tf.switch_case(halvings, [at(ratio) for ratio in (1, 2, 4, 8)])
    return pixels, tf.cast(whole, tf.float64) / tf.cast(2**halvings, tf.float64)


def _other(data: Any) -> tuple[Any, Any]:
    png, webp = (tf.strings.regex_full_match(data, start) for start in (r"\CPNG\C*", r"RIFF\C\C\C\CWEBP\C*"))
    with tf.control_dependencies([tf.debugging.Assert(png | webp, ["Not a JPEG, PNG or WebP file."])]):
        data = tf.identity(data)
    pixels = tf.io.decode_image(data, expand_animations=False)  # grey or RGB, either with opacity as a last channel
    channels = tf.shape(pixels)[2]
    colour = tf.cond(channels < 3, lambda: tf.repeat(pixels[..., :1], 3, axis=2), lambda: pixels[..., :3])
    opacity = tf.where(channels % 2 == 0, pixels[..., -1:], tf.constant(255, tf.uint8))
    return _on_white(colour, opacity), tf.cast(tf.shape(pixels)[:2], tf.float64)


def _on_white(pixels: Any, opacity: Any) -> Any:
    """Returns pixels laid on white: (c * a + 255 * (255 - a)) / 255, rounded."""
    share = tf.cast(opacity, tf.int32)
    total = tf.cast(pixels, tf.int32) * share + 255 * (255 - share)
    return tf.cast((2 * total + 255) // 510, tf.uint8)


def _resized(pixels: Any, box: Any, size: Any) -> Any:
    """Returns (h, w, 3) levels as ``size``, bilinear and antialiased, as whole levels.

    Pillow's way (``libImaging/Resample.c``): each new pixel is the mean of those within one new pixel's width, or one
    old one's where that is more, weighted by a triangle.
    """
    columns, rows = (_shares(tf.shape(pixels)[axis], box[axis], size[axis]) for axis in (1, 0))
    wide = _levels(tf.einsum("ow,hwc->hoc", columns, tf.cast(pixels, tf.float64)))
    return _levels(tf.einsum("oh,hwc->owc", rows, wide))


def _shares(count: Any, length: Any, wanted: Any) -> Any:
    """Returns (wanted, count): what ``count`` pixels, of which the first ``length`` are the picture, add to each."""
    step = length / tf.cast(wanted, tf.float64)
    centre = (tf.range(wanted, dtype=tf.float64) + 0.5) * step
    away = tf.abs(tf.range(count, dtype=tf.float64) + 0.5 - centre[:, None])
    share = tf.nn.relu(1 - away / tf.maximum(step, 1))
    return tf.floor(share / tf.reduce_sum(share, axis=1, keepdims=True) * _ONE + 0.5)


def _levels(total: Any) -> Any:
    return tf.clip_by_value(tf.floor(total / _ONE + 0.5), 0, 255)
