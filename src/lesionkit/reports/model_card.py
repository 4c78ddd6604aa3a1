"""The model card: what a classifier is, what it is for, how far it was tested, as Markdown to go with the model."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.evaluation.verdict import trained_on
from lesionkit.files import write_text
from lesionkit.metrics.score_table import SCORES
from lesionkit.metrics.three_scores import rows
from lesionkit.reports.json_report import content
from lesionkit.text import as_markdown, markdown_table, with_interval


def model_card(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Writes a model card as Markdown to ``path`` and returns it.

    The headings are those of Mitchell et al. 2019, "Model Cards for Model Reporting", section 4.

    Raises:
        StorageError: the file cannot be written.

    Example:
        >>> lk.reports.get("model_card")(evaluation, "card.md").exists()
        True
    """
    return write_text(path, "\n\n".join(filter(None, _sections(evaluation, content(evaluation)))) + "\n")


def _sections(evaluation: Evaluation, told: dict[str, Any]) -> Iterator[str]:
    names = told["data"]["class_names"]
    yield "# Model card"
    yield "**Not a medical device.** It must not be used to diagnose, or to decide whether somebody sees a doctor."
    yield "## Model details"
    yield as_markdown(trained_on(evaluation))
    listed = as_markdown(", ".join(names))
    yield f"It answers an RGB image with a probability for each of {len(names)} classes: {listed}."
    yield from _made_with(told)
    yield "## Intended use"
    yield (
        "Research and teaching on dermoscopic images like those that it was trained on. Out of scope: patients' own "
        "photographs, other cameras, other skin than that of the training images, lesions of other classes, which get "
        "one of these all the same, and any use in care."
    )
    yield "## Factors"
    yield (
        "How skin colour, age, sex, body site, camera and clinic change its answers was not measured. What artefacts "
        "in the picture change is told under Quantitative analyses."
    )
    yield "## Metrics"
    yield "\n".join(f"- {as_markdown(f'{kind.label}: {kind.meaning}')}" for kind in SCORES.values())
    yield (
        "Each with a 95% interval of a bootstrap by whole groups of images that share a picture, lesion or patient; "
        "with and without the test images that are tied to training."
    )
    yield "## Training and evaluation data"
    yield from _data(told["data"])
    yield "## Quantitative analyses"
    head = ("score", "n", *(f"{kind.label} [95%]" for kind in SCORES.values()))
    yield markdown_table(head, rows(evaluation.scores))
    yield from _analyses(told)
    yield "## Caveats and recommendations"
    verdict = told["verdict"]
    lines = (*verdict["forbid"], *verdict["caution"], *verdict["next"])
    yield "\n".join(f"- {as_markdown(line)}" for line in lines) or "None beside the intervals."


def _made_with(told: dict[str, Any]) -> Iterator[str]:
    if told["recipe"]:
        yield f"The recipe:\n\n```json\n{json.dumps(told['recipe'], indent=2)}\n```"
    yield f"Versions: {as_markdown(', '.join(f'{name} {version}' for name, version in told['environment'].items()))}."
    if told["command"]:
        yield f"Made by: {as_markdown(told['command'])}"
    if told["hashes"]:
        yield f"SHA-256: {as_markdown(', '.join(f'{name} {value}' for name, value in told['hashes'].items()))}."


def _data(data: dict[str, Any]) -> Iterator[str]:
    splits = list(data["counts"])
    yield f"{as_markdown(data['name'] or 'Images of the caller')}. Images:"
    yield markdown_table(
        ("class", *splits),
        [(name, *(str(data["counts"][split].get(name, 0)) for split in splits)) for name in data["class_names"]],
    )
    whose = [(one["n"], one["licence"] or "no licence named", one["source"] or "no source") for one in data["licences"]]
    lines = [f"{n} images: {licence}, {source}" for n, licence, source in whose]
    yield "\n".join(f"- {as_markdown(line)}" for line in lines) or "Licences and sources: no table names them."


def _analyses(told: dict[str, Any]) -> Iterator[str]:
    figures = ("sensitivity", "specificity", "auc")
    lines = [
        (name, str(one["n"]), *(with_interval(one[figure], one["intervals"].get(figure)) for figure in figures))
        for name, one in told["classes"].items()
    ]
    yield markdown_table(("class", "n", "sensitivity [95%]", "specificity [95%]", "AUC [95%]"), lines)
    calibration, point, stress = told["calibration"], told["operating_point"], told["stress"]
    if calibration["temperature"] is not None:
        yield (
            f"Its probabilities are as the network gives them. Stored with it is a temperature of "
            f"{calibration['temperature']:.2f}, fitted on {calibration['n_held_out']} held-out images, which "
            "`predict(..., calibrated=True)` applies."
        )
    else:
        yield f"Its probabilities are not calibrated: {as_markdown(calibration['reason'])}."
    if point and point["threshold"] is not None:
        ranges = {name: with_interval(point[name], ends) for name, ends in point["intervals"].items()}
        yield (
            f"Operating point: refer from a malignant score of {point['threshold']:.3f} on. On the test images the "
            f"sensitivity is {ranges['sensitivity']} ({point['malignant']} malignant) and the specificity "
            f"{ranges['specificity']} ({point['benign']} benign)."
        )
    elif point:
        yield f"No operating point: {as_markdown(point['reason'])}."
    if stress:
        yield as_markdown(stress["worst"])
