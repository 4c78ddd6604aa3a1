"""Evaluations for tests, made without a network."""

import numpy as np

from lesionkit.data.records import Skipped
from lesionkit.data.relation import Relation
from lesionkit.data.summary import DataSummary
from lesionkit.evaluation.evaluation import Evaluation, HeldOut, Picture
from lesionkit.metrics.robustness import stress_of
from lesionkit.recipe import documented_baseline
from lesionkit.training.run import TrainingRun

NAMES = ("melanoma", "nevus", "vascular lesion")
HISTORY = {
    "accuracy": (0.4, 0.6, 0.9),
    "balanced_accuracy": (0.4, 0.6, 0.9),
    "loss": (1.5, 1.0, 0.3),
    "val_accuracy": (0.4, 0.5, 0.85),
    "val_balanced_accuracy": (0.4, 0.5, 0.85),
    "val_loss": (1.4, 1.2, 1.1),
}


def answers(labels, classes, skill, seed=0):
    """(n, classes) probabilities that favour the label the more the greater ``skill``."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(labels), classes)) + skill * np.eye(classes)[labels]
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


def summary(counts, names=NAMES, **options):
    return DataSummary("lesions", tuple(names), {s: dict.fromkeys(names, n) for s, n in counts.items()}, "f", **options)


def clean(n):
    """Nothing ties n test images, each a group of its own, to training."""
    return Relation(np.full(n, "clean", dtype=object), np.arange(n), np.zeros(n, dtype=bool), {}, ())


def evaluation(n=120, names=NAMES, *, skill=2.0, seed=0, recipe=None, held_out=90, **options):
    """An evaluation that nothing speaks against: enough images, all clean, a run that does not overfit.

    ``held_out`` is how many images there are to fit thresholds on, or those images.
    """
    labels = np.arange(n) % len(names)
    if isinstance(held_out, int):
        others = np.arange(held_out) % len(names)
        held_out = HeldOut(others, answers(others, len(names), skill, seed + 100), np.arange(held_out))
    run = TrainingRun(
        recipe or documented_baseline(),
        HISTORY,
        summary({"train": 50, "validation": len(held_out) // len(names)}, names),
        {"features_s": 1.0, "fit_s": 2.0, "images_per_s": 10.0},
        {"extracted": 4, "reused": 11},
        phases={"head": 3},
    )
    settings = {
        "run": run,
        "data": summary({"test": n // len(names)}, names),
        "timing": {**run.timing, "total_s": 5.0},
        "relation": clean(n),
        "held_out": held_out,
    } | options
    sources, ids = ([f"{stem}{row}.jpg" for row in range(n)] for stem in ("data/Test/", "ISIC_"))
    return Evaluation(
        tuple(names), answers(labels, len(names), skill, seed), labels, tuple(sources), tuple(ids), **settings
    )


SCRIPT = "<script>alert(1)</script>"
PICTURE = '"><img src=x onerror=1>.jpg'
#: Names that are no markup, no mathematics, no Latin, no UTF-8, and one that is long.
HOSTILE = (SCRIPT, PICTURE, "$\\unknown{$", "日本語の病変", "caf\udce9", "x" * 200, "&amp;", "{{ 7 * 7 }}")
NINE = (
    "actinic keratosis", "basal cell carcinoma", "dermatofibroma", "melanoma", "nevus", "pigmented benign keratosis",
    "seborrheic keratosis", "squamous cell carcinoma", "vascular lesion",
)  # fmt: skip


def drawn(random, n, classes):
    """Labels and probabilities of n images, better than chance."""
    labels = np.arange(n) % classes
    values = random.dirichlet(np.full(classes, 0.5), n) + 0.7 * random.random((n, 1)) * np.eye(classes)[labels]
    return labels, values / values.sum(axis=1, keepdims=True)


def full(names=NINE, *, n=90, held_out=400, pictures=3, side=64, sources=None, **more):
    """An evaluation of ``n`` images with all that can be known; some groups, copies and skipped files among them."""
    random, classes = np.random.default_rng(0), len(names)
    labels, probabilities = drawn(random, n, classes)
    group = np.arange(n) * 4 // 5
    kind = np.where(np.arange(n) % 6 == 0, "copy", np.where(np.arange(n) % 6 == 1, "lesion", "clean")).astype(object)
    counts = {split: dict.fromkeys(names, count) for split, count in (("train", 50), ("validation", 12))}
    run = TrainingRun(
        documented_baseline(),
        {
            "accuracy": (0.4, 0.6, 0.9),
            "loss": (1.5, 1.0, 0.3),
            "val_accuracy": (0.4, 0.5, 0.45),
            "val_loss": (1.4, 1.2, 1.9),
        },
        DataSummary("lesions", tuple(names), counts, "a" * 64, (Skipped(PICTURE, "is empty"),)),
        {"features_s": 1.5, "fit_s": 2.5, "images_per_s": 10.0},
        {"extracted": 4, "reused": 11},
    )
    changes = [(artefact, strength) for artefact in ("hair", "gel_bubbles") for strength in (1, 2, 3)]
    spoilt = [probabilities + 0.1 * place * random.random(probabilities.shape) for place in range(len(changes) + 1)]
    stressed = np.stack([one / one.sum(axis=1, keepdims=True) for one in spoilt])
    right = probabilities.argmax(axis=1) == labels
    ranks = [("mistake", place) for place in np.flatnonzero(~right)[:pictures]]
    ranks += [("least certain hit", place) for place in np.flatnonzero(right)[:pictures]]
    settings = {
        "run": run,
        "data": DataSummary("lesions", tuple(names), {"test": dict.fromkeys(names, n // classes)}, "b" * 64),
        "timing": {**run.timing, "evaluate_s": 0.5, "total_s": 5.0},
        "relation": Relation(kind, group, np.arange(n) % 7 == 0, {}, ("Some test images are copies.",)),
        "shortcut": drawn(random, n, classes)[1],
        "held_out": HeldOut(*drawn(random, held_out, classes), np.arange(held_out)),
        "stress": stress_of(labels, stressed, changes, group, available=2 * n, seed=0),
        "pictures": tuple(
            Picture(int(place), kind, random.integers(255, size=(side, side, 3), dtype=np.uint8), *_map(number, side))
            for number, (kind, place) in enumerate(ranks)
        ),
        "patch": {"file": PICTURE, "sha256": "c" * 64, "remove": 3, "relabel": {"nevus": 1}},
        "command": f"python examples/baseline.py --data '{SCRIPT}'",
        "hashes": {"model.keras": "d" * 64},
    }
    files = sources or [f"Test/{PICTURE}{place}" for place in range(n)]
    return Evaluation(tuple(names), probabilities, labels, tuple(files), tuple(map(str, range(n))), **settings | more)


def _map(number, side):
    """A map and its border's share; every third map is empty."""
    heat = np.outer(*[np.hanning(side)] * 2).astype(np.float32)
    return (heat * 0, None) if number % 3 == 2 else (heat, 0.2 + 0.3 * (number % 3))
