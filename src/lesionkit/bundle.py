"""A trained classifier on disk: ``model.keras``, which Keras alone loads, and ``card.json``, which says what it is."""

import csv
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from lesionkit import images, scores
from lesionkit.assembly import Origin, origin, remember
from lesionkit.augmentation import View, views_of
from lesionkit.environment import environment
from lesionkit.errors import BundleError, DataError
from lesionkit.evaluation import Evaluation, predict
from lesionkit.files import as_text, is_hidden, whole_file
from lesionkit.pipeline import Pixels
from lesionkit.recipe import Recipe
from lesionkit.records import checked_class_names

SCHEMA_VERSION = 1
KIND = "lesionkit classifier"


@dataclass(frozen=True)
class Prediction:
    """What a classifier answers for one image.

    Attributes:
        source: the file's name, or an empty text for an image that came from no file.
        ranked: (class name, probability) of every class, the likeliest first.
    """

    source: str
    ranked: tuple[tuple[str, float], ...]

    @property
    def label(self) -> str:
        """The likeliest class."""
        return self.ranked[0][0]

    @property
    def confidence(self) -> float:
        """Its probability as the network gives it, which is not calibrated."""
        return self.ranked[0][1]


@dataclass(frozen=True)
class Bundle:
    """A classifier read from disk.

    Attributes:
        model: (B, height, width, 3) RGB in [0, 255] to (B, C) probabilities.
        class_names: the C classes in order.
        card: all that ``card.json`` says.
    """

    model: keras.Model = field(repr=False)
    class_names: tuple[str, ...]
    card: dict[str, Any] = field(repr=False)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) that every image is brought to."""
        height, width = self.model.input.shape[1:3]
        return height, width

    def predict(
        self, inputs: Any, *, batch_size: int = 32, views: str | Sequence[View | None] | None = None
    ) -> list[Prediction]:
        """Returns a :class:`Prediction` for each image, in order.

        Args:
            inputs: a file, a folder (all but hidden files below it, sorted by name), an array (h, w, 3) or (n, h, w, 3)
                of RGB in [0, 255], a ``PIL.Image.Image``, or a list of any of these.
            batch_size: images at once.
            views: test-time augmentation: the probabilities are the mean over these views of each image, such as
                ``"symmetries"``; see :func:`~lesionkit.evaluate`.

        Raises:
            UnreadableImagesError: files that cannot be read.
            DataError: there is no such file or folder, or no image in it.
            OptionError: an array of another shape or range, or ``views`` that are none.
        """
        answers: list[Prediction] = []
        for sources, pixels in self._pixels(inputs):
            probabilities = predict(self.model, pixels, batch_size, views_of(views, self.image_size))
            answers += map(self._prediction, sources, probabilities)
        return answers

    def _pixels(self, inputs: Any) -> Iterable[tuple[Sequence[str], Any]]:
        """Yields runs of (file names, images): many files decode together, arrays come as they are."""
        given = inputs if isinstance(inputs, list | tuple) else [inputs]
        files: list[str] = []
        for one in given:
            if isinstance(one, str | os.PathLike):
                files += _files(os.fspath(one))
                continue
            if files:
                yield files, Pixels(files, self.image_size)
                files = []
            many = one if isinstance(one, np.ndarray) and one.ndim == 4 else [one]
            if not len(many):
                continue
            yield [""] * len(many), np.stack([images.from_array(image, self.image_size) for image in many])
        if files:
            yield files, Pixels(files, self.image_size)

    def _prediction(self, source: str, probabilities: npt.NDArray[np.float64]) -> Prediction:
        places = np.argsort(-probabilities, kind="stable")
        return Prediction(source, tuple((self.class_names[place], float(probabilities[place])) for place in places))


def save(
    model: keras.Model,
    folder: str | os.PathLike[str],
    *,
    evaluation: Evaluation | None = None,
    class_names: Sequence[str] | None = None,
) -> Path:
    """Writes ``model.keras``, ``card.json`` and, with an evaluation, ``predictions.csv`` into ``folder``.

    Args:
        model: the classifier; it is saved without compile state.
        folder: made if it is not there; files of these names in it are replaced.
        evaluation: how it did, for the card and the table of predictions.
        class_names: the classes in order, where neither the model nor the evaluation tells.

    Raises:
        DataError: nothing tells the class names.
        StorageError: a file cannot be written.
    """
    built = origin(model)
    names = class_names or (built.class_names if built else None) or (evaluation.class_names if evaluation else None)
    if names is None or len(names) != model.output.shape[-1]:
        raise DataError(f"save needs the {model.output.shape[-1]} class names in order. Received: {names}")
    names = checked_class_names(names)
    target = Path(folder)
    with whole_file(target / "model.keras") as beside:
        keras.Model(model.input, model.output, name=model.name).save(beside)
    if evaluation:
        write_predictions(evaluation, target / "predictions.csv")
    with whole_file(target / "card.json") as beside:
        card = _card(model, names, built, evaluation)
        beside.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return target


def load(folder: str | os.PathLike[str]) -> Bundle:
    """Reads what :func:`save` wrote.

    Raises:
        BundleError: the folder is not a bundle, its files do not fit together, or a newer lesionkit wrote it.
    """
    path = Path(folder)
    try:
        card = json.loads((path / "card.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(
            f"{as_text(path)} has no readable card.json ({error}). Give a folder that save wrote."
        ) from error
    if not isinstance(card, dict) or card.get("kind") != KIND or not isinstance(card.get("schema_version"), int):
        raise BundleError(f"{as_text(path / 'card.json')} is not the card of a {KIND}. Give a folder that save wrote.")
    if card["schema_version"] > SCHEMA_VERSION:
        raise BundleError(
            f"{as_text(path)} has schema version {card['schema_version']}, this lesionkit reads up to "
            f"{SCHEMA_VERSION}. Upgrade lesionkit to load it."
        )
    try:
        model = keras.saving.load_model(path / "model.keras", compile=False)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise BundleError(f"{as_text(path / 'model.keras')} cannot be loaded: {reason}") from error
    try:
        names = checked_class_names(card.get("class_names") or ())
    except (DataError, TypeError) as error:
        raise BundleError(f"{as_text(path / 'card.json')}: {error}") from error
    if len(names) != model.output.shape[-1]:
        raise BundleError(f"{as_text(path)}: {len(names)} class names for a model of {model.output.shape[-1]} classes.")
    remember(model, Origin(names, Recipe.from_dict(card["recipe"]) if card.get("recipe") else None))
    return Bundle(model, names, card)


def write_predictions(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Writes ``path, image_id, label, predicted, confidence`` and one probability column per class, UTF-8 CSV.

    Raises:
        StorageError: the file cannot be written.
    """
    names = [as_text(name) for name in evaluation.class_names]
    with whole_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "image_id", "label", "predicted", "confidence", *names])
        rows = zip(
            evaluation.source,
            evaluation.image_id,
            evaluation.labels,
            evaluation.predicted,
            evaluation.probabilities,
            strict=True,
        )
        for source, image_id, label, predicted, probabilities in rows:
            told = [
                as_text(source),
                as_text(image_id),
                names[label],
                names[predicted],
                f"{probabilities[predicted]:.7g}",
            ]
            table.writerow([*told, *(f"{value:.7g}" for value in probabilities)])
    return Path(path)


def _card(
    model: keras.Model, names: tuple[str, ...], built: Origin | None, evaluation: Evaluation | None
) -> dict[str, Any]:
    run = evaluation.run if evaluation else None
    recipe = (run.recipe if run else None) or (built.recipe if built else None)
    if built is not None and built.recipe is None:  # such as an average: the run is that of one member
        recipe = None
    return {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "class_names": list(names),
        "image_size": list(model.input.shape[1:3]),
        "recipe": recipe.to_dict() if recipe else None,
        "environment": environment(),
        "data_fingerprint": run.data.fingerprint if run and run.data else None,
        "substitutions": list(evaluation.substitutions) if evaluation else [],
        "test": {"n": len(evaluation), "accuracy": evaluation.accuracy, "loss": evaluation.loss}
        if evaluation
        else None,
        "views": evaluation.views if evaluation else None,
        "scores": scores.to_dict(evaluation.scores, evaluation.relation) if evaluation else None,
    }


def _files(path: str) -> list[str]:
    if not os.path.isdir(path):  # noqa: PTH112  (names that are not UTF-8 stay text)
        if not os.path.exists(path):  # noqa: PTH110
            raise DataError(f"{as_text(path)}: there is no such file or folder.")
        return [path]
    found: list[str] = []
    for folder, below, names in os.walk(path):
        below[:] = [name for name in below if not is_hidden(name)]
        found += [os.path.join(folder, name) for name in names if not is_hidden(name)]  # noqa: PTH118
    if not found:
        raise DataError(f"{as_text(path)} holds no files.")
    return sorted(found)
