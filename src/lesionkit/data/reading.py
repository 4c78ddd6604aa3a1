"""Image files read once, as bytes with their SHA-256 or with the reason why there are none; a little ahead of need."""

import collections
import functools
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lesionkit.errors import ImageError
from lesionkit.text import as_text

#: Threads that read, decode and compare images.
THREADS = 2

#: Images that are read before they are asked for.
AHEAD = 64

_IN_HDF5 = re.compile(r"(.+\.(?:hdf5|h5))::(.+)", re.IGNORECASE | re.DOTALL)
_Source = TypeVar("_Source")
_Made = TypeVar("_Made")


class Read(NamedTuple):
    """One image file as read.

    Attributes:
        picture_id: SHA-256 of the bytes; empty where there are none.
        data: the bytes.
        error: why there are none, or None.
    """

    picture_id: str
    data: bytes
    error: ImageError | None


def read(source: str) -> Read:
    """Returns the bytes of an image file with their SHA-256, or why it cannot be read."""
    try:
        data = read_bytes(source)
    except ImageError as error:
        return Read("", b"", error)
    return Read(hashlib.sha256(data).hexdigest(), data, None)


def read_ahead(function: Callable[[_Source], _Made], sources: Iterable[_Source]) -> Iterator[_Made]:
    """Yields ``function`` of each source in order, computed on other threads a little ahead of need."""
    with ThreadPoolExecutor(THREADS) as pool:
        later = iter(sources)
        waiting = collections.deque(pool.submit(function, source) for source in itertools.islice(later, AHEAD))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(function, source) for source in itertools.islice(later, 1))


def read_bytes(source: str) -> bytes:
    """Returns the bytes of a file, or of the dataset that ``"file.hdf5::name"`` names in an HDF5 file; at least one.

    A file's name need not be UTF-8.

    Raises:
        ImageError: there is no such file or dataset, it may not be read, or it is empty.
    """
    try:
        data = _hdf5_bytes(*inside.groups()) if (inside := _IN_HDF5.match(source)) else Path(source).read_bytes()
    except FileNotFoundError:
        raise ImageError(source, "there is no such file") from None
    except IsADirectoryError:
        raise ImageError(source, "is a folder, not an image file") from None
    except PermissionError:
        raise ImageError(source, "may not be read: change its permissions") from None
    except (OSError, ValueError) as error:
        raise ImageError(source, f"cannot be opened ({as_text(str(error))})") from error
    except KeyError:
        raise ImageError(source, "there is no dataset of this name in the file") from None
    if not data:
        raise ImageError(source, "is empty (0 bytes): copy or download it again")
    return data


def _hdf5_bytes(path: str, name: str) -> bytes:
    now = Path(path).stat()
    found = _hdf5_file(path, now.st_mtime_ns, now.st_size)[name]
    if not hasattr(found, "shape"):
        raise KeyError(name)  # a group
    return np.asarray(found[()]).tobytes()


@functools.lru_cache(maxsize=4)
def _hdf5_file(path: str, _changed: int, _size: int) -> Any:
    """Returns an HDF5 file, open for as long as it does not change: opening one of 400,000 images takes 5 ms."""
    import h5py

    return h5py.File(path, "r")
