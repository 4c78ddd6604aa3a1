"""Draws one generated image of each class: ``python docs/pictures/lesions.py``."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt

from lesionkit.datasets.synthetic_lesions import CLASS_NAMES, generate

STATIC = Path(__file__).resolve().parents[1] / "_static"


def draw(folder: Path) -> None:
    """Writes lesions.webp: the nine classes, three in a row."""
    figure, axes = plt.subplots(3, 3, figsize=(6.6, 7), layout="constrained")
    for label, (axis, name) in enumerate(zip(axes.flat, CLASS_NAMES, strict=True)):
        axis.imshow(generate(label, 0, image_size=(160, 160)))
        axis.set_title(name.removeprefix("synthetic "), fontsize=9)
        axis.set_axis_off()
    figure.savefig(folder / "lesions.webp", dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    draw(STATIC)
