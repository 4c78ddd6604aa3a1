"""A search of 20 trials over the head against one run of the baseline, both from an empty feature store.

    python benchmarks/search.py --data "<folder>" [--backbone resnet50] [--trials 20] [--plain-epochs 1]

The two take turns in --rounds rounds, since a machine's speed drifts; the figure is the ratio over all rounds. A trial
is ten epochs of a head with its own size, dropout, learning rate, optimizer and loss. The baseline run is
``run_recipe``: with the look for copies, the model that sees no lesion, and the reports. ``--plain-epochs`` adds
KerasTuner's usual way: one trial of so many epochs, in which the whole network runs for each image in every epoch; what
20 trials of 10 epochs would take by that is told as an estimate, too high by the start of a trial that each epoch has.
Without ``--data`` the generated images are used. ResNet50's weights are random, which does not change the work.

The limit: what is extracted once is in both, so no search can be below what one run takes for that.
"""

import argparse
import dataclasses
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from measure import memory

import lesionkit as lk

EPOCHS = 10


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with Train/ and Test/ (default: generated images)")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--plain-epochs", type=int, default=0)
    options = parser.parse_args()
    records = lk.datasets.get("isic_folder")(options.data) if options.data else lk.datasets.get("synthetic_lesions")()
    weights = None if options.backbone == "resnet50" else "imagenet"
    recipe = dataclasses.replace(lk.documented_baseline(), backbone=lk.Part(options.backbone, weights=weights))
    print(f"{options.backbone}, {len(records)} images, {options.trials} trials of {EPOCHS} epochs", flush=True)
    ones, searches = [], []
    for number in range(options.rounds):
        ones.append(one_run(recipe, records))
        seconds, written, before, after = a_search(recipe, records, options.trials)
        searches.append(seconds)
        print(
            f"round {number + 1}: one run {ones[-1]:.1f} s, the search {seconds:.1f} s; {written / 1e6:.1f} MB of "
            f"trials on disk; most memory so far {before:.2f} GB after the second trial, {after:.2f} GB at the last",
            flush=True,
        )
    print(f"the search takes {sum(searches) / sum(ones):.2f} times one run (wanted: at most 2)")
    if options.plain_epochs:
        seconds = plain(recipe, records, options.plain_epochs)
        estimate = seconds * options.trials * EPOCHS / options.plain_epochs
        print(
            f"plain KerasTuner: {seconds:.1f} s for one trial of {options.plain_epochs} epochs; estimate for the "
            f"whole: {estimate:.0f} s, {estimate / (sum(ones) / len(ones)):.0f} times one run"
        )


def one_run(recipe: lk.Recipe, records: lk.Records) -> float:
    """Returns the seconds of a baseline run with an empty store."""
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        lk.run_recipe(recipe, records, Path(scratch, "run"), store=lk.FeatureStore(Path(scratch, "store")), stress=0)
        return time.perf_counter() - started


def a_search(recipe: lk.Recipe, records: lk.Records, trials: int) -> tuple[float, int, float, float]:
    """Returns the seconds of a search with an empty store, bytes on disk, and the most GB of memory early and late."""
    train, validation, _ = lk.split(records, validation=recipe.validation, seed=recipe.seed)
    space = lk.SearchSpace(base=recipe)
    had: list[float] = []

    def watched(hp: object) -> lk.Recipe:
        had.append(memory() / 1e9)
        return space(hp)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "search")
        started = time.perf_counter()
        lk.search(
            watched,
            train,
            validation,
            max_trials=trials,
            directory=folder,
            store=lk.FeatureStore(Path(scratch, "store")),
        )
        seconds = time.perf_counter() - started
        written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return seconds, written, had[len(had) - trials + 2], had[-1]


def plain(recipe: lk.Recipe, records: lk.Records, epochs: int) -> float:
    """Returns the seconds of one trial as KerasTuner runs it."""
    train, validation, _ = lk.split(records, validation=recipe.validation, seed=recipe.seed)

    def build(hp: object) -> keras.Model:
        model = lk.build_classifier(train.class_names, backbone=recipe.backbone, head=recipe.head)
        model.get_layer("backbone").trainable = False
        rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")  # type: ignore[attr-defined]
        model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy"])
        return model

    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        options = {"objective": "val_accuracy", "max_trials": 1, "epochs": epochs, "directory": scratch}
        lk.search(build, train, validation, **options)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
