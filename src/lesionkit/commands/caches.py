"""What lesionkit keeps in its cache folder, all of which can be made again: how much it is, and giving it up."""

import contextlib
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionkit.features.store import FeatureStore
from lesionkit.files import cache_folder
from lesionkit.text import as_text

#: What is kept beside features, and the folder of each in the cache folder.
FOLDERS = {"unfinished": "unfinished", "generated": "synthetic"}

KINDS = ("features", *FOLDERS)


@dataclass(frozen=True)
class Kept:
    """What is kept of one kind.

    Attributes:
        kind: of ``KINDS``.
        folder: where it is.
        count: how many feature maps, unfinished runs, or sets of generated images.
        size: bytes.
    """

    kind: str
    folder: Path
    count: int
    size: int

    def __str__(self) -> str:
        what = {"features": "feature maps", "unfinished": "unfinished runs", "generated": "sets of generated images"}
        return f"{self.count:,} {what[self.kind]}, {in_bytes(self.size)}, in {as_text(self.folder)}"


def kept() -> list[Kept]:
    """Returns what is kept of each kind, looked up now."""
    return [_features(), *map(_folders, FOLDERS)]


def clear(kinds: Collection[str]) -> int:
    """Removes what is kept of these kinds and returns how many bytes that freed.

    Runs that were stopped begin anew. No run should be going on: the images that it reads may be among them.
    """
    freed = 0
    for one in kept():
        if one.kind == "features" and one.kind in kinds:
            freed += FeatureStore().clear()
        elif one.kind in kinds:
            shutil.rmtree(one.folder, ignore_errors=True)
            freed += one.size - _size(one.folder)
    return freed


def in_bytes(size: float) -> str:
    """Returns a number of bytes as people say it: 532 bytes, 1.5 MB."""
    if size < 1000:
        return f"{size:.0f} bytes"
    for unit in ("kB", "MB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} GB"


def _features() -> Kept:
    store = FeatureStore()
    count = sum(map(_rows, store.folder.glob("*/[!.]*.npy")))
    return Kept("features", store.folder, count, sum(size for _, size in store.entries()))


def _rows(path: Path) -> int:
    """Returns how many feature maps a file holds; none if it is damaged or just now given up."""
    try:
        return len(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError):
        return 0


def _folders(kind: str) -> Kept:
    folder = cache_folder() / FOLDERS[kind]
    count = sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
    return Kept(kind, folder, count, _size(folder))


def _size(folder: Path) -> int:
    found = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a run that ends just now takes its files with it
            found += path.stat().st_size if path.is_file() else 0
    return found
