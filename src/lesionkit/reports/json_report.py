"""The report for programs; the other reports tell what stands in it."""

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lesionkit.data.summary import DataSummary
from lesionkit.evaluation.evaluation import Evaluation, Picture
from lesionkit.evaluation.verdict import verdict
from lesionkit.files import write_json
from lesionkit.metrics import three_scores
from lesionkit.metrics.classification import references
from lesionkit.metrics.curves import class_curves, curves
from lesionkit.metrics.score_table import SCORES
from lesionkit.recipe import DOCUMENTED, differences
from lesionkit.reproducibility import environment
from lesionkit.text import as_text
from lesionkit.training.run import TrainingRun

SCHEMA_VERSION = 1


def json_report(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Writes :func:`content` as JSON to ``path`` and returns it.

    Raises:
        StorageError: the file cannot be written.

    Example:
        >>> lk.reports.get("json")(evaluation, "report.json").exists()
        True
    """
    return write_json(path, content(evaluation))


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
            **{name: kind(evaluation.labels, evaluation.probabilities) for name, kind in SCORES.items()},
            "per_class": dict(zip(names, evaluation.per_class.values(), strict=True)),
            "confusion_matrix": evaluation.confusion_matrix.tolist(),
        },
        "scores": three_scores.to_dict(evaluation.scores, evaluation.relation),
        "shortcut": evaluation.gain.to_dict() if evaluation.gain else None,
        "verdict": verdict(evaluation).to_dict(),
        "references": references(evaluation.labels, names, _train_counts(run)),
        "classes": {as_text(name): one.to_dict() for name, one in evaluation.class_scores.items()},
        "malignancy": _malignancy(evaluation),
        "curves": _curves(evaluation),
        "calibration": evaluation.calibration.to_dict(),
        "operating_point": _operating_point(evaluation),
        "selective": evaluation.selective.to_dict(),
        "conformal": {
            "sets": evaluation.conformal_sets.to_dict(),
            "not_available": {as_text(name): n for name, n in evaluation.conformal_sets.not_available.items()},
            "coverage": evaluation.coverage.to_dict() if evaluation.coverage else None,
        },
        "stress": evaluation.stress.to_dict() if evaluation.stress else None,
        "pictures": [_picture(evaluation, one) for one in evaluation.pictures],
        "patch": evaluation.patch,
        "overfitting": run.overfitting() if run else None,
        "documented": {
            "accuracy": DOCUMENTED["accuracy"],
            "loss": DOCUMENTED["loss"],
            "differences": _differences(evaluation),
        },
        "substitutions": list(evaluation.substitutions),
        "command": None if evaluation.command is None else as_text(evaluation.command),
        "hashes": dict(evaluation.hashes),
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
        "findings": {name: as_text(found) for name, found in evaluation.findings.items()},
        "licences": _licences(known),
    }


def _licences(known: Sequence[DataSummary]) -> list[dict[str, Any]]:
    named: Counter[tuple[str | None, str | None]] = Counter()
    for one in known:
        named.update({(licence, source): n for licence, source, n in one.licences})
    return [
        {"licence": licence and as_text(licence), "source": source and as_text(source), "n": n}
        for (licence, source), n in named.most_common()
    ]


def _train_counts(run: TrainingRun | None) -> dict[str, int] | None:
    """Returns class name -> training images; None where they are not known."""
    if run is None or run.data is None:
        return None
    counts = [row for split, row in run.data.counts.items() if split != "validation"]
    return {as_text(name): sum(row[name] for row in counts) for name in run.data.class_names} if counts else None


def _malignancy(evaluation: Evaluation) -> dict[str, Any] | None:
    view, found = evaluation.malignancy, evaluation.malignancy_scores
    if view is None or found is None:
        return None
    classes = {kind: [as_text(name) for name in named] for kind, named in view.classes.items()}
    return {"classes": classes, "n_left_out": int(np.count_nonzero(~view.kept)), **found.to_dict()}


def _curves(evaluation: Evaluation) -> dict[str, Any]:
    found = class_curves(evaluation.labels, evaluation.probabilities, evaluation.class_names)
    view = evaluation.malignancy
    malignant = None if view is None else curves(view.malignant[view.kept], view.score[view.kept]).to_dict()
    return {"classes": {as_text(name): one.to_dict() for name, one in found.items()}, "malignant": malignant}


def _operating_point(evaluation: Evaluation) -> dict[str, Any] | None:
    found, prevalence = evaluation.operating_point, evaluation.aims.prevalence
    if found is None:
        return None
    return found.to_dict() | {"prevalence": prevalence, "per_1000": found.per_1000(prevalence)}


def _picture(evaluation: Evaluation, picture: Picture) -> dict[str, Any]:
    row, names = picture.place, [as_text(name) for name in evaluation.class_names]
    return {
        "place": row,
        "kind": picture.kind,
        "source": as_text(evaluation.source[row]),
        "label": names[evaluation.labels[row]],
        "predicted": names[evaluation.predicted[row]],
        "confidence": float(evaluation.probabilities[row].max()),
        "border_share": picture.border_share,
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
