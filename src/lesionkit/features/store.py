"""The frozen part of a network run once per image; its output stored on disk and found again.

A feature map is found by the SHA-256 of the image file's bytes, inside a folder named by the fingerprint of
everything else that it depends on: the frozen network's layers and weights, the image size, the decoder, the
way it is computed, the versions of what computes it, and the view of the image where it is not the image
itself. A changed file or weight is another key, so it is missed and never mistaken. The files are only ever
written whole, so processes can share a store; the worst that two of them do is compute the same image twice.
"""

import dataclasses
import hashlib
import itertools
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.data.pipeline import Decoded, decode_each
from lesionkit.data.reading import Read, read, read_ahead
from lesionkit.data.records import Sources
from lesionkit.errors import ImageError, OptionError, StorageError, UnreadableImagesError
from lesionkit.features.fingerprint import fingerprint
from lesionkit.features.shards import Features, Shard, open_shards, places_of, row_type, write_shard
from lesionkit.files import cache_folder
from lesionkit.progress import track
from lesionkit.text import as_text

logger = logging.getLogger(__name__)

DEFAULT_LIMIT = 20 * 10**9
SHARD_BYTES = 128 * 10**6

#: Seconds after which what was computed is written, though it fills no shard: a killed process loses no more.
SHARD_SECONDS = 30

#: Images that are decoded before the frozen network is asked.
BATCH_SIZE = 32

#: Seconds after which a file that a process began to write, and did not finish, may be removed.
ABANDONED = 3600


@dataclass(frozen=True)
class FeatureStore:
    """Stored feature maps in a folder, the least recently used given up when they exceed ``limit`` bytes.

    Attributes:
        folder: where they are; the user's cache folder (``LESIONKIT_CACHE`` or the system's) when left out.
        limit: most bytes to keep; ``LESIONKIT_CACHE_LIMIT`` or 20 GB when left out.

    Example:
        >>> store = lk.FeatureStore("features", limit=10**9)
        >>> again = lk.trainers.Frozen(epochs=1).fit(model, train, store=store)
        >>> [(fingerprint, size)] = store.entries()
        >>> store.clear() == size
        True
    """

    folder: Path = None  # type: ignore[assignment]
    limit: int = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder or cache_folder() / "features"))
        if self.limit is None:
            object.__setattr__(self, "limit", _limit_from_environment())

    def features(self, frozen: Any, sources: Sources, views: Sequence[Any] = (None,)) -> Features:
        """Returns the feature maps of image files, computing those that are not stored.

        Args:
            frozen: a built ``keras.Model`` from (B, height, width, 3) RGB in [0, 255] to feature maps.
            sources: the image files, n >= 1.
            views: what the network sees of each image: a :class:`~lesionkit.model.views.View`, or None for the image
                itself. The features of the first view of all images come first, then those of the second.

        Raises:
            UnreadableImagesError: it lists all files that cannot be read; what was computed is kept.
            StorageError: the features would exceed the store's limit, or cannot be written.
        """
        keys = _hashes(sources, frozen.input.shape[1:3])
        name = fingerprint(frozen)
        folders = [self.folder / (name if view is None else f"{name}-{_short(view.name)}") for view in views]
        pictures = dict(zip(keys, sources, strict=True))
        shards = [open_shards(folder, pictures) for folder in folders]
        missing = [[key for key in pictures if key not in stored] for stored in map(places_of, shards)]
        extracted = sum(map(len, missing))
        started = time.perf_counter()
        if extracted:
            self._make_room(len(pictures), len(views), extracted, row_type(frozen).itemsize)
            forward = _forward(name, frozen)
            for view, folder, opened, wanted in zip(views, folders, shards, missing, strict=True):
                written, errors = self._extract(frozen, forward, view, folder, {key: pictures[key] for key in wanted})
                if errors:
                    named = [(source, errors[key]) for source, key in zip(sources, keys, strict=True) if key in errors]
                    raise UnreadableImagesError([ImageError(source, error.reason) for source, error in named])
                opened += written
        seconds = time.perf_counter() - started
        reused = len(views) * len(pictures) - extracted
        done = f"{extracted} extracted in {seconds:.1f} s" if extracted else "nothing to extract"
        noun = "pictures" if len(views) == 1 else "views"
        logger.info("features: %d %s found in the store, %s", reused, noun, done)
        known = tuple(key.decode() for key in keys)
        found = []
        for opened in shards:
            stored = places_of(opened)
            places = np.array([stored[key] for key in keys], dtype=np.int64).reshape(-1, 2)
            found.append(Features(known, 0, 0, 0.0, tuple(opened), places))
        return dataclasses.replace(
            Features.concatenate(found), extracted=extracted, reused=reused, seconds=seconds if extracted else 0.0
        )

    def entries(self) -> list[tuple[str, int]]:
        """Returns (fingerprint of the frozen part, bytes) of all that is stored, least recently used first.

        Of a view, 16 digits of its name's SHA-256 follow the fingerprint.
        """
        sizes: dict[str, int] = {}
        for path, stat in self._files():
            sizes[path.parent.name] = sizes.get(path.parent.name, 0) + stat.st_size
        return list(sizes.items())

    def clear(self) -> int:
        """Removes all stored features; returns how many bytes that freed."""
        return self._evict(0)

    def _extract(
        self,
        frozen: Any,
        forward: Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]],
        view: Any,
        folder: Path,
        pictures: dict[bytes, str],
    ) -> tuple[list[Shard], dict[bytes, ImageError]]:
        """Returns the shards written for the pictures, key -> file, and the error of each that cannot be read."""
        sources, kind = list(pictures.values()), row_type(frozen)
        rows = min(max(SHARD_BYTES // kind.itemsize // BATCH_SIZE, 1), -(-len(sources) // BATCH_SIZE)) * BATCH_SIZE
        shard, filled, written = np.empty(rows, dtype=kind), 0, []
        errors: dict[bytes, ImageError] = {}
        last = time.monotonic()
        try:
            with track(decode_each(sources, frozen.input.shape[1:3]), total=len(sources), label="features") as decoded:
                for batch in _batches(zip(decoded, sources, pictures, strict=True), BATCH_SIZE):
                    errors |= {item[2]: error for item in batch if (error := _error(*item))}
                    if errors:  # the rest is only read, to name every file that cannot be
                        continue
                    pixels, keys = np.stack([one.pixels for one, _, _ in batch]), [key for _, _, key in batch]
                    if view is not None:
                        pixels = view(pixels, [key.decode() for key in keys])
                    end = filled + len(batch)
                    shard["features"][filled:end] = forward(pixels)
                    shard["picture_id"][filled:end] = keys
                    filled = end
                    if filled == rows or time.monotonic() - last > SHARD_SECONDS:
                        written.append(write_shard(folder, shard[:filled]))
                        filled, last = 0, time.monotonic()
        finally:  # also what was computed before an interruption
            if filled:
                written.append(write_shard(folder, shard[:filled]))
        return written, errors

    def _make_room(self, pictures: int, views: int, missing: int, row_bytes: int) -> None:
        needed = pictures * views * row_bytes
        asked = "pictures" if views == 1 else f"views ({views} of {pictures} pictures)"
        megabytes = missing * row_bytes / 1e6
        logger.info("features: %d of %d %s to extract, %.0f MB", missing, pictures * views, asked, megabytes)
        if needed > self.limit:
            raise StorageError(
                f"The features of {pictures * views} {asked} take {needed / 1e9:.2f} GB; the store in "
                f"{as_text(self.folder)} may hold {self.limit / 1e9:.2f} GB. Raise LESIONKIT_CACHE_LIMIT (bytes), "
                "give a larger FeatureStore(limit=...), or go without a store: fit(..., store=False)."
            )
        self._evict(self.limit - missing * row_bytes)

    def _evict(self, most: int) -> int:
        """Removes the least recently used files until at most ``most`` bytes are left."""
        files = self._files()
        total, freed = sum(stat.st_size for _, stat in files), 0
        for path, stat in files:
            if total - freed <= most:
                break
            path.unlink(missing_ok=True)
            freed += stat.st_size
        return freed

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        found = []
        for path in self.folder.glob("*/*.npy"):
            try:
                stat = path.stat()
            except FileNotFoundError:  # another process gave it up just now
                continue
            if not path.name.startswith(".") or time.time() - stat.st_mtime > ABANDONED:
                found.append((path, stat))
        return sorted(found, key=lambda item: (item[1].st_mtime_ns, item[0]))


def store_of(store: FeatureStore | bool | None) -> FeatureStore | None:
    """Returns the store that an option ``store`` asks for: itself; the user's own for True; none for False or None."""
    if store is True:
        return FeatureStore()
    return store or None


_last_forward: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]] = {}


def _forward(name: str, frozen: Any) -> Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]:
    """Returns the frozen network of this fingerprint as a function; the last one is kept, since it takes a second."""
    from lesionkit.features.folding import frozen_function

    if name not in _last_forward:
        _last_forward.clear()
        _last_forward[name] = frozen_function(frozen)
    return _last_forward[name]


def _limit_from_environment() -> int:
    text = os.environ.get("LESIONKIT_CACHE_LIMIT", str(DEFAULT_LIMIT))
    if not text.isdecimal():
        raise OptionError(f"LESIONKIT_CACHE_LIMIT is a whole number of bytes. Received: {text!r}")
    return int(text)


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _hashes(sources: Sources, image_size: tuple[int, int]) -> list[bytes]:
    def digest(source: str) -> Read:
        return read(source)._replace(data=b"")

    found = list(track(read_ahead(digest, sources), total=len(sources), label="reading images"))
    errors = [image.error for image in found if image.error]
    if errors:  # the others are decoded once, to name every file that cannot be
        raise UnreadableImagesError([one.error for one in decode_each(sources, image_size) if one.error] or errors)
    return [image.picture_id.encode() for image in found]


def _error(one: Decoded, source: str, key: bytes) -> ImageError | None:
    if one.error is None and one.picture_id.encode() != key:
        return ImageError(source, "the file changed while it was read; run again when it is at rest")
    return one.error


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
