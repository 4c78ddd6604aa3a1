"""The report for people, as one HTML page."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.files import write_text
from lesionkit.metrics.intervals.comparison import BETTER, WORSE
from lesionkit.metrics.intervals.resampling import RESAMPLES
from lesionkit.metrics.score_table import SCORES
from lesionkit.metrics.three_scores import Score, computed, notes
from lesionkit.model.overlays import even_share, overlay
from lesionkit.pages.page import between, number, page, percent, picture
from lesionkit.reports import charts
from lesionkit.reports.charts import Whisker
from lesionkit.reports.json_report import content

#: The sections in order; the template of each is ``report_<name>.html``.
SECTIONS = {
    "scores": "Scores",
    "classes": "Classes",
    "calibration": "Calibration",
    "referral": "Whom to refer",
    "unsure": "When it is not sure",
    "training": "Training",
    "pictures": "Pictures",
    "robustness": "Robustness",
    "data": "Data",
    "again": "To run it again",
}

_FIGURES = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
    "auc": "AUC",
    "average_precision": "average precision",
}
_TIMES = {"features_s": "features", "fit_s": "training", "total_s": "in all"}


def html(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Writes what the run was, what it reached and how far to believe it as one HTML file to ``path`` and returns it.

    The file holds all that it shows, runs no script and asks no network. The same evaluation gives the same bytes.

    Raises:
        StorageError: the file cannot be written.

    Example:
        >>> lk.reports.get("html")(evaluation, "report.html").exists()
        True
    """
    text = page("report.html", **_told(evaluation, content(evaluation)))
    return write_text(path, text)


def _told(evaluation: Evaluation, told: dict[str, Any]) -> dict[str, Any]:
    """Returns what the template is told, where ``told`` is what the other reports tell."""
    scores, gain = computed(evaluation.scores), evaluation.gain
    history = told["history"]
    pictures = list(_pictures(evaluation, told))
    left_out = {"pictures": not pictures, "robustness": not told["stress"]}
    return {
        "told": told,
        "sections": {name: title for name, title in SECTIONS.items() if not left_out.get(name)},
        "kinds": list(SCORES.values()),
        "scores": scores,
        "gain": gain,
        "references": dict(_references(told)),
        "score_notes": list(notes(evaluation.scores, evaluation.relation)),
        "resamples": RESAMPLES,
        "whiskers": {
            name: _whiskers(scores, gain.shortcut if gain else None, dict(_references(told)), name)
            for name in ("accuracy", "balanced_accuracy")
        },
        "class_figures": _FIGURES,
        "class_curves": list(_class_curves(told)),
        "malignant_curves": _malignant_curves(told),
        "reliability": _reliability(told["calibration"]),
        "coverage": charts.coverage(told["selective"], name="coverage"),
        "robustness": _robustness(told["stress"]),
        "history": _history(told),
        "epochs": list(zip(*history.values(), strict=True)) if history else [],
        "times": list(_times(told["timing"])),
        "pictures": pictures,
        "samples": dict(_samples(pictures, told["data"]["class_names"])),
        "even": even_share(),
    }


def _references(told: dict[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields what the scores have to be compared with, beside the model that sees no lesion."""
    for name, one in told["references"].items():
        if one:
            yield {"majority": "always the commonest class"}.get(name, name), one
    yield "documented baseline", told["documented"]


def _whiskers(
    scores: Mapping[str, Score], shortcut: Score | None, references: Mapping[str, Mapping[str, Any]], name: str
) -> str:
    """Returns the score called ``name`` of the images of each of ``scores``, and what it has to be compared with."""
    told = [(words, score, False) for words, score in scores.items()] + [("sees no lesion", shortcut, True)]
    lines = [
        Whisker(words, value, score.ends(name), reference)
        for words, score, reference in told
        if score and (value := score.values[name]) is not None
    ]
    lines += [Whisker(words, one[name], None, True) for words, one in references.items() if one.get(name) is not None]
    return charts.whiskers(lines, name=name, what=SCORES[name].label)


def _class_curves(told: dict[str, Any]) -> Iterator[dict[str, str]]:
    for place, (name, one) in enumerate(told["classes"].items()):
        auc = f"{percent(one['auc'])}{between(one['intervals']['auc'])}"
        precision = f"{percent(one['average_precision'])}{between(one['intervals']['average_precision'])}"
        caption = f"{number(one['n'])} images, AUC {auc}, average precision {precision}."
        drawn = _curves(
            told["curves"]["classes"][name], one, f"curves-{place}", f"ROC and precision-recall curve: {caption}"
        )
        yield {"name": name, "caption": caption, "drawn": drawn}


def _malignant_curves(told: dict[str, Any]) -> str:
    one = told["malignancy"]
    if not one:
        return ""
    label = f"ROC and precision-recall curve of malignant against benign: AUC {percent(one['auc'])}."
    return _curves(told["curves"]["malignant"], one, "malignant-curves", label)


def _curves(points: Mapping[str, Any], one: Mapping[str, Any], name: str, label: str) -> str:
    share = one["n"] / max(one["n"] + one["others"], 1)
    return charts.class_curves(points["roc"], points["precision_recall"], share=share, name=name, label=label)


def _reliability(told: Mapping[str, Any]) -> str:
    states = {"as it is": told["before"], "at the temperature": told["after"]}
    known = {name: state for name, state in states.items() if state}
    errors = ", ".join(f"{name} {number(state['expected_calibration_error'])}" for name, state in known.items())
    bins = {name: state["reliability"] for name, state in known.items()}
    return charts.reliability(
        bins, name="reliability", label=f"Reliability diagram; expected calibration error {errors}."
    )


def _history(told: dict[str, Any]) -> dict[str, str]:
    values, best = told["history"] or {}, (told["overfitting"] or {}).get("best_epoch")
    return {
        score: charts.history(values, score, name=f"{score}-by-epoch", test=told["test"][score], best_epoch=best)
        for score in ("accuracy", "loss", "balanced_accuracy")
        if score in values
    }


def _robustness(told: Mapping[str, Any] | None) -> dict[str, str]:
    words = {"balanced_accuracy_change": "Change of balanced accuracy", "flip_rate": "Share of other answers"}
    return {
        figure: charts.robustness(
            told["rows"],
            figure,
            told=(BETTER, WORSE),
            name=figure.replace("_", "-"),
            label=f"{title} by artefact. {told['worst']}",
        )
        for figure, title in words.items()
        if told
    }


def _times(timing: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, words in _TIMES.items():
        if timing.get(name) is not None:
            yield words, f"{number(timing[name], 1)} s"
    if timing.get("images_per_s") is not None:
        yield "frozen part", f"{number(timing['images_per_s'], 1)} images a second"
    if timing["pictures"]:
        yield "pictures", ", ".join(f"{number(count)} {name}" for name, count in timing["pictures"].items())


def _pictures(evaluation: Evaluation, told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one, words in zip(evaluation.pictures, told["pictures"], strict=True):
        height, width = one.pixels.shape[:2]
        shown = [{"address": picture(one.pixels), "seen": f"A lesion labelled {words['label']}."}]
        if one.heat_map is not None:
            where = "no place" if one.border_share is None else f"{percent(one.border_share, 0)} of it on the border"
            seen = f"The same, tinted where it speaks for {words['predicted']}: {where}."
            shown.append({"address": picture(overlay(one.pixels, one.heat_map)), "seen": seen})
        file = "/".join(words["source"].split("/")[-2:])
        yield words | {"shown": shown, "width": width, "height": height, "file": file}


def _samples(pictures: Sequence[dict[str, Any]], names: Sequence[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name in names:
        found = [one for one in pictures if one["kind"] == "sample" and one["label"] == name]
        if found:
            yield name, found
