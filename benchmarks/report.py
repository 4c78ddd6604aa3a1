"""report.html of many images: seconds, the most memory and the size of the file, beside report.json of the same.

    python benchmarks/report.py [--images 10000] [--classes 9] [--pictures 24]

Generated answers of a classifier of which everything is known that can be. report.json needs the same scores, intervals
and curves, so that the difference is what drawing and writing the page takes. Each report starts from an evaluation of
its own, with nothing computed.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from measure import memory, seconds

from lesionkit import reports
from lesionkit.evaluation.evaluation import Evaluation, HeldOut, Picture


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=9)
    parser.add_argument("--pictures", type=int, default=24)
    options = parser.parse_args()
    writers = {name: reports.get(name) for name in ("json", "html")}
    before, took = memory() / 1e9, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, write in writers.items():
            evaluation = answered(options.images, options.classes, options.pictures)
            path = Path(folder) / f"report.{name}"
            took[name] = seconds(lambda write=write, of=evaluation, path=path: write(of, path))
            print(f"report.{name}: {took[name]:.1f} s, {path.stat().st_size / 1e6:.2f} MB")
    print(f"ratio: {took['html'] / took['json']:.2f} (wanted: under 60 s and 5 MB)")
    print(f"memory: {memory() / 1e9:.2f} GB at most, {before:.2f} GB of it before (wanted: 1 GB)")


def answered(images: int, classes: int, pictures: int) -> Evaluation:
    """Returns an evaluation of generated answers that are better than chance."""
    random = np.random.default_rng(0)
    labels = random.integers(classes, size=images)
    values = random.dirichlet(np.ones(classes), images) + 0.5 * random.random((images, 1)) * np.eye(classes)[labels]
    probabilities = values / values.sum(axis=1, keepdims=True)
    return Evaluation(
        tuple(f"class {place}" for place in range(classes)),
        probabilities,
        labels,
        tuple(f"Test/{number}.jpg" for number in range(images)),
        tuple(map(str, range(images))),
        shortcut=random.dirichlet(np.ones(classes), images),
        held_out=HeldOut(labels[: images // 4], probabilities[: images // 4], np.arange(images // 4)),
        pictures=tuple(
            Picture(
                number,
                "mistake",
                random.integers(255, size=(224, 224, 3), dtype=np.uint8),
                random.random((224, 224), dtype=np.float32),
                0.4,
            )
            for number in range(pictures)
        ),
    )


if __name__ == "__main__":
    main()
