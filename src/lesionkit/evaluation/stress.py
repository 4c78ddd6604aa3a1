"""What a classifier's answers are worth when the pictures are spoilt: every artefact at every strength.

The protocol is that of Hendrycks and Dietterich 2019 ("Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR): each kind of damage at several strengths, on images that the model did not learn from; Maron et
al. 2021 ("A benchmark for neural network robustness in skin cancer classification", Eur J Cancer 155, 191-199) do so
for dermoscopy. The artefacts are drawn, not photographed: what a model loses here shows where it is weak, and what it
does not lose proves no strength.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionkit.data import images
from lesionkit.data.reading import read_ahead
from lesionkit.data.records import Records
from lesionkit.errors import DataError, ImageError, OptionError, UnreadableImagesError
from lesionkit.evaluation.artefacts import ARTEFACTS, STRENGTHS, Pixels, add
from lesionkit.evaluation.labels import class_names_of, mapped, places
from lesionkit.metrics import classification
from lesionkit.metrics.classification import Labels
from lesionkit.metrics.robustness import Change, Stress, stress_of
from lesionkit.options import checked_count, checked_seed
from lesionkit.progress import track

#: Longer side of the pictures that artefacts are drawn on, in pixels: larger ones are shrunk to it before.
LONGEST = 512


def stress_panel(
    model: keras.Model,
    data: Any,
    *,
    class_names: Sequence[str] | None = None,
    limit: int = 200,
    seed: int = 0,
    batch_size: int = 32,
    strengths: Sequence[int] = STRENGTHS,
) -> Stress:
    """Returns how ``model`` answers labelled images with each artefact on them, beside the same images untouched.

    An artefact is drawn on the picture in its own proportions, its longer side at most :data:`LONGEST` pixels, or the
    model's where that is larger; then the picture is resized for the model, as any is. The untouched images go the
    same way: their scores can differ a little from those of ``evaluate`` where larger pictures were shrunk twice.

    Args:
        model: (B, H, W, 3) RGB in [0, 255] to (B, C) probabilities.
        data: labelled Records; or ``(images, labels)``, images each (h, w, 3) in [0, 255] and labels (n,) whole numbers
            or class names. The model should not have learned from them.
        class_names: the model's classes in order, where neither the model nor ``data`` tells.
        limit: most images: of more, so many are drawn, each class in proportion and at least one of it.
        seed: of what is drawn, images and artefacts; neither depends on the order of the images.
        batch_size: images at once in the network.
        strengths: some of 1, 2, 3.

    Raises:
        DataError: no images, images without a label, or a class that the model does not know.
        UnreadableImagesError: images that cannot be read, all of them named.
        OptionError: a limit below the number of classes, no strength or an unknown one, or another option out of range.

    Example:
        >>> panel = lk.stress_panel(model, test, limit=9, strengths=[1])
        >>> len(panel.rows)
        8
    """
    checked_count(batch_size, "batch_size")
    if not strengths or not set(strengths) <= set(STRENGTHS):
        raise OptionError(f"strengths are some of 1, 2, 3. Received: {strengths!r}")
    opened, labels, group, keys = _given(data, class_names_of(model, data, class_names))
    rows = _chosen(labels, keys, checked_count(limit, "limit"), checked_seed(seed))
    changes = list(itertools.product(ARTEFACTS, dict.fromkeys(strengths)))
    answers = _answers(model, opened, rows, changes, seed, batch_size)
    return stress_of(labels[rows], answers, changes, group[rows], available=len(keys), seed=seed)


def _given(data: Any, names: tuple[str, ...]) -> tuple[Callable[[int], Pixels], Labels, Labels, list[str]]:
    """Returns what opens the image in a row, and of n images the labels, the groups, and a text by which each is known.

    The text is the image's name, not its place, so that the same images are drawn in whatever order they come.
    """
    if isinstance(data, Records):
        records, labels = mapped(data, names, {})
        keys = [f"{image}\n{source}" for image, source in zip(records.image_id, records.source, strict=True)]
        return lambda row: images.load(records.source[row]), labels, records.groups(), keys
    if not isinstance(data, tuple) or len(data) != 2:
        raise OptionError(f"data are Records, or (images, labels). Received: {type(data).__name__}")
    pictures, labels = data[0], places(data[1], names)
    if not len(pictures) or len(pictures) != len(labels):
        raise DataError(f"Scores need a label for each image. Received: {len(pictures)} images, {len(labels)} labels.")
    classification.checked(labels, np.full((len(labels), len(names)), 1 / len(names)))
    keys = [hashlib.sha256(np.asarray(picture).tobytes()).hexdigest() for picture in pictures]
    return lambda row: images.from_array(pictures[row]), labels, np.arange(len(labels)), keys


def _chosen(labels: Labels, keys: Sequence[str], limit: int, seed: int) -> Labels:
    """Returns the rows of at most ``limit`` images, each class in proportion and none left out.

    Each class has one image; the others go one by one to the class with the highest images / (2 * taken + 1), as
    parliaments share out seats by the method of Sainte-Laguë.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if limit < len(classes):
        raise OptionError(f"limit is at least {len(classes)}, one image of each class that has any. Received: {limit}")
    taken = np.ones(len(classes), dtype=np.int64)
    for _ in range(min(limit, len(labels)) - len(classes)):
        taken[np.argmax(np.where(taken < counts, counts / (2 * taken + 1), -1))] += 1
    ranks = [hashlib.sha256(f"{seed}\n{key}".encode(errors="backslashreplace")).hexdigest() for key in keys]
    order = np.argsort(ranks, kind="stable")
    kept = [order[labels[order] == place][:count] for place, count in zip(classes, taken, strict=True)]
    return np.sort(np.concatenate(kept))


def _answers(
    model: keras.Model,
    opened: Callable[[int], Pixels],
    rows: Labels,
    changes: Sequence[Change],
    seed: int,
    batch_size: int,
) -> npt.NDArray[np.float64]:
    """Returns (1 + changes, n, C) probabilities: untouched first, then with each change."""
    size = model.input.shape[1:3]
    errors: list[ImageError] = []

    def variants(row: Any) -> list[Pixels] | ImageError:
        try:
            picture = _shrunk(opened(row), max(LONGEST, *size))
        except ImageError as error:
            return error
        if errors:  # the rest is only read, to name every file that cannot be
            return []
        shown = [picture, *(add(picture, *change, seed) for change in changes)]
        return [images.from_array(Image.fromarray(one), size) for one in shown]

    def stream() -> Iterator[Pixels]:
        with track(read_ahead(variants, rows), total=len(rows), label="stress panel") as made:
            for one in made:
                if isinstance(one, ImageError):
                    errors.append(one)
                else:
                    yield from one

    every, found = stream(), []
    while batch := list(itertools.islice(every, batch_size)):
        found.append(np.asarray(model.predict_on_batch(np.stack(batch)), dtype=np.float64))
    if errors:
        raise UnreadableImagesError(errors)
    return np.concatenate(found).reshape(len(rows), 1 + len(changes), -1).swapaxes(0, 1)


def _shrunk(pixels: Pixels, longest: int) -> Pixels:
    """Returns the picture with its longer side at most ``longest`` pixels, its proportions kept."""
    height, width = pixels.shape[:2]
    share = longest / max(height, width)
    if share >= 1:
        return pixels
    return images.from_array(Image.fromarray(pixels), (max(round(share * height), 1), max(round(share * width), 1)))
