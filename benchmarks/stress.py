"""The stress panel against ``evaluate`` with the same model on the same images: pictures a second.

    python benchmarks/stress.py [--data "<folder>"] [--backbone resnet50] [--images 118] [--rounds 3]

The panel's pictures are those that the network sees: each image untouched, and with eight artefacts at three strengths.
``evaluate`` runs before and after the panel, since a machine's speed drifts. What keeps the ratio below 1 is drawing;
``--alone`` tells how long that takes without a network. Without ``--data`` the generated images are used. The weights
are random, which does not change the work.
"""

import argparse
import os
import statistics

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from measure import memory, seconds

import lesionkit as lk
from lesionkit.data import images
from lesionkit.evaluation.artefacts import ARTEFACTS, STRENGTHS, add
from lesionkit.evaluation.stress import stress_panel


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with Train/ and Test/ (default: generated images)")
    parser.add_argument("--backbone", default="resnet50", choices=lk.backbones.names(), metavar="NAME")
    parser.add_argument("--images", type=int, default=118)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="also draw all pictures on one thread without a network")
    options = parser.parse_args()
    records = lk.datasets.get("isic_folder")(options.data) if options.data else lk.datasets.get("synthetic_lesions")()
    test = records.where(split="test")[: options.images]
    model = lk.build_classifier(records.class_names, backbone=lk.Part(options.backbone, weights=None))
    seen = len(test) * (1 + len(ARTEFACTS) * len(STRENGTHS))
    lk.evaluate(model, test)  # the first call builds the function
    before = memory() / 2**30
    ratios = []
    for number in range(options.rounds):
        first = seconds(lambda: lk.evaluate(model, test))
        took = seconds(lambda: stress_panel(model, test, limit=len(test)))
        plain = 2 * len(test) / (first + seconds(lambda: lk.evaluate(model, test)))
        ratios.append(seen / took / plain)
        print(
            f"round {number + 1}: evaluate {plain:.1f} images/s; the panel {took:.1f} s for {len(test)} images, "
            f"{seen / took:.1f} pictures/s; ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"ratio: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"most memory: {before:.2f} GiB after evaluate, {memory() / 2**30:.2f} GiB after the panel")
    if options.alone:
        drawing(test)


def drawing(test: lk.Records) -> None:
    """Prints what each artefact costs."""
    pictures = [images.load(source) for source in test.source[:20]]
    for name in ARTEFACTS:
        each = seconds(lambda name=name: [add(one, name, s) for one in pictures for s in STRENGTHS])
        print(f"{name:>12}: {1000 * each / len(pictures) / len(STRENGTHS):.1f} ms a picture")
    print(f"of {np.mean([one.shape[0] for one in pictures]):.0f} x {np.mean([one.shape[1] for one in pictures]):.0f}")


if __name__ == "__main__":
    main()
