"""How a caricature of a dermoscopic picture is drawn: skin, a lesion with its class's traits, hairs, the camera.

The tables are impressions, not measurements: pictures drawn from them exercise software and teach nothing of skin.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# A row is a trait, a column a class in the order of ``synthetic_lesions.CLASS_NAMES``. The size is in halves of the
# image's shorter side, the blur in parts of the size; the others are strengths, from 0 to 1.
_TRAITS = {
    #              AK   BCC  DF   MEL  NV   PBK  SK   SCC  VASC
    "size":       (.60, .50, .44, .62, .47, .56, .58, .56, .46),
    "irregular":  (.50, .30, .12, .65, .10, .45, .22, .45, .16),
    "blur":       (.30, .14, .26, .09, .12, .09, .04, .20, .06),
    "opaque":     (.50, .55, .65, .95, .85, .66, .90, .68, .92),
    "variegated": (.40, .35, .20, .80, .20, .35, .40, .50, .30),
    "blotches":   (.00, .55, .00, .70, .05, .00, .15, .60, .15),
    "network":    (.00, .00, .45, .40, .60, .10, .00, .00, .00),
    "globules":   (.00, .15, .00, .40, .45, .10, .00, .05, .00),
    "streaks":    (.00, .10, .00, .50, .00, .00, .00, .05, .00),
    "ridges":     (.00, .00, .00, .00, .00, .45, .20, .00, .00),
    "cysts":      (.00, .00, .00, .00, .00, .05, .90, .00, .00),
    "openings":   (.00, .00, .00, .00, .00, .05, .70, .00, .00),
    "scales":     (.45, .05, .00, .00, .00, .00, .05, .85, .00),
    "follicles":  (.75, .00, .00, .00, .00, .00, .00, .10, .00),
    "vessels":    (.05, .85, .05, .05, .00, .00, .00, .40, .05),
    "lacunae":    (.00, .00, .00, .00, .00, .00, .00, .00, .90),
    "scar":       (.00, .10, .85, .10, .00, .00, .00, .25, .05),
}  # fmt: skip

# RGB of each class: at the centre, at the rim, of the blotches.
_COLOURS = np.array([
    [(206, 116, 104), (214, 142, 124), (176, 92, 84)],
    [(220, 150, 146), (208, 130, 128), (88, 88, 116)],
    [(176, 122, 100), (150, 98, 72), (140, 90, 70)],
    [(58, 38, 38), (108, 70, 52), (92, 102, 126)],
    [(112, 68, 46), (146, 96, 68), (84, 50, 38)],
    [(176, 132, 92), (160, 112, 74), (122, 86, 70)],
    [(124, 96, 74), (108, 82, 64), (92, 80, 74)],
    [(218, 160, 128), (206, 112, 98), (116, 36, 36)],
    [(146, 32, 52), (170, 52, 64), (72, 26, 62)],
], dtype=float)[..., None, None]  # fmt: skip

# The classes that each class resembles most: every picture borrows a part of one's looks.
_NEIGHBOURS = ((7, 1, 5), (7, 0, 2), (4, 5, 1), (4, 6, 1), (2, 3, 5), (6, 4, 0), (5, 3, 4), (0, 1, 8), (1, 3, 7))


def photograph(rng: np.random.Generator, x: Array, y: Array, label: int) -> npt.NDArray[np.uint8]:
    """Returns one picture, RGB in [0, 255], shape (height, width, 3).

    Args:
        rng: where all chance comes from.
        x: (1, width) places of the pixels' columns, 0 in the middle, the shorter side 2 long.
        y: (height, 1) places of their rows.
        label: the class, from 0 to 8.
    """
    image = _camera(rng, x, y, _hairs(rng, x, y, _lesion(rng, x, y, _skin(rng, x, y), label)))
    return np.ascontiguousarray((np.clip(image, 0, 255) + 0.5).astype(np.uint8).transpose(1, 2, 0))


def _skin(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Returns bare skin, shape (3, height, width): a tone, redder and paler places, fine furrows."""
    tone = _mixed(_rgb(236, 196, 178), _rgb(190, 140, 112), rng.beta(1.5, 3.5)) + rng.normal(0, 4, (3, 1, 1))
    shade = 4 * _field(rng, x, y, 5) + 3 * _field(rng, x, y, 36)
    return np.asarray(tone + shade + _rgb(0.3, -1.0, -0.7) * (4 * _field(rng, x, y, 7)))


def _lesion(rng: np.random.Generator, x: Array, y: Array, image: Array, label: int) -> Array:
    """Returns ``image`` with a lesion of class ``label`` on it, its traits, colours and place drawn anew."""
    traits, (centre, rim, blotch) = _looks(rng, label)
    turn, stretch = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(0, 0.22))
    right, down = x - rng.normal(0, 0.09), y - rng.normal(0, 0.09)
    a, b = np.cos(turn) * right + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * right
    u, v = a / (traits["size"] * stretch), b * stretch / traits["size"]
    distance, angle = np.hypot(u, v), np.arctan2(v, u)
    coarse, other, fine = (_field(rng, x, y, cells) for cells in (8, 8, 28))
    radius = 1 + traits["irregular"] * (0.13 * coarse + 0.10 * fine)
    for lobes, (size, phase) in enumerate(rng.uniform(0, 1, (4, 2)), start=2):
        radius += traits["irregular"] * size * np.cos(lobes * angle + 2 * np.pi * phase) / (lobes + 0.5)
    depth = radius - distance
    inside, lopsided = _step(depth / traits["blur"]), traits["variegated"] * u
    core = _step(3 * (depth - 0.45) + lopsided + traits["variegated"] * coarse)
    light = 1 + traits["variegated"] * (0.08 * other + 0.05 * fine)
    image = _mixed(image, _mixed(rim, centre, core) * light, traits["opaque"] * inside)
    p, q = a + 0.03 * coarse + 0.005 * fine, b + 0.03 * other  # bent, so that no pattern shows its grid

    def lay(name: str, colour: Array, where: Callable[[], Array]) -> None:
        nonlocal image
        if traits[name] > 0.04:
            image += (colour - image) * (min(traits[name], 1) * where())

    def dots(pitch: float, least: float, most: float, share: float) -> Array:
        return inside * _dots(rng, p, q, pitch, (least, most), share)

    def mesh() -> Array:
        turns, pitch = np.pi / 3 * np.arange(3), 2 * np.pi / rng.uniform(0.075, 0.11)
        waves = np.cos(pitch * np.multiply.outer(np.cos(turns), p) + pitch * np.multiply.outer(np.sin(turns), q))
        return inside * _step(-2.5 * (waves.sum(axis=0) + 0.5)) * _step(2 * (0.9 - core + 0.5 * coarse))

    spokes = rng.integers(18, 28) * angle + coarse
    lines = _field(rng, x, y, 9) + 0.1 * fine
    lay("blotches", blotch, lambda: inside * _step(2.5 * (other + lopsided - 0.5)))
    lay("network", rim * 0.6, mesh)
    lay("globules", centre * 0.5, lambda: dots(0.10, 0.2, 0.4, 0.6))
    lay("streaks", centre * 0.6, lambda: _step(4 * np.cos(spokes) - 1) * _ring(depth, 0.12))
    lay("ridges", rim * 0.72, lambda: inside * _step(4 * np.cos(56 * p + 4 * coarse) - 1.5))
    lay("openings", _rgb(48, 32, 26), lambda: dots(0.19, 0.10, 0.30, 0.4))
    lay("cysts", _rgb(240, 226, 196), lambda: dots(0.16, 0.10, 0.26, 0.5))
    lay("follicles", _rgb(238, 206, 176), lambda: dots(0.11, 0.16, 0.30, 0.85))
    lay("lacunae", blotch, lambda: dots(0.24, 0.30, 0.48, 0.85))
    lay("scar", _rgb(238, 212, 202), lambda: _ring(distance, 0.5) * _step(3 + 1.8 * fine))
    lay("scales", _rgb(242, 230, 206), lambda: inside * _step(3 * (_field(rng, x, y, 12) + 0.7 * fine - 0.9)))
    lay("vessels", _rgb(166, 34, 44), lambda: inside * _ring(lines, 0.1) * _step(3 * other))
    return image


def _looks(rng: np.random.Generator, label: int) -> tuple[dict[str, float], Array]:
    """Returns the traits and the three colours of one lesion: its class's, some of a neighbour's, and chance."""
    other, share = _NEIGHBOURS[label][rng.integers(3)], 0.45 * rng.beta(1.2, 2.2)
    chance = np.exp(rng.normal(0, 0.2, len(_TRAITS)))
    traits = {
        name: float(factor * ((1 - share) * row[label] + share * row[other]))
        for (name, row), factor in zip(_TRAITS.items(), chance, strict=True)
    }
    for name, least, most in (("size", 0.3, 0.75), ("blur", 0.03, 0.4), ("opaque", 0.3, 0.97)):
        traits[name] = min(max(traits[name], least), most)
    colours = _mixed(_COLOURS[label], _COLOURS[other], share)
    return traits, colours * np.exp(rng.normal(0, 0.06)) + rng.normal(0, 4, (3, 1, 1))


def _hairs(rng: np.random.Generator, x: Array, y: Array, image: Array) -> Array:
    """Returns ``image``, with up to seven hairs over it in a quarter of all cases."""
    count, comb = rng.integers(1, 8) if rng.random() < 0.2 else 0, rng.uniform(0, np.pi)
    for turn, place, bend, width in rng.uniform(-1, 1, (count, 4)):
        way = comb + 0.4 * turn
        along, across = x * np.cos(way) + y * np.sin(way), y * np.cos(way) - x * np.sin(way)
        off = (across - place - 0.2 * bend * along * along) / (0.012 + 0.004 * width)
        image = _mixed(image, _rgb(52, 38, 32), 0.75 / (1 + off * off * off * off))
    return image


def _camera(rng: np.random.Generator, x: Array, y: Array, image: Array) -> Array:
    """Returns ``image`` as a camera sees it: uneven light, dark corners, a colour cast, noise."""
    (right, down), dark = rng.normal(0, 0.05, 2), rng.uniform(0.02, 0.16)
    rim = rng.uniform(1.2, 1.4) if rng.random() < 0.2 else 99
    away = x * x + y * y
    light = np.maximum((1 + right * x + down * y - dark * away) * _step(15 * (rim * rim - away)), 0.03)
    cast = np.exp(rng.normal(0, 0.012, (3, 1, 1)) + rng.normal(0, 0.03))
    noise = rng.uniform(1.5, 4) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.asarray(image * light * cast + noise)


def _field(rng: np.random.Generator, x: Array, y: Array, cells: int) -> Array:
    """Returns smooth noise of mean 0 and deviation 1, shape (height, width), ``cells`` bumps a shorter side."""
    shorter = min(y.size, x.size)
    down, across = _spline(y.size, shorter, cells), _spline(x.size, shorter, cells)
    # Not ``@``: einsum adds in one order everywhere, and starts no threads for so little work.
    rows = np.einsum("ik,kj->ij", np.ascontiguousarray(down.T), rng.standard_normal((cells, cells)) / 0.479)
    return np.asarray(np.einsum("ik,kj->ij", rows, across))


@lru_cache(maxsize=64)
def _spline(side: int, shorter: int, cells: int) -> Array:
    """Returns the weights, shape (cells, side), of a ring of values in a cubic B-spline along a side."""
    place = (np.arange(side) + 0.5) / shorter * cells
    away = np.abs((place - np.arange(cells)[:, None] + cells / 2) % cells - cells / 2)
    beyond, near = np.maximum(2 - away, 0), np.maximum(1 - away, 0)
    return np.asarray(beyond * beyond * beyond - 4 * near * near * near) / 6


def _dots(
    rng: np.random.Generator, p: Array, q: Array, pitch: float, radii: tuple[float, float], share: float
) -> Array:
    """Returns soft discs in [0, 1], in a ``share`` of the cells ``pitch`` wide; ``radii`` in parts of a cell."""
    radius, left, top, chosen = rng.uniform(0, 1, (4, 32 * 32))
    radius = radii[0] + (radii[1] - radii[0]) * radius
    left, top = (0.5 + (0.5 - radius) * (2 * place - 1) for place in (left, top))
    column, row = np.floor(p / pitch), np.floor(q / pitch)
    cell = (column.astype(int) % 32) * 32 + row.astype(int) % 32
    away = np.hypot(p / pitch - column - left[cell], q / pitch - row - top[cell])
    return _step(12 * (np.where(chosen < share, radius, -1)[cell] - away))


def _ring(value: Array, width: float) -> Array:
    """Returns 1 where ``value`` is 0, falling to 0 within about two ``width``."""
    return np.exp(-((value / width) ** 2))


def _step(value: Array) -> Array:
    """Returns ``value`` squeezed smoothly into (0, 1)."""
    return 0.5 + 0.5 * np.tanh(value)


def _mixed(first: Array, second: Array, share: Array | float) -> Array:
    return first + (second - first) * share


def _rgb(*colour: float) -> Array:
    return np.array(colour, dtype=float)[:, None, None]
