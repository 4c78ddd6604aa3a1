"""Whether to believe an evaluation: what forbids it, what limits it, and what to do next, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lesionkit.evaluation.evaluation import Evaluation
from lesionkit.metrics.score_table import headlines
from lesionkit.metrics.three_scores import NAMES, Score
from lesionkit.recipe import Recipe
from lesionkit.text import as_text, with_interval
from lesionkit.training.run import GAP

#: Test images of a class below which its figures are not to be believed. With 30 images the 95% interval of a share
#: near one half is 36 points wide (Wilson 1927, "Probable Inference", its formula at n = 30, 15 right: 0.33 to 0.67).
FEWEST = 30


@dataclass(frozen=True)
class Verdict:
    """What a reader has to know before the figures.

    Attributes:
        summary: one paragraph: what was trained on what, the scores, whether to believe them.
        forbid: what forbids to believe the figures, a sentence each; empty where nothing does.
        caution: what limits them.
        next: what to do about it.
    """

    summary: str
    forbid: tuple[str, ...]
    caution: tuple[str, ...]
    next: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Returns it as what JSON can hold."""
        return {"summary": self.summary} | {name: list(getattr(self, name)) for name in ("forbid", "caution", "next")}


def verdict(evaluation: Evaluation) -> Verdict:
    """Returns what the data and the run say about the figures of ``evaluation``."""
    noted = list(_noted(evaluation))
    forbid, caution = ([one.why for one in noted if one.forbids == wanted] for wanted in (True, False))
    remedies = dict.fromkeys(one.remedy for one in noted if one.remedy)
    return Verdict(_summary(evaluation, len(forbid)), tuple(forbid), tuple(caution), tuple(remedies))


def trained_on(evaluation: Evaluation) -> str:
    """Returns what was trained on what, as a sentence."""
    run = evaluation.run
    test = f"{len(evaluation)} test image{'s' * (len(evaluation) != 1)} of {len(evaluation.class_names)} classes"
    if run is None:
        return f"A classifier whose training is not known was scored on {test}."
    what = _of(run.recipe) if run.recipe else "A classifier that was built elsewhere"
    counts = {split: sum(row.values()) for split, row in run.data.counts.items()} if run.data else {}
    held = counts.pop("validation", 0)
    images = f"{sum(counts.values())} images" if counts else "images that are not known"
    watched = f", watched on {held} more" if held else ""
    data = f" ({as_text(run.data.name)})" if run.data else ""
    return f"{what} was trained on {images}{watched}{data}, and scored on {test}."


def _of(recipe: Recipe) -> str:
    weights = recipe.backbone.options.get("weights", "imagenet")
    start = {"imagenet": "with ImageNet weights", None: "with random weights"}.get(weights, "with weights of a file")
    learned = {"Frozen": "frozen", "FineTune": "fine-tuned"}.get(
        recipe.trainer.name, f"fitted by {recipe.trainer.name}"
    )
    augmented = f", augmented by {as_text(recipe.augmenter.name)}" if recipe.augmenter else ""
    height, width = recipe.image_size
    return f"{as_text(recipe.backbone.name)} {start}, {learned}, at {height} x {width} pixels{augmented},"


def _summary(evaluation: Evaluation, forbidding: int) -> str:
    told = [trained_on(evaluation)]
    scores = {NAMES[name]: score for name, score in evaluation.scores.items() if score and score.n and "." not in name}
    for kind in headlines():
        if kind.share:
            values = (f"{_brief(score, kind.name)} {words}" for words, score in scores.items())
            told.append(f"{kind.label.capitalize()}: {', '.join(values)}.")
    for name, why in evaluation.relation.missing.items():
        told.append(f"The {NAMES[name]} scores are not known: {why}.")
    if evaluation.gain is not None:
        told.append(f"Over a model that sees no lesion it gains {evaluation.gain}.")
    if forbidding:
        told.append(
            "Do not quote these figures as how well it tells lesions apart: "
            + (
                "a reason against it stands below."
                if forbidding == 1
                else f"{forbidding} reasons stand against it below."
            )
        )
    else:
        told.append(
            "Nothing in the data or the run forbids to believe this, within the intervals, of images like these."
        )
    return " ".join(told)


def _brief(score: Score, name: str) -> str:
    return with_interval(score.values[name], score.ends(name), ".1%", ".1p")


class _Note(NamedTuple):
    """One thing to know before the figures, and what to do about it."""

    forbids: bool
    why: str
    remedy: str = ""


def _noted(evaluation: Evaluation) -> Iterator[_Note]:
    for note in evaluation.substitutions:
        yield _Note(True, f"Something stands in for what was asked for: {as_text(note)}")
    yield from _leakage(evaluation)
    yield from _data(evaluation)
    yield from _shortcut(evaluation)
    yield from _training(evaluation)
    yield from _promises(evaluation)
    if evaluation.patch is not None:
        yield _Note(False, "A label patch was applied to the training images: they are not the data as shipped.")


def _leakage(evaluation: Evaluation) -> Iterator[_Note]:
    relation, many = evaluation.relation, len(evaluation)
    counts, missing = relation.counts(), relation.missing
    words = {
        "copy": "are copies of images in training",
        "lesion": "show a lesion that is in training",
        "patient": "are of a patient who is in training",
    }
    known = [f"{counts[name]} {says}" for name, says in words.items() if counts[name]]
    if known:
        best = "deduplicated" if "lesion_clean" in missing else "lesion-clean"
        yield _Note(
            True,
            f"Leakage: of {many} test images {', '.join(known)}. The scores as shipped count them.",
            f"Quote the {best} score, and take such images out of training with the label patch of the audit.",
        )
    if "deduplicated" in missing:
        yield _Note(True, f"Whether test images are copies of training images is not known: {missing['deduplicated']}.")
    if "lesion_clean" in missing:
        yield _Note(
            False,
            "Whether test images show lesions or patients that are in training is not known.",
            "Join a table that names lesions and patients (--metadata, or records.join).",
        )
    elif counts["unknown_lesion"]:
        yield _Note(False, f"Of {counts['unknown_lesion']} of {many} test images neither lesion nor patient is known.")


def _data(evaluation: Evaluation) -> Iterator[_Note]:
    summaries = [one for one in (evaluation.run and evaluation.run.data, evaluation.data) if one]
    skipped = len({item for one in summaries for item in one.skipped})
    if skipped:
        yield _Note(
            True,
            f"Left out, since they were missing or could not be read: {skipped} file{'s' * (skipped > 1)}.",
            "Get the files that were left out again, and run again.",
        )
    images = np.bincount(evaluation.labels, minlength=len(evaluation.class_names))
    few = [f"{as_text(name)} {n}" for name, n in zip(evaluation.class_names, images, strict=True) if n < FEWEST]
    if few:
        yield _Note(
            True,
            f"Fewer than {FEWEST} test images in {len(few)} of {len(evaluation.class_names)} classes "
            f"({', '.join(few)}): what is said of these classes, and balanced accuracy, is little more than luck.",
            f"Score on more images: {FEWEST} of each class at least, hundreds to tell good models apart.",
        )


def _shortcut(evaluation: Evaluation) -> Iterator[_Note]:
    gain = evaluation.gain
    if gain is not None and gain.intervals is not None and gain.intervals["balanced_accuracy"][0] <= 0:
        yield _Note(
            True,
            "A model that sees no lesion, only the file and the border of the picture, may do as well: the gain over "
            f"it is {gain}.",
            "Read what the audit's shortcut check says, and score on images that do not share the shortcut.",
        )


def _training(evaluation: Evaluation) -> Iterator[_Note]:
    if evaluation.run is None:
        yield _Note(False, "How the model was trained is not known.", "Give evaluate run=, which fit returned.")
        return
    gap = evaluation.run.overfitting()["gap"]
    if gap is None:
        yield _Note(False, "No validation images: whether it overfits is not known.", "Hold some out (validation=0.2).")
    elif gap[-1] > GAP:
        yield _Note(
            False,
            f"It overfits: after the last epoch the accuracy on training images is {100 * gap[-1]:.0f} points above "
            "that on validation images.",
            "Try augmentation, dropout, early stopping or fine-tuning (lesionkit improvements compares them).",
        )


def _promises(evaluation: Evaluation) -> Iterator[_Note]:
    """Yields what was fitted on held-out images and does not hold on the test images."""
    point, covered = evaluation.operating_point, evaluation.coverage
    ends = point.intervals["sensitivity"] if point else None
    asked = evaluation.aims.sensitivity
    if point and ends and "sensitivity" in point.rule and ends[1] < asked:
        yield _Note(
            False,
            f"The threshold that gave a sensitivity of {asked:.0%} on held-out images gives "
            f"{with_interval(point.sensitivity, ends, '.1%', '.1p')} on the test images: the two sets are not alike.",
            "Choose thresholds on images that come from where the classifier is to be used.",
        )
    ends = covered.overall.interval if covered else None
    if covered and ends and ends[1] < evaluation.aims.coverage:
        yield _Note(
            False,
            f"Sets that were to hold the class of {evaluation.aims.coverage:.0%} of new images hold it for "
            f"{with_interval(covered.overall.coverage, ends, '.1%', '.1p')} of the test images: the "
            "held-out images are not like them.",
            "Choose thresholds on images that come from where the classifier is to be used.",
        )
