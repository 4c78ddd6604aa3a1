"""Generated caricatures of dermoscopy in nine classes: of no medical value, made to exercise the software."""

import contextlib
import json
import os
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionkit.data.records import Records
from lesionkit.datasets.isic_folder import isic_folder
from lesionkit.datasets.lesion_drawing import photograph
from lesionkit.errors import DataError, OptionError
from lesionkit.files import cache_folder, whole_folder
from lesionkit.options import checked_count, checked_image_size, checked_seed
from lesionkit.text import as_text

#: Goes up whenever the pictures change, so that those of two versions are never mixed.
VERSION = 1

#: The nine classes in the order of their labels, named for the classes of the ISIC folder that they imitate.
CLASS_NAMES = (
    "synthetic actinic keratosis",
    "synthetic basal cell carcinoma",
    "synthetic dermatofibroma",
    "synthetic melanoma",
    "synthetic nevus",
    "synthetic pigmented benign keratosis",
    "synthetic seborrheic keratosis",
    "synthetic squamous cell carcinoma",
    "synthetic vascular lesion",
)

_SPLITS = ("Train", "Test")
_REMEDY = "Choose another folder, or remove this one to have it written anew."


def synthetic_lesions(
    root: str | os.PathLike[str] | None = None,
    *,
    train_per_class: int = 60,
    test_per_class: int = 15,
    image_size: tuple[int, int] = (160, 160),
    seed: int = 0,
) -> Records:
    """Returns records of generated images, ``root/{Train,Test}/<class>/SYNTHETIC_*.png``, written if missing.

    They are caricatures of no medical value: what a model reaches on them says nothing about skin.

    Args:
        root: the folder; when left out, one in ``$LESIONKIT_CACHE`` or the user's cache, named by the options.
        train_per_class: images of each class in ``Train``, at least 1.
        test_per_class: images of each class in ``Test``, at least 1.
        image_size: (height, width) in pixels, each at least 16.
        seed: of all images.

    Raises:
        OptionError: an option has a value that cannot work.
        DataError: ``root`` holds generated images of other options, or not all of them, or more.
        StorageError: ``root`` holds other files, or cannot be written.

    Example:
        >>> records = lk.datasets.get("synthetic_lesions")("lesions", train_per_class=2, test_per_class=1)
        >>> records.counts()["train"]["synthetic nevus"]
        2
    """
    size = _checked_size(image_size)
    asked = {
        "what": "generated caricatures of skin lesions: not real images, of no medical value",
        "version": VERSION,
        "train_per_class": checked_count(train_per_class, "train_per_class"),
        "test_per_class": checked_count(test_per_class, "test_per_class"),
        "image_size": list(size),
        "seed": checked_seed(seed),
    }
    if root is None:
        options = f"{train_per_class}+{test_per_class}-{size[0]}x{size[1]}-seed{seed}"
        root = cache_folder() / "synthetic" / f"lesions-v{VERSION}-{options}"
    folder = Path(root)
    if not _is_there(folder, asked):
        _write(folder, asked)
    records = isic_folder(folder, name="synthetic lesions (generated, not real images)")
    count = len(CLASS_NAMES) * (train_per_class + test_per_class)
    if len(records) != count or records.class_names != CLASS_NAMES:
        raise DataError(
            f"{as_text(folder)} is not as it was written: it holds {len(records)} images of "
            f"{len(records.class_names)} classes instead of {count} of {len(CLASS_NAMES)}. {_REMEDY}"
        )
    return records


def generate(
    label: int, index: int, *, split: str = "Train", image_size: tuple[int, int] = (160, 160), seed: int = 0
) -> npt.NDArray[np.uint8]:
    """Returns one caricature of a lesion, RGB in [0, 255], shape (height, width, 3), the same for equal arguments.

    A larger ``image_size`` shows the same lesion in more detail. It is of no medical value.

    Args:
        label: the place in :data:`CLASS_NAMES`.
        index: which of the class's images, from 0.
        split: ``"Train"`` or ``"Test"``; they have no image in common.
        image_size: (height, width) in pixels, each at least 16.
        seed: of all images.

    Raises:
        OptionError: an argument has a value that cannot work.
    """
    if checked_count(label, "label", least=0) >= len(CLASS_NAMES):
        raise OptionError(f"label is below {len(CLASS_NAMES)}. Received: {label!r}")
    if split not in _SPLITS:
        raise OptionError(f"split is one of {', '.join(_SPLITS)}. Received: {split!r}")
    parts = [VERSION, checked_seed(seed), _SPLITS.index(split), label, checked_count(index, "index", least=0)]
    rng = np.random.default_rng(parts)
    height, width = _checked_size(image_size)
    half = min(height, width) / 2
    x = ((np.arange(width) + 0.5) / half - width / half / 2)[None, :]
    y = ((np.arange(height) + 0.5) / half - height / half / 2)[:, None]
    return photograph(rng, x, y, label)


def _checked_size(image_size: Any) -> tuple[int, int]:
    size = checked_image_size(image_size)
    if min(size) < 16:
        raise OptionError(f"image_size is at least (16, 16) for generated images. Received: {image_size!r}")
    return size


def _write(folder: Path, asked: dict[str, Any]) -> None:
    """Fills ``folder`` with the images, or leaves it to another process that was faster."""
    number, size, seed = 0, asked["image_size"], asked["seed"]
    with contextlib.suppress(OSError):
        folder.rmdir()  # an empty folder, so that a single renaming puts the full one in its place
    try:
        with whole_folder(folder) as beside:
            for split, label in product(_SPLITS, range(len(CLASS_NAMES))):
                images = beside / split / CLASS_NAMES[label]
                images.mkdir(parents=True)
                for index in range(asked[f"{split.lower()}_per_class"]):
                    pixels = generate(label, index, split=split, image_size=size, seed=seed)
                    Image.fromarray(pixels).save(images / f"SYNTHETIC_{number:07d}.png", compress_level=1)
                    number += 1
            (beside / "synthetic.json").write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")
    except OSError:
        if not _is_there(folder, asked):
            raise


def _is_there(folder: Path, asked: dict[str, Any]) -> bool:
    """Returns whether ``folder`` holds the images that ``asked`` describes.

    Raises:
        DataError: it holds generated images, but others.
    """
    try:
        found = json.loads((folder / "synthetic.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except ValueError:
        found = None
    found = found if isinstance(found, dict) else {}
    differing = [key for key in asked if found.get(key) != asked[key]]
    if differing:
        listed = ", ".join(f"{key} {found.get(key)!r} instead of {asked[key]!r}" for key in differing)
        raise DataError(f"{as_text(folder)} holds other generated images: {listed}. {_REMEDY}")
    return True
