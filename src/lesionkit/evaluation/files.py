"""An Evaluation as one file, from which every report can be written again and runs can be compared."""

import dataclasses
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lesionkit.data.records import Skipped
from lesionkit.data.relation import Relation
from lesionkit.data.summary import DataSummary
from lesionkit.errors import BundleError, DataError
from lesionkit.evaluation.evaluation import Evaluation, HeldOut, Picture
from lesionkit.files import checked_version, whole_file
from lesionkit.metrics.aims import Aims
from lesionkit.metrics.robustness import Stress, Stressed
from lesionkit.recipe import Recipe
from lesionkit.text import as_text
from lesionkit.training.run import TrainingRun

SCHEMA_VERSION = 1

#: The file of an evaluation in the folder of a run.
NAME = "evaluation.npz"

# The fields of an Evaluation that are JSON as they are, and those of them that are tuples.
_PLAIN = (
    "class_names", "source", "image_id", "timing", "substitutions", "patch", "views", "command", "hashes", "findings",
)  # fmt: skip
_TUPLES = {"class_names", "source", "image_id", "substitutions"}
_HELD_OUT = ("labels", "probabilities", "group")


def write_evaluation(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Writes ``evaluation`` to ``path`` and returns it: arrays in NumPy's ``.npz``, the rest in it as JSON.

    Left out are the run's model, and the ids of the training images: what ties the test images to them is kept.

    Raises:
        StorageError: the file cannot be written.
    """
    told, arrays = _told(evaluation), _arrays(evaluation)
    text = json.dumps({"schema_version": SCHEMA_VERSION, **told}).encode("ascii")
    with whole_file(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, told=np.frombuffer(text, dtype=np.uint8), **arrays)
    return Path(path)


def read_evaluation(path: str | os.PathLike[str]) -> Evaluation:
    """Reads what :func:`write_evaluation` wrote; ``path`` is the file, or the folder of a run.

    Raises:
        BundleError: there is no such file, it is not an evaluation, or a newer lesionkit wrote it.

    Example:
        >>> from lesionkit.evaluation.files import write_evaluation
        >>> file = write_evaluation(evaluation, "evaluation.npz")
        >>> lk.read_evaluation(file).accuracy == evaluation.accuracy
        True
    """
    file = Path(path) / NAME if Path(path).is_dir() else Path(path)
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        told = json.loads(arrays.pop("told").tobytes())
        version = int(told["schema_version"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError(
            f"{as_text(file)} cannot be read as an evaluation ({error}). Give the folder of a run, or a file that "
            "write_evaluation wrote."
        ) from error
    checked_version(version, SCHEMA_VERSION, as_text(file))
    try:
        return _evaluation(told, arrays)
    except (KeyError, TypeError, ValueError, DataError) as error:
        raise BundleError(f"{as_text(file)} is damaged: {error}") from error


def _told(evaluation: Evaluation) -> dict[str, Any]:
    run, relation, held_out = evaluation.run, evaluation.relation, evaluation.held_out
    return {name: _plain(getattr(evaluation, name)) for name in _PLAIN} | {
        "run": None
        if run is None
        else {
            "recipe": run.recipe.to_dict() if run.recipe else None,
            "history": {name: list(map(float, values)) for name, values in run.history.items()},
            "data": _summary(run.data),
            **{name: _plain(getattr(run, name)) for name in ("timing", "features", "phases")},
        },
        "data": _summary(evaluation.data),
        "relation": {"kind": relation.kind.tolist(), "missing": dict(relation.missing), "notes": relation.notes},
        "chosen": held_out.chosen if held_out else None,
        "aims": dataclasses.asdict(evaluation.aims),
        "stress": evaluation.stress.to_dict() if evaluation.stress else None,
        "pictures": [
            {"place": one.place, "kind": one.kind, "border_share": one.border_share} for one in evaluation.pictures
        ],
    }


def _arrays(evaluation: Evaluation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "labels": evaluation.labels,
        "probabilities": evaluation.probabilities,
        "group": evaluation.relation.group,
        "unknown": evaluation.relation.unknown,
    }
    if evaluation.shortcut is not None:
        found["shortcut"] = evaluation.shortcut
    if evaluation.held_out is not None:
        found |= {f"held_out_{name}": getattr(evaluation.held_out, name) for name in _HELD_OUT}
    for place, one in enumerate(evaluation.pictures):
        found[f"pixels_{place}"] = one.pixels
        if one.heat_map is not None:
            found[f"heat_map_{place}"] = one.heat_map
    return found


def _evaluation(told: Mapping[str, Any], arrays: Mapping[str, Any]) -> Evaluation:
    relation = told["relation"]
    kind = np.empty(len(relation["kind"]), dtype=object)
    kind[:] = relation["kind"]
    held_out = None
    if told["chosen"] is not None:
        held_out = HeldOut(**{name: arrays[f"held_out_{name}"] for name in _HELD_OUT}, chosen=told["chosen"])
    plain: dict[str, Any] = {name: tuple(told[name]) if name in _TUPLES else told[name] for name in _PLAIN}
    return Evaluation(
        probabilities=arrays["probabilities"],
        labels=arrays["labels"],
        run=_run(told["run"]),
        data=_data(told["data"]),
        relation=Relation(kind, arrays["group"], arrays["unknown"], relation["missing"], tuple(relation["notes"])),
        shortcut=arrays.get("shortcut"),
        held_out=held_out,
        stress=_stress(told["stress"]),
        pictures=tuple(
            Picture(pixels=arrays[f"pixels_{place}"], heat_map=arrays.get(f"heat_map_{place}"), **one)
            for place, one in enumerate(told["pictures"])
        ),
        aims=Aims(**told["aims"]),
        **plain,
    )


def _stress(told: Mapping[str, Any] | None) -> Stress | None:
    if told is None:
        return None
    rows = tuple(
        Stressed(
            **{
                **row,
                "intervals": row["intervals"] and {name: tuple(ends) for name, ends in row["intervals"].items()},
                "adjusted": row["adjusted"] and tuple(row["adjusted"]),
            }
        )
        for row in told["rows"]
    )
    return Stress(**{name: value for name, value in told.items() if name not in ("rows", "worst")}, rows=rows)


def _run(told: Mapping[str, Any] | None) -> TrainingRun | None:
    if told is None:
        return None
    recipe = Recipe.from_dict(told["recipe"]) if told["recipe"] else None
    return TrainingRun(
        recipe, told["history"], _data(told["data"]), told["timing"], told["features"], phases=told["phases"]
    )


def _summary(data: DataSummary | None) -> dict[str, Any] | None:
    return None if data is None else dataclasses.asdict(data) | {"skipped": [tuple(one) for one in data.skipped]}


def _data(told: Mapping[str, Any] | None) -> DataSummary | None:
    if told is None:
        return None
    more = {
        "class_names": tuple(told["class_names"]),
        "skipped": tuple(Skipped(*one) for one in told["skipped"]),
        "licences": tuple(map(tuple, told["licences"])),
    }
    return DataSummary(**{**told, **more})


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
