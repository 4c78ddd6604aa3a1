"""The command ``search``: a better recipe for the images of a folder, and the run of what won."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionkit import augmenters
from lesionkit.commands.options import (
    add_backbone_options,
    add_image_options,
    backbone_at_hand,
    images_from,
    records_from,
)
from lesionkit.data.records import Records
from lesionkit.data.splits import split
from lesionkit.errors import LesionkitError
from lesionkit.recipe import Recipe, documented_baseline
from lesionkit.searching.launching import run, search_roles
from lesionkit.searching.roles import in_many_processes, is_worker
from lesionkit.searching.space import STRATEGIES, SearchSpace, directions
from lesionkit.text import as_text, with_interval

if TYPE_CHECKING:
    from lesionkit.searching.tuner import RecipeTuner


def search(options: argparse.Namespace) -> str | int:
    """Searches, trains what won, and returns what to print; or starts the workers and returns their exit status."""
    if wants_workers(options):
        return run([sys.executable, "-m", "lesionkit", "search", *options.given], search_roles(options.workers))

    try:
        from lesionkit.searching.search import best_recipe
        from lesionkit.searching.search import search as searched
    except ImportError as error:  # without the extra
        raise LesionkitError(str(error)) from error
    space = space_from(options)
    train, validation = judging_images(space, options)
    tuner = searched(space, train, validation, **search_options_from(options))
    if is_worker():
        return "no trials are left for this worker"
    folder = run_once(best_recipe(tuner), options)
    return told(tuner, folder, options)


def wants_workers(options: argparse.Namespace) -> bool:
    """Returns whether several processes were asked for, and this is none of them."""
    return options.workers > 1 and not in_many_processes()


def space_from(options: argparse.Namespace) -> SearchSpace:
    """Returns what may be chosen, around the documented recipe with the backbone at hand."""
    base = dataclasses.replace(documented_baseline(), backbone=backbone_at_hand(options), seed=options.seed)
    return SearchSpace(
        base=dataclasses.replace(base, trainer=base.trainer.with_options(epochs=options.epochs)),
        unfreeze=() if options.fine_tune is None else (None, options.fine_tune),
        augmenter=() if options.augmenter is None else (None, options.augmenter),
    )


def judging_images(space: SearchSpace, options: argparse.Namespace) -> tuple[Records, Records | None]:
    """Returns the images to train on and those to choose by; all and None where folds judge. None is a test image."""
    train, validation, _ = split(images_from(options), validation=space.base.validation, seed=options.seed)
    if options.folds is None:
        return train, validation
    return Records.concatenate([train, validation]), None


def search_options_from(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the arguments of ``lesionkit.search`` that are neither a space nor images."""
    return {
        "strategy": options.strategy,
        "max_trials": options.trials,
        "objective": options.objective,
        "folds": options.folds,
        "directory": options.output,
        "seed": options.seed,
    }


def run_once(recipe: Recipe, options: argparse.Namespace) -> Path:
    """Returns the folder of a run of the recipe, made now unless it is there: the test set is scored once."""
    from lesionkit.experiments.workflow import run_recipe

    folder = Path(options.output, "best")
    report = folder / "report.json"
    made = json.loads(report.read_text(encoding="utf-8"))["recipe"] if report.exists() else None
    if made is None or Recipe.from_dict(made) != recipe:
        run_recipe(
            recipe,
            records_from(options),
            folder,
            on_unreadable=options.on_unreadable,
            patch=options.patch,
            chosen="a search chose the recipe on them",
            command=options.command,
        )
    return folder


def told(tuner: "RecipeTuner", folder: Path, options: argparse.Namespace) -> str:
    """Returns the first places of the leaderboard, and where everything is."""
    from lesionkit.searching.tuner import in_words

    lines = [f"{options.objective} [95%] of the best trials, of which the first was chosen by this very score:"]
    for place in tuner.leaderboard()[:5]:
        score = with_interval(place.trial.scores[options.objective], place.interval)
        lines.append(f"  {score} {place.verdict}: {in_words(place.trial.values)}")
    return "\n".join(
        [
            *lines,
            f"leaderboard: {as_text(Path(options.output, 'leaderboard.csv'))}",
            f"report: {as_text(folder / 'report.html')}",
        ]
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a search."""
    base = documented_baseline()
    parser.set_defaults(job=search)
    add_image_options(parser, "runs/search")
    add_backbone_options(parser)
    add = parser.add_argument
    add("--trials", type=int, default=20, metavar="N", help="recipes to try (default: %(default)s)")
    add("--strategy", choices=STRATEGIES, default="bayesian", help="(default: %(default)s)")
    add(
        "--objective",
        choices=list(directions()),
        default="val_balanced_accuracy",
        metavar="SCORE",
        help="one of %(choices)s (default: %(default)s)",
    )
    add("--folds", type=int, metavar="N", help="judge by the mean over N grouped folds in place of one validation set")
    add("--epochs", type=int, default=base.trainer.options["epochs"], metavar="N", help="(default: %(default)s)")
    add("--fine-tune", metavar="STAGE", help="try, too, to train the backbone from this stage on")
    add("--augmenter", choices=augmenters.names(), metavar="NAME", help="try, too, one of %(choices)s")
    add("--workers", type=int, default=1, metavar="N", help="processes that try recipes (default: %(default)s)")
    add("--seed", type=int, default=base.seed, metavar="N", help="of every random choice (default: %(default)s)")
    add("--deterministic", action="store_true", help="repeat and resume to the bit; slower")
