"""One look at every image file: what its bytes, its header and its pixels tell the checks."""

import dataclasses
import hashlib
import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionkit.data import images
from lesionkit.data.reading import read, read_ahead
from lesionkit.data.records import Records, Skipped, as_column
from lesionkit.errors import ImageError, OptionError, UnreadableImagesError
from lesionkit.progress import track

#: (height, width) of the thumbnails that pictures are compared by.
THUMBNAIL = (64, 64)


class Look(NamedTuple):
    """What one image file tells. All but ``picture_id``, ``bytes`` and ``error`` is empty where it cannot be read.

    Attributes:
        picture_id: SHA-256 of the bytes; empty where there are none.
        bytes: size of the file.
        error: why it cannot be read, or None.
        format: ``"JPEG"``, ``"PNG"``, ... by content.
        mode: Pillow's name for its kind of pixels, as stored: ``"RGB"``, ``"L"``, ``"CMYK"``, ...
        width: pixels, as stored.
        height: pixels, as stored.
        tables: SHA-256 of a JPEG's quantisation tables, empty for others: the same where the same software saved at
            the same quality.
        thumbnail: uint8 RGB :data:`THUMBNAIL`, upright and antialiased.
    """

    picture_id: str
    bytes: int
    error: ImageError | None
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    tables: str = ""
    thumbnail: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class Survey:
    """What n image files tell, one row for each, in the order of the records.

    Attributes:
        looks: n rows.
        thumbnails: (n, 64, 64, 3) uint8 RGB; zeros where an image cannot be read.
    """

    looks: tuple[Look, ...] = dataclasses.field(repr=False)
    thumbnails: npt.NDArray[np.uint8] = dataclasses.field(repr=False)

    def __len__(self) -> int:
        return len(self.looks)

    @property
    def readable(self) -> npt.NDArray[np.bool_]:
        """(n,) whether each image can be read."""
        return np.array([look.error is None for look in self.looks], dtype=bool)

    def column(self, name: str) -> npt.NDArray[Any]:
        """Returns (n,) one attribute of every look."""
        return as_column([getattr(look, name) for look in self.looks])

    def __getitem__(self, rows: Any) -> "Survey":
        """Returns the chosen rows: a slice, an array of places, or a mask of n booleans."""
        places = np.arange(len(self))[rows]
        return Survey(tuple(self.looks[place] for place in places), self.thumbnails[places])


def survey(records: Records) -> Survey:
    """Reads every image file once, whole, and returns what it tells; an unreadable one is a row with an error."""
    thumbnails = np.zeros((len(records), *THUMBNAIL, 3), dtype=np.uint8)
    looks = []
    with track(read_ahead(look, records.source), total=len(records), label="reading images") as found:
        for row, one in enumerate(found):
            if one.thumbnail is not None:
                thumbnails[row] = one.thumbnail
            looks.append(one._replace(thumbnail=thumbnails[row]))
    return Survey(tuple(looks), thumbnails)


def look(source: str) -> Look:
    """Returns what the image file ``source`` tells."""
    picture_id, data, error = read(source)
    if error is not None:
        return Look(picture_id, len(data), error)
    try:
        thumbnail = images.decode(data, THUMBNAIL, source=source)
    except ImageError as undecodable:
        return Look(picture_id, len(data), undecodable)
    with Image.open(io.BytesIO(data)) as image:
        tables = getattr(image, "quantization", None)
        digest = hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest() if tables else ""
        kind, mode, width, height = image.format or "", image.mode, image.width, image.height
    return Look(picture_id, len(data), None, kind, mode, width, height, digest, thumbnail)


def inspect(records: Records, *, on_unreadable: str = "error") -> Records:
    """Reads every image once, keeps none, and returns the records with their ``picture_id`` (SHA-256 of the bytes).

    Args:
        records: the images to look at.
        on_unreadable: ``"error"`` raises once all are found; ``"skip"`` moves them to ``skipped``.

    Raises:
        OptionError: ``on_unreadable`` is something else.
        UnreadableImagesError: some cannot be read; it lists every one of them.

    Example:
        >>> known = lk.inspect(test)
        >>> len(set(known.picture_id)) == len(test)  # no two files are equal
        True
    """
    _check_choice(on_unreadable)
    return readable(records, survey(records), on_unreadable=on_unreadable)[0]


def readable(records: Records, surveyed: Survey, *, on_unreadable: str = "error") -> tuple[Records, Survey]:
    """Returns the readable images with their ``picture_id``, and their rows of the survey.

    Args:
        records: the images.
        surveyed: what :func:`survey` returned for them.
        on_unreadable: ``"error"`` raises when there are others; ``"skip"`` moves them to ``skipped``.

    Raises:
        OptionError: ``on_unreadable`` is something else.
        UnreadableImagesError: some cannot be read; it lists every one of them.
    """
    _check_choice(on_unreadable)
    errors = [one.error for one in surveyed.looks if one.error]
    if errors and on_unreadable == "error":
        raise UnreadableImagesError(errors)
    kept = surveyed.readable
    whole = dataclasses.replace(
        records[kept],
        picture_id=as_column([one.picture_id for one in surveyed.looks if not one.error]),
        skipped=(*records.skipped, *(Skipped(error.source, error.reason) for error in errors)),
    )
    return whole, surveyed[kept]


def _check_choice(on_unreadable: str) -> None:
    if on_unreadable not in ("error", "skip"):
        raise OptionError(f"on_unreadable is 'error' or 'skip'. Received: {on_unreadable!r}")
