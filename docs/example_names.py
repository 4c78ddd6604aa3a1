"""The names that the examples of the reference begin with."""

import shutil
from pathlib import Path

import numpy as np

import lesionkit as lk

records = lk.datasets.get("synthetic_lesions")(train_per_class=8, test_per_class=3, image_size=(48, 48))
train, validation, test = lk.split(records, validation=0.25, seed=0)
small = lk.Part("mobilenet_v3_small", weights=None)  # random weights: quick, and no good
model = lk.build_classifier(records.class_names, image_size=(48, 48), backbone=small)
run = lk.trainers.Frozen(epochs=2).fit(model, train, validation)
evaluation = lk.evaluate(model, test, run=run, held_out=validation)

__all__ = [
    "Path",
    "evaluation",
    "lk",
    "model",
    "np",
    "records",
    "run",
    "shutil",
    "small",
    "test",
    "train",
    "validation",
]
