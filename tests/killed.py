"""What test_resuming.py starts and kills: a small cross-validation of both phases, slowed down so that kills hit it.

python killed.py <folder of images> <folder for all that it writes>
"""

import logging
import sys
import time
from pathlib import Path

import keras
import numpy as np
from conftest import DEEP, SIZE

import lesionkit as lk
from lesionkit.experiments.variants import Variant, cross_validate
from lesionkit.features.store import FeatureStore
from lesionkit.trainers import FineTune, Frozen
from lesionkit.training import trainer as fitting

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
logging.getLogger("lesionkit").addFilter(lambda record: sys.stdout.flush() or True)


class Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.05)


def main(images, output):
    lk.deterministic()
    lk.backbones.register("deep", DEEP)
    fit_task = fitting.fit_task
    fitting.fit_task = lambda *given, callbacks=(), **ways: fit_task(*given, callbacks=[*callbacks, Slow()], **ways)
    first = Frozen(epochs=3, batch_size=4, views=2, patience=2, sampling="balanced", label_smoothing=0.1)
    trainer = FineTune(
        unfreeze="high", epochs=3, batch_size=4, learning_rate=1e-3, views=2, patience=2, layer_decay=0.5, first=first
    )
    recipe = lk.Recipe(
        backbone=lk.Part("deep"),
        head=lk.Part("pooled", hidden=[8], dropout=0.3),
        image_size=SIZE,
        trainer=lk.Part("FineTune", **trainer.options()),
        augmenter="flip_rotate_shift",
    )
    records = lk.inspect(lk.datasets.get("isic_folder")(images))
    store = FeatureStore(Path(output) / "store")
    answers = cross_validate(Variant("all", "everything", recipe), records, Path(output), seeds=1, k=2, store=store)
    np.savez(Path(output) / "answers.npz", folds=answers.probabilities, test=answers.test.probabilities)


if __name__ == "__main__":
    main(*sys.argv[1:])
