"""What test_distribution.py starts: a training on two devices of one process, or as one of two workers.

python distributed.py <mirrored | workers> <folder of images> <folder for all that it writes>
python distributed.py workers ... --stop 1 --by SIGKILL    worker 1 gets the signal in that epoch of the second phase

A worker reads TF_CONFIG, which examples/launch_workers.py sets.
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from conftest import COLOURS, DEEP, SIZE

import lesionkit as lk
from lesionkit.trainers import FineTune, Frozen
from lesionkit.training import watch
from lesionkit.training.distribution import is_chief

FIRST = Frozen(epochs=2, batch_size=8, learning_rate=0.02, class_weight="balanced")
TRAINER = FineTune(
    unfreeze="high",
    epochs=3,
    batch_size=8,
    learning_rate=0.05,
    optimizer="sgd",  # unlike Adam, it tells a gradient from its half
    class_weight="balanced",
    layer_decay=0.5,
    first=FIRST,
)

#: Left out of the first class, so that the classes are not alike, and the last batch is smaller.
FEWER = 5


def strategy_of(how):
    if how == "workers":
        return tf.distribute.MultiWorkerMirroredStrategy()
    device = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [device] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def images(folder):
    records = lk.datasets.get("isic_folder")(folder)
    return records.where(split="train")[FEWER:], records.where(split="test")


def head(feature_shape, num_classes, layers=()):
    values = features = keras.Input(feature_shape)
    for layer in (keras.layers.GlobalAveragePooling2D(), *layers):
        values = layer(values)
    decay = keras.regularizers.L2(0.01)
    answers = keras.layers.Dense(num_classes, activation="softmax", dtype="float32", kernel_regularizer=decay)(values)
    return keras.Model(features, answers)


def model(**options):
    return lk.build_classifier(list(COLOURS), **{"image_size": SIZE, "backbone": DEEP, "head": head, **options})


class Stopped(keras.callbacks.Callback):
    """Sends its process a signal at the second step of an epoch of the second phase."""

    def __init__(self, epoch, number):
        super().__init__()
        self.at, self.number, self.epoch = epoch, number, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        second = len(self.model.trainable_variables) > 2
        if second and (self.epoch, batch) == (self.at, 1):
            os.kill(os.getpid(), self.number)


def train(strategy, folder, output, stop, by):
    name = "chief" if is_chief(strategy) else "other"
    write_state = watch.write_state
    watch.write_state = lambda path, state: ((output / f"wrote-{name}").touch(), write_state(path, state))
    fitted, held_out = images(folder)
    found = model()
    run = TRAINER.fit(
        found,
        fitted,
        held_out,
        store=lk.FeatureStore(output / "store"),
        strategy=strategy,
        resume_dir=output / "state",
        callbacks=[Stopped(stop, getattr(signal, by))] if stop is not None and name == "other" else [],
    )
    np.savez(output / f"{name}.npz", *[one.numpy() for one in found.weights])
    (output / f"{name}.json").write_text(json.dumps(run.history))


class Seen(keras.callbacks.Callback):
    """The values of a variable on each replica, after the first step and after the epoch."""

    def __init__(self, strategy, name):
        super().__init__()
        self.strategy, self.name, self.step, self.epoch = strategy, name, None, None

    def values(self):
        variable = next(one for one in self.model.variables if one.name == self.name)
        return [one.numpy().tolist() for one in self.strategy.experimental_local_results(variable.value)]

    def on_train_batch_end(self, batch, logs=None):
        self.step = self.step or self.values()

    def on_epoch_end(self, epoch, logs=None):
        self.epoch = self.values()


def asides(strategy, folder, output):
    """What else two devices show: dropout and batch normalisation in the head, 16-bit floats, a batch of 9."""
    fitted, held_out = images(folder)
    told = {}
    once, store = dataclasses.replace(FIRST, epochs=1), lk.FeatureStore(output / "store")
    for name, layer in (
        ("seed_generator_state", lambda: keras.layers.Dropout(0.5)),
        ("moving_mean", lambda: keras.layers.BatchNormalization()),
    ):
        seen = Seen(strategy, name)
        found = model(head=lambda *shape, layer=layer: head(*shape, layers=[layer()]))
        once.fit(found, fitted, strategy=strategy, store=store, callbacks=[seen])
        told[name] = [seen.step, seen.epoch]
    brief = dataclasses.replace(once, precision="mixed_bfloat16")
    run = brief.fit(model, fitted, held_out, strategy=strategy, store=False)
    told["loss"] = run.history["loss"]
    evaluation = lk.evaluate(run.model, held_out, store=False)
    told["answers"] = list(evaluation.probabilities.shape)
    try:
        dataclasses.replace(once, batch_size=9).fit(model(), fitted, strategy=strategy)
    except lk.LesionkitError as error:
        told["refused"] = str(error)
    (output / "asides.json").write_text(json.dumps(told))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("how")
    parser.add_argument("images")
    parser.add_argument("output", type=Path)
    parser.add_argument("--stop", type=int, metavar="EPOCH")
    parser.add_argument("--by", metavar="SIGNAL")
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True)
    strategy = strategy_of(options.how)
    lk.deterministic()
    try:
        train(strategy, options.images, options.output, options.stop, options.by)
        if options.how == "mirrored":
            asides(strategy, options.images, options.output)
    except KeyboardInterrupt as stopped:
        sys.stderr.write(f"{stopped}\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
