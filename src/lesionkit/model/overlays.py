"""Heat maps laid over their images, and how much of them lies on the border; NumPy and matplotlib alone."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from lesionkit.errors import DataError, OptionError
from lesionkit.files import whole_file
from lesionkit.options import checked_share
from lesionkit.text import as_text

Maps = npt.NDArray[np.float32]
#: Even to the eye, and the same to those who confuse red and green.
COLOURS = "viridis"
_WARNING = "#b03000"


def border_share(maps: npt.ArrayLike, width: float = 0.1) -> npt.NDArray[np.float64]:
    """Returns (n,) the share of each map's weight that lies in the frame ``width`` wide; NaN for a map of zeros.

    Lesions are mostly in the middle. A share well above :func:`even_share` warns of a classifier that looks at skin, a
    ruler or dark corners. A low share clears none: each place of a deep feature map has seen much of the image,
    so that what stands at the border can speak from the middle. Pixels that lie in the frame in part count in part.

    Args:
        maps: (n, H, W), at least 0.
        width: of the frame, in shares of each side, above 0 and below 0.5.
    """
    values = np.asarray(maps, np.float64)
    whole = values.sum(axis=(1, 2))
    within = np.einsum("nhw,h,w->n", values, *(_within(side, _checked_width(width)) for side in values.shape[1:]))
    share = np.divide(within, whole, out=np.full(len(values), np.nan), where=whole > 0)
    return np.asarray(np.clip(1 - share, 0, 1))


def even_share(width: float = 0.1) -> float:
    """Returns the :func:`border_share` of a map that is the same everywhere: 0.36 for a frame of 0.1."""
    return 1 - (1 - 2 * _checked_width(width)) ** 2


def overlay(image: npt.ArrayLike, heat: npt.ArrayLike, strength: float = 0.6) -> npt.NDArray[np.uint8]:
    """Returns (H, W, 3) in [0, 255]: the image in grey, tinted the more the more of ``heat`` lies on it.

    Where the map is 0 the image shows as it is, in grey; where it is 1, ``strength`` of the colour is the map's.

    Args:
        image: (H, W, 3) RGB in [0, 255].
        heat: (H, W) in [0, 1].
        strength: in [0, 1].

    Raises:
        DataError: they are of different sizes.
    """
    pixels, values = np.asarray(image, np.float64), np.asarray(heat, np.float64)
    if pixels.shape != (*values.shape, 3):
        raise DataError(f"image is (H, W, 3) and its map (H, W). Received: {pixels.shape} and {values.shape}")
    grey = pixels @ (0.299, 0.587, 0.114)  # luma of ITU-R BT.601
    tint = 255 * matplotlib.colormaps[COLOURS](values)[..., :3]
    share = strength * values[..., None]
    return np.asarray((1 - share) * grey[..., None] + share * tint + 0.5).clip(0, 255).astype(np.uint8)


def sheet(
    path: str | os.PathLike[str],
    images: npt.ArrayLike,
    columns: Mapping[str, Maps],
    *,
    rows: Sequence[str] | None = None,
    notes: Mapping[str, Sequence[str]] | None = None,
    title: str = "",
) -> Path:
    """Draws a row for each image and beside it a column for each set of maps, with their border shares, to ``path``.

    Args:
        path: a PNG file.
        images: (n, H, W, 3) RGB in [0, 255], n >= 1.
        columns: name -> (n, H, W) maps in [0, 1].
        rows: n names of the images.
        notes: name of a column -> n texts below its maps, such as what was answered.
        title: above all.

    Raises:
        DataError: maps or texts that are not one for each image.
        StorageError: the file cannot be written.
    """
    pixels = np.asarray(images)
    counts = [len(told) for told in (*columns.values(), *(notes or {}).values(), rows if rows else pixels)]
    if set(counts) != {len(pixels)}:
        raise DataError(f"Maps and texts are one for each of the {len(pixels)} images. Received: {counts}")
    height = 2.6 * len(pixels) + 0.3
    figure = Figure(figsize=(2.1 * (len(columns) + 1), height + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, 0.6]).flat
    axes = above.subplots(len(pixels), len(columns) + 1, squeeze=False)
    for axis, image, name in zip(axes[:, 0], pixels, rows or [""] * len(pixels), strict=True):
        _show(axis, image, name)
    for column, (name, maps) in zip(axes.T[1:], columns.items(), strict=True):
        told = (notes or {}).get(name, [""] * len(pixels))
        for axis, image, heat, note, share in zip(column, pixels, maps, told, border_share(maps), strict=True):
            _show(axis, overlay(image, heat), note, share)
    for axis, name in zip(axes[0], ["image", *columns], strict=True):
        axis.set_title(_text(name), fontsize=9, parse_math=False)
    if title:
        above.suptitle(_text(title), fontsize=12, parse_math=False)
    _key(below)
    with whole_file(path) as beside:
        figure.savefig(beside, dpi=110)
    return Path(path)


def _show(axis: Axes, image: Any, note: str, share: float | None = None) -> None:
    axis.imshow(image)
    axis.set_axis_off()
    place: dict[str, Any] = {
        "transform": axis.transAxes,
        "ha": "center",
        "va": "top",
        "fontsize": 8,
        "parse_math": False,
    }
    axis.text(0.5, -0.03, _text(note), **place)
    if share is not None:
        told = "nothing speaks for it" if np.isnan(share) else f"border {share:.0%}"
        axis.text(
            0.5, -0.12 if note else -0.03, told, color=_WARNING if share > even_share() + 0.005 else "black", **place
        )


def _key(figure: SubFigure) -> None:
    """Draws what the colours mean, by an overlay on grey."""
    axis = figure.add_axes((0.35, 0.55, 0.3, 0.25))
    ramp = np.tile(np.linspace(0, 1, 200), (10, 1))
    axis.imshow(overlay(np.full((10, 200, 3), 170), ramp), aspect="auto")
    axis.set_axis_off()
    for place, side, text in ((-3, "right", "nothing"), (202, "left", "the map's greatest value")):
        axis.text(place, 4.5, text, ha=side, va="center", fontsize=8)
    told = f"border: weight in the outer tenth of each side, coloured above the {even_share():.0%} of an even map"
    figure.text(0.5, 0.15, told, ha="center", fontsize=8)


def _text(text: str) -> str:
    return "\n".join(map(as_text, text.split("\n")))


def _checked_width(width: float) -> float:
    if not 0 < checked_share(width, "width") < 0.5:
        raise OptionError(f"width is a share of the side above 0 and below 0.5. Received: {width!r}")
    return width


def _within(pixels: int, width: float) -> npt.NDArray[np.float64]:
    """Returns (pixels,) how much of each pixel of a side lies inside the frame."""
    edges = np.clip(np.linspace(0, 1, pixels + 1), width, 1 - width)
    return np.diff(edges) * pixels
