"""The command ``train``: the documented recipe, with what the options change, from images to a report."""

import argparse
import dataclasses
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lesionkit import augmenters, preprocessors
from lesionkit.commands.options import (
    add_backbone_options,
    add_image_options,
    backbone_asked,
    records_from,
    with_backbone,
)
from lesionkit.errors import BundleError, LesionkitError, OptionError
from lesionkit.files import storing
from lesionkit.metrics.aims import AIMS, Aims
from lesionkit.recipe import Part, Recipe, documented_baseline
from lesionkit.text import as_text

#: What a recipe says, and options change.
IN_RECIPE = (
    "backbone", "weights", "preprocessor", "image_size", "epochs", "batch_size", "learning_rate", "dropout", "hidden",
    "augmenter", "fine_tune", "validation", "seed",
)  # fmt: skip


def train(options: argparse.Namespace) -> str:
    """Runs the recipe and returns what to print."""
    strategy = strategy_from(options)  # before anything else of TensorFlow

    from lesionkit.experiments.workflow import run_recipe

    recipe, records, more = recipe_from(options), records_from(options), run_options_from(options, strategy)

    def run(backbone: Part, substitutions: list[str]) -> object:
        used = dataclasses.replace(recipe, backbone=backbone)
        return run_recipe(used, records, options.output, substitutions=substitutions, **more)

    evaluation = with_backbone(run, options) if options.recipe is None else run(recipe.backbone, [])
    return f"{evaluation}\nreport: {as_text(Path(options.output, 'report.html'))}"


def recipe_from(options: argparse.Namespace) -> Recipe:
    """Returns the documented recipe with what the options change, or the one in a file.

    Raises:
        OptionError: a file and a change at once, or the file holds no recipe.
    """
    if options.recipe is not None:
        parser = argparse.ArgumentParser()
        add_options(parser)
        changed = [name for name in IN_RECIPE if getattr(options, name) != parser.get_default(name)]
        if changed:
            named = ", ".join("--" + name.replace("_", "-") for name in changed)
            raise OptionError(f"--recipe says everything about the recipe: leave out {named}, or edit the file.")
        return recipe_in(options.recipe)
    documented = documented_baseline()
    trainer = documented.trainer.with_options(
        epochs=options.epochs, batch_size=options.batch_size, learning_rate=options.learning_rate
    )
    if options.fine_tune is not None:
        first = dict(trainer.options)
        trainer = Part("FineTune", unfreeze=options.fine_tune, epochs=options.epochs, first=first)
    return dataclasses.replace(
        documented,
        preprocessor=Part(options.preprocessor),
        backbone=backbone_asked(options),
        head=documented.head.with_options(hidden=options.hidden, dropout=options.dropout),
        image_size=options.image_size,
        trainer=trainer,
        augmenter=options.augmenter,
        validation=options.validation,
        seed=options.seed,
    )


def recipe_in(path: str) -> Recipe:
    """Returns the recipe in a file.

    Raises:
        OptionError: there is none.
    """
    try:
        return Recipe.from_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BundleError) as error:
        raise OptionError(f"{as_text(path)} cannot be read as a recipe: {error}") from error


def strategy_from(options: argparse.Namespace) -> Any:
    """Returns the ``tf.distribute.Strategy`` that was asked for, or None."""
    if options.distribute is None:
        return None
    import tensorflow as tf

    if options.distribute == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.MultiWorkerMirroredStrategy()


def run_options_from(options: argparse.Namespace, strategy: Any) -> dict[str, Any]:
    """Returns the arguments of ``run_recipe`` that are not of the recipe."""
    from lesionkit.training.distribution import is_chief

    return {
        "strategy": strategy,
        "on_unreadable": options.on_unreadable,
        "patch": options.patch,
        "views": "symmetries" if options.symmetries else None,
        "aims": Aims(sensitivity=options.sensitivity, prevalence=options.prevalence),
        "stress": options.stress,
        "command": options.command,
        "callbacks": callbacks_from(options) if is_chief(strategy) else [],
    }


def callbacks_from(options: argparse.Namespace) -> list[Any]:
    """Returns Keras's callbacks for the logs that were asked for.

    Raises:
        LesionkitError: TensorBoard is not installed.
    """
    import keras

    found: list[Any] = []
    if options.csv_log is not None:
        with storing(Path(options.csv_log)):
            Path(options.csv_log).parent.mkdir(parents=True, exist_ok=True)
            Path(options.csv_log).open("a").close()  # before the work begins
        found.append(keras.callbacks.CSVLogger(options.csv_log, append=True))
    if options.tensorboard is not None and find_spec("tensorboard") is None:
        raise LesionkitError("--tensorboard needs the package tensorboard: pip install tensorboard")
    if options.tensorboard is not None:
        found.append(keras.callbacks.TensorBoard(options.tensorboard))
    return found


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a training; their defaults are read off the documented recipe."""
    documented = documented_baseline()
    head, trainer = documented.head.options, documented.trainer.options
    parser.set_defaults(job=train)
    add_image_options(parser, "runs/baseline")
    add_backbone_options(parser)
    add = parser.add_argument
    add(
        "--preprocessor",
        choices=[name for name in preprocessors.names() if name != "rescale"],
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
        choices=augmenters.names(),
        metavar="NAME",
        help="random changes of the training images: one of %(choices)s (default: none)",
    )
    add(
        "--fine-tune",
        metavar="STAGE",
        help="after the head, train the backbone from this stage on for as many epochs again, at a rate of 1e-5",
    )
    add("--recipe", metavar="JSON", help="a recipe from a file, such as best.json of a search")
    add("--symmetries", action="store_true", help="test-time augmentation: the mean over the symmetries of an image")
    add(
        "--sensitivity",
        type=float,
        default=AIMS.sensitivity,
        metavar="SHARE",
        help="of malignant lesions, that the operating point is to refer (default: %(default)s)",
    )
    add(
        "--prevalence",
        type=float,
        default=AIMS.prevalence,
        metavar="SHARE",
        help="of malignant lesions, that the report tells missed cancers and referrals for (default: %(default)s)",
    )
    add(
        "--stress",
        type=int,
        default=200,
        metavar="N",
        help="test images shown with hair, blur and other artefacts, at most; 0: none (default: %(default)s)",
    )
    add("--validation", type=float, default=documented.validation, metavar="SHARE", help=f"of Train, held out {ours}")
    add("--seed", type=int, default=documented.seed, metavar="N", help=f"of every random choice {ours}")
    add(
        "--distribute",
        choices=["mirrored", "multi_worker"],
        help="share each batch among this machine's GPUs, or the workers of TF_CONFIG: see examples/launch_workers.py",
    )
    add("--csv-log", metavar="FILE", help="add the figures of each epoch to this table")
    add("--tensorboard", metavar="FOLDER", help="write the figures of each epoch for TensorBoard")
    add("--deterministic", action="store_true", help="repeat and resume to the bit; slower")


def pixels(text: str) -> tuple[int, int]:
    """Returns (height, width) from ``128`` or ``96x128``."""
    sides = [int(side) for side in text.lower().split("x")]
    if len(sides) > 2:
        raise ValueError(text)
    return sides[0], sides[-1]


def units(text: str) -> tuple[int, ...]:
    """Returns the units of each hidden layer from ``256``, ``256,128`` or ``none``."""
    return () if text == "none" else tuple(int(number) for number in text.split(","))
