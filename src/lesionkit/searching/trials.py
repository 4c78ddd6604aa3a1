"""The trials of a search as files: what was tried, and what it reached or why it failed."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionkit.errors import BundleError
from lesionkit.files import checked_version, whole_file, write_text
from lesionkit.recipe import Recipe
from lesionkit.text import as_text

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class Trial:
    """One set of values that was tried.

    Attributes:
        number: KerasTuner's, as text.
        values: name -> what KerasTuner chose; a choice among parts is a text.
        recipe: what they make; None where they make a compiled model.
        scores: ``val_`` and the name -> each of :data:`~lesionkit.metrics.score_table.SCORES`, of the images that
            judge, or the mean over the folds; what a compiled model logged. Empty where the trial failed.
        seconds: that it took.
        error: why it failed, or None.
        probabilities: (n, C) for the images that judge; None where it failed, or of a compiled model.
    """

    number: str
    values: Mapping[str, Any]
    recipe: Recipe | None
    scores: Mapping[str, float]
    seconds: float
    error: str | None = None
    probabilities: npt.NDArray[np.float64] | None = field(default=None, repr=False)


def write_trial(path: Path, trial: Trial) -> None:
    """Writes a trial, whole; its probabilities go beside it, before.

    Raises:
        StorageError: the file cannot be written.
    """
    if trial.probabilities is not None:
        with whole_file(path.with_suffix(".npy")) as beside, beside.open("wb") as file:
            np.save(file, trial.probabilities, allow_pickle=False)
    told = {"schema_version": SCHEMA_VERSION} | {
        name: value for name, value in vars(trial).items() if name != "probabilities"
    }
    told["recipe"] = None if trial.recipe is None else trial.recipe.to_dict()
    write_text(path, json.dumps(told, indent=2))  # a score may be NaN


def read_trial(path: Path) -> Trial | None:
    """Returns what :func:`write_trial` wrote; None where nothing is, or, with a warning, where it cannot be read."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        checked_version(told.pop("schema_version"), SCHEMA_VERSION, "it")
        recipe = None if told["recipe"] is None else Recipe.from_dict(told["recipe"])
        beside = path.with_suffix(".npy")
        probabilities = np.load(beside, allow_pickle=False) if beside.exists() else None
        return Trial(**{**told, "recipe": recipe, "probabilities": probabilities})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, EOFError, BundleError) as error:
        logger.warning("%s cannot be read (%s) and is left out", as_text(path), error)
        return None


def trials_in(folder: Path) -> list[Trial]:
    """Returns all trials in a folder, in the order of their numbers."""
    found = [one for path in sorted(folder.glob("[!.]*.json")) if (one := read_trial(path)) is not None]
    return sorted(found, key=lambda one: (len(one.number), one.number))


def ranked(trials: Sequence[Trial], objective: str, direction: str) -> list[Trial]:
    """Returns the trials that finished, the best by ``objective`` first; ``direction`` is ``"max"`` or ``"min"``."""
    finished = [one for one in trials if objective in one.scores]
    return sorted(finished, key=lambda one: one.scores[objective], reverse=direction == "max")
