"""Feature extraction against ``model.predict``, batch 32: images a second of both in turn, and how far apart they are.

    python benchmarks/features.py [--backbone resnet50] [--images 128] [--rounds 9]

The limit is a plain matrix product of the same number of multiplications: no network of dense convolutions is faster on
this machine without doing less. Weights are random, normalisation statistics spread as in a trained network.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import lesionkit as lk
from lesionkit.features import BATCH_SIZE
from lesionkit.folding import frozen_function


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50", choices=lk.backbones.names(), metavar="NAME")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()

    model = lk.backbones.get(options.backbone).build((128, 128, 3), weights=None)
    spread_statistics(model)
    images = np.random.default_rng(0).uniform(0, 1, (options.images, 128, 128, 3)).astype(np.float32)
    forward = frozen_function(model)

    def ours() -> np.ndarray:
        return np.concatenate([forward(images[i : i + BATCH_SIZE]) for i in range(0, len(images), BATCH_SIZE)])

    def plain() -> np.ndarray:
        return model.predict(images, batch_size=BATCH_SIZE, verbose=0)

    distance = np.linalg.norm((ours() - plain()).reshape(len(images), -1), axis=1)
    distance /= np.linalg.norm(plain().reshape(len(images), -1), axis=1)
    rounds = [(seconds(plain), seconds(ours), matrix_product_flops()) for _ in range(options.rounds)]
    flops = multiplications(model) * 2
    speeds = [(len(images) / slow, len(images) / fast, limit / flops) for slow, fast, limit in rounds]
    for name, values in zip(("predict", "lesionkit", "limit"), zip(*speeds, strict=True), strict=True):
        print(f"{name:>9}: median {statistics.median(values):6.1f} images/s ({min(values):.1f} to {max(values):.1f})")
    ratios = [slow / fast for slow, fast, _ in rounds]
    print(f"    ratio: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), wanted: 1.3")
    print(f" distance: at most {distance.max():.1e} in relative Euclidean norm an image, wanted: 1e-5")


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


def seconds(work: Callable[[], object]) -> float:
    """Returns how long ``work`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
