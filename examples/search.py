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
import sys

import lesionkit as lk
from lesionkit.commands import launching
from lesionkit.commands.running import described, run, typed
from lesionkit.commands.search import (
    add_options,
    judging_images,
    run_once,
    search_options_from,
    space_from,
    told,
    wants_workers,
)
from lesionkit.searching.roles import is_worker


def main(arguments: list[str] | None = None) -> int:
    """Runs the search; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(given)
    options.command = typed(["python", "examples/search.py"], given)
    if wants_workers(options):
        return launching.run([sys.executable, __file__, *given], launching.search_roles(options.workers))
    return run(search, options)


def search(options: argparse.Namespace) -> str:
    """Searches, trains what won, and returns what to print."""
    space = space_from(options)  # what may be chosen, around the documented recipe
    train, validation = judging_images(space, options)  # no test image
    tuner = lk.search(space, train, validation, **search_options_from(options))
    if is_worker():
        return "no trials are left for this worker"
    folder = run_once(lk.best_recipe(tuner), options)  # scored on the test set, once
    return told(tuner, folder, options)


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = described(__doc__)
    add_options(result)
    return result


if __name__ == "__main__":
    sys.exit(main())
