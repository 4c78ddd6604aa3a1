"""Pictures that are one picture: resized, recompressed, brighter, of other contrast, cropped a little, or turned.

Lesions look alike from afar: brown, round, in the middle. So the coarse look only proposes pairs, and the fine detail
(hairs, bubbles, pigment network), laid on each other as exactly as it goes, decides.
"""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.errors import OptionError
from lesionkit.progress import track
from lesionkit.records import Column, Records, as_column
from lesionkit.survey import THUMBNAIL, Survey

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

#: Likeness from which two pictures count as one, chosen by benchmarks/near_duplicates.py.
THRESHOLD = 0.8

_NEIGHBOURS = 8  # proposed for each picture
_COARSE_LEAST, _HALF_LEAST = 0.75, 0.65  # proposed pairs below these are not looked at more closely
_BLANK, _LEVEL = 0.5, 2.5  # grey levels of fine detail: too little to tell pictures apart, and what is seen as contrast
_CHANNELS = ((8, (1 / 3, 1 / 3, 1 / 3)), (4, (1, -1, 0)), (4, (0.5, 0.5, -1)))  # frequencies below, weights of RGB
_CORNERS, _CENTRE = ((0.0, 0.93), (0.07, 1.0)), (0.035, 0.965)
_WINDOWS = (((0.0, 1.0), (0.0, 1.0)), (_CENTRE, _CENTRE), *itertools.product(_CORNERS, _CORNERS))
_SIZES = (0.85, 1.1)  # of a side, that one picture may show of the other's
_TURNS = ((0, 0), (1, 0), (1, 2), (0, 2), (1, 1), (0, 3), (0, 1), (1, 3))  # see _turned: (flip, quarters to the left)
_COLUMNS, _BATCH, _THREADS = 4096, 256, 2


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of pictures that are one picture, ordered by place; m rows.

    Attributes:
        first: (m,) places.
        second: (m,) places, each behind its ``first``.
        likeness: (m,) in [0, 1]: correlation of the fine detail, laid on each other.
        flipped: (m,) whether ``first`` is to be flipped left to right,
        turns: (m,) and then to be turned by this many quarters to the left, 0 to 3, to look like ``second``.
    """

    first: Places
    second: Places
    likeness: Floats
    flipped: npt.NDArray[np.bool_]
    turns: Places

    def __len__(self) -> int:
        return len(self.first)


def pairs(thumbnails: npt.NDArray[np.uint8]) -> Pairs:
    """Returns the pairs among (n, 64, 64, 3) uint8 RGB thumbnails that show one picture.

    A picture is found again after resizing, recompression, a change of brightness or contrast, a crop to nine tenths of
    either side, flips and quarter turns, and several of these at once; so is another photograph that shows the same
    skin nearly as the first. Pictures without detail match nothing. A picture is compared with the dozen most alike.

    Coarse: the low frequencies of the discrete cosine transform, of grey and two opponent colours, weighted by their
    frequency against the 1/f spectrum of pictures (Field 1987, doi:10.1364/JOSAA.4.002379) and combined so that
    flips and turns leave them as they are; of each picture whole, and of five windows for the crops. Fine: pictures
    freed of their low frequencies and of local contrast, registered by Gauss-Newton steps (Lucas and Kanade 1981) over
    shift and size on either axis, and correlated.

    Raises:
        OptionError: the thumbnails have another shape or type.
    """
    if thumbnails.shape[1:] != (*THUMBNAIL, 3) or thumbnails.dtype != np.uint8:
        raise OptionError(
            f"Thumbnails are uint8 of shape (n, {THUMBNAIL[0]}, {THUMBNAIL[1]}, 3), as survey makes them. "
            f"Received: {thumbnails.dtype} of shape {thumbnails.shape}"
        )
    halves, blank = _halves(thumbnails)
    textured = np.flatnonzero(~blank)
    coarse = _coarse(thumbnails, textured)
    query, other, turn, window = _oriented(coarse, *_proposed(coarse))
    query, other = textured[query], textured[other]
    for look, steps, least in (
        (halves.__getitem__, 5, _HALF_LEAST),
        (lambda rows: _levelled(_fine(_grey(thumbnails[rows]))), 3, THRESHOLD),
    ):
        likeness, window = _registered(look, query, other, turn, window, steps)
        kept = likeness >= least
        query, other, turn, window, likeness = query[kept], other[kept], turn[kept], window[kept], likeness[kept]
    return _ordered(query, other, turn, likeness)


def copy_ids(records: Records, surveyed: Survey) -> Column:
    """Returns (n,) text: the same for images of equal bytes and of one picture, and for what these link; else its own.

    It is the smallest ``picture_id`` among them, and None for images that cannot be read.

    Args:
        records: the images.
        surveyed: what :func:`~lesionkit.survey.survey` returned for them, row by row.

    Raises:
        OptionError: the survey is not of as many images.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if len(records) != len(surveyed):
        raise OptionError(f"The survey has {len(surveyed)} rows where the records have {len(records)}.")
    ids = as_column([None] * len(records))
    rows = np.flatnonzero(surveyed.readable)
    if not len(rows):
        return ids
    pictures, firsts, inverse = np.unique(
        surveyed.column("picture_id")[rows].astype(str), return_index=True, return_inverse=True
    )
    found = pairs(surveyed.thumbnails[rows[firsts]])
    graph = coo_array((np.ones(len(found), dtype=np.int8), (found.first, found.second)), shape=(len(pictures),) * 2)
    group = connected_components(graph, directed=False)[1]
    smallest = pictures[np.unique(group, return_index=True)[1]]  # pictures are sorted
    ids[rows] = smallest[group][inverse]
    return ids


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


def _halves(thumbnails: npt.NDArray[np.uint8]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Returns (n, 32, 32) fine detail at half size, and (n,) whether a thumbnail has too little of it."""
    side = THUMBNAIL[0] // 2
    halves = np.empty((len(thumbnails), side, side), dtype=np.float32)
    blank = np.empty(len(thumbnails), dtype=bool)
    for rows in _blocks(len(thumbnails)):
        grey = _grey(thumbnails[rows])
        blank[rows] = np.sqrt((_fine(grey) ** 2).mean(axis=(1, 2))) < _BLANK
        halves[rows] = _levelled(_fine(grey.reshape(-1, side, 2, side, 2).mean(axis=(2, 4))))
    return halves, blank


def _frequencies() -> tuple[Places, Places, Places]:
    """Returns the channel and the frequencies (down, across) of each number of the coarse look."""
    known = [
        (channel, down, across)
        for channel, (limit, _) in enumerate(_CHANNELS)
        for down, across in np.ndindex(limit, limit)
        if 0 < down**2 + across**2 < limit**2
    ]
    channel, down, across = np.array(known).T
    return channel, down, across


def _coarse(thumbnails: npt.NDArray[np.uint8], rows: Places) -> Floats:
    """Returns (6, n, d) unit vectors: the low frequencies of n thumbnails' six windows."""
    channel, down, across = _frequencies()
    weights = np.hypot(down, across).astype(np.float32)
    mixing = np.array([mix for _, mix in _CHANNELS], dtype=np.float32)
    coarse = np.empty((len(_WINDOWS), len(rows), len(channel)), dtype=np.float32)
    for block in _blocks(len(rows)):
        pixels = np.einsum("nyxc,kc->knyx", thumbnails[rows[block]].astype(np.float32), mixing, optimize=True)
        for place, (tall, wide) in enumerate(_WINDOWS):
            waves = _cosines(*tall) @ pixels @ _cosines(*wide).T
            vectors = waves[channel, :, down, across].T * weights
            coarse[place, block] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-9)
    return coarse


def _cosines(start: float, end: float) -> Floats:
    """Returns the (8, 64) discrete cosine transform of the part of 64 pixels from ``start`` to ``end``, in [0, 1]."""
    edges = np.arange(THUMBNAIL[0] + 1) / THUMBNAIL[0]
    low, high = np.maximum(edges[:-1], start), np.minimum(edges[1:], end)
    middle = ((low + high) / 2 - start) / (end - start)
    frequency = np.arange(max(limit for limit, _ in _CHANNELS))[:, None]
    waves: Floats = (np.cos(np.pi * frequency * middle) * (high - low).clip(0)).astype(np.float32)
    return waves


def _invariant(coarse: Floats) -> Floats:
    """Returns (6, n, d) unit vectors that flips and turns leave as they are.

    A flip changes the sign of the odd frequencies along it, a turn also exchanges down and across.
    """
    _, down, across = _frequencies()
    upper, lower, same = down < across, _transposed()[down < across], down == across
    one, two = coarse[..., upper], coarse[..., lower]
    odd = down % 2 + across % 2
    plus, minus = (one + two) * np.float32(0.5**0.5), np.abs(one - two) * np.float32(0.5**0.5)
    plus = np.where(odd[upper] == 2, np.abs(plus), plus)
    mixed = odd[upper] == 1
    more, less = np.maximum(np.abs(one), np.abs(two)), np.minimum(np.abs(one), np.abs(two))
    square = np.where(odd[same] == 2, np.abs(coarse[..., same]), coarse[..., same])
    return np.concatenate([np.where(mixed, more, plus), np.where(mixed, less, minus), square], axis=-1)


def _transposed() -> Places:
    """Returns the place of each frequency with down and across exchanged."""
    known = list(zip(*_frequencies(), strict=True))
    return np.array([known.index((channel, across, down)) for channel, down, across in known])


def _proposed(coarse: Floats) -> tuple[Places, Places]:
    """Returns places (query, other): for each picture the most alike others, compared whole with their windows."""
    vectors = _invariant(coarse)
    count = vectors.shape[1]
    nearest = min(_NEIGHBOURS, count - 1)
    if nearest < 1:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    others = np.empty((count, nearest), dtype=np.int64)
    with track(_blocks(count), total=-(-count // _BATCH), label="comparing pictures", unit="block") as blocks:
        for rows in blocks:
            alike = np.empty((rows.stop - rows.start, count), dtype=np.float32)
            for start in range(0, count, _COLUMNS):
                part = slice(start, start + _COLUMNS)
                alike[:, part] = vectors[0, rows] @ vectors[0, part].T
                for window in vectors[1:, part]:
                    np.maximum(alike[:, part], vectors[0, rows] @ window.T, out=alike[:, part])
            alike[np.arange(len(alike)), np.arange(rows.start, rows.stop)] = -1
            others[rows] = np.argpartition(alike, count - nearest, axis=1)[:, count - nearest :]
    return np.repeat(np.arange(count), nearest), others.ravel()


def _oriented(coarse: Floats, query: Places, other: Places) -> tuple[Places, Places, Places, Floats]:
    """Returns (query, other, turn, window) of the pairs that are alike from afar, each once.

    ``turn`` is one of eight (see :func:`_turned`) for the query, ``window`` (m, 2, 2) the middle and length, down and
    across, of the part of the other picture that it then shows.
    """
    _, down, across = _frequencies()
    turns = np.arange(8)[:, None]
    order = np.where(turns & 4, _transposed(), np.arange(len(down)))
    signs = np.where((down & turns >> 1 ^ across & turns) & 1, -1, 1).astype(np.float32)
    best = np.empty((len(query), 3), dtype=np.float64)
    for rows in _blocks(len(query)):
        turned = coarse[0, query[rows]][:, order] * signs
        alike = (turned @ coarse[:, other[rows]].transpose(1, 2, 0)).reshape(len(turned), -1)
        place = alike.argmax(axis=1)
        best[rows] = np.stack([alike.max(axis=1), place // len(_WINDOWS), place % len(_WINDOWS)], axis=1)
    alike, turn, place = best[:, 0], best[:, 1].astype(np.int64), best[:, 2].astype(np.int64)
    pair = np.minimum(query, other) * coarse.shape[1] + np.maximum(query, other)
    ranked = np.lexsort((query, -alike, pair))
    once = ranked[np.diff(pair[ranked], prepend=-1) != 0]
    once = once[alike[once] >= _COARSE_LEAST]
    edges = np.array(_WINDOWS, dtype=np.float32)[place[once]]
    window = np.stack([edges.mean(axis=2), edges[..., 1] - edges[..., 0]], axis=2)
    return query[once], other[once], turn[once], window


def _turned(pictures: Floats, turn: Places) -> Floats:
    """Returns (b, s, s) pictures, transposed where turn & 4, then flipped up-down where & 2, left-right where & 1."""
    turned = np.empty_like(pictures)
    for one in range(8):
        rows = turn == one
        part = pictures[rows].transpose(0, 2, 1) if one & 4 else pictures[rows]
        turned[rows] = part[:, :: -1 if one & 2 else 1, :: -1 if one & 1 else 1]
    return turned


def _registered(
    look: Callable[[Any], Floats], query: Places, other: Places, turn: Places, window: Floats, steps: int
) -> tuple[Floats, Floats]:
    """Returns (m,) the correlation of each pair in the best window found, and (m, 2, 2) that window."""

    def register(rows: slice) -> tuple[Floats, Floats]:
        return _register(_turned(look(query[rows]), turn[rows]), look(other[rows]), window[rows], steps)

    with (
        ThreadPoolExecutor(_THREADS) as pool,
        track(
            pool.map(register, _blocks(len(query))),
            total=-(-len(query) // _BATCH),
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


def _ordered(query: Places, other: Places, turn: Places, likeness: Floats) -> Pairs:
    """Returns the pairs by place, each turn as a flip and quarter turns of the first."""
    flipped, quarters = np.array(_TURNS, dtype=np.int64)[turn].T
    back = (query > other) & (flipped == 0)  # a flip with a turn undoes itself, a turn alone does not
    quarters = np.where(back, -quarters % 4, quarters)
    first, second = np.minimum(query, other), np.maximum(query, other)
    order = np.lexsort((second, first))
    return Pairs(first[order], second[order], likeness[order].clip(0, 1), flipped[order].astype(bool), quarters[order])


def _blocks(count: int) -> list[slice]:
    return [slice(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]
