"""A search for a better recipe: which head, learning rate and loss the images of a folder want.

    python examples/search.py                                              generated images, no data needed
    python examples/search.py --data "<folder>" --trials 20 --output runs/search

Each trial trains a recipe and scores it on validation images, whole lesions on one side. The output folder holds
leaderboard.csv, leaderboard.json and leaderboard.png, the space that was searched (space.json), the best recipe
(best.json), and in best/ the run of that recipe with its report, scored on the test set once. Stopped or killed, the
same command goes on. With --workers it runs in several processes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

from command_line import add_backbone_options, add_image_options, backbone, images, records_of, run, typed
from launch_workers import main as launch

import lesionkit as lk
from lesionkit.files import as_text


def main(arguments: list[str] | None = None) -> int:
    """Runs the search; returns the exit status."""
    options = parser().parse_args(arguments)
    options.command = typed(__file__, arguments)
    if options.workers > 1 and "KERASTUNER_TUNER_ID" not in os.environ:
        given = sys.argv[1:] if arguments is None else arguments
        command = [sys.executable, __file__, *given]
        return launch(["--engine", "search", "--workers", str(options.workers), "--", *command])
    return run(search, options)


def search(options: argparse.Namespace) -> str:
    """Searches, trains what won, and returns what to print."""
    base = dataclasses.replace(lk.documented_baseline(), backbone=backbone(options), seed=options.seed)
    base = dataclasses.replace(base, trainer=base.trainer.with_options(epochs=options.epochs))
    space = lk.SearchSpace(
        base=base,
        unfreeze=() if options.fine_tune is None else (None, options.fine_tune),
        augmenter=() if options.augmenter is None else (None, options.augmenter),
    )
    train, validation, _ = lk.split(images(options), validation=base.validation, seed=base.seed)
    if options.folds is not None:
        train, validation = lk.Records.concatenate([train, validation]), None
    tuner = lk.search(
        space,
        train,
        validation,
        strategy=options.strategy,
        max_trials=options.trials,
        objective=options.objective,
        folds=options.folds,
        directory=options.output,
        seed=options.seed,
    )
    if "chief" not in os.environ.get("KERASTUNER_TUNER_ID", "chief"):
        return "no trials are left for this worker"
    return told(tuner, trained(lk.best_recipe(tuner), options), options)


def trained(recipe: lk.Recipe, options: argparse.Namespace) -> Path:
    """Returns the folder of a run of the recipe, made now unless it is there: the test set is scored once."""
    folder = Path(options.output, "best")
    report = folder / "report.json"
    made = json.loads(report.read_text(encoding="utf-8"))["recipe"] if report.exists() else None
    if made is None or lk.Recipe.from_dict(made) != recipe:
        lk.run_recipe(
            recipe,
            records_of(options),
            folder,
            on_unreadable=options.on_unreadable,
            patch=options.patch,
            chosen="a search chose the recipe on them",
            command=options.command,
        )
    return folder


def told(tuner: object, folder: Path, options: argparse.Namespace) -> str:
    """Returns the first places of the leaderboard, and where everything is."""
    from lesionkit.recipe_tuner import in_words

    lines = [f"{options.objective} [95%] of the best trials, of which the first was chosen by this very score:"]
    for place in tuner.leaderboard()[:5]:
        low, high = place.interval or (float("nan"), float("nan"))
        values = in_words(place.trial.values)
        lines.append(f"  {place.trial.scores[options.objective]:.3f} [{low:.3f}, {high:.3f}] {place.verdict}: {values}")
    lines += [
        f"leaderboard: {as_text(Path(options.output, 'leaderboard.csv'))}",
        f"report: {as_text(folder / 'report.html')}",
    ]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    base = lk.documented_baseline()
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_image_options(result, "runs/search")
    add_backbone_options(result)
    add = result.add_argument
    add("--trials", type=int, default=20, metavar="N", help="recipes to try (default: %(default)s)")
    add("--strategy", choices=["bayesian", "hyperband", "random"], default="bayesian", help="(default: %(default)s)")
    add(
        "--objective",
        choices=["val_balanced_accuracy", "val_accuracy", "val_loss"],
        default="val_balanced_accuracy",
        metavar="SCORE",
        help="one of %(choices)s (default: %(default)s)",
    )
    add("--folds", type=int, metavar="N", help="judge by the mean over N grouped folds in place of one validation set")
    add("--epochs", type=int, default=base.trainer.options["epochs"], metavar="N", help="(default: %(default)s)")
    add("--fine-tune", metavar="STAGE", help="try, too, to train the backbone from this stage on")
    add("--augmenter", choices=lk.augmenters.names(), metavar="NAME", help="try, too, one of %(choices)s")
    add("--workers", type=int, default=1, metavar="N", help="processes that try recipes (default: %(default)s)")
    add("--seed", type=int, default=base.seed, metavar="N", help="of every random choice (default: %(default)s)")
    add("--deterministic", action="store_true", help="repeat and resume to the bit; slower")
    return result


if __name__ == "__main__":
    sys.exit(main())
