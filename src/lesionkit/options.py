"""The checks that options of many parts share: their names, counts, shares, seeds, image sizes."""

import inspect
from collections.abc import Callable
from typing import Any

from lesionkit.errors import OptionError


def called(factory: Callable[..., Any], name: str, *arguments: Any, **options: Any) -> Any:
    """Returns ``factory(*arguments, **options)``.

    Raises:
        OptionError: the factory, known as ``name``, has no such option, or one is missing.
    """
    try:
        inspect.signature(factory).bind(*arguments, **options)
    except TypeError as error:
        raise OptionError(f"{name}: {error}. It is called as {name}{inspect.signature(factory)}") from error
    return factory(*arguments, **options)


def checked_image_size(image_size: Any) -> tuple[int, int]:
    """Returns ``image_size`` as (height, width) in pixels.

    Raises:
        OptionError: it is not two whole numbers of at least 1.
    """
    try:
        height, width = (int(side) for side in image_size)
        if (height, width) != tuple(image_size) or min(height, width) < 1:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise OptionError(
            f"image_size is (height, width), two whole numbers of pixels. Received: {image_size!r}"
        ) from None
    return height, width


def checked_share(share: Any, name: str) -> float:
    """Returns ``share`` when it lies in [0, 1).

    Raises:
        OptionError: it does not.
    """
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share < 1:
        raise OptionError(f"{name} is a share from 0 up to, not including, 1. Received: {share!r}")
    return float(share)


def checked_count(count: Any, name: str, least: int = 1) -> int:
    """Returns ``count`` when it is a whole number of at least ``least``.

    Raises:
        OptionError: it is not.
    """
    if not isinstance(count, int) or isinstance(count, bool) or count < least:
        raise OptionError(f"{name} is a whole number of at least {least}. Received: {count!r}")
    return count


def checked_seed(seed: Any) -> int:
    """Returns ``seed`` when it is a whole number from 0 to 2**32 - 1.

    Raises:
        OptionError: it is not.
    """
    if checked_count(seed, "seed", least=0) >= 2**32:
        raise OptionError(f"seed is below 2**32. Received: {seed!r}")
    return int(seed)
