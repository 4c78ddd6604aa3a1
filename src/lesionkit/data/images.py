"""Bytes to RGB pixels: the one decoder, used for training, evaluation and prediction alike.

Needs Pillow alone, keeps no state, and may be called from many threads at once. Colour profiles
(ICC) embedded in a file are not applied, except for Lab pictures, which have no other meaning.
"""

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lesionkit.data.reading import read_bytes
from lesionkit.errors import ImageError, OptionError
from lesionkit.options import checked_image_size
from lesionkit.text import as_text

#: Names the way from bytes to pixels: what was computed by another decoder must not be mixed with this one's.
DECODER = f"1/pillow-{PIL.__version__}"

#: Pictures with more pixels than this are refused by their header: decoding them takes gigabytes.
MAX_PIXELS = 89_478_485

_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")  # MPO is opened as the JPEG that it starts with.
_ORIENTATION, _BITS_PER_SAMPLE, _PHOTOMETRIC = 0x0112, 258, 262
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, image_size: tuple[int, int] | None = None, *, source: str = "image") -> NDArray[np.uint8]:
    """Returns the picture in ``data`` as uint8 RGB (height, width, 3) in [0, 255], upright.

    JPEG, PNG, BMP, GIF (its first frame), WebP and TIFF (its first page) are told apart by content. Every kind
    of pixel becomes 8-bit RGB: 16-bit grey is scaled by 1/257, not clipped. Transparent pixels are laid on white,
    since the colour stored beneath them is undefined and often arbitrary. The EXIF orientation is applied.

    A large JPEG is decoded at a half, a quarter or an eighth of its size when that is at least twice the wanted
    one; resizing is bilinear and antialiased.

    Args:
        data: the bytes of the file.
        image_size: (height, width) to resize to, whatever the proportions; None keeps the picture's own.
        source: the name of the picture in errors.

    Raises:
        ImageError: the data is damaged, cut short, not an image, too large, or of pixels of unknown range.
        OptionError: ``image_size`` is not two whole numbers of at least 1.
    """
    size = None if image_size is None else checked_image_size(image_size)
    with _refusing(source), Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ImageError(source, _too_large(f"Image size ({image.width} x {image.height} pixels)"))
        drafted = None
        if size is not None and image.format in ("JPEG", "MPO"):
            width, height = _before_turn(size, _orientation(image))
            drafted = image.draft(None, (2 * width, 2 * height))
        return _upright_rgb(image, size, source, box=drafted and drafted[1])


def load(source: str, image_size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Returns the picture in the file ``source`` as uint8 RGB (height, width, 3) in [0, 255], upright.

    Raises:
        ImageError: see :func:`~lesionkit.data.reading.read_bytes` and :func:`decode`.
        OptionError: ``image_size`` is not two whole numbers of at least 1.
    """
    return decode(read_bytes(source), image_size, source=source)


def from_array(pixels: Any, image_size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Returns pixels that are decoded already as uint8 RGB (height, width, 3) in [0, 255].

    Args:
        pixels: a Pillow image, treated as :func:`decode` treats a file (so its EXIF orientation is applied); or
            an array in [0, 255] of shape (height, width), (..., 1), (..., 3) or, with opacity last, (..., 4).
            Decimals are rounded.
        image_size: (height, width) to resize to as :func:`decode` does; None keeps the size.

    Raises:
        OptionError: the array has another shape or range, or its values look like 0..1.
        ImageError: the Pillow image cannot be decoded, or has pixels of unknown range.
    """
    size = None if image_size is None else checked_image_size(image_size)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(_checked_array(pixels))
    with _refusing("image"):
        return _upright_rgb(image, size, "image")


@contextlib.contextmanager
def _refusing(source: str) -> Iterator[None]:
    """Turns whatever a hostile file makes Pillow raise into an :class:`ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError:
        reason = "not an image in a format that is read (JPEG, PNG, BMP, GIF, WebP, TIFF), or its beginning is damaged"
        raise ImageError(source, reason) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(source, _too_large(str(error).partition(" exceeds")[0])) from None
    except MemoryError as error:
        raise ImageError(source, "does not fit into memory: shrink it first") from error
    except Exception as error:
        shown = as_text(str(error))
        if "truncated" in shown.lower():
            reason = "truncated, its end is missing: copy or download it again"
        else:
            reason = f"damaged, it cannot be decoded ({type(error).__name__}: {shown})"
        raise ImageError(source, reason) from error


def _too_large(size: str) -> str:
    return f"{size} exceeds the limit of {MAX_PIXELS:,} pixels: shrink it first"


def _upright_rgb(
    image: Image.Image,
    size: tuple[int, int] | None,
    source: str,
    box: tuple[float, float, float, float] | None = None,
) -> NDArray[np.uint8]:
    """Returns an image as uint8 RGB (height, width, 3); ``box`` is the part of a drafted one that holds pixels."""
    image.load()
    orientation = _orientation(image)  # Known only now for PNG; Pillow turns TIFF itself while loading.
    rgb = _rgb(image, source)
    if size is not None:
        rgb = rgb.resize(_before_turn(size, orientation), Image.Resampling.BILINEAR, box=box)
    if orientation in _TURNS:
        rgb = rgb.transpose(_TURNS[orientation])
    return np.array(rgb)


def _orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 when the EXIF data is missing or damaged, as viewers do."""
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except Exception:
        return 1
    return orientation if isinstance(orientation, int) and orientation in _TURNS else 1


def _before_turn(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Returns the (width, height) that becomes ``size``, (height, width), once the image is turned upright."""
    height, width = size
    return (height, width) if orientation >= 5 else (width, height)


def _rgb(image: Image.Image, source: str) -> Image.Image:
    if image.mode == "F":
        raise ImageError(source, "its pixels are decimal numbers of unknown range: save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        return Image.fromarray(_grey_from_16_bits(image, source)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white
    return image.convert("RGB")


def _grey_from_16_bits(image: Image.Image, source: str) -> NDArray[np.uint8]:
    tags = getattr(image, "tag_v2", {})
    if tags.get(_BITS_PER_SAMPLE) == (12,) or tags.get(_PHOTOMETRIC) == 0:
        raise ImageError(source, "grey TIFF of 12 bits, or of 16 with white at 0: save it with 8 bits")
    values = np.asarray(image).astype(np.int32)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(source, f"its pixels lie in {low}..{high}, 16 bits are 0..65535: save it with 8 or 16 bits")
    grey = ((values + 128) // 257).astype(np.uint8)
    if isinstance(transparent := image.info.get("transparency"), int):
        grey[values == transparent] = 255
    return grey


def _checked_array(pixels: Any) -> NDArray[np.uint8]:
    """Returns an array in [0, 255] as uint8 (height, width) or (height, width, 3 or 4)."""
    try:
        array = np.asarray(pixels)
    except ValueError as error:
        raise OptionError(f"Pixels are an array or a Pillow image. Received: {type(pixels).__name__}") from error
    received = f"Received: shape {array.shape}, {array.dtype}"
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.size == 0:
        raise OptionError(
            f"Pixels have shape (height, width) or (height, width, channels) with 1, 3 or 4 channels. {received}"
        )
    if array.dtype.kind not in "iuf":
        raise OptionError(f"Pixels are numbers in 0..255. {received}")
    received = f"Received: values from {array.min()} to {array.max()}"
    if not (array.min() >= 0 and array.max() <= 255):
        raise OptionError(f"Pixels lie in 0..255 and are finite. {received}")
    if array.dtype.kind == "f" and 0 < array.max() <= 1:
        raise OptionError(f"Pixels look like 0..1, 0..255 is expected: multiply them by 255. {received}")
    whole: NDArray[np.uint8] = np.rint(array).astype(np.uint8)
    return whole[:, :, 0] if whole.shape[2:] == (1,) else whole
