"""The report for people, as Markdown."""

import html
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lesionkit.evaluation import Evaluation
from lesionkit.files import whole_file
from lesionkit.reports.json_report import content


def markdown(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Writes what the run was, what it reached and how far to believe it as Markdown to ``path`` and returns it.

    Raises:
        StorageError: the file cannot be written.
    """
    with whole_file(path) as beside:
        beside.write_text(_text(content(evaluation)), encoding="utf-8", errors="backslashreplace")
    return Path(path)


def _text(told: dict[str, Any]) -> str:
    sections = [
        "# Report of a lesionkit run",
        *(f"> **Note:** {_plain(note)}" for note in told["substitutions"]),
        _in_short(told),
        "## Beside the documented baseline",
        _beside_documented(told),
        "## Overfitting",
        told["overfitting"]["diagnosis"] if told["overfitting"] else "How the model was trained is not known.",
        _history(told),
        "## Test images by class",
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


def _in_short(told: dict[str, Any]) -> str:
    test = told["test"]
    missing = [f"- {name}: not computed, {why}." for name, why in told["scores"]["not_computed"].items()]
    shipped = (
        f"- as shipped: **accuracy {test['accuracy']:.2%}**, balanced accuracy {test['balanced_accuracy']:.2%}, loss "
        f"{test['loss']:.4f}, on {test['n']} test images."
    )
    return "\n".join(["## Scores", "", shipped, *missing])


def _beside_documented(told: dict[str, Any]) -> str:
    test, documented = told["test"], told["documented"]
    rows = [
        ("accuracy", f"{documented['accuracy']:.2%}", f"{test['accuracy']:.2%}"),
        ("loss", f"{documented['loss']:.4f}", f"{test['loss']:.4f}"),
    ]
    differs = "".join(f"\n- {_plain(line)}" for line in documented["differences"])
    tail = f"What differs from the documented recipe:\n{differs}" if differs else "The recipe is the documented one."
    return f"{_table(('test', 'documented', 'this run'), rows)}\n\n{tail}"


def _history(told: dict[str, Any]) -> str:
    history = told["history"]
    if not history:
        return ""
    rows = (
        (str(epoch), *(_number(value, 4) for value in values))
        for epoch, values in enumerate(zip(*history.values(), strict=True), 1)
    )
    return _table(("epoch", *history), rows)


def _per_class(told: dict[str, Any]) -> str:
    columns = ("n", "precision", "recall", "specificity", "f1", "auc")
    rows = (
        (name, *(_number(scores[column]) for column in columns)) for name, scores in told["test"]["per_class"].items()
    )
    return _table(("class", *columns), rows)


def _confusion(told: dict[str, Any]) -> str:
    names = told["data"]["class_names"]
    rows = ((name, *map(str, row)) for name, row in zip(names, told["test"]["confusion_matrix"], strict=True))
    return _table(("", *names), rows)


def _data(data: dict[str, Any]) -> str:
    splits = list(data["counts"])
    rows = [(name, *(str(data["counts"][split].get(name, 0)) for split in splits)) for name in data["class_names"]]
    rows.append(("all", *(str(sum(data["counts"][split].values())) for split in splits)))
    told = [f"{_plain(data['name'] or 'Images of the caller')}.", _table(("class", *splits), rows) if splits else ""]
    if data["skipped"]:
        told.append(f"Left out, since they could not be read ({len(data['skipped'])}):")
        told.append("\n".join(f"- {_plain(item['path'])}: {_plain(item['reason'])}" for item in data["skipped"]))
    return "\n\n".join(filter(None, told))


def _facts(told: dict[str, Any]) -> str:
    timing = {name: value for name, value in told["timing"].items() if isinstance(value, float)}
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in timing.items())
    pictures = ", ".join(f"{number} {name}" for name, number in told["timing"]["pictures"].items())
    versions = ", ".join(f"{name} {version}" for name, version in told["environment"].items())
    return "\n\n".join(
        [
            f"Versions: {_plain(versions)}.",
            f"Time: {seconds or 'not measured'}." + (f" Pictures: {pictures}." if pictures else ""),
            f"Fingerprint of the data: {_plain(json.dumps(told['data']['fingerprint']))}.",
            f"```json\n{json.dumps(told['recipe'], indent=2)}\n```",
        ]
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell if cell == "---" else _plain(cell) for cell in line) + " |" for line in lines
    )


def _number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "n/a"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def _plain(text: str) -> str:
    """Returns text that Markdown and the HTML made of it show as it is, whatever is in a class or file name."""
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", html.escape(text, quote=False))
