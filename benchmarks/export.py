"""Exports of a saved classifier: their size, speed and difference from Keras on real images.

    python benchmarks/export.py --bundle runs/baseline --data "<folder>/Test" [--rounds 7]

Speed is that of 32 images at once against ``predict_on_batch`` of the Keras model, in alternating rounds; with
``encoded`` of 32 files against lesionkit's decoder (one thread) and ``predict_on_batch``. The exports go to a folder
that is removed; the bundle's card stays as it is.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from measure import seconds

import lesionkit as lk
from lesionkit.data import images
from lesionkit.errors import ExportError
from lesionkit.serving.export import export_classifier
from lesionkit.serving.formats import FORMATS
from lesionkit.serving.inputs import image_files

ASKED = [
    ("keras", {}),
    ("savedmodel", {}),
    ("savedmodel", {"encoded": True}),
    ("onnx", {}),
    ("litert", {}),
    ("litert", {"int8": True}),
]


def main() -> None:
    """Prints a line for each format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    bundle = lk.load(options.bundle)
    files = image_files(options.data)
    batch = [images.read_bytes(name) for name in (files * 32)[:32]]
    pixels = decode(batch, bundle.image_size)
    print(f"{len(files)} images to compare on, {bundle.image_size}, {bundle.model.count_params():,} parameters")
    for name, asked in ASKED:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            path = Path(folder) / "export"
            try:
                made = export_classifier(
                    bundle.model, bundle.class_names, bundle.card, path, name, check=files, **asked
                )
            except ExportError as error:
                print(f"{' '.join([name, *asked]):>18}: {error}", flush=True)
                continue
            took = time.perf_counter() - started
            answer = FORMATS[name].open(path)
            if "encoded" in asked:
                ratios = compare(
                    lambda: bundle.model.predict_on_batch(decode(batch, bundle.image_size)),
                    lambda serve=answer: serve(batch),
                    options.rounds,
                )
            else:
                ratios = compare(
                    lambda: bundle.model.predict_on_batch(pixels), lambda serve=answer: serve(pixels), options.rounds
                )
            print(
                f"{' '.join([name, *asked]):>18}: {made.size / 1e6:.1f} MB, as fast as Keras times "
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), greatest difference "
                f"{made.greatest_difference:.1e} (let pass: {made.bound:g}), same class {made.same_class:.1%}, "
                f"written and compared in {took:.0f} s",
                flush=True,
            )


def decode(batch: list[bytes], size: tuple[int, int]) -> np.ndarray:
    """Returns files as lesionkit decodes them."""
    return np.stack([images.decode(data, size) for data in batch]).astype(np.float32)


def compare(keras: Callable[[], object], served: Callable[[], object], rounds: int) -> list[float]:
    """Returns for each round how many times as fast as Keras the export is; the first round warms up."""
    ratios = [seconds(keras) / seconds(served) for _ in range(rounds + 1)]
    return ratios[1:]


if __name__ == "__main__":
    main()
