"""Fine-tuning of the top stage against the same in plain Keras: seconds of both, and whether they agree.

    python benchmarks/fine_tune.py --data "<folder>" [--backbone resnet50 --unfreeze conv5] [--epochs 5]

Both sides start from the same weights with the same images in the same order, and train the stages from --unfreeze on
and the head, batch normalisation in inference mode, without augmentation. Plain Keras runs the whole network forwards
in every step, on images decoded before; lesionkit decodes them, runs what is frozen once, stores it, and then runs
only what learns. The rounds of the two take turns, since a machine's speed drifts; the figures are the ratio over all
rounds, extraction included, and that of an epoch alone. Without ``--data`` the generated images are used. The weights
are random, which does not change the work.

The limit: with the share u of the network's multiplications in what learns, and a step backwards about twice as long as
its forward part, plain Keras needs 1 + 2u for an image and epoch, lesionkit 3u, and 1 once. Over E epochs the factor is
at most E (1 + 2u) / (1 + 3u E).
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import lesionkit as lk
from lesionkit.data.pipeline import Pixels, batches, one_hot, order
from lesionkit.model.parts import cut, parts

SIZE = (128, 128)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with Train/ and Test/ (default: generated images)")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--unfreeze", default="conv5")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=480, help="training images to use")
    options = parser.parse_args()
    records = lk.datasets.get("isic_folder")(options.data) if options.data else lk.datasets.get("synthetic_lesions")()
    train = lk.inspect(records.where(split="train"))
    train = train[np.sort(np.random.default_rng(0).permutation(len(train))[: options.images])]
    pixels = Pixels(train.source, SIZE)[np.arange(len(train))]
    print(f"{options.backbone} from {options.unfreeze}, {len(train)} images, {options.epochs} epochs", flush=True)
    ours, theirs, epochs = [], [], []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            one, seconds, epoch = lesionkit(options, train, Path(scratch))
            ours.append(seconds)
            other, plain_seconds, plain_epoch = plain_keras(options, train, pixels)
            theirs.append(plain_seconds)
            epochs.append((epoch, plain_epoch))
        apart = max(np.abs(a.numpy() - b.numpy()).max() for a, b in zip(one.weights, other.weights, strict=True))
        print(
            f"round {number + 1}: lesionkit {seconds:.1f} s, Keras {plain_seconds:.1f} s; an epoch {epoch:.1f} and "
            f"{plain_epoch:.1f} s; weights at most {apart:.1e} apart",
            flush=True,
        )
    share = learning_share(one, options.unfreeze)
    limit = options.epochs * (1 + 2 * share) / (1 + 3 * share * options.epochs)
    print(f"ratio over all rounds: {sum(theirs) / sum(ours):.2f}, wanted: 2; limit by multiplications: {limit:.2f}")
    ratios = [plain / mine for mine, plain in epochs]
    print(f"ratio of an epoch alone: {statistics.median(ratios):.2f}; limit: {(1 + 2 * share) / (3 * share):.2f}")


def build(options: argparse.Namespace, train: lk.Records) -> keras.Model:
    """Returns the classifier, its weights the same each time."""
    backbone = lk.Part(options.backbone, weights=None)
    return lk.build_classifier(train.class_names, image_size=SIZE, backbone=backbone, seed=0)


def trainer(options: argparse.Namespace) -> lk.trainers.FineTune:
    """Returns the second phase alone."""
    plain = {"schedule": "constant", "warmup_epochs": 0, "learning_rate": 1e-5}
    return lk.trainers.FineTune(unfreeze=options.unfreeze, first=None, epochs=options.epochs, **plain)


class Clock(keras.callbacks.Callback):
    """The seconds of each epoch."""

    def on_train_begin(self, logs: object = None) -> None:  # noqa: ARG002
        """Starts anew."""
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        """Notes the time."""
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        """Adds the epoch."""
        self.seconds.append(time.perf_counter() - self.began)


def lesionkit(options: argparse.Namespace, train: lk.Records, folder: Path) -> tuple[keras.Model, float, float]:
    """Returns the trained model, the seconds of ``fit`` and of an epoch; the store is empty before."""
    model, clock = build(options, train), Clock()
    started = time.perf_counter()
    trainer(options).fit(model, train, store=lk.FeatureStore(folder), callbacks=[clock])
    return model, time.perf_counter() - started, statistics.median(clock.seconds)


def plain_keras(options: argparse.Namespace, train: lk.Records, pixels: np.ndarray) -> tuple[keras.Model, float, float]:
    """Returns the same of the usual way: lower layers not trainable, the whole model called and fitted."""
    model, clock = build(options, train), Clock()
    pre, body, head = parts(model)
    learning = {layer.name for layer in cut(model, options.unfreeze)[1].layers}
    for layer in body.layers:
        layer.trainable = layer.name in learning

    class Whole(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.pre, self.body, self.head = pre, body, head

        def call(self, images, training=None):
            return self.head(self.body(self.pre(images), training=False), training=training)

    whole = Whole()
    labels = one_hot(train.label, len(train.class_names))
    started = time.perf_counter()
    rate = trainer(options).learning_rate
    whole.compile(keras.optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy"])
    state = {"epoch": 0}
    follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: state.update(epoch=epoch))
    data = batches(pixels, labels, 32, lambda: order(len(train), 0, state["epoch"]))
    whole.fit(data, epochs=options.epochs, verbose=0, shuffle=False, callbacks=[follow, clock])
    return model, time.perf_counter() - started, statistics.median(clock.seconds)


def learning_share(model: keras.Model, unfreeze: str) -> float:
    """Returns the share of the backbone's multiplications that lie above the cut, by its convolutions."""
    above = {layer.name for layer in cut(model, unfreeze)[1].layers}
    counts = {True: 0.0, False: 0.0}
    for layer in parts(model).backbone.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            height, width = layer.output.shape[1:3]
            counts[layer.name in above] += float(height * width * np.prod(layer.kernel.shape))
    return counts[True] / sum(counts.values())


if __name__ == "__main__":
    main()
