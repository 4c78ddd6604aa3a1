"""The fine detail of pictures, and pictures laid on each other as exactly as it goes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.data.reading import THREADS
from lesionkit.data.survey import THUMBNAIL
from lesionkit.progress import track

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

#: Pictures at once.
BATCH = 256

#: The eight ways to lay a square on itself, as (flipped left to right, then quarters to the left).
TURNS = ((0, 0), (1, 0), (1, 2), (0, 2), (1, 1), (0, 3), (0, 1), (1, 3))

_BLANK, _LEVEL = 0.5, 2.5  # grey levels of fine detail: too little to tell pictures apart, and what is seen as contrast
_SIZES = (0.85, 1.1)  # of a side, that one picture may show of the other's


def _grey(thumbnails: npt.NDArray[np.uint8]) -> Floats:
    grey: Floats = thumbnails.astype(np.float32).mean(axis=-1)
    return grey


def _blur(pictures: Floats, sigma: float) -> Floats:
    """Returns (b, s, s) pictures blurred by a Gaussian, whose weights are made up for beyond the border."""
    places = np.arange(pictures.shape[-1], dtype=np.float32)
    weights = np.exp(-((places[:, None] - places) ** 2) / (2 * sigma**2))
    weights /= weights.sum(axis=1, keepdims=True)
    blurred: Floats = weights @ pictures @ weights.T
    return blurred


def _fine(grey: Floats) -> Floats:
    """Returns (b, s, s) grey levels between the sizes of noise and of lesions."""
    return _blur(grey, 0.7) - _blur(grey, 2.0)


def _levelled(fine: Floats) -> Floats:
    """Returns (b, s, s) of equal contrast everywhere, so that no border of a lesion or a lens outweighs the rest."""
    levelled: Floats = fine / np.sqrt(_blur(fine**2, 4.0) + _LEVEL**2)
    return levelled


def half_detail(thumbnails: npt.NDArray[np.uint8]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Returns (n, 32, 32) fine detail at half size, and (n,) whether a thumbnail has too little of it."""
    side = THUMBNAIL[0] // 2
    detail = np.empty((len(thumbnails), side, side), dtype=np.float32)
    blank = np.empty(len(thumbnails), dtype=bool)
    for rows in blocks(len(thumbnails)):
        grey = _grey(thumbnails[rows])
        blank[rows] = np.sqrt((_fine(grey) ** 2).mean(axis=(1, 2))) < _BLANK
        detail[rows] = _levelled(_fine(grey.reshape(-1, side, 2, side, 2).mean(axis=(2, 4))))
    return detail, blank


def full_detail(thumbnails: npt.NDArray[np.uint8]) -> Floats:
    """Returns (b, 64, 64) fine detail of (b, 64, 64, 3) thumbnails."""
    return _levelled(_fine(_grey(thumbnails)))


def _turned(pictures: Floats, turn: Places) -> Floats:
    """Returns (b, s, s) pictures, transposed where turn & 4, then flipped up-down where & 2, left-right where & 1."""
    turned = np.empty_like(pictures)
    for one in range(8):
        rows = turn == one
        part = pictures[rows].transpose(0, 2, 1) if one & 4 else pictures[rows]
        turned[rows] = part[:, :: -1 if one & 2 else 1, :: -1 if one & 1 else 1]
    return turned


def registered(
    look: Callable[[Any], Floats], query: Places, other: Places, turn: Places, window: Floats, steps: int
) -> tuple[Floats, Floats]:
    """Returns (m,) the correlation of each pair in the best window found, and (m, 2, 2) that window."""

    def register(rows: slice) -> tuple[Floats, Floats]:
        return _register(_turned(look(query[rows]), turn[rows]), look(other[rows]), window[rows], steps)

    with (
        ThreadPoolExecutor(THREADS) as pool,
        track(
            pool.map(register, blocks(len(query))),
            total=-(-len(query) // BATCH),
            label="laying pictures on each other",
        ) as done,
    ):
        found = list(done)
    if not found:
        return np.empty(0, np.float32), window
    return np.concatenate([one for one, _ in found]), np.concatenate([two for _, two in found])


def _register(query: Floats, other: Floats, window: Floats, steps: int) -> tuple[Floats, Floats]:
    """Registers (b, s, s) pictures by Gauss-Newton steps; returns the best correlation and its window."""
    size = query.shape[-1]
    centred = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    wanted = query.reshape(len(query), -1)
    best, found = np.full(len(query), -1, dtype=np.float32), window
    for step in range(steps + 1):
        position = (window[:, :, :1] + window[:, :, 1:] * centred) * size - 0.5
        hats = (1 - np.abs(position.clip(0, size - 1)[..., None] - np.arange(size, dtype=np.float32))).clip(0)
        shown = hats[:, 0] @ other @ hats[:, 1].transpose(0, 2, 1)
        norms = np.linalg.norm(wanted, axis=1) * np.linalg.norm(shown, axis=(1, 2))
        alike = np.einsum("bp,bp->b", wanted, shown.reshape(wanted.shape)) / norms.clip(1e-9)
        better = alike > best
        best, found = np.where(better, alike, best), np.where(better[:, None, None], window, found)
        if step == steps:
            break
        tall, wide = np.gradient(shown, axis=(1, 2))
        terms = np.stack([shown, tall, tall * centred[:, None], wide, wide * centred], axis=1)
        terms = terms.reshape(len(query), 5, -1)
        square = terms @ terms.transpose(0, 2, 1)
        square += np.eye(5, dtype=np.float32) * (1e-3 * np.trace(square, axis1=1, axis2=2) + 1e-6)[:, None, None]
        change = np.linalg.solve(square, terms @ wanted[..., None])[..., 0]
        move = (change[:, 1:] / change[:, :1].clip(0.2)).clip(-3, 3).reshape(-1, 2, 2) / size
        window = window + move
        length = window[..., 1].clip(*_SIZES)
        room = np.abs(1 - length) / 2 + 0.03
        window = np.stack([window[..., 0].clip(0.5 - room, 0.5 + room), length], axis=2)
    return best, found


def blocks(count: int) -> list[slice]:
    """Returns slices of :data:`BATCH` places that make up ``count``."""
    return [slice(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
