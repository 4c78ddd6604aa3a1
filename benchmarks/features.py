"""Feature extraction against ``model.predict``, batch 32: images a second of both in turn, and how far apart they are.

    python benchmarks/features.py [--backbone resnet50] [--images 128] [--rounds 7] [--processes 5]

``predict`` keeps to one of two speeds for most of a process, so several fresh processes are asked and all their rounds
counted. The limit is a plain matrix product of as many multiplications, as TensorFlow computes it. Weights are random,
normalisation statistics spread as in a trained network.
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import statistics
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from measure import seconds

import lesionkit as lk
from lesionkit.features.folding import frozen_function
from lesionkit.features.store import BATCH_SIZE


class Measured(NamedTuple):
    """What one process measured: (predict, lesionkit, limit) in images a second for each round, and the distance."""

    speeds: list[tuple[float, float, float]]
    distance: float


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50", choices=lk.backbones.names(), metavar="NAME")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--processes", type=int, default=5)
    options = parser.parse_args()
    fresh = concurrent.futures.ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1
    )
    with fresh:
        asked = [
            fresh.submit(measure, options.backbone, options.images, options.rounds) for _ in range(options.processes)
        ]
        for number, one in enumerate(asked, 1):
            ratios = [ours / plain for plain, ours, _ in one.result().speeds]
            print(f"process {number}: ratio {spread(ratios, 2)}", flush=True)
    every = [one.result() for one in asked]
    speeds = [row for one in every for row in one.speeds]
    for name, values in zip(("predict", "lesionkit", "limit"), zip(*speeds, strict=True), strict=True):
        print(f"{name:>9}: {spread(values, 1)} images/s")
    print(f"    ratio: {spread([ours / plain for plain, ours, _ in speeds], 2)}, wanted: 1.3")
    apart = max(one.distance for one in every)
    print(f" distance: at most {apart:.1e} in relative Euclidean norm an image, wanted: 1e-5")


def spread(values: list[float], digits: int) -> str:
    """Returns the median and the range in words."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"median {middle:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


def measure(backbone: str, count: int, rounds: int) -> Measured:
    """Returns what this process measures on ``count`` images in each of ``rounds`` rounds."""
    model = lk.backbones.get(backbone).build((128, 128, 3), weights=None)
    spread_statistics(model)
    images = np.random.default_rng(0).uniform(0, 1, (count, 128, 128, 3)).astype(np.float32)
    forward = frozen_function(model)

    def ours() -> np.ndarray:
        return np.concatenate([forward(images[i : i + BATCH_SIZE]) for i in range(0, count, BATCH_SIZE)])

    def plain() -> np.ndarray:
        return model.predict(images, batch_size=BATCH_SIZE, verbose=0)

    expected = plain().reshape(count, -1)
    distance = np.linalg.norm(ours().reshape(count, -1) - expected, axis=1) / np.linalg.norm(expected, axis=1)
    flops = 2 * multiplications(model)
    speeds = [(count / seconds(plain), count / seconds(ours), matrix_product_flops() / flops) for _ in range(rounds)]
    return Measured(speeds, float(distance.max()))


def spread_statistics(model: keras.Model) -> None:
    """Gives batch normalisation the statistics of its inputs' order of size, so that folding has something to fold."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            names = [weight.name for weight in layer.weights]
            centre = {"gamma": 1.0, "moving_variance": 1.0, "beta": 0.0, "moving_mean": 0.0}
            layer.set_weights([centre[n] + rng.uniform(-0.3, 0.3, layer.gamma.shape).astype("f") for n in names])


def multiplications(model: keras.Model) -> int:
    """Returns how many multiplications the convolutions of ``model`` need for one image."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    return sum(
        int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:3]))
        for layer in model.layers
        if isinstance(layer, kinds)
    )


def matrix_product_flops(side: int = 2048) -> float:
    """Returns the floating-point operations a second of a (side x side) matrix product."""
    matrix = tf.random.stateless_uniform((side, side), (0, 0))
    product = tf.function(lambda: tf.linalg.matmul(matrix, matrix))
    product()
    return 5 * 2 * side**3 / seconds(lambda: [product() for _ in range(5)][-1].numpy())


if __name__ == "__main__":
    main()
