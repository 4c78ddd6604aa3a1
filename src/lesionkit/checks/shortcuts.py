"""How far a model gets that sees no lesion: from numbers, file sizes, encodings and the picture's border alone."""

from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from lesionkit.checks.finding import Finding, Findings
from lesionkit.data.records import Records
from lesionkit.data.shortcut_forest import FAMILIES, Array, fitted_forest, learnable, shortcut_features
from lesionkit.data.survey import Survey
from lesionkit.options import checked_seed
from lesionkit.progress import track
from lesionkit.text import as_text

FOLDS = 5
_RESAMPLES = 4000
_INTERVAL = 99.9


def shortcuts(records: Records, surveyed: Survey, *, seed: int = 0) -> Findings:
    """Returns each family of features from which a random forest tells the classes better than chance.

    :data:`~lesionkit.data.shortcut_forest.FAMILIES` has them. The forest learns from the split ``train``, or from all
    images where there is none, and is scored on images that it did not learn from: five folds that split no group of
    :meth:`Records.groups` (``StratifiedGroupKFold``). A family is a finding where the 99.9 % interval of its balanced
    accuracy lies above chance, one over the number of classes; the interval is the percentiles of 4,000 resamples of
    whole groups, and wide because resampling does not see that the folds' forests share training images. Images that
    cannot be read or have no label, classes of fewer than five groups, and features that are equal in all images are
    left out.

    The forest weights classes evenly, since balanced accuracy does. ``others_called_so`` is the share of the other
    classes' images that it takes for the class: a class is given away as far as its recall exceeds it.

    Raises:
        OptionError: the seed is not a whole number from 0 to 2**32 - 1.

    Example:
        >>> found = lk.audit(records, only=["shortcuts"]).findings["shortcuts"]
        >>> print(found.summary)
        Balanced accuracy of a forest that sees no lesion, cross-validated on 72 images in 72 groups, ...
    """
    checked_seed(seed)
    rows = learnable(records, surveyed)
    if np.any(records.split == "train"):
        rows = rows[records.split[rows] == "train"]
    groups = records.groups()
    rows, classes, small = _enough(rows, records.label, groups)
    left_out = [as_text(records.class_names[label]) for label in small]
    if len(classes) < 2:
        return Findings(
            "shortcuts",
            f"Could not be checked: {FOLDS} folds need two classes of at least {FOLDS} groups of readable images (a "
            f"group is one picture, lesion or patient), and {len(classes)} has as many.",
            figures={"families": {}, "classes_left_out": left_out},
        )
    features = shortcut_features(records[rows], surveyed[rows])
    constant = [name for name, values in features.items() if np.all(values == values[0])]
    families = {family: [name for name in names if name not in constant] for family, names in FAMILIES.items()}
    families = {family: names for family, names in families.items() if names}
    if len(families) > 1:
        families["all"] = [name for names in families.values() for name in names]
    labels, numbers = records.label[rows], _renumbered(groups[rows])
    scored = {}
    for family in track(families, total=len(families), label="shortcuts", unit="forest"):
        values = np.column_stack([features[name] for name in families[family]])
        predicted = _cross_validated(values, labels, numbers, seed)
        scored[family] = _scores(predicted, labels, numbers, classes, records.class_names, seed)
    largest = int(np.argmax(np.bincount(labels)))
    figures = {
        "images": len(rows),
        "groups": int(numbers.max()) + 1,
        "chance": 1 / len(classes),
        "majority": float(np.mean(labels == largest)),
        "majority_class": as_text(records.class_names[largest]),
        "families": scored,
        "constant": constant,
        "classes_left_out": left_out,
    }
    found = [_finding(family, figures) for family, score in scored.items() if score["above_chance"]]
    found.sort(key=lambda one: -one.details["balanced_accuracy"])
    return Findings("shortcuts", _summary(figures), tuple(found), figures)


def _enough(rows: Array, labels: Array, groups: Array) -> tuple[Array, list[int], list[int]]:
    """Returns the rows of classes with a group for each fold, these classes, and the others that have images."""
    counts = {int(label): len(np.unique(groups[rows[labels[rows] == label]])) for label in np.unique(labels[rows])}
    classes = [label for label, number in counts.items() if number >= FOLDS]
    return rows[np.isin(labels[rows], classes)], classes, [label for label in counts if label not in classes]


def _renumbered(groups: Array) -> Array:
    """Returns the group numbers counted from 0 in the order in which they come."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _cross_validated(values: Array, labels: Array, groups: Array, seed: int) -> Array:
    """Returns (n,) the class that a forest gives each image which learned from other groups."""
    found = np.empty_like(labels)
    for known, held in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(values, labels, groups):
        if len(held):
            found[held] = fitted_forest(values[known], labels[known], seed).predict(values[held])
    return found


def _scores(
    predicted: Array, labels: Array, groups: Array, classes: list[int], class_names: tuple[str, ...], seed: int
) -> dict[str, Any]:
    images = np.zeros((int(groups.max()) + 1, len(classes)))
    hits = np.zeros_like(images)
    places = np.searchsorted(classes, labels)
    np.add.at(images, (groups, places), 1)
    np.add.at(hits, (groups, places), predicted == labels)
    random = np.random.default_rng(seed)
    resampled = []
    for _ in range(_RESAMPLES):
        weights = np.bincount(random.integers(0, len(images), len(images)), minlength=len(images))
        drawn = weights @ images
        resampled.append(float(np.mean((weights @ hits)[drawn > 0] / drawn[drawn > 0])))
    low, high = np.percentile(resampled, [(100 - _INTERVAL) / 2, (100 + _INTERVAL) / 2])
    recalls = hits.sum(axis=0) / images.sum(axis=0)
    return {
        "accuracy": float(np.mean(predicted == labels)),
        "balanced_accuracy": float(recalls.mean()),
        "interval": [float(low), float(high)],
        "above_chance": bool(low > 1 / len(classes) + 1e-9),
        "per_class": {
            as_text(class_names[label]): {
                "images": int(images[:, place].sum()),
                "recall": float(recalls[place]),
                "others_called_so": float(np.mean(predicted[labels != label] == label)),
            }
            for place, label in enumerate(classes)
        },
    }


def _finding(family: str, figures: dict[str, Any]) -> Finding:
    score = figures["families"][family]
    given = {name: one["recall"] - one["others_called_so"] for name, one in score["per_class"].items()}
    most = sorted((name for name in given if given[name] > 0), key=lambda name: -given[name])[:3]
    named = ", ".join(
        f"{name} (recall {score['per_class'][name]['recall']:.2f}, "
        f"{score['per_class'][name]['others_called_so']:.2f} of the others called so)"
        for name in most
    )
    what = "All of it together tells" if family == "all" else f"The {family.replace('_', ' ')} alone tells"
    low, high = score["interval"]
    return Finding(
        kind="shortcut",
        message=f"{what} the classes with a balanced accuracy of {score['balanced_accuracy']:.2f} ({_INTERVAL} % "
        f"interval {low:.2f} to {high:.2f}, chance {figures['chance']:.2f}) and an accuracy of {score['accuracy']:.2f} "
        f"(always {figures['majority_class']}: {figures['majority']:.2f}). Given away most: {named}.",
        details={"family": family, "chance": figures["chance"], "majority": figures["majority"], **score},
    )


def _summary(figures: dict[str, Any]) -> str:
    scored = ", ".join(
        f"{family.replace('_', ' ')} {score['balanced_accuracy']:.2f}"
        + (" (above it)" if score["above_chance"] else "")
        for family, score in figures["families"].items()
    )
    told = [
        f"Balanced accuracy of a forest that sees no lesion, cross-validated on {figures['images']} images in "
        f"{figures['groups']} groups, where chance is {figures['chance']:.2f}: {scored}."
        if scored
        else "The images are equal in all that was looked at beside the lesion."
    ]
    told += [f"Equal in all images: {', '.join(figures['constant'])}."] if figures["constant"] else []
    few = figures["classes_left_out"]
    told += [f"Left out, with fewer than {FOLDS} groups: {', '.join(few)}."] if few else []
    return " ".join(told)
