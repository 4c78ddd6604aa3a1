"""Small generated inputs for the contracts: images on disk, a classifier, evaluations."""

import random
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionkit.backbones import Backbone, Stage
from lesionkit.data.records import Records, Skipped
from lesionkit.data.relation import Relation
from lesionkit.data.summary import DataSummary
from lesionkit.evaluation.evaluation import Evaluation, HeldOut, Picture
from lesionkit.metrics.robustness import stress_of
from lesionkit.model.assembly import build_classifier
from lesionkit.recipe import Part, documented_baseline
from lesionkit.training.run import TrainingRun

#: (height, width) of the images.
SIZE = (16, 16)

#: The classes of the images, and the colour that each is about.
COLOURS = {"brown": (140, 90, 60), "red": (200, 60, 70), "violet": (110, 70, 160)}

#: Classes of which lesionkit knows what they mean.
KNOWN_NAMES = ("basal cell carcinoma", "melanoma", "nevus")

#: Names that are no Latin, no UTF-8, long, or mean something to HTML, Markdown, TeX or a template.
HOSTILE_NAMES = ("<script>alert(1)</script>", "| ](b) ** $\\frac{$ {{ 7 * 7 }}", "caf\udce9 日本語", "x" * 200)


def global_randomness() -> Any:
    """Returns the global random state of Python and NumPy, to compare."""
    legacy: Any = np.random.get_state()  # noqa: NPY002
    return random.getstate(), legacy[1].tolist(), legacy[2:]  # the words, and how far they are used


def noise(count: int, size: tuple[int, int], seed: int = 0) -> npt.NDArray[np.float32]:
    """Returns (count, height, width, 3) whole numbers in [0, 255]."""
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3)).astype(np.float32)


def images(folder: Path, per_class: int, *, split: str = "", seed: int = 0) -> Records:
    """Writes ``per_class`` PNG files of each of :data:`COLOURS` to ``folder`` and returns their records."""
    draw = np.random.default_rng(seed)
    rows = [(place, number) for place in range(len(COLOURS)) for number in range(per_class)]
    paths = [folder / f"{split}{place}-{number}.png" for place, number in rows]
    for (place, _), path in zip(rows, paths, strict=True):
        pixels = np.clip(draw.normal(list(COLOURS.values())[place], 20, (*SIZE, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return Records(
        tuple(COLOURS),
        [str(path) for path in paths],  # type: ignore[arg-type]
        [place for place, _ in rows],  # type: ignore[arg-type]
        [path.stem for path in paths],  # type: ignore[arg-type]
        split=[split] * len(rows),  # type: ignore[arg-type]
        name="generated images",
    )


def classifier() -> keras.Model:
    """Returns a small classifier of :data:`COLOURS` with the stages ``low`` and ``high``, the same at each call."""
    stages = (Stage("low"), Stage("high", before="high_conv"))
    small = Backbone("small", _small, Part("symmetric_range"), stages, 8, 872, "made for the contracts")
    return build_classifier(tuple(COLOURS), image_size=SIZE, preprocessor="symmetric_range", backbone=small, seed=1)


def _small(input_shape: tuple[int, int, int], *, weights: str | None) -> keras.Model:  # noqa: ARG001
    image = values = keras.Input(input_shape)
    for name in ("low", "high"):
        values = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name=f"{name}_conv")(values)
        values = keras.layers.BatchNormalization(name=f"{name}_norm")(values)
        values = keras.layers.ReLU(name=f"{name}_relu")(values)
    return keras.Model(image, values)


def bare_evaluation(names: tuple[str, ...] = KNOWN_NAMES, n: int = 40) -> Evaluation:
    """Returns an evaluation of ``n`` images of which nothing is known but labels, answers, files and ids."""
    labels, probabilities = _answers(n, len(names), seed=8)
    sources, ids = (
        tuple(f"{stem}{row}{suffix}" for row in range(n)) for stem, suffix in (("Test/", ".jpg"), ("I", ""))
    )
    return Evaluation(names, probabilities, labels, sources, ids)


def full_evaluation(names: tuple[str, ...] = KNOWN_NAMES, n: int = 40) -> Evaluation:
    """Returns an evaluation of ``n`` images of which all is known that can be, names and texts as strange as ``names``.

    Some of its images are in training too, some belong together, and some files were left out.
    """
    classes, strange = len(names), names[0]
    labels, probabilities = _answers(n, classes, seed=0)
    others, answered = _answers(20 * classes, classes, seed=1)
    counts = {split: dict.fromkeys(names, count) for split, count in (("train", 50), ("validation", 20))}
    history = {
        name: values
        for prefix in ("", "val_")
        for name, values in (
            (f"{prefix}accuracy", (0.4, 0.6, 0.7)),
            (f"{prefix}balanced_accuracy", (0.4, 0.6, 0.7)),
            (f"{prefix}loss", (1.5, 1.0, 0.8)),
        )
    }
    run = TrainingRun(
        documented_baseline(),
        history,
        DataSummary(
            strange, names, counts, "a" * 64, (Skipped(f"{strange}.jpg", "is empty"),), (("CC-0", strange, 9),)
        ),
        {"features_s": 1.5, "fit_s": 2.5, "images_per_s": 10.0},
        {"extracted": 4, "reused": 11},
        phases={"head": 3},
    )
    kind = np.array([("copy", "lesion", "clean", "clean")[row % 4] for row in range(n)], dtype=object)
    changes = [("hair", strength) for strength in (1, 2, 3)]
    spoilt = np.stack([_answers(n, classes, seed=2 + place)[1] for place in range(len(changes) + 1)])
    group = np.arange(n) * 4 // 5
    heat = np.outer(*[np.hanning(16)] * 2).astype(np.float32)
    pictures = tuple(
        Picture(row, kind, noise(1, SIZE, row)[0].astype(np.uint8), heat, 0.2)
        for row, kind in enumerate(("mistake", "least certain hit", "sample"))
    )
    sources, ids = ([f"{stem}{row}" for row in range(n)] for stem in (f"Test/{strange[:60]}", "I"))
    return Evaluation(
        names,
        probabilities,
        labels,
        tuple(f"{source}.jpg" for source in sources),
        tuple(ids),
        run=run,
        data=DataSummary(strange, names, {"test": dict.fromkeys(names, n // classes)}, "b" * 64),
        timing={**run.timing, "evaluate_s": 0.5, "total_s": 5.0},
        substitutions=(f"{strange} stands in for what was asked for.",),
        relation=Relation(kind, group, np.arange(n) % 7 == 0, {}, (f"Some images of {strange} are copies.",)),
        shortcut=_answers(n, classes, seed=9)[1],
        patch={"file": strange, "sha256": "c" * 64, "remove": 3, "relabel": {strange: 1}},
        held_out=HeldOut(others, answered, np.arange(len(others))),
        stress=stress_of(labels, spoilt, changes, group, available=2 * n, seed=0),
        pictures=pictures,
        findings={"exact_duplicates": f"{strange} is there twice."},
        command=f"python train.py --data '{strange}'",
        hashes={"model.keras": "d" * 64},
    )


def _answers(n: int, classes: int, seed: int) -> tuple[Any, npt.NDArray[np.float64]]:
    """Returns the labels of n images in turn, and (n, classes) probabilities that are better than chance."""
    labels = np.arange(n) % classes
    odds = np.exp(np.random.default_rng(seed).normal(size=(n, classes)) + 1.5 * np.eye(classes)[labels])
    return labels, odds / odds.sum(axis=1, keepdims=True)
