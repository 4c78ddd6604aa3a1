"""What test_search_processes.py starts and kills: a small search, each trial of which takes a while.

python searched.py <folder of images> <folder for all that it writes> <strategy> <trials>
"""

import logging
import os
import sys
import time
from pathlib import Path

from conftest import SIZE, build_tiny

import lesionkit as lk
from lesionkit.backbones import Backbone, Stage
from lesionkit.features.store import FeatureStore
from lesionkit.searching import judge

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
logging.getLogger("lesionkit").addFilter(lambda record: sys.stdout.flush() or True)


def main(images, output, strategy, trials):
    output = Path(output)
    (output / os.environ.get("KERASTUNER_TUNER_ID", "alone")).write_text(str(os.getpid()))
    lk.deterministic()
    lk.backbones.register(
        "tiny", Backbone("tiny", build_tiny, lk.Part("symmetric_range"), (Stage("all"),), 8, 248, "made for the tests")
    )
    fit = judge.fit

    def slow(*given, **more):
        time.sleep(0.5)
        run = fit(*given, **more)
        time.sleep(0.5)
        return run

    judge.fit = slow
    base = lk.Recipe(
        backbone=lk.Part("tiny"),
        image_size=SIZE,
        trainer=lk.Part("Frozen", epochs=1, batch_size=24, learning_rate=0.01),
    )
    space = lk.SearchSpace(base=base, hidden=[(), (4,), (8, 4)], pooling=["avg"], optimizer=["adam", "sgd"])
    records = lk.datasets.get("isic_folder")(images)
    sides = records.where(split="train"), records.where(split="test")
    store = FeatureStore(output / "store")
    lk.search(space, *sides, strategy=strategy, max_trials=int(trials), directory=output, store=store)


if __name__ == "__main__":
    main(*sys.argv[1:])
