"""Draws the picture of docs/augmenters.md from generated images: ``python docs/pictures/augmenters.py``."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt

from lesionkit.datasets.synthetic_lesions import generate
from lesionkit.model.views import Augmentation, augmenter, mixes
from lesionkit.recipe import Part

STATIC = Path(__file__).resolve().parents[1] / "_static"
PICTURES = 6
PARTS = tuple(
    Part(name, **options)
    for name, options in (
        ("flip_rotate_shift", {}),
        ("dermoscopy", {}),
        ("dermoscopy", {}),
        ("randaugment", {}),
        ("mixup", {"alpha": 1.0}),
        ("cutmix", {}),
    )
)


def draw(folder: Path) -> None:
    """Writes augmenters.png: images in the first row, below them what each augmenter makes of them."""
    images = np.stack([generate(label, 0, image_size=(96, 96), seed=2) for label in range(PICTURES)]).astype(np.float32)
    rows = [("images", images), *((part.name, augmented(part, images, view)) for view, part in enumerate(PARTS))]
    figure, axes = plt.subplots(len(rows), PICTURES, figsize=(PICTURES + 1.4, len(rows)))
    for line, (name, shown) in zip(axes, rows, strict=True):
        for axis, image in zip(line, shown, strict=True):
            axis.imshow(image.round().clip(0, 255).astype(np.uint8))
            axis.set_axis_off()
        line[0].text(-0.1, 0.5, name, transform=line[0].transAxes, ha="right", va="center")
    figure.subplots_adjust(left=0.2, right=1, bottom=0, top=1, wspace=0.03, hspace=0.03)
    figure.savefig(folder / "augmenters.png", dpi=80)
    plt.close(figure)


def augmented(part: Part, images: npt.NDArray[np.float32], view: int) -> npt.NDArray[np.float32]:
    """Returns the images as the augmenter ``part`` makes them."""
    layer = augmenter(part)
    if mixes(layer):
        labels = np.eye(len(images), dtype=np.float32)
        return np.asarray(layer({"images": images, "labels": labels}, training=True)["images"])
    return Augmentation(layer, 0).view(view)(images, [str(place) for place in range(len(images))])


if __name__ == "__main__":
    draw(STATIC)
