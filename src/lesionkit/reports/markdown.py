"""The report for people, as Markdown."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.files import write_text
from lesionkit.metrics.intervals.resampling import RESAMPLES
from lesionkit.metrics.score_table import SCORES
from lesionkit.metrics.three_scores import Gain, computed, notes, rows
from lesionkit.reports.json_report import content
from lesionkit.text import as_markdown, markdown_table


def markdown(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Writes what the run was, what it reached and how far to believe it as Markdown to ``path`` and returns it.

    Raises:
        StorageError: the file cannot be written.

    Example:
        >>> lk.reports.get("markdown")(evaluation, "report.md").exists()
        True
    """
    return write_text(path, _text(evaluation, content(evaluation)))


def _text(evaluation: Evaluation, told: dict[str, Any]) -> str:
    sections = [
        "# Report of a lesionkit run",
        *(f"> **Note:** {as_markdown(note)}" for note in (*told["substitutions"], *_patch(told["patch"]))),
        "## Whether to believe it",
        *_verdict(told["verdict"]),
        "## Scores",
        _views(told["test"]["views"]),
        *_scores(evaluation),
        _shortcut(evaluation.gain),
        "## Beside the documented baseline",
        _beside_documented(evaluation, told["documented"]),
        "## Overfitting",
        told["overfitting"]["diagnosis"] if told["overfitting"] else "How the model was trained is not known.",
        _history(told),
        "## Test images by class",
        "All test images, as shipped.",
        _per_class(told),
        "Rows are the labels, columns what was predicted:",
        _confusion(told),
        "## Data",
        _data(told["data"]),
        "## How to run it again",
        _facts(told),
        "*Not a medical device. The figures hold for images like these, taken and labelled as these were.*",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _verdict(told: Mapping[str, Any]) -> Iterator[str]:
    yield as_markdown(told["summary"])
    titles = {"forbid": "Against it", "caution": "What limits it", "next": "What to do next"}
    for name, title in titles.items():
        if told[name]:
            yield f"{title}:\n\n" + "\n".join(f"- {as_markdown(line)}" for line in told[name])


def _patch(patch: Mapping[str, Any] | None) -> Iterator[str]:
    if patch:
        told = (f"{name} {json.dumps(value) if isinstance(value, Mapping) else value}" for name, value in patch.items())
        yield f"A label patch was applied to the training images: {', '.join(told)}."


def _views(views: int) -> str:
    return f"Each image's probabilities are the mean over {views} views of it." if views > 1 else ""


def _scores(evaluation: Evaluation) -> Iterator[str]:
    head = ("score", "n", *(f"{kind.label} [95%]" for kind in SCORES.values()))
    yield markdown_table(head, rows(evaluation.scores))
    yield "\n".join(f"- {as_markdown(line)}" for line in notes(evaluation.scores, evaluation.relation))
    yield (
        f"In brackets: 95% intervals of {RESAMPLES} resamples of whole groups (images that share a picture, copy, "
        "lesion or patient). A class without an image in a resample is left out of its balanced accuracy."
    )


def _shortcut(gain: Gain | None) -> str:
    if gain is None:
        return ""
    shortcut = gain.shortcut
    return as_markdown(
        f"A model that sees no lesion reaches accuracy {shortcut.shown('accuracy')} and balanced accuracy "
        f"{shortcut.shown('balanced_accuracy')} on the same {shortcut.n} test images, as shipped. The classifier adds "
        f"{gain}. These intervals are paired: both models are scored on the same resamples."
    )


def _beside_documented(evaluation: Evaluation, documented: dict[str, Any]) -> str:
    scores = computed(evaluation.scores)
    lines = [
        (kind.label, kind.shown(documented[name]), *(kind.shown(score.values[name]) for score in scores.values()))
        for name, kind in SCORES.items()
        if name in documented
    ]
    differs = "".join(f"\n- {as_markdown(line)}" for line in documented["differences"])
    tail = f"What differs from the documented recipe:\n{differs}" if differs else "The recipe is the documented one."
    head = ("test", "documented", *(f"this run, {words}" for words in scores))
    return f"{markdown_table(head, lines)}\n\n{tail}"


def _history(told: dict[str, Any]) -> str:
    history = told["history"]
    if not history:
        return ""
    rows = (
        (str(epoch), *(_number(value, 4) for value in values))
        for epoch, values in enumerate(zip(*history.values(), strict=True), 1)
    )
    return markdown_table(("epoch", *history), rows)


def _per_class(told: dict[str, Any]) -> str:
    columns = ("n", "precision", "recall", "specificity", "f1", "auc")
    rows = (
        (name, *(_number(scores[column]) for column in columns)) for name, scores in told["test"]["per_class"].items()
    )
    return markdown_table(("class", *columns), rows)


def _confusion(told: dict[str, Any]) -> str:
    names = told["data"]["class_names"]
    rows = ((name, *map(str, row)) for name, row in zip(names, told["test"]["confusion_matrix"], strict=True))
    return markdown_table(("", *names), rows)


def _data(data: dict[str, Any]) -> str:
    splits = list(data["counts"])
    rows = [(name, *(str(data["counts"][split].get(name, 0)) for split in splits)) for name in data["class_names"]]
    rows.append(("all", *(str(sum(data["counts"][split].values())) for split in splits)))
    told = [
        f"{as_markdown(data['name'] or 'Images of the caller')}.",
        markdown_table(("class", *splits), rows) if splits else "",
    ]
    if data["skipped"]:
        told.append(f"Left out, since they could not be read ({len(data['skipped'])}):")
        told.append(
            "\n".join(f"- {as_markdown(item['path'])}: {as_markdown(item['reason'])}" for item in data["skipped"])
        )
    return "\n\n".join(filter(None, told))


def _facts(told: dict[str, Any]) -> str:
    timing = {name: value for name, value in told["timing"].items() if isinstance(value, float)}
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in timing.items())
    pictures = ", ".join(f"{number} {name}" for name, number in told["timing"]["pictures"].items())
    versions = ", ".join(f"{name} {version}" for name, version in told["environment"].items())
    return "\n\n".join(
        [
            f"Versions: {as_markdown(versions)}.",
            f"Time: {seconds or 'not measured'}." + (f" Pictures: {pictures}." if pictures else ""),
            f"Fingerprint of the data: {as_markdown(json.dumps(told['data']['fingerprint']))}.",
            f"```json\n{json.dumps(told['recipe'], indent=2)}\n```",
        ]
    )


def _number(value: float | None, digits: int = 3, kind: str = "f") -> str:
    if value is None:
        return "n/a"
    return str(value) if isinstance(value, int) else f"{value:.{digits}{kind}}"
