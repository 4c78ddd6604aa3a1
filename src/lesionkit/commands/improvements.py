"""The command ``improvements``: what each improvement of the baseline is worth on your images, and how sure that is.

The documented baseline, each improvement alone and all of them together, in grouped cross-validation of the training
images: --seeds times --folds trainings of each, and one more for the shipped test set. The output folder holds the
files of :mod:`lesionkit.experiments.variant_files`, written anew after each variant.
"""

import argparse
import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionkit import backbones
from lesionkit.commands.options import add_backbone_options, add_image_options, backbone_at_hand, images_from
from lesionkit.commands.train import recipe_in
from lesionkit.data.records import Records
from lesionkit.errors import LesionkitError
from lesionkit.recipe import Part, documented_baseline
from lesionkit.text import as_text

if TYPE_CHECKING:
    from lesionkit.experiments.variants import Variant

logger = logging.getLogger(__name__)

#: The backbones whose top is cut where a quarter or so of the work is left, and where.
UNFREEZE = {"resnet50": "conv5", "efficientnet_lite0": "block6"}


def improvements(options: argparse.Namespace) -> str:
    """Compares the variants and returns where the report is."""
    compare(images_from(options), variants(options), options)
    return f"report: {as_text(Path(options.output, 'report.md'))}"


def variants(options: argparse.Namespace) -> "list[Variant]":
    """Returns the baseline and what is compared with it: what its authors asked for, and what we would do."""
    from lesionkit.experiments.variants import Variant

    base = dataclasses.replace(documented_baseline(), backbone=backbone_at_hand(options))
    stage = options.unfreeze or UNFREEZE.get(base.backbone.name)
    if stage is None:
        stages = ", ".join(stage.name for stage in backbones.get(base.backbone.name).stages)
        raise LesionkitError(f"Say from which stage on to fine-tune: --unfreeze, one of {stages}")
    asked = Part("FineTune", unfreeze=stage, epochs=5, learning_rate=1e-5, first={"epochs": 10})
    balance = base.trainer.with_options(class_weight="balanced")
    ours = Part(
        "FineTune",
        unfreeze=stage,
        epochs=12,
        learning_rate=3e-4,
        class_weight="balanced",
        patience=5,
        first={"epochs": 5, "class_weight": "balanced"},
    )
    best = {
        "preprocessor": "native",
        "augmenter": "dermoscopy",
        "trainer": ours,
        "head": base.head.with_options(hidden=(), dropout=0.3),
    }

    def variant(name: str, what: str, views: str | None = None, **change: Any) -> "Variant":
        return Variant(name, what, dataclasses.replace(base, **change), views)

    found = [
        variant("baseline", "the documented recipe: a frozen backbone, 10 epochs"),
        variant(
            "dropout",
            "asked for by its authors: dropout, of 0.5 before each dense layer",
            head=base.head.with_options(dropout=0.5),
        ),
        variant(
            "augmentation",
            "asked for: rotations, flips and shifts, in 5 views of each image",
            augmenter="flip_rotate_shift",
        ),
        variant(
            "fine-tuning",
            f"asked for: from {stage} on, 5 more epochs at a very low learning rate, 1e-5",
            trainer=asked,
        ),
        variant("native preprocessing", "pixels scaled as for the ImageNet weights", preprocessor="native"),
        variant("class weights", "every class weighs as much in the loss", trainer=balance),
        variant(
            "colour constancy",
            "shades of gray before the scaling",
            preprocessor=Part("shades_of_gray", then="unit_range"),
        ),
        variant(
            "180 pixels", "images of 180 x 180 pixels, the size of the nine-class set's files", image_size=(180, 180)
        ),
        variant("symmetries", "test-time augmentation: the mean over the eight symmetries of the square", "symmetries"),
        variant(
            "all together",
            f"native preprocessing, dermoscopy augmentation, class weights, fine-tuning from {stage} on at 3e-4 "
            "with early stopping on balanced accuracy, dropout of 0.3 without a hidden layer, symmetries",
            "symmetries",
            **best,
        ),
    ]
    if options.recipe is not None:
        tuned = recipe_in(options.recipe)
        found.append(Variant("tuned", f"the recipe of {options.recipe}", tuned, optimistic=True))
    if options.only:
        unknown = sorted(set(options.only) - {variant.name for variant in found})
        if unknown:
            names = ", ".join(variant.name for variant in found)
            raise LesionkitError(f"No variant is called {', '.join(unknown)}. There are: {names}")
        found = [one for one in found if one.name in {"baseline", *options.only}]
    return found


def compare(records: Records, chosen: "list[Variant]", options: argparse.Namespace) -> None:
    """Trains, scores and writes; the files are written anew after each variant."""
    from lesionkit.experiments.variant_files import write_improvements
    from lesionkit.experiments.variants import averaged, cross_validate, rows_of

    seeds, folds = (1, 2) if options.quick else (options.seeds, options.folds)
    training = records[records.split != "test"]
    facts = {
        "data": records.name,
        "judged": f"{seeds} x {folds}-fold grouped cross-validation of {len(training)} training images",
        "groups": f"{len(set(training.groups()))} of images that share a picture, copy, lesion or patient",
        "backbone": str(chosen[0].recipe.backbone),
        "patch": as_text(options.patch) if options.patch else "none",
        "command": as_text(options.command),
    }
    finished = []
    for number, variant in enumerate(chosen, 1):
        logger.info("%d of %d: %s", number, len(chosen), variant.name)
        folder = Path(options.output) / "folds"
        finished.append(cross_validate(variant, records, folder, seeds=seeds, k=folds))
        if variant.name == "all together" and seeds > 1:
            what = f"the mean of {seeds} models of {variant.name}, one of each seed"
            mean = dataclasses.replace(variant, name=f"mean of {seeds}", what=what)
            finished.append(averaged(finished[-1], mean))
        rest = [one.name for one in chosen[number:]]
        rows = rows_of(finished, records, comparisons=len(finished) + len(rest) - 1)
        write_improvements(rows, options.output, facts=facts, missing=rest)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a comparison of improvements."""
    parser.set_defaults(job=improvements)
    add_image_options(parser, "runs/improvements")
    add_backbone_options(parser)
    add = parser.add_argument
    add("--seeds", type=int, default=3, metavar="N", help="how often all folds are made anew (default: %(default)s)")
    add("--folds", type=int, default=3, metavar="N", help="parts that the training images are cut into (default: 3)")
    add("--quick", action="store_true", help="a first look: one seed, two folds")
    add("--only", action="append", metavar="VARIANT", help="beside the baseline, only this one; may be given again")
    add("--unfreeze", metavar="STAGE", help="fine-tune from this stage of the backbone on (default: its top)")
    add("--recipe", metavar="JSON", help="a recipe that was tuned elsewhere, as one more variant, marked as optimistic")
    add("--deterministic", action="store_true", help="resume to the bit as if never stopped; slower")
