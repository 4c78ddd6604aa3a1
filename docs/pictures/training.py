"""Trains a head on generated images and draws what came of it: ``python docs/pictures/training.py``."""

from pathlib import Path

import numpy as np

import lesionkit as lk
from lesionkit.data import images
from lesionkit.model.overlays import sheet

STATIC = Path(__file__).resolve().parents[1] / "_static"
SIZE = (160, 160)


def draw(folder: Path) -> None:
    """Writes training.png and where_it_looked.webp."""
    records = lk.datasets.get("synthetic_lesions")(train_per_class=20, test_per_class=5, image_size=SIZE)
    train, validation, test = lk.split(records, validation=0.2)
    model = lk.build_classifier(
        records.class_names, image_size=SIZE, preprocessor="native", backbone="efficientnet_lite0"
    )
    run = lk.trainers.Frozen(epochs=8).fit(model, train, validation)
    evaluation = lk.evaluate(model, test, run=run)
    lk.reports.get("plots")(evaluation, folder / "training.png")

    pixels = np.stack([images.load(source, SIZE) for source in test.source[::15]])
    maps = {name: lk.heat_maps(model, pixels, method=name) for name in ("hires_cam", "grad_cam++")}
    sheet(folder / "where_it_looked.webp", pixels, maps)


if __name__ == "__main__":
    draw(STATIC)
