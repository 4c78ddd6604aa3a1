"""Progress of what takes more than two seconds: a bar on a terminal, nothing redrawn in a pipe."""

import logging
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def track(items: Iterable[Item], *, total: int, label: str, unit: str = "image") -> "tqdm[Item]":
    """Returns ``items``, shown as they pass after two seconds; ``update`` counts when several pass at once.

    Nothing is shown when standard error is not a terminal, or when the logger ``lesionkit`` was set to a level
    above INFO.
    """
    quiet = logging.getLogger("lesionkit").level > logging.INFO
    options: dict[str, Any] = {"disable": True if quiet else None, "delay": 2.0, "leave": False}
    return tqdm(items, total=total, desc=label, unit=unit, **options)
