"""Pictures that are one picture: resized, recompressed, brighter, of other contrast, cropped a little, or turned.

Lesions look alike from afar: brown, round, in the middle. So the coarse look only proposes pairs, and the fine detail
(hairs, bubbles, pigment network), laid on each other as exactly as it goes, decides.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lesionkit.data.alignment import BATCH, TURNS, Floats, Places, blocks, full_detail, half_detail, registered
from lesionkit.data.survey import THUMBNAIL
from lesionkit.errors import OptionError
from lesionkit.progress import track

#: Likeness from which two pictures count as one, chosen by benchmarks/near_duplicates.py.
THRESHOLD = 0.8

_COLUMNS = 4096  # compared at once

_NEIGHBOURS = 8  # proposed for each picture

_COARSE_LEAST, _HALF_LEAST = 0.75, 0.65  # proposed pairs below these are not looked at more closely

_CHANNELS = ((8, (1 / 3, 1 / 3, 1 / 3)), (4, (1, -1, 0)), (4, (0.5, 0.5, -1)))  # frequencies below, weights of RGB

_CORNERS, _CENTRE = ((0.0, 0.93), (0.07, 1.0)), (0.035, 0.965)

_WINDOWS = (((0.0, 1.0), (0.0, 1.0)), (_CENTRE, _CENTRE), *itertools.product(_CORNERS, _CORNERS))


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
    skin nearly as the first. Pictures without detail match nothing. A picture is compared with the eight most alike.

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
    halves, blank = half_detail(thumbnails)
    textured = np.flatnonzero(~blank)
    coarse = _coarse(thumbnails, textured)
    query, other, turn, window = _oriented(coarse, *_proposed(coarse))
    query, other = textured[query], textured[other]
    for look, steps, least in (
        (halves.__getitem__, 5, _HALF_LEAST),
        (lambda rows: full_detail(thumbnails[rows]), 3, THRESHOLD),
    ):
        likeness, window = registered(look, query, other, turn, window, steps)
        kept = likeness >= least
        query, other, turn, window, likeness = query[kept], other[kept], turn[kept], window[kept], likeness[kept]
    return _ordered(query, other, turn, likeness)


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
    for block in blocks(len(rows)):
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
    with track(blocks(count), total=-(-count // BATCH), label="comparing pictures", unit="block") as parts:
        for rows in parts:
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

    ``turn`` is a place in :data:`~lesionkit.data.alignment.TURNS` for the query, ``window`` (m, 2, 2) the middle and
    length, down and across, of the part of the other picture that it then shows.
    """
    _, down, across = _frequencies()
    turns = np.arange(8)[:, None]
    order = np.where(turns & 4, _transposed(), np.arange(len(down)))
    signs = np.where((down & turns >> 1 ^ across & turns) & 1, -1, 1).astype(np.float32)
    best = np.empty((len(query), 3), dtype=np.float64)
    for rows in blocks(len(query)):
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


def _ordered(query: Places, other: Places, turn: Places, likeness: Floats) -> Pairs:
    """Returns the pairs by place, each turn as a flip and quarter turns of the first."""
    flipped, quarters = np.array(TURNS, dtype=np.int64)[turn].T
    back = (query > other) & (flipped == 0)  # a flip with a turn undoes itself, a turn alone does not
    quarters = np.where(back, -quarters % 4, quarters)
    first, second = np.minimum(query, other), np.maximum(query, other)
    order = np.lexsort((second, first))
    return Pairs(first[order], second[order], likeness[order].clip(0, 1), flipped[order].astype(bool), quarters[order])
