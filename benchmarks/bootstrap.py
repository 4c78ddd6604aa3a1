"""Intervals of all scores against scikit-learn in a loop: seconds of both in turn, and the memory.

    python benchmarks/bootstrap.py [--images 10000] [--classes 9] [--groups 7000] [--loop 5] [--rounds 3]

lesionkit's side is ``bootstrap`` (every score of the table) and ``class_scores`` (six figures for each class) on
generated answers. The loop draws the groups again and asks scikit-learn for accuracy, balanced accuracy, loss and the
six with sample weights; it runs for ``--loop`` resamples, and its seconds for all of them are an estimate.

The limit: the number of times that each group was drawn, 8 bytes, has to be looked up for each image, class and
resample: 1.44 GB for 10,000 images, 9 classes and 2,000 resamples. The seconds of that are those of adding up as many
such numbers with NumPy, block by block as they are drawn.
"""

import argparse
import itertools
import statistics

import numpy as np
from measure import memory, seconds
from sklearn import metrics as sk

from lesionkit.metrics.class_scores import class_scores
from lesionkit.metrics.intervals import resampling
from lesionkit.metrics.intervals.resampling import RESAMPLES


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=9)
    parser.add_argument("--groups", type=int, default=7000)
    parser.add_argument("--loop", type=int, default=5, help="resamples of the loop")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(options.classes), options.images)
    guesses = random.integers(options.classes, size=options.images)
    labels = np.where(random.random(options.images) < 0.6, probabilities.argmax(axis=1), guesses)
    groups = np.unique(random.integers(options.groups, size=options.images), return_inverse=True)[1]
    names = [f"class {place}" for place in range(options.classes)]
    before = memory() / 2**30

    def ours() -> None:
        resampling.bootstrap(labels, probabilities, groups=groups)
        class_scores(labels, probabilities, names, groups)

    looked_up = options.images * options.classes * RESAMPLES * 8
    mine, loops, limits = [], [], []
    for number in range(options.rounds):
        mine.append(seconds(ours))
        most = memory() / 2**30
        part = seconds(lambda: by_scikit_learn(labels, probabilities, groups, options.loop))
        loops.append(part * RESAMPLES / options.loop)
        limits.append(seconds(lambda: lookups(options.images, options.classes)))
        print(
            f"round {number + 1}: lesionkit {mine[-1]:.2f} s, scikit-learn {loops[-1]:.0f} s (estimate), limit "
            f"{limits[-1]:.2f} s; {most:.2f} GiB at most, {before:.2f} before",
            flush=True,
        )
    print(f"seconds: {statistics.median(mine):.2f} (wanted: 5), most memory {most:.2f} GiB (wanted: 1 GB)")
    print(f"ratio: {statistics.median(loop / one for loop, one in zip(loops, mine, strict=True)):.0f}")
    over = statistics.median(one / limit for one, limit in zip(mine, limits, strict=True))
    print(f"limit: {looked_up / 1e9:.2f} GB are looked up; lesionkit takes {over:.1f} times as long as adding them up")


def by_scikit_learn(labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray, resamples: int) -> None:
    """Scores ``resamples`` resamples one after another."""
    said = probabilities.argmax(axis=1)
    for times in itertools.chain.from_iterable(resampling.drawn(int(groups.max()) + 1, resamples, 0)):
        weights = times[groups]
        sk.accuracy_score(labels, said, sample_weight=weights)
        sk.balanced_accuracy_score(labels, said, sample_weight=weights)
        sk.log_loss(labels, probabilities, sample_weight=weights)
        sk.precision_recall_fscore_support(labels, said, sample_weight=weights, zero_division=np.nan)
        for place, score in enumerate(probabilities.T):
            here = labels == place
            sk.recall_score(~here, said != place, sample_weight=weights)
            sk.roc_auc_score(here, score, sample_weight=weights)
            sk.average_precision_score(here, score, sample_weight=weights)


def lookups(images: int, classes: int) -> None:
    """Adds up a number for each image, class and resample, as many at once as are drawn at once."""
    for times in resampling.drawn(images, RESAMPLES, 0):
        for _ in range(classes):
            times.sum(axis=1)


if __name__ == "__main__":
    main()
