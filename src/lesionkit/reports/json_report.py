"""The report for programs; the other reports tell what stands in it."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lesionkit import scores
from lesionkit.environment import environment
from lesionkit.evaluation import Evaluation
from lesionkit.files import as_text, whole_file
from lesionkit.recipe import DOCUMENTED, differences
from lesionkit.run import DataSummary

SCHEMA_VERSION = 1


def json_report(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Writes :func:`content` as JSON to ``path`` and returns it.

    Raises:
        StorageError: the file cannot be written.
    """
    with whole_file(path) as beside:
        text = json.dumps(content(evaluation), indent=2, allow_nan=False)
        beside.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    return Path(path)


def content(evaluation: Evaluation) -> dict[str, Any]:
    """Returns all that a report tells, as what JSON can hold; the documentation lists its entries."""
    run, test = evaluation.run, evaluation.data
    names = [as_text(name) for name in evaluation.class_names]
    told = {
        "schema_version": SCHEMA_VERSION,
        "recipe": run.recipe.to_dict() if run and run.recipe else None,
        "data": _data(evaluation, run.data if run else None, test),
        "environment": environment(),
        "history": {name: list(values) for name, values in run.history.items()} if run else None,
        "test": {
            "n": len(evaluation),
            "views": evaluation.views,
            "accuracy": evaluation.accuracy,
            "loss": evaluation.loss,
            "balanced_accuracy": evaluation.balanced_accuracy,
            "per_class": dict(zip(names, evaluation.per_class.values(), strict=True)),
            "confusion_matrix": evaluation.confusion_matrix.tolist(),
        },
        "scores": scores.to_dict(evaluation.scores, evaluation.relation),
        "shortcut": evaluation.gain.to_dict() if evaluation.gain else None,
        "patch": evaluation.patch,
        "overfitting": run.overfitting() if run else None,
        "documented": {
            "accuracy": DOCUMENTED["accuracy"],
            "loss": DOCUMENTED["loss"],
            "differences": _differences(evaluation),
        },
        "substitutions": list(evaluation.substitutions),
        "timing": {name: evaluation.timing.get(name) for name in ("features_s", "fit_s", "total_s", "images_per_s")}
        | {"pictures": dict(run.features) if run else {}},
    }
    return {name: _finite(value) for name, value in told.items()}


def _data(evaluation: Evaluation, train: DataSummary | None, test: DataSummary | None) -> dict[str, Any]:
    known = [one for one in (train, test) if one is not None]
    counts = {split: dict(row) for split, row in train.counts.items()} if train else {}
    scored = np.bincount(evaluation.labels, minlength=len(evaluation.class_names))
    counts["test"] = dict(zip(evaluation.class_names, map(int, scored), strict=True))
    skipped = dict.fromkeys(item for one in known for item in one.skipped)
    return {
        "name": as_text(known[0].name) if known else None,
        "class_names": [as_text(name) for name in evaluation.class_names],
        "counts": {split: {as_text(name): number for name, number in row.items()} for split, row in counts.items()},
        "fingerprint": {
            "train": train.fingerprint if train else None,
            "test": test.fingerprint if test else None,
        },
        "skipped": [{"path": as_text(item.source), "reason": as_text(item.reason)} for item in skipped],
    }


def _finite(value: Any) -> Any:
    """Returns ``value`` with None for each number that JSON cannot hold, such as the loss of a run that diverged."""
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _differences(evaluation: Evaluation) -> list[str]:
    run = evaluation.run
    if run is None or run.recipe is None:
        return ["how this model was built and trained is not known"]
    found = differences(run.recipe)
    trained = sum(sum(row.values()) for row in run.data.counts.values()) if run.data else None
    if trained != DOCUMENTED["n_train"] or len(evaluation) != DOCUMENTED["n_test"]:
        name = as_text(run.data.name) if run.data else "a dataset of the caller's"
        found.append(
            f"data: {trained if trained is not None else 'an unknown number of'} training and validation images and "
            f"{len(evaluation)} test images ({name}) instead of {DOCUMENTED['n_train']} and "
            f"{DOCUMENTED['n_test']} (documented)"
        )
    return found
