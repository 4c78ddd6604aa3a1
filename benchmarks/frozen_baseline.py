"""The documented baseline against the same recipe in plain Keras: seconds of both, and whether they agree.

    python benchmarks/frozen_baseline.py --data "<folder with Train/ and Test/>" [--weights FILE] [--epochs 10]

Each side reads the folder with its own loader, trains the same head for as many epochs on a frozen ResNet50, 128 x 128
in 0..1, and scores the test images: Keras by ``image_dataset_from_directory`` and ``fit``, lesionkit by
``run_recipe`` with an empty feature store. Then both are fed the same decoded arrays in the same order from the same
initial weights, for ``--agree-epochs``, and their test probabilities are compared: with ResNet50, and with
EfficientNet-Lite0's ImageNet weights, whose features tell the images apart, under the recipe's head and a linear one.
Without ``--data`` the generated images are used; without ``--weights`` the backbone's weights are random, with which
no accuracy means anything.

The limit: Keras runs the frozen part on every training and validation image in every epoch, lesionkit once. With E
epochs that alone is a factor of nearly E; what else there is comes from the faster frozen part.
"""

import argparse
import dataclasses
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import lesionkit as lk
from lesionkit.data.pipeline import Pixels, batches, one_hot, order
from lesionkit.model.parts import parts

SIZE = (128, 128)
BATCH = 32


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with Train/ and Test/ (default: generated images)")
    parser.add_argument("--weights", help="a file of ResNet50's weights (default: random weights)")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--agree-epochs", type=int, default=3)
    options = parser.parse_args()
    synthetic = lk.datasets.get("synthetic_lesions")
    records = lk.datasets.get("isic_folder")(options.data) if options.data else synthetic()
    folder = Path(records.source[0]).parents[2]
    documented = lk.documented_baseline()
    with tempfile.TemporaryDirectory() as scratch:
        weights = options.weights or random_weights(Path(scratch) / "random.weights.h5")
        recipe = dataclasses.replace(
            documented,
            backbone=lk.Part("resnet50", weights=weights),
            trainer=documented.trainer.with_options(epochs=options.epochs),
        )
        store = lk.FeatureStore(Path(scratch) / "features")
        started = time.perf_counter()
        ours = lk.run_recipe(recipe, records, Path(scratch) / "run", store=store, stress=0)
        ours_s = time.perf_counter() - started
        started = time.perf_counter()
        again = lk.run_recipe(recipe, records, Path(scratch) / "run", store=store, stress=0)
        again_s = time.perf_counter() - started
        print(
            f"lesionkit, first run:  {ours_s:7.1f} s, second run: {again_s:.1f} s ({dict(again.run.features)})",
            flush=True,
        )
        keras_s = plain_keras(folder, recipe)
        print(f"plain Keras:           {keras_s:7.1f} s", flush=True)
        print(f"ratio: {keras_s / ours_s:.1f} (second run: {keras_s / again_s:.1f}), wanted: 10")
        lite = dataclasses.replace(recipe, backbone=lk.Part("efficientnet_lite0", weights="imagenet"))
        for one in (recipe, lite, dataclasses.replace(lite, head=lk.Part("pooled"))):
            agreement(one, records, options.agree_epochs, store)
    print(f"frozen part: {ours.timing['images_per_s']:.1f} images/s, head: {ours.timing['fit_s']:.1f} s")


def plain_keras(folder: Path, recipe: lk.Recipe) -> float:
    """Returns the seconds that the recipe takes as a Keras tutorial writes it."""
    started = time.perf_counter()
    load = keras.utils.image_dataset_from_directory
    common = {"image_size": SIZE, "batch_size": BATCH, "label_mode": "categorical", "verbose": False}
    share = {"validation_split": recipe.validation, "seed": recipe.seed}
    train = load(folder / "Train", subset="training", **share, **common)
    validation = load(folder / "Train", subset="validation", **share, **common)
    test = load(folder / "Test", shuffle=False, **common)
    base = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(*SIZE, 3))
    base.load_weights(recipe.backbone.options["weights"])
    base.trainable = False
    image = keras.Input((*SIZE, 3))
    values = base(keras.layers.Rescaling(1 / 255)(image), training=False)
    values = keras.layers.GlobalAveragePooling2D()(values)
    for units in recipe.head.options["hidden"]:
        values = keras.layers.Dense(units, activation="relu")(values)
    model = keras.Model(image, keras.layers.Dense(len(train.class_names), activation="softmax")(values))
    rate = recipe.trainer.options["learning_rate"]
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, validation_data=validation, epochs=recipe.trainer.options["epochs"], verbose=0)
    model.evaluate(test, verbose=0)
    return time.perf_counter() - started


def agreement(recipe: lk.Recipe, records: lk.Records, epochs: int, store: lk.FeatureStore) -> None:
    """Trains both ways on the same arrays, order and initial weights, and prints how far apart they end."""
    train, validation, test = lk.split(lk.inspect(records), validation=recipe.validation, seed=recipe.seed)
    models = [
        lk.build_classifier(records.class_names, backbone=recipe.backbone, head=recipe.head, seed=recipe.seed)
        for _ in range(2)
    ]
    trainer = lk.trainers.Frozen(epochs=epochs, learning_rate=recipe.trainer.options["learning_rate"])
    trainer.fit(models[0], train, validation, store=store)
    parts(models[1]).backbone.trainable = False
    models[1].compile(
        optimizer=keras.optimizers.Adam(trainer.learning_rate), loss="categorical_crossentropy", metrics=["accuracy"]
    )
    pixels = Pixels(train.source, SIZE)[np.arange(len(train))]
    labels = one_hot(train.label, len(train.class_names))
    for epoch in range(epochs):
        rows = order(len(train), trainer.seed, epoch)
        data = batches(pixels, labels, trainer.batch_size, lambda rows=rows: rows)
        models[1].fit(data, epochs=1, verbose=0, shuffle=False)
    ours, plain = (lk.evaluate(model, test) for model in models)
    apart = np.abs(ours.probabilities - plain.probabilities).max()
    same = np.mean(ours.predicted == plain.predicted)
    print(
        f"{recipe.backbone.name}, {recipe.head}, after {epochs} epochs: "
        f"test probabilities at most {apart:.1e} apart (wanted: 1e-3), "
        f"same class on {same:.1%} of {len(test)} (wanted: 99%), accuracy {ours.accuracy:.4f} and {plain.accuracy:.4f}"
    )


def random_weights(path: Path) -> str:
    """Writes random ResNet50 weights that keep the features' size, and returns their file's name."""
    with_spread = lk.backbones.get("resnet50").build((*SIZE, 3), weights=None)
    with_spread.save_weights(path)
    return str(path)


if __name__ == "__main__":
    main()
