"""``card.json``: what a saved classifier is, how it did, and the thresholds that its answers need."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from lesionkit.errors import BundleError
from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.files import checked_version, write_json
from lesionkit.metrics import three_scores
from lesionkit.model.parts import origin
from lesionkit.reproducibility import environment
from lesionkit.text import as_text

SCHEMA_VERSION = 1
KIND = "lesionkit classifier"


def write_card(
    model: keras.Model, path: str | os.PathLike[str], class_names: Sequence[str], evaluation: Evaluation | None = None
) -> Path:
    """Writes what ``model`` is, how it did and what its answers need as JSON to ``path`` and returns it.

    Raises:
        StorageError: the file cannot be written.
    """
    return write_json(path, _card(model, class_names, evaluation))


def _card(model: keras.Model, names: Sequence[str], evaluation: Evaluation | None) -> dict[str, Any]:
    built = origin(model)
    run = evaluation.run if evaluation else None
    recipe = (run.recipe if run else None) or (built.recipe if built else None)
    if built is not None and built.recipe is None:  # such as an average: the run is that of one member
        recipe = None
    fit, point = (evaluation.calibration, evaluation.operating_point) if evaluation else (None, None)
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
        "scores": three_scores.to_dict(evaluation.scores, evaluation.relation) if evaluation else None,
        "calibration": {"temperature": fit.temperature, "n_held_out": fit.n_held_out} if fit else None,
        "operating_point": point.to_dict() if point else None,
        "conformal_sets": evaluation.conformal_sets.to_dict() if evaluation else None,
    }


def read_card(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the card in the folder of a saved classifier.

    Raises:
        BundleError: there is none, or a newer lesionkit wrote it.
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
    checked_version(card["schema_version"], SCHEMA_VERSION, as_text(path))
    return card
