"""A folder with one folder of images for each class, as the nine-class ISIC set is shipped."""

import os
from collections.abc import Sequence
from pathlib import Path

from lesionkit.data.records import Records, checked_class_names
from lesionkit.data.tables import image_id
from lesionkit.errors import DataError
from lesionkit.files import is_hidden
from lesionkit.text import as_text

_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def isic_folder(
    root: str | os.PathLike[str], *, class_names: Sequence[str] | None = None, name: str | None = None
) -> Records:
    """Reads ``root/Train/<class>/<image>`` and ``root/Test/<class>/<image>``, or ``root/<class>/<image>``.

    Only names are read, never pixels: every file in a class folder counts as an image, whatever its suffix,
    but for hidden and system files. ``Train``, ``Test`` and ``Validation`` are told by name in any case (also
    ``training``, ``val``, ``valid``, ``testing``). The order is that of the names, the same on every machine.

    Args:
        root: the folder.
        class_names: the classes in the order wanted; all that are found, sorted by name, when left out.
        name: what to call the records; the folder's own name when left out.

    Returns:
        Records whose ``image_id`` is the ISIC identifier in the file's name (``ISIC_0025509(1).jpg`` is
        ``ISIC_0025509``), or the name without its suffix where there is none. Lesions and patients are unknown.

    Raises:
        DataError: the folder is missing, holds no class folders, an empty one, fewer than two classes, a class
            in Test or Validation that Train lacks, or ``class_names`` that are not the folders' names.

    Example:
        >>> folder = Path(records.source[0]).parents[2]
        >>> print(lk.datasets.get("isic_folder")(folder).counts()["test"]["synthetic nevus"])
        3
    """
    base = os.fspath(root)
    layout = _split_folders(base) or {"": base}
    rows = [
        (os.path.join(folder, label, file), label, split)  # noqa: PTH118
        for split, folder in sorted(layout.items(), key=lambda item: ("train", "validation", "test", "").index(item[0]))
        for label in _class_folders(folder)
        for file in _images(os.path.join(folder, label))  # noqa: PTH118
    ]
    names = _names_in_order({row[1] for row in rows if row[2] in ("train", "")}, class_names, base)
    extra = sorted({f"{row[2]}: {as_text(row[1])}" for row in rows if row[1] not in names})
    if extra:
        raise DataError(
            f"{as_text(base)} has classes that Train lacks ({', '.join(extra)}), so no classifier can learn them. "
            "Rename, fill or remove these folders."
        )
    place = {label: number for number, label in enumerate(names)}
    return Records(
        class_names=names,
        source=[row[0] for row in rows],  # type: ignore[arg-type]
        label=[place[row[1]] for row in rows],  # type: ignore[arg-type]
        image_id=[image_id(row[0]) for row in rows],  # type: ignore[arg-type]
        split=[row[2] for row in rows],  # type: ignore[arg-type]
        name=name or Path(base).resolve().name,
    )


def _split_folders(base: str) -> dict[str, str]:
    """Returns split -> folder, or nothing where ``base`` holds the class folders themselves."""
    found: dict[str, str] = {}
    for entry in _folders(base):
        split = _SPLIT_FOLDERS.get(entry.casefold())
        if split in found:
            raise DataError(f"{as_text(base)} holds two folders for {split}: keep one, beside {as_text(found[split])}.")
        if split is not None:
            found[split] = os.path.join(base, entry)  # noqa: PTH118
    if found and "train" not in found:
        raise DataError(f"{as_text(base)} holds a folder for {' and '.join(found)} but none called Train.")
    return found


def _names_in_order(found: set[str], asked: Sequence[str] | None, base: str) -> tuple[str, ...]:
    if asked is None:
        if len(found) < 2:
            raise DataError(f"{as_text(base)} holds {len(found)} class of images; a classifier needs two or more.")
        return tuple(sorted(found))
    names = checked_class_names(asked)
    if set(names) != found:
        listed = ", ".join(map(as_text, sorted(found)))
        raise DataError(f"class_names must name each of the folder's classes once ({listed}). Received: {names}")
    return names


def _folders(path: str) -> list[str]:
    return sorted(entry.name for entry in _entries(path) if entry.is_dir())


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if not is_hidden(entry.name)]
    except OSError as error:
        raise DataError(
            f"{as_text(path)} cannot be listed ({error.strerror}). Give the folder that holds Train/ and Test/, "
            "or one folder for each class."
        ) from error


def _class_folders(path: str) -> list[str]:
    found = _folders(path)
    if not found:
        raise DataError(f"{as_text(path)} holds no class folders. Expected: one folder of images for each class.")
    return found


def _images(path: str) -> list[str]:
    found = sorted(entry.name for entry in _entries(path) if not entry.is_dir())
    if not found:
        raise DataError(f"{as_text(path)} is an empty class folder. Put its images there, or remove the folder.")
    return found
