"""A trained classifier on disk: ``model.keras``, which Keras alone loads, and ``card.json``, which says what it is."""

import functools
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from lesionkit.data.records import checked_class_names
from lesionkit.errors import BundleError, DataError, OptionError
from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.files import whole_file
from lesionkit.metrics.conformal import ConformalSets
from lesionkit.metrics.malignancy import malignancy_of
from lesionkit.metrics.operating_points import OperatingPoint
from lesionkit.metrics.temperature import at_temperature
from lesionkit.model.inference import predict
from lesionkit.model.parts import Origin, origin, remember
from lesionkit.model.views import View, views_of
from lesionkit.recipe import Recipe
from lesionkit.serving.card import read_card, write_card
from lesionkit.serving.export import Export, enter, export_classifier
from lesionkit.serving.inputs import each_image, runs_of
from lesionkit.serving.prediction import Prediction, write_predictions
from lesionkit.text import as_text


@dataclass(frozen=True)
class Bundle:
    """A classifier read from disk.

    Attributes:
        model: (B, height, width, 3) RGB in [0, 255] to (B, C) probabilities.
        class_names: the C classes in order.
        card: all that ``card.json`` says.
        folder: where it was read from.

    Example:
        >>> bundle = lk.load(lk.save(model, "runs/mine"))
        >>> bundle.image_size
        (48, 48)
        >>> [answer] = bundle.predict(test.source[0])
        >>> answer.label in bundle.class_names
        True
    """

    model: keras.Model = field(repr=False)
    class_names: tuple[str, ...]
    card: dict[str, Any] = field(repr=False)
    folder: Path | None = field(default=None, repr=False)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) that every image is brought to."""
        height, width = self.model.input.shape[1:3]
        return height, width

    @functools.cached_property
    def temperature(self) -> float | None:
        """What calibrates its probabilities, fitted on held-out images; None where there were none."""
        told = self.card.get("calibration")
        return told["temperature"] if told else None

    @functools.cached_property
    def operating_point(self) -> OperatingPoint | None:
        """From which malignant score on a lesion is referred; None where the card has none."""
        told = self.card.get("operating_point")
        return OperatingPoint.from_dict(told) if told else None

    @functools.cached_property
    def conformal_sets(self) -> ConformalSets | None:
        """The thresholds of its sets of possible classes; None where the card has none."""
        told = self.card.get("conformal_sets")
        return ConformalSets.from_dict(told) if told else None

    def predict(
        self,
        inputs: Any,
        *,
        batch_size: int = 32,
        views: str | Sequence[View | None] | None = None,
        calibrated: bool = False,
    ) -> list[Prediction]:
        """Returns a :class:`Prediction` for each image, in order.

        Args:
            inputs: a file, a folder (all but hidden files below it, sorted by name), an array (h, w, 3) or (n, h, w, 3)
                of RGB in [0, 255], a ``PIL.Image.Image``, or a list of any of these.
            batch_size: images at once.
            views: test-time augmentation: the probabilities are the mean over these views of each image, such as
                ``"symmetries"``; see :func:`~lesionkit.evaluate`.
            calibrated: whether the ranked probabilities are at the bundle's :attr:`temperature`. The order of the
                classes, ``malignant``, ``referred`` and ``possible`` do not depend on it. The latter two are told only
                for as many views as the bundle was evaluated with, since their thresholds hold for those.

        Raises:
            UnreadableImagesError: files that cannot be read.
            DataError: there is no such file or folder, or no image in it.
            OptionError: an array of another shape or range, ``views`` that are none, or there is no temperature.
        """
        if calibrated and self.temperature is None:
            raise OptionError(
                "This bundle has no temperature: it was saved without an evaluation with held-out images. Leave out "
                "calibrated=True."
            )
        seen_as = views_of(views, self.image_size)
        answers: list[Prediction] = []
        for sources, pixels in runs_of(inputs, self.image_size):
            probabilities = predict(self.model, pixels, batch_size, seen_as)
            answers += self._predictions(sources, probabilities, len(seen_as), calibrated)
        return answers

    def export(
        self,
        format: str,  # noqa: A002  (Keras calls it so)
        path: str | os.PathLike[str] | None = None,
        *,
        encoded: bool = False,
        int8: bool = False,
        check: Any = None,
    ) -> Export:
        """Writes the classifier for serving, compares it with Keras on images, and enters that into ``card.json``.

        A folder with the model and ``serving.json``: the classes, the input, the temperature and the thresholds. Any
        number of images can be asked about at once. Layers that draw at random, such as augmentation and dropout, do
        nothing in it; a model that computes in 16 bits is served in 32, except as ``"keras"``. Nothing is written
        where a probability differs by more than a bound: 1e-4; with ``encoded`` 1e-2, with ``int8`` 0.1, of a model in
        16 bits 0.05.

        Args:
            format: ``"savedmodel"`` (TensorFlow Serving), ``"litert"`` (phones and small machines), ``"onnx"`` (ONNX
                Runtime and others) or ``"keras"``. LiteRT and ONNX need ``pip install "lesionkit[export]"``.
            path: the folder, in which an earlier export is replaced; None: ``exports/`` in the bundle's.
            encoded: take in the bytes of JPEG, PNG and WebP files, decoded and resized inside; SavedModel only.
            int8: weights of 8 bits, a quarter of the size and not as exact; LiteRT only.
            check: images to compare on, as :meth:`predict` takes them; None: 16 generated ones. Give real ones.

        Raises:
            ExportError: it cannot be written in this format, or answers otherwise than Keras.
            ImageError: an image of ``check`` cannot be read.
            ImportError: packages of the format are not installed.
            OptionError: there is no such format, or the format has no such option, or nothing tells where to write.
            StorageError: ``path`` holds other files, or cannot be written.
        """
        if path is None and self.folder is None:
            raise OptionError("This bundle was not loaded from a folder: say where to write, path=...")
        name = "-".join([format, *(["encoded"] if encoded else []), *(["int8"] if int8 else [])])
        target = Path(path) if path is not None else Path(self.folder or "", "exports", name)
        seen = None if check is None else list(each_image(check))
        made = export_classifier(
            self.model, self.class_names, self.card, target, format, encoded=encoded, int8=int8, check=seen
        )
        if self.folder is not None:
            self.card["exports"] = enter(made, self.folder)["exports"]
        return made

    def _predictions(
        self, sources: Sequence[str], raw: npt.NDArray[np.float64], views: int, calibrated: bool
    ) -> Iterator[Prediction]:
        temperature = self.temperature if calibrated else None
        told = raw if temperature is None else at_temperature(raw, temperature)
        applied = {"views": views, "temperature": temperature}
        as_evaluated = views == (self.card.get("views") or 1)
        view = malignancy_of(np.zeros(len(raw), dtype=np.int64), raw, self.class_names)
        point = self.operating_point.threshold if as_evaluated and self.operating_point else None
        sets = self.conformal_sets if as_evaluated else None
        possible = None if sets is None or sets.reason else sets.sets(raw)
        for row, source in enumerate(sources):
            places = np.argsort(-told[row], kind="stable").tolist()
            left = [self.class_names[place] for place in places if possible is None or possible[row, place]]
            score = None if view is None else float(view.score[row])
            yield Prediction(
                source,
                tuple((self.class_names[place], float(told[row, place])) for place in places),
                applied,
                score,
                None if score is None or point is None else score >= point,
                None if possible is None else tuple(left),
            )


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

    Example:
        >>> folder = lk.save(model, "runs/mine", evaluation=evaluation)
        >>> sorted(file.name for file in folder.iterdir())
        ['card.json', 'model.keras', 'predictions.csv']
    """
    built = origin(model)
    names = class_names or (built.class_names if built else None) or (evaluation.class_names if evaluation else None)
    if names is None or len(names) != model.output.shape[-1]:
        raise DataError(f"save needs the {model.output.shape[-1]} class names in order. Received: {names}")
    names = checked_class_names(names)
    target = Path(folder)
    write_model(model, target / "model.keras")
    if evaluation:
        write_predictions(evaluation, target / "predictions.csv")
    write_card(model, target / "card.json", names, evaluation)
    return target


def write_model(model: keras.Model, path: str | os.PathLike[str]) -> str:
    """Writes ``model`` to ``path`` without compile state and returns the SHA-256 of the file.

    Raises:
        StorageError: the file cannot be written.
    """
    with whole_file(path) as beside:
        keras.Model(model.input, model.output, name=model.name).save(beside)
        with beside.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def load(folder: str | os.PathLike[str]) -> Bundle:
    """Reads what :func:`save` wrote.

    Raises:
        BundleError: the folder is not a bundle, its files do not fit together, or a newer lesionkit wrote it.

    Example:
        >>> bundle = lk.load(lk.save(model, "runs/mine", evaluation=evaluation))
        >>> bundle.class_names == records.class_names
        True
    """
    path = Path(folder)
    card = read_card(path)
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
    return Bundle(model, names, card, path)
