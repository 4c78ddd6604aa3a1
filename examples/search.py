"""A search for a better recipe: which head, learning rate and loss the images of a folder want.

    python examples/search.py                                              generated images, no data needed
    python examples/search.py --data "<folder>" --trials 20 --output runs/search

Each trial trains a recipe and scores it on validation images. If interrupted, rerun the same command to resume. The
output folder holds the leaderboard, and in best/ the run of the best recipe, scored on the test set. `lesionkit search`
has every option: other strategies and objectives, fine-tuning, augmentation, several processes.
"""

import argparse
import dataclasses
import logging
from pathlib import Path

import lesionkit as lk

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", metavar="FOLDER", help="Train/ and Test/ (default: generated images)")
parser.add_argument("--backbone", metavar="NAME", default="efficientnet_lite0", help="(default: %(default)s)")
parser.add_argument("--trials", metavar="N", type=int, default=20, help="(default: %(default)s)")
parser.add_argument("--output", metavar="FOLDER", default="runs/search", help="(default: %(default)s)")


def main(arguments: list[str] | None = None) -> None:
    """Searches, trains the best recipe once more and prints its scores."""
    options, others = parser.parse_known_args(arguments)
    if others:
        parser.error(f"{' '.join(others)}: not an option of this example, see `lesionkit search --help`")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    records = lk.datasets.get("isic_folder" if options.data else "synthetic_lesions")(options.data)
    backbone = lk.Part(options.backbone, weights="imagenet")
    space = lk.SearchSpace(
        base=dataclasses.replace(lk.documented_baseline(), backbone=backbone),
        hidden=((), (128,), (256,)),
        learning_rate=lk.Range(1e-4, 1e-2, log=True),
    )
    copies_known = lk.audit(records, only=["near_duplicates"]).records
    train, validation, _ = lk.split(copies_known, validation=0.2, seed=0)  # the test set is not looked at
    tuner = lk.search(space, train, validation, max_trials=options.trials, directory=options.output)
    chosen = "a search chose the recipe on them"  # on the validation images: the report says so
    print(lk.run_recipe(lk.best_recipe(tuner), records, Path(options.output, "best"), chosen=chosen))


if __name__ == "__main__":
    try:
        main()
    except lk.LesionkitError as error:
        parser.error(str(error))
