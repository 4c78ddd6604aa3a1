"""A classifier written for serving, compared with Keras on images, and entered into its card."""

import contextlib
import hashlib
import itertools
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from lesionkit.data import taxonomy
from lesionkit.errors import ExportError, LesionkitError, StorageError
from lesionkit.files import foreign_files, storing, whole_folder, write_json
from lesionkit.reproducibility import environment
from lesionkit.serving.agreement import compared, generated
from lesionkit.serving.card import read_card
from lesionkit.serving.formats import SERVING, checked_format, in_float32
from lesionkit.text import as_text

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
KIND = "lesionkit export"

#: A folder that Keras leaves in a SavedModel, empty.
EMPTY = "assets/"

#: The greatest difference of a probability from Keras that is let pass: what rounding makes; what pixels make that are
#: a level off; what weights of 8 bits make; what a model trained in 16 bits makes of being served in 32.
BOUND, ENCODED_BOUND, INT8_BOUND, SIXTEEN_BIT_BOUND = 1e-4, 1e-2, 0.1, 0.05

_OTHERWISE = "Export it in another format."
_ENCODED = "With encoded=True the images to check on are JPEG, PNG or WebP files."


@dataclass(frozen=True)
class Export:
    """A classifier written for serving.

    Attributes:
        path: the folder.
        format: ``"savedmodel"``, ``"litert"``, ``"onnx"`` or ``"keras"``.
        options: which of ``"encoded"`` and ``"int8"`` it was written with.
        size: bytes of all files.
        sha256: file name in the folder -> SHA-256, of all but ``serving.json``.
        images: how many images it was compared with Keras on.
        greatest_difference: of any probability on them.
        bound: the greatest that would have been let pass.
        same_class: share of them with the same likeliest class.
    """

    path: Path
    format: str
    options: tuple[str, ...]
    size: int
    sha256: Mapping[str, str]
    images: int
    greatest_difference: float
    bound: float
    same_class: float

    def to_dict(self) -> dict[str, Any]:
        """Returns all but the path, as JSON can hold it."""
        told = {name: value for name, value in vars(self).items() if name != "path"}
        return {**told, "options": list(self.options), "sha256": dict(self.sha256)}


def export_classifier(
    model: keras.Model,
    class_names: Sequence[str],
    card: Mapping[str, Any],
    path: Path,
    format: str,  # noqa: A002  (Keras calls it so)
    *,
    encoded: bool = False,
    int8: bool = False,
    check: Sequence[Any] | None = None,
) -> Export:
    """Writes a classifier into the folder ``path`` for serving and returns what was written.

    Args:
        model: (B, height, width, 3) RGB in [0, 255] to (B, C) probabilities.
        class_names: C names.
        card: of its ``card.json``: the temperature and the thresholds of its answers.
        path: the folder; an earlier export in it is replaced.
        format: see :meth:`lesionkit.Bundle.export`, as for what follows.
        encoded: whether it takes in the bytes of image files.
        int8: whether its weights have 8 bits.
        check: files, Pillow images or (h, w, 3) arrays to compare on; None:
            :func:`~lesionkit.serving.agreement.generated` ones.

    Raises:
        ExportError: it cannot be written in this format, or answers otherwise than Keras.
        ImageError: an image of ``check`` cannot be read.
        ImportError: packages of the format are not installed.
        OptionError: there is no such format, or the format has no such option, or ``check`` is empty.
        StorageError: ``path`` holds other files, or cannot be written.
    """
    path = Path(os.path.realpath(path))
    form = checked_format(format, encoded=encoded, int8=int8)
    options = {name: True for name, asked in (("encoded", encoded), ("int8", int8)) if asked}
    _refuse_foreign(path)
    height, width = model.input.shape[1:3]
    serving = _serving(card, class_names, (height, width), format, options)
    served = model if format == "keras" else in_float32(model)
    bound = ENCODED_BOUND if encoded else INT8_BOUND if int8 else BOUND
    bound = bound if served is model else max(bound, SIXTEEN_BIT_BOUND)
    with _beside(path) as folder:
        with _refusing(format, "be written"):
            form.write(served, tuple(class_names), json.dumps(serving), folder, **options)
        with _refusing(format, "answer"):
            answer = form.open(folder)
            looked_at = generated(height, width) if check is None else check
            count, greatest, same = compared(model, answer, looked_at, encoded)
        if not greatest <= bound:  # NaN, too
            remedy = "This network does not bear weights of 8 bits: leave out int8=True." if int8 else _OTHERWISE
            raise ExportError(
                f"As {format} the classifier's probabilities differ by up to {greatest:.2g} from Keras's on {count} "
                f"images; {bound:g} is let pass. Nothing was written. {remedy}"
            )
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        hashes = {file.relative_to(folder).as_posix(): _sha256(file) for file in files}
        size = sum(file.stat().st_size for file in files)
        made = Export(path, format, tuple(options), size, hashes, count, greatest, bound, same)
        told = {**serving, "environment": environment(), "export": made.to_dict()}
        write_json(folder / SERVING, told)
    logger.info("%s: greatest difference from Keras on %d images %.1e", as_text(path), count, greatest)
    return made


def enter(made: Export, folder: Path) -> dict[str, Any]:
    """Enters an export into the card of the bundle in ``folder``, in place of an earlier one there, and returns it.

    Raises:
        BundleError: there is no card.
        StorageError: the card cannot be written.
    """
    place = os.path.relpath(made.path.resolve(), folder.resolve())
    card = read_card(folder)
    others = [one for one in card.get("exports", []) if one["path"] != as_text(place)]
    card["exports"] = [*others, {"path": as_text(place), **made.to_dict()}]
    write_json(folder / "card.json", card)
    return card


def _serving(
    card: Mapping[str, Any], class_names: Sequence[str], size: tuple[int, int], form: str, options: Mapping[str, bool]
) -> dict[str, Any]:
    """Returns what a program needs that serves the classifier; thresholds only where they hold for one view."""
    one_view = (card.get("views") or 1) == 1
    pixels = {"name": "image", "shape": [None, *size, 3], "dtype": "float32", "values": "RGB from 0 to 255"}
    files = {"name": "image_bytes", "shape": [None], "dtype": "string", "values": "JPEG, PNG or WebP files"}
    return {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "format": form,
        "class_names": list(class_names),
        "image_size": list(size),
        "input": files if "encoded" in options else pixels,
        "output": {"name": "probabilities", "shape": [None, len(class_names)], "dtype": "float32"},
        "malignant_classes": [
            name for name in class_names if taxonomy.malignancy(taxonomy.of_class(name)) == "malignant"
        ],
        "temperature": (card.get("calibration") or {}).get("temperature"),
        "operating_point": card.get("operating_point") if one_view else None,
        "conformal_sets": card.get("conformal_sets") if one_view else None,
    }


@contextlib.contextmanager
def _refusing(form: str, what: str) -> Iterator[None]:
    """Turns whatever a converter or runtime raises into an :class:`ExportError`."""
    try:
        yield
    except (LesionkitError, OSError):
        raise
    except Exception as error:
        reason = as_text(" ".join(str(error).split())[:300])
        remedy = _ENCODED if form == "savedmodel" else 'Try "savedmodel", which holds every Keras model.'
        raise ExportError(
            f"As {form} the classifier cannot {what} ({type(error).__name__}: {reason}). Nothing was written. {remedy}"
        ) from error


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yields a folder to fill, which takes the place of ``path`` once the block is left."""
    there = next(folder for folder in path.absolute().parents if folder.is_dir())
    with storing(path), tempfile.TemporaryDirectory(dir=there, prefix=f".{path.name}-") as made:
        yield Path(made)
        with whole_folder(path, _files_of(path)) as folder:
            for entry in Path(made).iterdir():
                entry.replace(folder / entry.name)


def _refuse_foreign(path: Path) -> None:
    """Refuses what is no folder, and a folder with files that are of no earlier export."""
    own = _files_of(path)
    foreign = path.exists() and (not path.is_dir() or any(foreign_files(path, own)))
    if foreign and not own:
        raise StorageError(f"{as_text(path)} is not an earlier export, which alone is replaced. Choose another folder.")
    if foreign:
        shown = ", ".join(as_text(name) for name in itertools.islice(foreign_files(path, own), 3))
        raise StorageError(
            f"{as_text(path)} holds files that the earlier export in it did not write ({shown}), and an export "
            "replaces the whole folder. Move them away, or choose another folder."
        )


def _files_of(path: Path) -> tuple[str, ...]:
    """Returns the files and folders of the export in a folder; none where there is no export."""
    try:
        told = json.loads((path / SERVING).read_text(encoding="utf-8"))
        return (SERVING, *told["export"]["sha256"], EMPTY) if told["kind"] == KIND else ()
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
