"""Feature maps on disk: files of a picture's id and its map in each row, and images found among them."""

import dataclasses
import logging
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.files import whole_file
from lesionkit.text import as_text

logger = logging.getLogger(__name__)

#: Rows of a picture's SHA-256 and its feature map, mapped from one file.
Shard = npt.NDArray[Any]


@dataclass(frozen=True)
class Features:
    """Feature maps of n images in their order, read from disk when asked for.

    Attributes:
        picture_id: n texts, the SHA-256 of each image file's bytes.
        extracted: how many pictures were computed now.
        reused: how many pictures were found in the store.
        seconds: time to compute what was missing.
    """

    picture_id: tuple[str, ...]
    extracted: int
    reused: int
    seconds: float
    _shards: tuple[Shard, ...] = dataclasses.field(repr=False)
    _places: npt.NDArray[np.int64] = dataclasses.field(repr=False)

    def __len__(self) -> int:
        return len(self.picture_id)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, C)."""
        return (len(self), *self._shards[0].dtype["features"].shape)

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """32-bit floats."""
        return np.dtype(np.float32)

    @classmethod
    def concatenate(cls, several: "Sequence[Features]") -> "Features":
        """Returns the features of one or more of equal shape, one after the other, still on disk."""
        shards: list[Shard] = []
        places = []
        for one in several:
            places.append(one._places + np.array([len(shards), 0]))  # noqa: SLF001
            shards += one._shards  # noqa: SLF001
        return cls(
            tuple(picture for one in several for picture in one.picture_id),
            sum(one.extracted for one in several),
            sum(one.reused for one in several),
            sum(one.seconds for one in several),
            tuple(shards),
            np.concatenate(places),
        )

    def part(self, rows: npt.NDArray[np.int64]) -> "Features":
        """Returns the features of the chosen images alone, still on disk."""
        chosen = tuple(self.picture_id[row] for row in rows)
        return dataclasses.replace(self, picture_id=chosen, _places=self._places[rows])

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        """Returns the feature maps (len(rows), h, w, C) of the chosen images."""
        places = self._places[rows]
        found = np.empty((len(places), *self.shape[1:]), dtype=np.float32)
        for shard in np.unique(places[:, 0]):
            here = places[:, 0] == shard
            found[here] = self._shards[shard]["features"][places[here, 1]]
        return found


def row_type(frozen: Any) -> np.dtype[Any]:
    """Returns what a row of a shard holds for the features of ``frozen``."""
    return np.dtype([("picture_id", "S64"), ("features", "<f4", frozen.output.shape[1:])])


def write_shard(folder: Path, rows: Shard) -> Shard:
    """Writes a shard into ``folder`` and returns it, mapped from there."""
    path = folder / f"{uuid.uuid4().hex}.npy"
    with whole_file(path) as beside:
        with beside.open("wb") as file:  # np.save does not say when the disk is full
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(rows))
            file.write(rows.view(np.uint8).data)
        shard: Shard = np.load(beside, mmap_mode="r")  # stays whatever becomes of the file
    return shard


def open_shards(folder: Path, wanted: Mapping[bytes, str]) -> list[Shard]:
    """Returns all shards of a folder; those that hold a wanted picture are now the most recently used."""
    shards = []
    for path in sorted(folder.glob("[!.]*.npy")):  # a leading dot: another process still writes it
        try:
            shards.append(np.load(path, mmap_mode="r"))
            if not wanted.keys().isdisjoint(shards[-1]["picture_id"]):
                os.utime(path)
        except FileNotFoundError:  # another process gave it up just now
            continue
        except (ValueError, EOFError) as error:
            logger.warning("features: %s is damaged (%s), its images are extracted again", as_text(path), error)
            path.unlink(missing_ok=True)
    return shards


def places_of(shards: list[Shard]) -> dict[bytes, tuple[int, int]]:
    """Returns id of a picture -> the number of its shard, and its row there."""
    return {key: (number, row) for number, shard in enumerate(shards) for row, key in enumerate(shard["picture_id"])}
