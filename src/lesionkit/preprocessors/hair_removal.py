"""Dark hairs found as thin long lines and filled from the skin around them."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from lesionkit.errors import OptionError
from lesionkit.options import checked_image_size, checked_share
from lesionkit.preprocessors.chaining import cleaned
from lesionkit.recipe import Part

#: Steps (down, right) along a line: twelve directions, 12 to 19 degrees apart.
_QUADRANT = ((0, 1), (1, 4), (1, 2), (1, 1), (2, 1), (4, 1))
DIRECTIONS = (*_QUADRANT, *((right, -down) for down, right in _QUADRANT))

#: Least share of a line's pixels that are thin and dark, and most share of those on the lines beside it.
LEAST_ON, MOST_BESIDE = 0.8, 0.35

#: How far the lines beside it are, in widths of the thickest hair.
ASIDE = 0.8


def hair_removal(
    image_size: tuple[int, int],
    *,
    width: float = 0.03,
    length: float = 0.12,
    contrast: float = 18.0,
    then: str | Part | Mapping[str, Any] = "unit_range",
) -> keras.Model:
    """Returns RGB in [0, 255] with dark hairs filled from around, every other pixel as it was, then scaled.

    The steps are those of DullRazor (Lee et al. 1997, doi:10.1016/S0010-4825(97)00020-6), each made of operations that
    a saved model can hold. Hairs are looked for in the red channel, in which vessels and brown pigment are faint:

    1. Thin dark places: ``contrast`` darker than the grey-scale closing with a square as wide as the thickest hair.
    2. Long lines among them: in one of twelve directions, most pixels along ``length`` are thin and dark, few on the
       parallel lines to both sides are, and those are ``contrast`` brighter. A blob, a lesion's edge and most texture
       have no two such sides; nor has a dark rim, since black lies outside the image.
    3. Each pixel of a line, and those around it, become the mean of the nearest pixels that are none, from coarse to
       fine. DullRazor's last step, smoothing, is in that mean.

    Args:
        image_size: (height, width) in pixels.
        width: of the thickest hair, as a share of the image's shorter side; also the distance to either side.
        length: of the shortest straight piece that counts as hair, as a share of the shorter side.
        contrast: levels (of 255) by which a hair is darker than both sides; fewer find more, also of what is none.
        then: the scaling that the backbone reads: a preprocessor's name, or ``{"name": ..., "options": {...}}``.

    Raises:
        OptionError: an option out of its range.
        UnknownNameError: no preprocessor is called as ``then`` says.

    Example:
        >>> clean = lk.preprocessors.get("hair_removal")((48, 48), contrast=15, then="imagenet_torch")
        >>> clean.output.shape
        (None, 48, 48, 3)
    """
    side = min(checked_image_size(image_size))
    thick = 2 * max(1, round(checked_share(width, "width") * side / 2)) + 1
    long = max(thick + 1, round(checked_share(length, "length") * side))
    if thick > 0.5 * side + 2:
        raise OptionError(f"width is at most half the shorter side of the image. Received: {width!r}")
    if not isinstance(contrast, int | float) or isinstance(contrast, bool) or not 0 < contrast < 255:
        raise OptionError(f"contrast is a number of levels between 0 and 255. Received: {contrast!r}")

    def clean(image: Any) -> Any:
        hair = _hairs(image[..., :1], thick, long, contrast)
        return ops.where(hair > 0, _filled(image, 1 - hair), image)

    return cleaned(image_size, clean, then)


def _hairs(grey: Any, thick: int, long: int, contrast: float) -> Any:
    """Returns 1.0 where (B, height, width, 1) ``grey`` shows a hair or its rim, else 0.0."""
    margin = long + 2 * thick
    padded = ops.pad(grey, ((0, 0), (0, margin), (0, margin), (0, 0)))  # black on all sides: rolls go around
    thin = -_square(-_square(padded, thick, 1), thick, -1) - padded
    lines = _lines(padded, ops.cast(thin > contrast, "float32"), thick, long, contrast)
    hair = _widened(lines, 1) * ops.cast(thin > contrast / 2, "float32")
    return _widened(hair, max(1, round(thick / 6)))[:, : grey.shape[1], : grey.shape[2]]


def _lines(grey: Any, thin: Any, thick: int, long: int, contrast: float) -> Any:
    """Returns 1.0 on lines of ``long`` pixels that are ``thin`` and darker than the lines on both sides, else 0.0."""
    both = ops.concatenate([grey, thin], axis=-1)
    found = ops.zeros_like(grey)
    for down, right in DIRECTIONS:
        step = math.hypot(down, right)
        count = max(2, round(long / step))
        mean = _along(both, ops.add, (-down, -right), count) / count
        aside = round(ASIDE * thick * right / step), round(-ASIDE * thick * down / step)
        sides = ops.roll(mean, aside, (1, 2)), ops.roll(mean, (-aside[0], -aside[1]), (1, 2))
        darker = ops.minimum(*(side[..., :1] for side in sides)) - mean[..., :1] > contrast
        alone = ops.maximum(*(side[..., 1:] for side in sides)) < MOST_BESIDE
        starts = ops.logical_and(ops.logical_and(darker, alone), mean[..., 1:] > LEAST_ON)
        found = ops.maximum(found, _along(ops.cast(starts, "float32"), ops.maximum, (down, right), count))
    return found


def _along(values: Any, combine: Callable[[Any, Any], Any], step: tuple[int, int], count: int) -> Any:
    """Returns ``combine`` of ``count`` values: those that rolling by 0 to count - 1 ``step`` brings to each place."""
    if count == 1:
        return values
    half = _along(values, combine, step, count // 2)
    pair = combine(half, _rolled(half, step, count // 2))
    return combine(pair, _rolled(values, step, count - 1)) if count % 2 else pair


def _rolled(values: Any, step: tuple[int, int], count: int) -> Any:
    return ops.roll(values, (step[0] * count, step[1] * count), (1, 2))


def _square(values: Any, size: int, way: int) -> Any:
    """Returns the largest of the ``size`` by ``size`` values that start (``way`` 1: end) at each place."""
    return _along(_along(values, ops.maximum, (way, 0), size), ops.maximum, (0, way), size)


def _widened(values: Any, by: int) -> Any:
    """Returns the largest value at most ``by`` pixels away, in both axes."""
    return _rolled(_square(values, 2 * by + 1, 1), (-1, -1), by)


def _filled(image: Any, known: Any) -> Any:
    """Returns ``image`` where ``known`` is 1, elsewhere a mean of the known pixels around, from coarse to fine."""
    height, width = image.shape[1:3]
    total = image * known
    if max(height, width) == 1:
        return total
    share = ops.average_pool(known, 2, 2, "same")
    mean = ops.average_pool(total, 2, 2, "same") / ops.maximum(share, 1e-6)
    around = _filled(mean, ops.cast(share > 0, "float32"))
    return total + (1 - known) * ops.image.resize(around, (height, width), interpolation="bilinear")
