"""The command ``cache``: what lesionkit keeps in its cache folder, all of which can be made again, and giving it up."""

import argparse
import contextlib
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionkit.errors import OptionError
from lesionkit.features.store import FeatureStore
from lesionkit.files import cache_folder
from lesionkit.text import as_text

#: What is kept beside features, and the folder of each in the cache folder.
FOLDERS = {"unfinished": "unfinished", "generated": "synthetic"}

KINDS = ("features", *FOLDERS)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``cache``."""
    parser.set_defaults(quiet=True)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    info = actions.add_parser("info", help="how much is kept of what, and where", allow_abbrev=False)
    info.set_defaults(job=cache_info)
    clear = actions.add_parser("clear", help="remove it; all of it can be made again", allow_abbrev=False)
    clear.set_defaults(job=cache_clear)
    clear.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)} (default: all)")
    clear.add_argument("--yes", action="store_true", help="do it; without, it is only said what would be removed")


def cache_info(_: argparse.Namespace) -> str:
    """Returns what is kept."""
    limit = f"at most {in_bytes(FeatureStore().limit)} of feature maps are kept (LESIONKIT_CACHE_LIMIT)"
    return "\n".join([*map(str, kept()), limit])


def cache_clear(options: argparse.Namespace) -> str:
    """Removes what was asked for and returns what was freed.

    Raises:
        OptionError: an unknown kind, or no ``--yes``.
    """
    kinds = options.kinds or KINDS
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise OptionError(f"What is kept is {', '.join(KINDS)}. Received: {', '.join(unknown)}")
    if not options.yes:
        would = "\n".join(f"  {entry}" for entry in kept() if entry.kind in kinds)
        raise OptionError(f"This would remove\n{would}\nSay that it is meant: --yes")
    return f"{in_bytes(clear(kinds))} freed"


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
    for entry in kept():
        if entry.kind == "features" and entry.kind in kinds:
            freed += FeatureStore().clear()
        elif entry.kind in kinds:
            shutil.rmtree(entry.folder, ignore_errors=True)
            freed += entry.size - _size(entry.folder)
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
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a run that ends just now takes its files with it
            size += path.stat().st_size if path.is_file() else 0
    return size
