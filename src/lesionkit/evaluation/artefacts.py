"""What spoils dermoscopic pictures, drawn on a picture at three strengths: hair, ruler marks, gel bubbles and others.

Hair, rulers, gel bubbles and dark corners are among the artefacts that Bissoto et al. 2020 ("Debiasing Skin Lesion
Datasets and Models? Not So Fast", CVPR Workshops) counted in public sets. Dark corners (Sies et al. 2021, J Dtsch
Dermatol Ges 19(6), 842-850) and scale bars (Winkler et al. 2021, Eur J Cancer 145, 146-154) changed the answers of a
network that is on the market. Blur, brightness and compression come from the corruptions of Hendrycks and Dietterich
2019 ("Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR), which Maron et al. 2021
(Eur J Cancer 155, 191-199) took to dermoscopy. How strong each of the three strengths is, and how it is drawn, is our
choice, judged by eye. Lengths are shares of the picture's shorter side, so that every size shows the same.
"""

import io
import math
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from lesionkit.errors import OptionError
from lesionkit.options import checked_seed

Pixels = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.floating[Any]]
Change = Callable[[Pixels, int, np.random.Generator], Pixels]

#: From "seen when looked for" to "a picture that one would take again".
STRENGTHS = (1, 2, 3)

#: Longer side of the masks on which thin things are drawn before they are averaged down to the picture, in pixels.
_FINE = 768

#: Exponent by which a screen turns stored values into light, about.
_GAMMA = 2.2


def add(pixels: Pixels, artefact: str, strength: int, seed: int = 0) -> Pixels:
    """Returns ``pixels``, uint8 RGB (h, w, 3), with one of :data:`ARTEFACTS`, as an array of the same shape.

    What is drawn is a function of the seed, the artefact and the picture: another picture gets other hairs. A higher
    strength adds to what a lower one drew.

    Args:
        pixels: the picture; it is not changed.
        artefact: a name in :data:`ARTEFACTS`.
        strength: 1, 2 or 3.
        seed: of all that is drawn.

    Raises:
        OptionError: no such artefact or strength, a seed out of range, or an array of another kind.
    """
    if artefact not in ARTEFACTS:
        raise OptionError(f"artefact is one of {', '.join(ARTEFACTS)}. Received: {artefact!r}")
    if strength not in STRENGTHS:
        raise OptionError(f"strength is 1, 2 or 3. Received: {strength!r}")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise OptionError(
            f"Pixels are uint8 of shape (height, width, 3), as images.from_array makes them. "
            f"Received: {pixels.dtype}, {pixels.shape}"
        )
    pixels = np.ascontiguousarray(pixels)
    parts = [checked_seed(seed), zlib.crc32(artefact.encode()), *pixels.shape, zlib.crc32(pixels.data)]
    return ARTEFACTS[artefact](pixels, strength, np.random.default_rng(parts))


def hair(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    """Returns the picture under 4, 12 or 40 dark hairs that lie about one way, bend, and end in a thin tip."""
    comb, shade, image = random.uniform(0, 2 * np.pi), random.uniform(0.6, 1.3), Image.fromarray(pixels)
    mask, scale = _mask(image)
    unit, draw = min(mask.size), ImageDraw.Draw(mask)
    along = np.linspace(0, 1, 32)
    for _ in range((4, 12, 40)[strength - 1]):
        middle = random.uniform(0, 1, 2) * mask.size
        length, width = unit * random.uniform(0.25, 1.3), unit * random.uniform(0.0035, 0.009)
        bend, twist, phase = random.normal(0, (0.8, 0.8, 2))
        way = comb + random.normal(0, 0.45) + bend * (along - 0.5) + twist * (along - 0.5) ** 2
        steps = np.stack([np.cos(way), np.sin(way)], axis=1) * length / len(along)
        points = middle + np.cumsum(steps, axis=0) - steps.sum(axis=0) / 2
        halves = width / 2 * (1 - along**3) * (1 + 0.25 * np.sin(7 * along + phase))
        sides = np.stack([-np.sin(way), np.cos(way)], axis=1) * halves[:, None]
        draw.polygon(np.concatenate([points + sides, (points - sides)[::-1]]).ravel().tolist(), fill=225)
    return _inked(image, mask.reduce(scale), (shade * np.array([46, 32, 26])).astype(int).tolist())


def ruler(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    """Returns the picture with a millimetre scale along an edge: short marks; longer ones, numbered; on a second edge.

    A millimetre is about a twelfth to an eighteenth of the shorter side, as where 12 to 18 mm of skin are seen.
    """
    first, pitch, start = int(random.integers(4)), random.uniform(1 / 18, 1 / 12), random.uniform(0.2, 0.9)
    image = Image.fromarray(pixels)
    for edge in (first, first + 1)[: 2 if strength == 3 else 1]:
        turned = image.rotate(90 * edge, expand=True)
        mask, scale = _mask(turned)
        unit, draw = min(mask.size), ImageDraw.Draw(mask)
        font = ImageFont.load_default(0.045 * unit)
        for tick in range(math.ceil(mask.width / (pitch * unit))):
            place = (tick + start) * pitch * unit
            long = 1.7 if tick % 5 == 0 else 1.0
            length, half = unit * long * (0.025, 0.04, 0.04)[strength - 1], unit * 0.002
            draw.rectangle((place - half, mask.height - length, place + half, mask.height), fill=215)
            if strength > 1 and tick % 5 == 0 and 0.12 * unit < place < mask.width - 0.12 * unit:
                draw.text((place, mask.height - length - 0.01 * unit), str(tick), 215, font, "mb")
        image = Image.fromarray(_inked(turned, mask.reduce(scale), (24, 24, 28))).rotate(-90 * edge, expand=True)
    return np.array(image)


def gel_bubbles(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    """Returns the picture with 12, 30 or 70 air bubbles in six clusters; a later one covers an earlier one."""
    image = Image.fromarray(pixels)
    canvas, scale = _mask(image)
    unit, (width, height) = min(canvas.size), canvas.size
    bright, dark = np.zeros((2, height, width), dtype=np.uint8)
    lamp, middles = random.uniform(0, 2 * math.pi), random.uniform(0.1, 0.9, (6, 2)) * canvas.size
    for _ in range((12, 30, 70)[strength - 1]):
        x, y = (middles[random.integers(len(middles))] + unit * random.normal(0, 0.12, 2)).tolist()
        radius = unit * min(0.008 * math.exp(random.exponential(0.7)), 0.07)
        rows, columns = (
            np.arange(max(int(at - 1.2 * radius), 0), min(at + 1.2 * radius, side), dtype=np.float32)
            for at, side in ((y, height), (x, width))
        )
        if not rows.size or not columns.size:
            continue
        inside, light, outline = _bubble((rows[:, None] - y) / radius, (columns - x) / radius, lamp)
        place = np.s_[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]
        bright[place] = (1 - inside) * bright[place] + 255 * inside * light
        dark[place] = np.maximum((1 - inside) * dark[place], 255 * outline)
    shaded = Image.fromarray(_inked(image, Image.fromarray(dark).reduce(scale), (40, 30, 28)))
    shaded.paste("white", mask=Image.fromarray(bright).reduce(scale))
    return np.array(shaded)


def dark_corners(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    """Returns the picture as through a dermatoscope's tube: black beyond 0.92, 0.82 or 0.72 of the half diagonal.

    At 0.71 the circle touches all four sides of a square picture. Its centre is off by up to 3% of the shorter side.
    """
    height, width = pixels.shape[:2]
    x, y = (side / 2 + random.uniform(-0.03, 0.03) * min(height, width) for side in (width, height))
    down, right = np.ogrid[:height, :width]
    away = np.hypot((down + 0.5 - y).astype(np.float32), (right + 0.5 - x).astype(np.float32))
    radius = (0.92, 0.82, 0.72)[strength - 1] * math.hypot(height, width) / 2
    beyond = np.clip((away / radius - 0.97) / 0.04, 0, 1)
    shade = np.maximum(beyond, 0.35 * np.clip((away / radius - 0.75) / 0.25, 0, 1) ** 2)
    return _inked(Image.fromarray(pixels), Image.fromarray((255 * shade).astype(np.uint8)), (6, 5, 5))


def colour_cast(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    """Returns the picture as under a warmer or a colder lamp (a coin decides): 25, 50 or 75 mired off daylight.

    Each channel is multiplied by what the lamp's colour is in linear sRGB, at the brightness of the white of sRGB:
    the diagonal model of von Kries. Mired are 1,000,000 over the temperature in kelvin; equal steps of them look about
    equally large (Judd 1933, "Sensibility to Color-Temperature Change as a Function of Temperature", JOSA 23).
    """
    mired = 1e6 / 6504 + random.choice((-1, 1)) * 25 * strength
    return _brightened(pixels, _daylight(1e6 / mired))


def blur(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:  # noqa: ARG001
    """Returns the picture out of focus: a Gaussian of standard deviation 0.5%, 1% or 2% of the shorter side."""
    deviation = (0.005, 0.01, 0.02)[strength - 1] * min(pixels.shape[:2])
    return np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(deviation)))


def jpeg(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:  # noqa: ARG001
    """Returns the picture after JPEG compression of quality 60, 30 or 15 (of 100, as libjpeg counts)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=(60, 30, 15)[strength - 1])
    return np.array(Image.open(file))


def brightness(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    """Returns the picture under- or overexposed (a coin decides) by 1/3, 2/3 or 1 stop: half or twice the light."""
    return _brightened(pixels, np.full(3, 2.0 ** (random.choice((-1, 1)) * strength / 3)))


#: Name -> function of the picture, the strength and where chance comes from; :func:`add` calls it.
ARTEFACTS: Mapping[str, Change] = MappingProxyType(
    {made.__name__: made for made in (hair, ruler, gel_bubbles, dark_corners, colour_cast, blur, jpeg, brightness)}
)


def _mask(image: Image.Image) -> tuple[Image.Image, int]:
    """Returns an empty mask for ``image``, and how many times finer it is: a small picture shows thin things too."""
    scale = math.ceil(_FINE / max(image.size))
    return Image.new("L", (image.width * scale, image.height * scale)), scale


def _inked(image: Image.Image, mask: Image.Image, colour: tuple[int, int, int] | list[int]) -> Pixels:
    """Returns the image with ``colour`` where ``mask`` is 255; what is darker already stays, as under ink."""
    ink = Image.new("RGB", image.size, tuple(colour))
    return np.array(Image.composite(ImageChops.darker(image, ink), image, mask))


def _bubble(down: _Floats, right: _Floats, lamp: float) -> tuple[_Floats, _Floats, _Floats]:
    """Returns (h, w) shares of a bubble of radius 1: what it covers, its light, and its dark outline.

    The light is a rim, bright at the lamp and brighter opposite it, the lamp's image, and a haze over all.
    """
    away = np.sqrt(down * down + right * right)
    there, side = right * math.cos(lamp) + down * math.sin(lamp), right * math.sin(lamp) - down * math.cos(lamp)
    facing = there / np.maximum(away, 1e-6)
    square = facing * facing
    rim = _bump(away, 0.84, 0.1) * (0.12 + square * np.where(facing < 0, -0.75 * facing, 0.35 * square * square))
    glint = 0.95 * _bump(there, 0.55, 0.14) * _bump(side, 0, 0.14)
    light = np.maximum(np.maximum(rim, glint), 0.07)
    return np.clip((1 - away) * 12, 0, 1), light, 0.47 * _bump(away, 0.99, 0.07)


def _bump(value: _Floats, centre: float, width: float) -> _Floats:
    """Returns 1 where ``value`` is ``centre``, falling to 0 within about two ``width``."""
    return np.asarray(np.exp(-np.square((value - centre) / width)))


def _brightened(pixels: Pixels, light: npt.NDArray[np.float64]) -> Pixels:
    """Returns the picture with each channel's light multiplied; what exceeds white is clipped, as by a camera."""
    table = np.clip(np.rint(np.outer(light ** (1 / _GAMMA), np.arange(256))), 0, 255).astype(np.uint8)
    return np.stack([row[pixels[:, :, channel]] for channel, row in enumerate(table)], axis=2)


def _daylight(kelvin: float) -> npt.NDArray[np.float64]:
    """Returns (3,) daylight of a temperature in [4000, 25000] in linear sRGB; all 1 at 6504 K, about.

    The chromaticity is that of the CIE's daylight locus (CIE 15, after Judd, MacAdam and Wyszecki 1964), at luminance
    1; the matrix that of sRGB (IEC 61966-2-1).
    """
    powers = (1e9 / kelvin**3, 1e6 / kelvin**2, 1e3 / kelvin, 1)
    warm, cold = (-4.6070, 2.9678, 0.09911, 0.244063), (-2.0064, 1.9018, 0.24748, 0.237040)
    x = float(np.dot(powers, warm if kelvin <= 7000 else cold))
    y = -3.000 * x * x + 2.870 * x - 0.275
    to_rgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    return np.asarray(to_rgb @ (x / y, 1, (1 - x - y) / y))
